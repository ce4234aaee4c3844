//! Kill -9 between the commits of two sinks of different kinds, and between that of the rejects and that of the first sink.
//! The next run completes what the dead one has begun, and reads no more than that one has: each sink has every row once,
//! and so have the rejects.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::aggregator::{CONNECTORS, Place};
use crate::pair::Sink;
use crate::postgres::Database;
use crate::rows::{of_files, of_sqlite, same, sorted};
use crate::s3::Store;

const RUN: &str = "run -f m --state state";
/// The rows of a file; one more of it is bad.
const ROWS: u64 = 100;

/// A Pipeline with two sinks, in the order in which they commit, and rejects in a third place.
struct World {
    name: String,
    place: Place,
    database: Option<Database>,
    store: Option<Store>,
    first: Sink,
    second: Sink,
    rejects: Sink,
}

/// What stands in a Pipeline as the place of rows.
fn target(sink: Sink, name: &str) -> String {
    match sink {
        Sink::File => format!("connector: out, stream: {name}/"),
        Sink::S3 => format!("connector: store, stream: {name}/"),
        Sink::Postgres => format!("connector: db, stream: public.{name}"),
        Sink::Sqlite => format!("connector: lite, stream: {name}"),
    }
}

/// The good rows of these files.
fn rows(files: &[u64]) -> Vec<String> {
    let of = |file: &u64| (file * ROWS..(file + 1) * ROWS).map(|id| format!("{id}|file {}", id / ROWS));
    sorted(files.iter().flat_map(of).collect())
}

impl World {
    fn new(first: Sink, second: Sink, rejects: Sink) -> Self {
        let all = [first, second, rejects];
        let database = all.contains(&Sink::Postgres).then(Database::new);
        let store = all.contains(&Sink::S3).then(Store::new);
        let mut text = CONNECTORS.to_owned();
        text += &database.as_ref().map(Database::manifest).unwrap_or_default();
        text += &store.as_ref().map(Store::manifest).unwrap_or_default();
        text += &format!(
            "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: typed, namespace: test}}
spec:
  file:
    root: ../in
    format: {{csv: {{schema: {{columns: [{{name: id, type: Int64}}, {{name: note, type: Utf8}}]}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: both, namespace: test}}
spec:
  sources: [{{name: source, connector: typed, stream: \"*.csv\", sync: {{mode: Incremental}}}}]
  sinks:
    - {{name: first, from: source, {}}}
    - {{name: second, from: source, {}}}
  rejects: {{{}}}
",
            target(first, "kept"),
            target(second, "kept"),
            target(rejects, "rejects")
        );
        let place = Place::new();
        place.write("m/pipeline.yaml", &text);
        let name = format!("{first:?}, then {second:?}");
        Self { name, place, database, store, first, second, rejects }
    }

    /// Brings a file.
    fn fill(&self, file: u64) {
        let good = rows(&[file]).join("\n").replace('|', ",");
        self.place.write(&format!("in/{file}.csv"), &format!("id,note\n{good}\nbad-{file},no number\n"));
    }

    /// What readers see.
    fn lines(&self, sink: Sink, name: &str, columns: &str) -> Vec<String> {
        let query = format!("SELECT {columns} FROM {name}");
        match sink {
            Sink::File => of_files(&self.place.file("out").join(name)),
            Sink::S3 => self.store.as_ref().expect("a store").rows(&format!("{name}/")),
            Sink::Postgres => self.database.as_ref().expect("a database").rows(&query),
            Sink::Sqlite => of_sqlite(&self.place.file("out.sqlite"), &query),
        }
    }

    /// Each sink has the rows of these files, and the rejects have their bad ones.
    fn check(&self, when: &str, first: &[u64], second: &[u64], rejected: &[u64]) {
        let name = format!("{}, {when}", self.name);
        same(&format!("{name}: the first sink"), &self.lines(self.first, "kept", "id, note"), &rows(first));
        same(&format!("{name}: the second sink"), &self.lines(self.second, "kept", "id, note"), &rows(second));
        let lines = self.lines(self.rejects, "rejects", "raw");
        let bad = |file: &&u64| lines.iter().filter(|line| line.contains(&format!("bad-{file},"))).count() == 1;
        let found = rejected.iter().filter(bad).count();
        assert_eq!((lines.len(), found), (rejected.len(), rejected.len()), "{name}: {lines:?}");
    }

    fn play(&self) {
        self.fill(0);
        self.place.ok(RUN);
        let mut all = vec![0];
        self.check("undisturbed", &all, &all, &all);
        // The rejects commit before all sinks.
        for (commits, earlier) in [(1, json!(["rejects"])), (2, json!(["first", "rejects"]))] {
            let (new, later) = (2 * commits - 1, 2 * commits);
            self.fill(new);
            let said = self.place.die_at(&format!("committed:{commits}"), RUN);
            let killed = said.signal() == Some(Signal::SIGKILL as i32);
            assert!(killed, "{}, {commits}: {}{}", self.name, said.stdout, said.stderr);
            // What comes now is not the dead run's.
            self.fill(later);
            let before = all.clone();
            all.push(new);
            let first = if commits == 1 { &before } else { &all };
            self.check(&format!("dead after {commits} of three commits"), first, &before, &all);
            let report = self.place.json(RUN);
            assert_eq!(
                (&report["resumed"], &report["committedEarlier"], &report["ledger"]["balanced"]),
                (&true.into(), &earlier, &true.into()),
                "{}: {report}",
                self.name
            );
            self.check("completed", &all, &all, &all);
            all.push(later);
            self.place.ok(RUN);
            self.check("run again", &all, &all, &all);
        }
    }
}

#[test]
fn files_and_then_postgres() {
    World::new(Sink::File, Sink::Postgres, Sink::Sqlite).play();
}

#[test]
fn postgres_and_then_objects() {
    World::new(Sink::Postgres, Sink::S3, Sink::File).play();
}

#[test]
fn sqlite_and_then_files() {
    World::new(Sink::Sqlite, Sink::File, Sink::S3).play();
}

#[test]
fn objects_and_then_sqlite() {
    World::new(Sink::S3, Sink::Sqlite, Sink::Postgres).play();
}
