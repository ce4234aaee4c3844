//! Runs that read only what is new: by a cursor, with ties at the boundary and rows that come late, and by file.

use serde_json::Value;

use crate::aggregator::Place;
use crate::postgres::Database;
use crate::rows::{execute_sqlite, of_files, of_sqlite};

const OUT: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: in, namespace: test}
spec:
  file: {root: in}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: lite, namespace: test}
spec:
  sqlite: {path: in.sqlite}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: test}
spec:
  file: {root: out, format: {ndjson: {}}}
---
";

const RUN: &str = "run -f m --state state";

fn pipeline(place: &Place, source: &str) {
    let text = format!(
        "{OUT}apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
         sources: [{{name: source, {source}}}]\n  \
         sinks: [{{name: sink, from: source, connector: out, stream: rows/}}]\n"
    );
    place.write("m/m.yaml", &text.replace("root: ", "root: ../").replace("path: ", "path: ../"));
}

fn source(report: &Value) -> &Value {
    &report["nodes"][0]
}

/// Three runs over a table, whose rows `change` brings about.
fn by_cursor(place: &Place, change: &dyn Fn(&str)) {
    let rows = || of_files(&place.file("out"));
    change("INSERT INTO events VALUES (1, 'a', '2026-01-01 10:00:00'), (2, 'b', '2026-01-01 10:00:00.5')");
    place.ok(RUN);
    let first = ["1|a|2026-01-01T10:00:00", "2|b|2026-01-01T10:00:00.500"];
    let shown = |rows: Vec<String>| -> Vec<String> {
        // Formats may differ in how many digits of a second they write.
        rows.iter()
            .map(|row| row.trim_end_matches('Z').replace(".500000", ".500").replace(":00.000000", ":00"))
            .collect()
    };
    assert_eq!(shown(rows()), first);

    // Nothing new: the row at the boundary is met again and known.
    let report = place.json(RUN);
    assert_eq!((&source(&report)["read"], &source(&report)["deduplicated"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(shown(rows()), first);

    // Rows with the boundary's cursor, one that came too late to be seen, and one after.
    change(
        "INSERT INTO events VALUES (3, 'tie', '2026-01-01 10:00:00.5'), (4, 'late', '2026-01-01 09:00:00'), \
         (5, 'next', '2026-01-01 11:00:00')",
    );
    let report = place.json(RUN);
    let second = [first[0], first[1], "3|tie|2026-01-01T10:00:00.500", "5|next|2026-01-01T11:00:00"];
    assert_eq!(shown(rows()), second, "a row below the position is not read again; that is what `lag` is for");
    assert_eq!(report["ledger"]["balanced"], true);

    // A full run reads all of it, the late row too, and the next one goes on from there.
    let report = place.json(&format!("{RUN} --mode Full"));
    assert_eq!((&report["mode"], &source(&report)["out"]), (&"Full".into(), &5.into()));
    assert_eq!(rows().len(), 9);
    change("INSERT INTO events VALUES (6, 'last', '2026-01-01 12:00:00')");
    let report = place.json(RUN);
    assert_eq!(source(&report)["out"], 1);
    assert_eq!(rows().len(), 10);
    assert!(shown(rows()).contains(&"6|last|2026-01-01T12:00:00".to_owned()));
}

#[test]
fn by_a_cursor_of_postgres() {
    let (place, database) = (Place::new(), Database::new());
    database.execute("CREATE TABLE events (id bigint PRIMARY KEY, word text, at timestamptz)");
    pipeline(&place, "connector: db, stream: public.events, sync: {mode: Incremental, cursor: at}");
    place.write("m/db.yaml", &database.manifest());
    by_cursor(&place, &|statement| database.execute(&format!("SET TIME ZONE 'UTC'; {statement}")));
}

#[test]
fn by_a_cursor_of_sqlite() {
    let place = Place::new();
    let file = place.file("in.sqlite");
    execute_sqlite(&file, "CREATE TABLE events (id INTEGER PRIMARY KEY, word TEXT, at TIMESTAMP)");
    pipeline(&place, "connector: lite, stream: events, sync: {mode: Incremental, cursor: at}");
    by_cursor(&place, &|statement| execute_sqlite(&file, statement));
}

#[test]
fn rows_younger_than_the_lag_wait() {
    let (place, database) = (Place::new(), Database::new());
    database.execute(
        "CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz); \
         INSERT INTO events VALUES (1, now() - interval '2 hours'), (2, now() - interval '1 minute')",
    );
    pipeline(&place, "connector: db, stream: public.events, sync: {mode: Incremental, cursor: at, lag: 1h}");
    place.write("m/db.yaml", &database.manifest());
    let ids = || -> Vec<String> {
        of_files(&place.file("out")).iter().map(|row| row.split('|').next().unwrap_or_default().to_owned()).collect()
    };
    place.ok(RUN);
    assert_eq!(ids(), ["1"]);
    // A transaction that began earlier commits: within the lag nothing is lost.
    database.execute("INSERT INTO events VALUES (3, now() - interval '90 minutes')");
    place.ok(RUN);
    assert_eq!(ids(), ["1", "3"]);
    database.execute("UPDATE events SET at = at - interval '1 hour' WHERE id = 2");
    place.ok(RUN);
    assert_eq!(ids(), ["1", "2", "3"]);
}

#[test]
fn by_file() {
    let place = Place::new();
    pipeline(&place, "connector: in, stream: \"*.csv\", sync: {mode: Incremental}");
    let rows = || of_files(&place.file("out"));
    place.write("in/a.csv", "id\n1\n2\n");
    let first = place.json(RUN);
    assert_eq!(source(&first)["note"], "1 file");
    let second = place.json(RUN);
    assert_eq!((&source(&second)["note"], source(&second).get("read")), (&"0 files, 1 already read".into(), None));
    assert_eq!(rows(), ["1", "2"]);
    place.write("in/b.csv", "id\n3\n");
    let third = place.json(RUN);
    assert_eq!((&source(&third)["note"], &source(&third)["read"]), (&"1 file, 1 already read".into(), &1.into()));
    assert_eq!(rows(), ["1", "2", "3"]);
    place.ok(&format!("{RUN} --mode Full"));
    assert_eq!(rows(), ["1", "1", "2", "2", "3", "3"]);
    place.write("in/c.csv", "id\n4\n");
    let last = place.json(RUN);
    assert_eq!(source(&last)["note"], "1 file, 2 already read");
    assert_eq!(rows(), ["1", "1", "2", "2", "3", "3", "4"]);
}

#[test]
fn a_dry_run_writes_nothing_and_remembers_nothing() {
    let (place, database) = (Place::new(), Database::new());
    place.write("in/a.csv", "id,word\n1,one\n2,two\n");
    let text = format!(
        "{OUT}{}apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
         sources: [{{name: source, connector: in, stream: \"*.csv\", sync: {{mode: Incremental}}}}]\n  sinks:\n    \
         - {{name: files, from: source, connector: out, stream: rows/}}\n    \
         - {{name: lite, from: source, connector: lite, stream: rows}}\n    \
         - {{name: table, from: source, connector: db, stream: public.rows}}\n",
        format_args!("{}\n---\n", database.manifest())
    );
    place.write("m/m.yaml", &text.replace("root: ", "root: ../").replace("path: ", "path: ../"));
    let report = place.json(&format!("{RUN} --mode DryRun"));
    assert_eq!(
        (&report["mode"], &report["outcome"], &report["attempt"]),
        (&"DryRun".into(), &"Succeeded".into(), &0.into())
    );
    assert_eq!(source(&report)["out"], 2);
    for name in ["out", "in.sqlite", "state"] {
        assert!(!place.file(name).exists(), "the dry run made {name}");
    }
    assert!(database.rows("SELECT relname FROM pg_class WHERE relname ~ 'rows|aggregator'").is_empty());
    let report = place.json(RUN);
    assert_eq!((&report["attempt"], &report["resumed"]), (&1.into(), &false.into()));
    let expected = ["1|one", "2|two"];
    assert_eq!(of_files(&place.file("out")), expected);
    assert_eq!(of_sqlite(&place.file("in.sqlite"), "SELECT * FROM rows"), expected);
    assert_eq!(database.rows("SELECT * FROM rows"), expected);
}

#[test]
fn an_emptied_drop_folder_is_a_run_without_rows() {
    let place = Place::new();
    pipeline(&place, "connector: in, stream: \"*.csv\", sync: {mode: Incremental}");
    let text = std::fs::read_to_string(place.file("m/m.yaml")).expect("the manifest");
    let declared = "file: {root: ../in, format: {csv: {schema: {columns: [{name: id, type: Int64}]}}}}";
    place.write("m/m.yaml", &text.replace("file: {root: ../in}", declared));
    place.write("in/1.csv", "id\n1\n");
    place.ok(RUN);
    place.remove("in/1.csv");
    let report = place.json(RUN);
    // What is zero is left out.
    assert_eq!((source(&report).get("read"), &report["ledger"]["balanced"]), (None, &true.into()), "{report}");
    assert_eq!(of_files(&place.file("out")), ["1"]);
    assert_eq!(source(&report)["note"], "0 files, no file is left of 1 that were read before");
    place.write("in/2.csv", "id\n2\n");
    assert_eq!(source(&place.json(RUN))["read"], 1);
    assert_eq!(of_files(&place.file("out")), ["1", "2"]);

    // A full run would take nothing for everything.
    place.remove("in/2.csv");
    let said = place.say(&format!("{RUN} --mode Full"));
    assert_eq!(said.code(), Some(1), "{}", said.stderr);
    assert!(
        said.stderr.starts_with("error[NotFound]: node `source`: find stream `*.csv`: no file below "),
        "{}",
        said.stderr
    );
}
