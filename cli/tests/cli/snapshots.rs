//! All sources of a run see one state of their database, while others write.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::aggregator::{CONNECTORS, Place};
use crate::postgres::Database;
use crate::rows::of_files;

const RUNS: usize = 5;

/// Runs a Pipeline with two sources again and again, while `write` adds a row to both of their tables at once.
fn both_have_the_same(connector: &str, prefix: &str, mut write: impl FnMut() + Send) {
    let place = Place::new();
    place.write(
        "m/pipeline.yaml",
        &format!(
            "{CONNECTORS}{connector}apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: move, namespace: test}}
spec:
  sources: [{{name: a, connector: db, stream: {prefix}a}}, {{name: b, connector: db, stream: {prefix}b}}]
  sinks:
    - {{name: a_out, from: a, connector: out, stream: a/, write: {{mode: Overwrite}}}}
    - {{name: b_out, from: b, connector: out, stream: b/, write: {{mode: Overwrite}}}}
"
        ),
    );
    let (over, mut sizes, mut writes) = (AtomicBool::new(false), Vec::new(), 0);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                write();
                writes += 1;
            }
        });
        for _ in 0..RUNS {
            place.ok("run -f m --state state");
            let (a, b) = (of_files(&place.file("out/a")), of_files(&place.file("out/b")));
            assert_eq!(a, b, "the two were read in different states");
            sizes.push(a.len());
        }
        over.store(true, Ordering::Relaxed);
        writing.join().expect("the writer");
    });
    assert!(sizes.windows(2).all(|two| two[0] < two[1]), "nobody wrote between the runs: {sizes:?}");
    println!("{writes} writes; {sizes:?} rows in each table");
}

#[test]
fn two_tables_of_postgres_are_read_in_one_state() {
    let database = Database::new();
    database.execute("CREATE TABLE a (n bigserial); CREATE TABLE b (n bigserial)");
    let mut session = database.session();
    both_have_the_same(&database.manifest(), "public.", move || {
        session.execute("BEGIN; INSERT INTO a DEFAULT VALUES; INSERT INTO b DEFAULT VALUES; COMMIT");
    });
}

#[test]
fn two_tables_of_sqlite_are_read_in_one_state() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("shop.db");
    let database = rusqlite::Connection::open(&file).expect("a file");
    database.pragma_update(None, "journal_mode", "WAL").expect("a log");
    database.pragma_update(None, "synchronous", "OFF").expect("no waiting");
    database
        .execute_batch("CREATE TABLE a (n INTEGER PRIMARY KEY); CREATE TABLE b (n INTEGER PRIMARY KEY)")
        .expect("tables");
    let connector = format!(
        "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: db, namespace: test}}\n\
         spec: {{sqlite: {{path: {}}}}}\n---\n",
        file.display()
    );
    both_have_the_same(&connector, "", move || {
        let both = "BEGIN IMMEDIATE; INSERT INTO a DEFAULT VALUES; INSERT INTO b DEFAULT VALUES; COMMIT";
        match database.execute_batch(both) {
            Ok(()) => {}
            // Locked for the moment in which the sources begin.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {}
            Err(error) => panic!("{error}"),
        }
    });
}
