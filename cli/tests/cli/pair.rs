//! One source and one sink, and rows that come in rounds: what tests do with every pair of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aggregator_tests::http::HttpServer;
use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;
use tokio::runtime::Runtime;

use crate::aggregator::{CONNECTORS, PATIENCE, Place};
use crate::delivery::{Mode, Sync};
use crate::postgres::Database;
use crate::rows::{execute_sqlite, of_files, of_sqlite, sorted};
use crate::s3::Store;

/// The arguments of a run.
pub(crate) const RUN: &str = "run -f m --state state --output json";
/// The rows of a round: so many that a run is taken in several splits.
const ROWS: u64 = 2_000;

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

    /// The statement that adds the rows to a table, for PostgreSQL and SQLite.
    fn insert(self, table: &str) -> String {
        let rows: Vec<String> = self.rows().map(|(id, note)| format!("({id}, '{note}')")).collect();
        format!("INSERT INTO {table} VALUES {};", rows.join(", "))
    }

    /// The statements that put them in place of those that are there.
    fn replace(self, table: &str) -> String {
        format!("BEGIN; DELETE FROM {table}; {} COMMIT;", self.insert(table))
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
    /// What a run makes of what is there that finds nothing new.
    fn apply_nothing(self, before: &[String]) -> Vec<String> {
        if self == Self::Overwrite { Vec::new() } else { before.to_vec() }
    }

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

/// What a world is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) source: Source,
    pub(crate) sink: Sink,
    pub(crate) mode: Mode,
    pub(crate) sync: Sync,
    /// Whether the source stands for many streams.
    pub(crate) many: bool,
}

/// The streams of a source that stands for many.
const MANY: [&str; 3] = ["t0", "t1", "t2"];

impl Shape {
    pub(crate) fn name(self) -> String {
        let Self { source, sink, mode, sync, many } = self;
        let streams = if many { "many streams of " } else { "" };
        format!("{streams}{source:?} to {sink:?}, {sync:?}, {mode:?}")
    }

    fn streams(self) -> &'static [&'static str] {
        if self.many { &MANY } else { &["events"] }
    }

    /// The table that a stream is written to.
    fn table(self, stream: &str) -> String {
        if self.many { format!("copy_{stream}") } else { "target".into() }
    }

    /// The folder of a stream that is written to files.
    fn folder(self, stream: &str) -> String {
        if self.many { format!("rows/{stream}/") } else { "rows/".into() }
    }

    /// Whether a source of files is given another one each round.
    fn adds_files(self) -> bool {
        self.sync == Sync::Incremental && matches!(self.source, Source::File | Source::S3)
    }

    /// What stands in a Pipeline as the source.
    fn from(self) -> String {
        let (connector, one, many) = match self.source {
            Source::File => ("in", if self.adds_files() { "events/*.csv" } else { "events.csv" }, "t*/*.csv"),
            Source::S3 => ("drops", if self.adds_files() { "events/*.csv" } else { "events.csv" }, "t*/*.csv"),
            Source::Postgres => ("db", "public.events", "public.t*"),
            Source::Sqlite => ("from-lite", "events", "t*"),
            Source::Http => ("api", "events", "t*"),
        };
        let streams =
            if self.many { format!("streams: {{include: [\"{many}\"]}}") } else { format!("stream: {one:?}") };
        let sync = match self.sync {
            Sync::FullRefresh => "mode: FullRefresh",
            Sync::Incremental if self.adds_files() => "mode: Incremental",
            // The notes of later rounds are greater.
            Sync::Incremental => "mode: Incremental, cursor: note, key: [id]",
        };
        format!("connector: {connector}, {streams}, sync: {{{sync}}}")
    }

    /// What stands there as the sink.
    fn to(self) -> String {
        let connector = match self.sink {
            Sink::File => "out",
            Sink::S3 => "store",
            Sink::Postgres => "db",
            Sink::Sqlite => "lite",
        };
        let stream = if self.many { "${stream.name}" } else { "" };
        let place = match self.sink {
            Sink::File | Sink::S3 => self.folder(stream),
            // A database may be the source, too.
            Sink::Postgres => format!("public.{}", self.table(stream)),
            Sink::Sqlite => self.table(stream),
        };
        format!("connector: {connector}, stream: {place:?}, write: {{{}}}", self.mode.write("id % 7 = 3"))
    }

    /// What a run makes of what is there.
    pub(crate) fn apply(self, before: &[String], round: Round) -> Vec<String> {
        self.mode.apply(before, round)
    }

    /// What one more run makes of it.
    pub(crate) fn again(self, applied: &[String], round: Round) -> Vec<String> {
        match self.sync {
            Sync::FullRefresh => self.mode.apply(applied, round),
            Sync::Incremental => self.mode.apply_nothing(applied),
        }
    }
}

/// A Pipeline from one source to one sink, and both.
pub(crate) struct World {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) place: Place,
    pub(crate) database: Option<Database>,
    pub(crate) store: Option<Store>,
    /// What the HTTP server answers, and the server.
    served: Option<(Arc<Mutex<String>>, HttpServer, Runtime)>,
}

/// A server that gives each stream the same rows, from a note on when it is asked for that.
fn serve() -> (Arc<Mutex<String>>, HttpServer, Runtime) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let text = Arc::new(Mutex::new(String::new()));
    let mut router = Router::new();
    for stream in MANY.iter().chain(&["events"]) {
        let answer = Arc::clone(&text);
        let give = move |RawQuery(query): RawQuery| async move {
            let since = query.and_then(|query| Some(query.strip_prefix("since=")?.replace('+', " ")));
            let since = since.unwrap_or_default().replace("%20", " ").replace("%3A", ":");
            let text = answer.lock().expect("text").clone();
            let (head, rows) = text.split_once('\n').expect("a header");
            let new = rows.lines().filter(|row| row.split_once(',').is_some_and(|(_, note)| *note >= *since));
            new.fold(format!("{head}\n"), |answer, row| answer + row + "\n")
        };
        router = router.route(&format!("/{stream}"), get(give));
    }
    let server = runtime.block_on(HttpServer::start(router)).expect("a server");
    (text, server, runtime)
}

/// A Connector of that server.
fn api(url: &str, streams: &[&str]) -> String {
    let endpoints: Vec<String> = streams
        .iter()
        .map(|stream| {
            format!(
                "{{name: {stream}, path: /{stream}, query: {{since: \"${{cursor:-0}}\"}}, \
                 format: {{csv: {{schema: {{columns: [{{name: id, type: Int64}}, {{name: note, type: Utf8}}]}}}}}}}}"
            )
        })
        .collect();
    format!(
        "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: api, namespace: test}}\nspec:\n  \
         http: {{url: \"{url}\", endpoints: [{}]}}\n---\n",
        endpoints.join(", ")
    )
}

impl World {
    /// One stream that is read whole.
    pub(crate) fn new(source: Source, sink: Sink, mode: Mode) -> Self {
        Self::of(Shape { source, sink, mode, sync: Sync::FullRefresh, many: false })
    }

    pub(crate) fn of(shape: Shape) -> Self {
        let needed = shape.source == Source::Postgres || shape.sink == Sink::Postgres;
        Self::with(shape, needed.then(Database::new))
    }

    /// With that database, where it needs one.
    pub(crate) fn with(shape: Shape, database: Option<Database>) -> Self {
        let Shape { source, sink, .. } = shape;
        let place = Place::new();
        let store = (source == Source::S3 || sink == Sink::S3).then(Store::new);
        let served = (source == Source::Http).then(serve);
        let mut text = CONNECTORS.to_owned();
        text += &database.as_ref().map(Database::manifest).unwrap_or_default();
        text += &store.as_ref().map(Store::manifest).unwrap_or_default();
        text += &served.as_ref().map(|(_, server, _)| api(&server.url(), shape.streams())).unwrap_or_default();
        text += &format!(
            "apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
             sources: [{{name: source, {}}}]\n  sinks: [{{name: sink, from: source, {}}}]\n  \
             execution: {{splitSize: 64Ki}}\n",
            shape.from(),
            shape.to()
        );
        place.write("m/pipeline.yaml", &text);
        let world = Self { name: shape.name(), shape, place, database, store, served };
        for stream in shape.streams() {
            let table = format!("CREATE TABLE {stream} (id bigint, note text)");
            match source {
                Source::Postgres => world.database().execute(&table),
                Source::Sqlite => execute_sqlite(&world.place.file("in.sqlite"), &table),
                Source::File | Source::S3 | Source::Http => {}
            }
        }
        world
    }

    /// The same world once more, with a bucket of its own. Only a world of files and objects can be had twice.
    pub(crate) fn copy(&self) -> Self {
        assert!(self.database.is_none() && self.served.is_none(), "{} has another server", self.name);
        let (place, store) = (self.place.copy(), self.store.as_ref().map(Store::copy));
        let world = Self { name: self.name.clone(), shape: self.shape, place, database: None, store, served: None };
        if let (Some(from), Some(to)) = (&self.store, &world.store) {
            world.edit(&from.manifest(), &to.manifest());
        }
        world
    }

    /// Changes the manifests.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.place.file("m/pipeline.yaml")).expect("manifests");
        assert!(text.contains(from), "{from}: {text}");
        self.place.write("m/pipeline.yaml", &text.replace(from, to));
    }

    pub(crate) fn database(&self) -> &Database {
        self.database.as_ref().expect("a database")
    }

    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().expect("a store")
    }

    /// Brings the rows of a round: in place of those before, or, where only what is new is read, beside them.
    pub(crate) fn fill(&self, round: Round) {
        let incremental = self.shape.sync == Sync::Incremental;
        for stream in self.shape.streams() {
            let file = match (self.shape.adds_files(), self.shape.many) {
                (true, _) => format!("in/{stream}/{:03}.csv", round.0),
                (false, true) => format!("in/{stream}/all.csv"),
                (false, false) => format!("in/{stream}.csv"),
            };
            let statements = if incremental { round.insert(stream) } else { round.replace(stream) };
            match self.shape.source {
                Source::File => self.place.write(&file, &round.csv()),
                Source::S3 => self.store().put(&file, &round.csv()),
                Source::Postgres => self.database().execute(&statements),
                Source::Sqlite => execute_sqlite(&self.place.file("in.sqlite"), &statements),
                Source::Http => *self.served.as_ref().expect("a server").0.lock().expect("text") = round.csv(),
            }
        }
    }

    /// The lines that readers of each stream's target see.
    pub(crate) fn shown(&self) -> Vec<Vec<String>> {
        let history = match self.shape.mode {
            Mode::Scd2 => "|| '|' || CASE WHEN is_current THEN 'current' ELSE 'ended' END",
            _ => "",
        };
        let of = |stream: &&str| {
            let query = format!("SELECT id || '|' || note {history} AS line FROM {}", self.shape.table(stream));
            let folder = self.shape.folder(stream);
            match self.shape.sink {
                Sink::File => of_files(&self.place.file("out").join(folder)),
                Sink::S3 => self.store().rows(&folder),
                Sink::Postgres => self.database().session().lines(&query),
                Sink::Sqlite => of_sqlite(&self.place.file("out.sqlite"), &query),
            }
        };
        self.shape.streams().iter().map(of).collect()
    }

    /// The lines that readers of the only stream's target see.
    pub(crate) fn visible(&self) -> Vec<String> {
        let mut shown = self.shown();
        assert_eq!(shown.len(), 1, "{} has several streams", self.name);
        shown.remove(0)
    }

    /// Waits until the servers have done what a process had asked of them before it died.
    pub(crate) fn settle(&self) {
        let started = Instant::now();
        while self.database.as_ref().is_some_and(|database| !database.is_idle())
            || self.store.as_ref().is_some_and(|store| !store.is_idle())
        {
            assert!(started.elapsed() < PATIENCE, "{}: a server is still at work for a dead process", self.name);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
