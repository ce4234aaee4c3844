//! One source and one sink, and rows that come in rounds: what tests do with every pair of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aggregator_tests::http::HttpServer;
use axum::Router;
use axum::routing::get;
use tokio::runtime::Runtime;

use crate::aggregator::{CONNECTORS, Place};
use crate::delivery::Mode;
use crate::postgres::Database;
use crate::rows::{execute_sqlite, of_files, of_sqlite, sorted};
use crate::s3::Store;

/// The arguments of a run.
pub(crate) const RUN: &str = "run -f m --state state --output json";
/// The rows of a round: so many that a run is taken in several splits.
const ROWS: u64 = 3_000;

/// The rows that a source has in one round: half of their ids were there in the round before.
#[derive(Clone, Copy)]
pub(crate) struct Round(pub(crate) u64);

impl Round {
    fn rows(self) -> impl Iterator<Item = (u64, String)> {
        let first = self.0 * ROWS / 2;
        (first..first + ROWS).map(move |id| (id, format!("round {:03} of rows that a test makes up: {id:07}", self.0)))
    }

    fn csv(self) -> String {
        self.rows().fold("id,note\n".to_owned(), |text, (id, note)| text + &format!("{id},{note}\n"))
    }

    /// Statements that fill a table, for PostgreSQL and SQLite.
    pub(crate) fn statements(self, table: &str) -> String {
        let rows: Vec<String> = self.rows().map(|(id, note)| format!("({id}, '{note}')")).collect();
        format!("BEGIN; DELETE FROM {table}; INSERT INTO {table} VALUES {}; COMMIT;", rows.join(", "))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    File,
    S3,
    Postgres,
    Sqlite,
    Http,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sink {
    File,
    S3,
    Postgres,
    Sqlite,
}

impl Mode {
    /// What a run makes of what is there: lines `id|note`, for SCD2 with how the version stands.
    pub(crate) fn apply(self, before: &[String], round: Round) -> Vec<String> {
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

/// The modes of tables; files have the first two.
pub(crate) const OF_TABLES: [Mode; 5] = [Mode::Append, Mode::Overwrite, Mode::Upsert, Mode::Merge, Mode::Scd2];

/// A Pipeline from one source to one sink, and both.
pub(crate) struct World {
    pub(crate) name: String,
    pub(crate) source: Source,
    pub(crate) sink: Sink,
    pub(crate) mode: Mode,
    pub(crate) place: Place,
    pub(crate) database: Option<Database>,
    pub(crate) store: Option<Store>,
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
    pub(crate) fn new(source: Source, sink: Sink, mode: Mode) -> Self {
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
    pub(crate) fn fill(&self, round: Round) {
        match self.source {
            Source::File => self.place.write("in/events.csv", &round.csv()),
            Source::S3 => self.store.as_ref().expect("a store").put("in/events.csv", &round.csv()),
            Source::Postgres => self.database.as_ref().expect("a database").execute(&round.statements("events")),
            Source::Sqlite => execute_sqlite(&self.place.file("in.sqlite"), &round.statements("events")),
            Source::Http => *self.served.as_ref().expect("a server").0.lock().expect("text") = round.csv(),
        }
    }

    /// The lines that readers of the target see.
    pub(crate) fn visible(&self) -> Vec<String> {
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
}
