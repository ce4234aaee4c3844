//! The limits of `docs/limits.md` from outside: how a run ends that meets one, and what it has taken by then.

use std::fs::File;

use serde_json::Value;

use crate::aggregator::Place;

const PIPELINE: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: in, namespace: test}
spec: {file: {root: ../in, format: FORMAT}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: test}
spec: {file: {root: ../out, format: {csv: {}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: copy, namespace: test}
spec:
  sources: [{name: rows, connector: in, stream: NAME}]
  sinks: [{name: copy, from: rows, connector: out, stream: copy/, write: {mode: Append}}]
";

#[test]
fn a_run_that_meets_a_cell_of_a_gibibyte_ends_within_its_memory() {
    let columns = "schema: {columns: [{name: a, type: Utf8}]}";
    for (name, format, words) in [
        ("a.csv", "csv", "read a.csv:2: the record that begins here is longer than 64 MiB"),
        ("a.ndjson", "ndjson", "read a.ndjson:2: the line is longer than 64 MiB"),
    ] {
        let place = Place::new();
        let format = format!("{{{format}: {{{columns}}}}}");
        place.write("m/m.yaml", &PIPELINE.replace("FORMAT", &format).replace("NAME", name));
        place.write(&format!("in/{name}"), if name == "a.csv" { "a\n" } else { "{\"a\":\"x\"}\n" });
        // A hole takes no room on the disk.
        let file = File::options().write(true).open(place.file(&format!("in/{name}"))).expect("the file");
        file.set_len(1 << 30).expect("a large file");
        let said = place.say("run -f m --state state --report report.json");
        assert_eq!(said.code(), Some(1), "{}", said.stderr);
        assert!(said.stderr.contains(words), "{}", said.stderr);
        let text = std::fs::read_to_string(place.file("report.json")).expect("a report");
        let report: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(report["error"]["reason"], "LimitExceeded", "{report}");
        let peak = report["cost"]["peakMemoryBytes"].as_u64().expect("a peak");
        println!("{name}: {} MiB", peak >> 20);
        assert!(peak < 512 << 20, "{name}: {} MiB", peak >> 20);
        assert!(!place.file("out/copy").exists(), "nothing is visible");
    }
}

#[test]
fn a_table_whose_name_is_a_path_is_written_nowhere_else() {
    let place = Place::new();
    place.write(
        "m/m.yaml",
        "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: db, namespace: test}
spec: {sqlite: {path: ../db.sqlite}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: lake, namespace: test}
spec: {file: {root: ../lake, format: {csv: {}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: replicate, namespace: test}
spec:
  sources: [{name: all, connector: db, streams: {include: [\"*\"]}}]
  sinks: [{name: lake, from: all, connector: lake, stream: \"raw/${stream.name}/\", write: {mode: Append}}]
",
    );
    let database = rusqlite::Connection::open(place.file("db.sqlite")).expect("a database");
    let tables = "CREATE TABLE \"../../evil\" (id INTEGER); INSERT INTO \"../../evil\" VALUES (1);
         CREATE TABLE good (id INTEGER); INSERT INTO good VALUES (2)";
    database.execute_batch(tables).expect("tables");
    let said = place.say("run -f m --state state");
    assert_eq!(said.code(), Some(2), "{}", said.stderr);
    let why = "find stream `raw/\"../../evil\"/`: the path is absolute or has `..` in it: it could leave the root";
    assert!(said.stderr.contains(why), "{}", said.stderr);
    assert!(said.stderr.contains("help: name files below the Connector's root"), "{}", said.stderr);
    let files = walkdir::WalkDir::new(place.path()).into_iter().map(|entry| entry.expect("an entry").into_path());
    let data: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "csv")).collect();
    let [good] = data.as_slice() else { panic!("one table is written: {data:?}") };
    assert!(good.starts_with(place.file("lake/raw/good")), "{}", good.display());
    assert_eq!(std::fs::read_to_string(good).expect("a file"), "id\n2\n");
}
