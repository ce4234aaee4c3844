//! Kill -9 at every named point of a run, for every source and sink: then the same run again. Nothing is lost, nothing
//! doubled, whatever the write mode.
//!
//! Each world goes through one point after the other: new rows come, a run dies at the point, the next one ends. Each point
//! of a run must be hit in every world that passes it, and each of a sink's own in some world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aggregator_tests::http::HttpServer;
use aggregator_worker::points::{OF_A_RUN, OF_SINKS};
use axum::Router;
use axum::routing::get;
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::aggregator::{CONNECTORS, Place, Said};
use crate::delivery::{Guarantee, Mode, Sync, guarantee};
use crate::postgres::Database;
use crate::rows::{execute_sqlite, of_files, of_sqlite, same, sorted};
use crate::s3::Store;

const RUN: &str = "run -f m --state state --output json";
/// The rows of a round: so many that a run is taken in several splits.
const ROWS: u64 = 3_000;

/// The rows that a source has in one round: half of their ids were there in the round before.
#[derive(Clone, Copy)]
struct Round(u64);

impl Round {
    fn rows(self) -> impl Iterator<Item = (u64, String)> {
        let first = self.0 * ROWS / 2;
        (first..first + ROWS).map(move |id| (id, format!("round {:03} of rows that a test makes up: {id:07}", self.0)))
    }

    fn csv(self) -> String {
        self.rows().fold("id,note\n".to_owned(), |text, (id, note)| text + &format!("{id},{note}\n"))
    }

    /// Statements that fill the table `events`, for PostgreSQL and SQLite.
    fn statements(self) -> String {
        let rows: Vec<String> = self.rows().map(|(id, note)| format!("({id}, '{note}')")).collect();
        format!("BEGIN; DELETE FROM events; INSERT INTO events VALUES {}; COMMIT;", rows.join(", "))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    File,
    S3,
    Postgres,
    Sqlite,
    Http,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sink {
    File,
    S3,
    Postgres,
    Sqlite,
}

impl Mode {
    /// What a run makes of what is there: lines `id|note`, for SCD2 with how the version stands.
    fn apply(self, before: &[String], round: Round) -> Vec<String> {
        let new = || round.rows().map(|(id, note)| format!("{id}|{note}"));
        let id = |line: &String| line.split('|').next().and_then(|id| id.parse::<u64>().ok()).expect("an id");
        match self {
            Self::Append => sorted(before.iter().cloned().chain(new()).collect()),
            Self::Overwrite => sorted(new().collect()),
            Self::Upsert | Self::Merge => {
                let lines = before.iter().cloned().chain(new()).map(|line| (id(&line), line));
                let by_id: BTreeMap<u64, String> = lines.collect();
                let stays = |id: &u64| self == Self::Upsert || id % 7 != 3;
                sorted(by_id.into_iter().filter(|(id, _)| stays(id)).map(|(_, line)| line).collect())
            }
            Self::Scd2 => {
                let came: BTreeMap<u64, String> = new().map(|line| (id(&line), format!("{line}|current"))).collect();
                let known: BTreeSet<&String> = before.iter().collect();
                let old = before.iter().map(|line| match came.get(&id(line)) {
                    Some(now) if now != line => line.replace("|current", "|ended"),
                    _ => line.clone(),
                });
                let added = came.values().filter(|line| !known.contains(line)).cloned();
                sorted(old.chain(added).collect())
            }
        }
    }
}

/// A Pipeline from one source to one sink, and both.
struct World {
    name: String,
    source: Source,
    sink: Sink,
    mode: Mode,
    place: Place,
    database: Option<Database>,
    store: Option<Store>,
    /// What the HTTP server answers, and the server.
    served: Option<(Arc<Mutex<String>>, HttpServer, Runtime)>,
}

fn serve() -> (Arc<Mutex<String>>, HttpServer, Runtime) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let text = Arc::new(Mutex::new(String::new()));
    let answer = Arc::clone(&text);
    let router = Router::new().route("/events", get(move || async move { answer.lock().expect("text").clone() }));
    let server = runtime.block_on(HttpServer::start(router)).expect("a server");
    (text, server, runtime)
}

impl World {
    fn new(source: Source, sink: Sink, mode: Mode) -> Self {
        let name = format!("{source:?} to {sink:?}, {mode:?}");
        let place = Place::new();
        let database = (source == Source::Postgres || sink == Sink::Postgres).then(Database::new);
        let store = (source == Source::S3 || sink == Sink::S3).then(Store::new);
        let served = (source == Source::Http).then(serve);
        let mut text = CONNECTORS.to_owned();
        text += &database.as_ref().map(Database::manifest).unwrap_or_default();
        text += &store.as_ref().map(Store::manifest).unwrap_or_default();
        if let Some((_, server, _)) = &served {
            text += &format!(
                "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: api, namespace: test}}\nspec:\n  \
                 http: {{url: \"{}\", endpoints: [{{name: events, path: /events, format: {{csv: {{}}}}}}]}}\n---\n",
                server.url()
            );
        }
        let from = match source {
            Source::File => "connector: in, stream: events.csv",
            Source::S3 => "connector: drops, stream: events.csv",
            Source::Postgres => "connector: db, stream: public.events",
            Source::Sqlite => "connector: from-lite, stream: events",
            Source::Http => "connector: api, stream: events",
        };
        let to = match sink {
            Sink::File => "connector: out, stream: rows/",
            Sink::S3 => "connector: store, stream: rows/",
            Sink::Postgres => "connector: db, stream: public.target",
            Sink::Sqlite => "connector: lite, stream: target",
        };
        text += &format!(
            "apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
             sources: [{{name: source, {from}, sync: {{mode: FullRefresh}}}}]\n  \
             sinks: [{{name: sink, from: source, {to}, write: {{{}}}}}]\n  execution: {{splitSize: 100Ki}}\n",
            mode.write("id % 7 = 3")
        );
        place.write("m/pipeline.yaml", &text);
        let table = "CREATE TABLE events (id bigint, note text)";
        match source {
            Source::Postgres => database.as_ref().expect("a database").execute(table),
            Source::Sqlite => execute_sqlite(&place.file("in.sqlite"), table),
            Source::File | Source::S3 | Source::Http => {}
        }
        Self { name, source, sink, mode, place, database, store, served }
    }

    /// Puts the rows of a round in place of those before.
    fn fill(&self, round: Round) {
        match self.source {
            Source::File => self.place.write("in/events.csv", &round.csv()),
            Source::S3 => self.store.as_ref().expect("a store").put("in/events.csv", &round.csv()),
            Source::Postgres => self.database.as_ref().expect("a database").execute(&round.statements()),
            Source::Sqlite => execute_sqlite(&self.place.file("in.sqlite"), &round.statements()),
            Source::Http => *self.served.as_ref().expect("a server").0.lock().expect("text") = round.csv(),
        }
    }

    /// The lines that readers of the target see.
    fn visible(&self) -> Vec<String> {
        let history = match self.mode {
            Mode::Scd2 => "|| '|' || CASE WHEN is_current THEN 'current' ELSE 'ended' END",
            _ => "",
        };
        let query = format!("SELECT id || '|' || note {history} AS line FROM target");
        match self.sink {
            Sink::File => of_files(&self.place.file("out/rows")),
            Sink::S3 => self.store.as_ref().expect("a store").rows("rows/"),
            Sink::Postgres => self.database.as_ref().expect("a database").session().lines(&query),
            Sink::Sqlite => of_sqlite(&self.place.file("out.sqlite"), &query),
        }
    }

    fn die_at(&self, point: &str) -> Said {
        let words: Vec<&str> = RUN.split_whitespace().collect();
        let mut command = self.place.command(&words);
        Said::from(command.env("AGGREGATOR_DIE_AT", point).output().expect("the binary starts"))
    }

    /// Goes through all points; gives those that were hit.
    fn play(&self) -> BTreeSet<&'static str> {
        let mut hit = BTreeSet::new();
        self.fill(Round(0));
        self.place.ok(RUN);
        let mut before = self.mode.apply(&[], Round(0));
        same(&format!("{}, undisturbed", self.name), &self.visible(), &before);
        let of_sink = OF_SINKS.iter().filter(|_| matches!(self.sink, Sink::File | Sink::S3));
        for (number, point) in (1..).zip(OF_A_RUN.iter().chain(of_sink)) {
            let (name, round) = (format!("{}, at `{point}`", self.name), Round(number));
            self.fill(round);
            let said = self.die_at(point);
            let killed = said.signal() == Some(Signal::SIGKILL as i32);
            assert!(killed || said.code() == Some(0), "{name}: {}{}", said.stdout, said.stderr);
            let applied = self.mode.apply(&before, round);
            let between = self.visible();
            // Files get their names one after the other, once it is decided that they do.
            let halfway = self.sink == Sink::File && matches!(*point, "move" | "delete");
            if between != applied && !halfway {
                same(&format!("{name}, killed"), &between, &before);
            }
            let report = self.place.json(RUN.trim_end_matches(" --output json"));
            assert_eq!(report["ledger"]["balanced"], true, "{name}: {report}");
            let decided = between == applied || report["completedEarlierAttempt"] == Value::Bool(true);
            if killed {
                hit.insert(*point);
                let late = matches!(*point, "committed" | "recorded");
                assert_eq!(decided, late || (decided && OF_SINKS.contains(point)), "{name}: {report}");
            }
            // A run that was decided is over: the next one is of its own.
            let again = self.mode.apply(&applied, round);
            let once = guarantee(Sync::FullRefresh, self.mode) == Guarantee::EffectivelyOnce;
            assert!(!once || again == applied, "the model is not what is promised");
            let expected = if decided { again } else { applied };
            same(&format!("{name}, resumed"), &self.visible(), &expected);
            before = expected;
        }
        let splits = self.source != Source::Http;
        let due = OF_A_RUN.into_iter().filter(|point| *point != "split saved" || splits);
        for point in due {
            assert!(hit.contains(point), "{}: `{point}` was not hit", self.name);
        }
        hit
    }
}

/// Every mode from files, and from every other source one of the modes in turn.
fn all_into(sink: Sink, modes: &[Mode]) -> BTreeSet<&'static str> {
    let others = [Source::S3, Source::Postgres, Source::Sqlite, Source::Http].into_iter().zip(modes.iter().cycle());
    let worlds = modes.iter().map(|mode| (Source::File, mode)).chain(others);
    worlds.flat_map(|(source, mode)| World::new(source, sink, *mode).play()).collect()
}

const OF_TABLES: [Mode; 5] = [Mode::Append, Mode::Overwrite, Mode::Upsert, Mode::Merge, Mode::Scd2];

#[test]
fn every_source_into_files() {
    let hit = all_into(Sink::File, &[Mode::Append, Mode::Overwrite]);
    for point in ["write split", "rename split", "write record", "rename record", "move", "delete"] {
        assert!(hit.contains(point), "`{point}` was not hit: {hit:?}");
    }
}

#[test]
fn every_source_into_objects() {
    let hit = all_into(Sink::S3, &[Mode::Append, Mode::Overwrite]);
    for point in ["fence", "decide", "copy", "show", "delete replaced", "delete staged", "end"] {
        assert!(hit.contains(point), "`{point}` was not hit: {hit:?}");
    }
}

#[test]
fn every_source_into_postgres() {
    all_into(Sink::Postgres, &OF_TABLES);
}

#[test]
fn every_source_into_sqlite() {
    all_into(Sink::Sqlite, &OF_TABLES);
}
