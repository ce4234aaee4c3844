//! What a person sees while a run goes on, on a terminal: a line for each node, and nothing of them in the end.

use crate::aggregator::Place;
use crate::rows::of_files;
use crate::terminal::Terminal;

/// A row that comes at once, and, as the second piece of the run, rows that take more than a second, as fast as they may
/// come.
const MANIFEST: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: made, namespace: test}
spec:
  generator: {streams: [{name: rows, rows: 60000, columns: [{name: id, sequence: {}}]}]}
  limits: {rowsPerSecond: 40000}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: at-once, namespace: test}
spec:
  generator: {streams: [{name: rows, rows: 1, columns: [{name: id, sequence: {}}]}]}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: test}
spec: {file: {root: out, format: {ndjson: {}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: move, namespace: test}
spec:
  sources:
    - {name: quick, connector: at-once, stream: rows}
    - {name: made_up, connector: made, stream: rows}
  transforms: [{name: some, from: [made_up], filter: {where: id % 2 = 0}}]
  sinks:
    - {name: sink, from: some, connector: out, stream: rows/}
    - {name: one, from: quick, connector: out, stream: one/}
";

/// The count of rows in a line of a node, when there is one.
fn rows(screen: &str, node: &str, verb: &str) -> Option<u64> {
    let line = screen.lines().find(|line| line.split_whitespace().nth(1) == Some(node))?;
    let (count, rate) = line.split_once(node)?.1.split_once(verb)?;
    assert!(rate.trim_start().starts_with('(') && rate.contains(" rows/s)"), "{line}");
    count.trim().trim_end_matches(" rows").trim_end_matches(" row").replace(' ', "").parse().ok()
}

#[test]
fn progress_is_drawn_with_counts_that_grow_and_is_gone_in_the_end() {
    let place = Place::new();
    place.write("m.yaml", MANIFEST);
    let terminal = Terminal::run(&place, "run -f m.yaml --state state");
    let said = &terminal.said;
    assert_eq!(said.code(), Some(0), "{}{}", said.stdout, said.stderr);
    assert_eq!(of_files(&place.file("out/rows")).len(), 30_000);
    let screens = terminal.screens();
    for (node, verb) in [("made_up", "out "), ("some", "out "), ("sink", "in ")] {
        let counts: Vec<u64> = screens.iter().filter_map(|screen| rows(screen, node, verb)).collect();
        assert!(counts.is_sorted() && counts.len() > 2, "{node}: {counts:?}");
        assert!(counts.iter().any(|count| (1..30_000).contains(count)), "{node} was drawn once only: {counts:?}");
    }
    // What has ended is marked, stays as it is while the others go on, and goes with them.
    let ended = screens.iter().filter(|screen| screen.lines().any(|line| line.starts_with("✓ quick    1 row out (")));
    assert!(ended.count() > 2, "{screens:#?}");
    let last = screens.last().expect("a screen");
    let steady: Vec<&str> = last.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
    let report = ["in 2 pieces", "NODE", "quick", "made_up", "some", "sink", "one"];
    assert_eq!(steady[..7], report, "the report stands where the progress was:\n{last}");
    assert!(!last.contains("rows/s") && !last.contains(" out (") && !last.contains(" in ("), "{last}");
    assert!(last.contains("test/move succeeded (Incremental, attempt 1): 60 001 rows read, 30 001 written"), "{last}");
}

/// Streams run side by side and after each other: what is drawn of a node is the sum of all of them.
#[test]
fn of_many_streams_the_sums_are_drawn() {
    let place = Place::new();
    let stream = |name: &str| format!("{{name: {name}, rows: 20000, columns: [{{name: id, sequence: {{}}}}]}}");
    let streams: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(stream).to_vec();
    place.write(
        "m.yaml",
        &format!(
            "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: made, namespace: test}}
spec:
  generator: {{streams: [{}]}}
  limits: {{rowsPerSecond: 80000}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: out, namespace: test}}
spec: {{file: {{root: out, format: {{ndjson: {{}}}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: move, namespace: test}}
spec:
  sources: [{{name: all, connector: made, streams: {{include: [\"*\"]}}}}]
  sinks: [{{name: sink, from: all, connector: out, stream: \"${{stream.name}}/\"}}]
",
            streams.join(", ")
        ),
    );
    let terminal = Terminal::run(&place, "run -f m.yaml --state state");
    assert_eq!(terminal.said.code(), Some(0), "{}", terminal.said.stdout);
    let screens = terminal.screens();
    let last = screens.last().expect("a screen");
    assert!(last.contains("6 streams, all of them succeeded"), "{last}");
    for (node, verb) in [("all", "out "), ("sink", "in ")] {
        let counts: Vec<u64> = screens.iter().filter_map(|screen| rows(screen, node, verb)).collect();
        assert!(counts.is_sorted(), "{node}: {counts:?}");
        assert!(counts.last() > Some(&60_000), "{node} stopped before the last streams: {counts:?}");
    }
}

/// A program that reads the report gets nothing drawn, on whatever it runs.
#[test]
fn no_progress_is_drawn_for_programs() {
    let place = Place::new();
    place.write("m.yaml", &MANIFEST.replace("rows: 60000", "rows: 300"));
    let terminal = Terminal::run(&place, "run -f m.yaml --state state --output json");
    assert_eq!(terminal.said.code(), Some(0), "{}", terminal.said.stdout);
    let report: serde_json::Value = serde_json::from_str(&terminal.said.stdout).expect("JSON and nothing else");
    assert_eq!(report["nodes"][3]["written"], 150);
}
