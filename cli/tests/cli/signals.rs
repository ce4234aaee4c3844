//! Asked to stop, a run ends soon, leaves nothing visible, and is continued by the next one; and never do two run at once.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::aggregator::{Place, Running, Said};
use crate::postgres::Database;
use crate::rows::{of_files, of_sqlite, same};

/// How long a run may take to end once it was asked to.
const SOON: Duration = Duration::from_secs(2);

const OUT: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: test}
spec:
  file: {root: out, format: {ndjson: {}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: lite, namespace: test}
spec:
  sqlite: {path: out.sqlite}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: made-up, namespace: test}
spec:
  generator:
    seed: 7
    streams:
      - name: numbers
        rows: 250000
        columns: [{name: id, sequence: {start: 0}}, {name: word, text: {length: 12}}]
---
";

fn pipeline(source: &str, sink: &str) -> String {
    format!(
        "{OUT}apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
         sources: [{{name: source, {source}}}]\n  sinks: [{{name: sink, from: source, {sink}}}]\n"
    )
}

/// Asks a run to stop, which it must do soon, as interrupted.
fn stop(mut running: Running, signal: Signal) -> Said {
    let asked = Instant::now();
    running.signal(signal);
    let said = running.wait();
    let took = asked.elapsed();
    assert_eq!(said.code(), Some(130), "{}", said.stderr);
    assert!(took < SOON, "it took {took:?}");
    assert_eq!(
        said.stderr,
        "error[Interrupted]: the run was interrupted; nothing was committed, the next run continues it\n"
    );
    said
}

/// The next run completes the interrupted one.
fn resume(place: &Place) -> Value {
    let report = place.json("run -f m.yaml --state state");
    assert_eq!(report["resumed"], true);
    assert_eq!(report["attempt"], 2);
    assert_eq!(report["ledger"]["balanced"], true);
    report
}

/// Whether a folder has a file with something in it, at any depth.
fn filled(place: &Place, folder: &str) -> bool {
    let found = walk(&place.file(folder));
    found.iter().any(|size| *size > 0)
}

fn walk(folder: &std::path::Path) -> Vec<u64> {
    let mut sizes = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(data) if data.is_dir() => sizes.extend(walk(&entry.path())),
            Ok(data) => sizes.push(data.len()),
            Err(_) => {}
        }
    }
    sizes
}

fn numbers(rows: &[String]) -> Vec<u64> {
    let mut ids: Vec<u64> =
        rows.iter().map(|row| row.split('|').next().and_then(|id| id.parse().ok()).expect("an id")).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_run_into_files_stops_soon_and_is_resumed() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::new();
        place.write("m.yaml", &pipeline("connector: made-up, stream: numbers", "connector: out, stream: rows/"));
        let mut running = place.start("run -f m.yaml --state state");
        assert!(running.until(|_| filled(&place, "out/.aggregator-staging")), "it ended before rows were staged");
        stop(running, signal);
        assert!(of_files(&place.file("out")).is_empty(), "rows are visible");
        assert_eq!(resume(&place)["nodes"][1]["written"], 250_000);
        assert!(!filled(&place, "out/.aggregator-staging"), "staged rows were left behind");
        assert_eq!(numbers(&of_files(&place.file("out"))), (0..250_000).collect::<Vec<u64>>());
    }
}

#[test]
fn a_run_into_sqlite_stops_soon_and_is_resumed() {
    let place = Place::new();
    place.write("m.yaml", &pipeline("connector: made-up, stream: numbers", "connector: lite, stream: numbers"));
    let mut running = place.start("run -f m.yaml --state state");
    let file = place.file("out.sqlite");
    let fenced = |_| !of_sqlite(&file, "SELECT epoch FROM _aggregator_commits").is_empty();
    assert!(running.until(fenced), "it ended before the fence");
    stop(running, Signal::SIGTERM);
    assert!(of_sqlite(&file, "SELECT * FROM numbers").is_empty(), "rows are visible");
    resume(&place);
    assert_eq!(numbers(&of_sqlite(&file, "SELECT id FROM numbers")), (0..250_000).collect::<Vec<u64>>());
}

#[test]
fn a_run_that_waits_for_a_lock_of_postgres_stops_soon_and_is_resumed() {
    let (place, database) = (Place::new(), Database::new());
    database.execute("CREATE TABLE numbers (id bigint, word text); INSERT INTO numbers VALUES (-1, 'before')");
    let sink = "connector: db, stream: public.numbers, write: {mode: Overwrite}";
    place.write("m.yaml", &pipeline("connector: made-up, stream: numbers", sink));
    place.write("db.yaml", &database.manifest());
    let manifests = format!("{}\n---\n{}", database.manifest(), pipeline("connector: made-up, stream: numbers", sink));
    place.write("m.yaml", &manifests);
    let mut lock = database.session();
    lock.execute("BEGIN");
    lock.execute("LOCK TABLE numbers IN ACCESS SHARE MODE");
    let mut watch = database.session();
    let waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'aggregator' \
                 AND wait_event_type = 'Lock'";
    let mut running = place.start("run -f m.yaml --state state");
    assert!(running.until(|_| !watch.rows(waits).is_empty()), "it did not wait for the lock");
    stop(running, Signal::SIGTERM);
    // The server's end of the dead connection still waits in front of every other reader.
    assert_eq!(lock.rows("SELECT * FROM numbers"), ["-1|before"]);
    lock.execute("COMMIT");
    resume(&place);
    let expected: Vec<String> = crate::rows::sorted((0..250_000).map(|id: u64| id.to_string()).collect());
    same("the table", &watch.lines("SELECT id::text AS line FROM numbers"), &expected);
}

#[test]
fn a_run_whose_source_is_silent_stops_soon_and_another_is_kept_out() {
    let (place, database) = (Place::new(), Database::new());
    // The advisory lock holds the query until the test lets it go.
    let mut gate = database.session();
    gate.execute("SELECT pg_advisory_lock(7)");
    let query = "SELECT n::bigint AS id FROM generate_series(1, 3) n, pg_advisory_lock(7)";
    let source = format!("connector: db, stream: \"{query}\"");
    place.write(
        "m.yaml",
        &format!("{}\n---\n{}", database.manifest(), pipeline(&source, "connector: out, stream: rows/")),
    );
    let mut watch = database.session();
    let waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'";
    let mut running = place.start("run -f m.yaml --state state");
    assert!(running.until(|_| !watch.rows(waits).is_empty()), "it did not wait");

    let second = place.say("run -f m.yaml --state state");
    assert_eq!(second.code(), Some(1));
    assert_eq!(
        second.stderr,
        "error[AlreadyRunning]: another run of Pipeline `test/move` is going on (it holds the lock state/test.move.lock)\n  \
         help: wait until it ends, or stop it\n"
    );
    let reported = place.say("run -f m.yaml --state state --output json");
    let reported: Value = serde_json::from_str(&reported.stdout).expect("a report");
    assert_eq!(reported["error"]["reason"], "AlreadyRunning");

    stop(running, Signal::SIGTERM);
    assert!(of_files(&place.file("out")).is_empty(), "rows are visible");
    gate.execute("SELECT pg_advisory_unlock(7)");
    resume(&place);
    assert_eq!(of_files(&place.file("out")), ["1", "2", "3"]);
}

#[test]
fn a_run_that_takes_longer_than_it_may_ends_and_leaves_nothing_visible() {
    let manifest = |limits: &str, execution: &str| {
        let manifest = pipeline("connector: made-up, stream: numbers", "connector: out, stream: numbers/");
        format!("{}  {execution}\n", manifest.replacen("  generator:", &format!("  {limits}\n  generator:"), 1))
    };
    let place = Place::new();
    place.write("m.yaml", &manifest("limits: {rowsPerSecond: 1000}", "execution: {timeout: 1s}"));
    let said = place.say("run -f m.yaml --state state --report report.json");
    assert_eq!(said.code(), Some(1), "{}", said.stderr);
    assert_eq!(
        said.stderr,
        "error[TimedOut]: the run took longer than `execution.timeout` allows, which is 1s\n  \
         help: the next run continues it; raise `execution.timeout` if it always takes so long\n"
    );
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(place.file("report.json")).expect("a file")).expect("a report");
    assert_eq!(report["outcome"], "Failed");
    assert_eq!(report["error"]["reason"], "TimedOut");
    assert_eq!(report["error"]["retryable"], false);
    let seconds = report["seconds"].as_f64().expect("seconds");
    assert!((1.0..3.0).contains(&seconds), "{seconds}");
    assert!(of_files(&place.file("out")).is_empty(), "rows are visible");

    // In time, all is well.
    place.write("m.yaml", &manifest("limits: {rowsPerSecond: 10000000}", "execution: {timeout: 50s}"));
    assert_eq!(place.json("run -f m.yaml --state state")["ledger"]["balanced"], true);
    assert_eq!(numbers(&of_files(&place.file("out"))), (0..250_000).collect::<Vec<u64>>());
}
