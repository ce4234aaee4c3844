//! Runs whose rows do not fit into their memory: they wait on the local disk, which the report tells, and what comes out is
//! what comes out of a run that had room for all of them.

use serde_json::Value;

use crate::aggregator::{CONNECTORS, Place};
use crate::rows::{ndjson, of_files, same};

/// How many rows there are. In memory, each takes about 150 bytes.
const ROWS: u64 = 150_000;

/// What is done with the made-up rows, and what it needs to wait on the disk.
pub(crate) const BOUNDED: [(&str, &str); 4] = [SORT, GROUPS, LAST_OF_EACH, DIAMOND];

pub(crate) const SORT: (&str, &str) = (
    "sort",
    "    - {name: result, from: [rows], sql: {query: \"SELECT number, id, text FROM rows ORDER BY number, id\"}}\n",
);
const GROUPS: (&str, &str) = (
    "aggregate",
    "    - name: result\n      from: [rows]\n      aggregate:\n        groupBy: [text]\n        \
     measures: [{name: rows, expression: count(*)}, {name: last, expression: max(id)}]\n",
);
const LAST_OF_EACH: (&str, &str) = (
    "deduplicate",
    "    - name: result\n      from: [rows]\n      deduplicate:\n        key: [number]\n        \
     orderBy: [{column: id, direction: Ascending}]\n        keep: Last\n",
);
/// The join takes in all groups before the first row: until then, rows wait.
pub(crate) const DIAMOND: (&str, &str) = (
    "diamond",
    "    - name: groups\n      from: [rows]\n      aggregate:\n        groupBy: [kind]\n        \
     measures: [{name: last, expression: max(id)}]\n    \
     - name: result\n      from: [rows, groups]\n      \
     join: {type: Inner, keys: [{left: kind, right: kind}], select: [rows.id, rows.text, groups.last]}\n",
);

/// A Pipeline over the made-up rows, into files.
pub(crate) fn place(transforms: &str) -> Place {
    let place = Place::new();
    place.write(
        "m/m.yaml",
        &format!(
            "{CONNECTORS}apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: made, namespace: test}}
spec:
  generator:
    seed: 1
    streams:
      - name: rows
        rows: {ROWS}
        columns:
          - {{name: id, sequence: {{}}}}
          - {{name: number, integer: {{min: 0, max: 60000}}}}
          - {{name: kind, choice: {{values: [a, b, c]}}}}
          - {{name: text, text: {{length: 100}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: spill, namespace: test}}
spec:
  sources: [{{name: rows, connector: made, stream: rows}}]
  transforms:
{transforms}  sinks: [{{name: kept, from: result, connector: out, stream: rows/}}]
"
        ),
    );
    place
}

/// Runs with so much memory; gives the report.
fn run(place: &Place, memory: &str) -> Value {
    let report = place.json(&format!("run -f m --state state --memory {memory}"));
    assert_eq!(report["ledger"]["balanced"], true, "{report}");
    report
}

fn spilled(report: &Value) -> u64 {
    report["cost"]["spilledBytes"].as_u64().unwrap_or_else(|| panic!("no spilledBytes: {}", report["cost"]))
}

#[test]
fn what_waits_on_the_disk_comes_out_as_it_went_in() {
    for (name, transforms) in BOUNDED {
        let (roomy, bounded) = (place(transforms), place(transforms));
        let report = run(&roomy, "1Gi");
        // The diamond's window is bounded by itself.
        assert_eq!(spilled(&report), 0, "{name}: with room for all rows");
        let report = run(&bounded, "16Mi");
        let bytes = spilled(&report);
        println!("{name}: {bytes} bytes were spilled, {} s", report["seconds"]);
        assert!(bytes > 1 << 20, "{name}: only {bytes} bytes were spilled");
        let rows = of_files(&roomy.file("out/rows"));
        same(name, &of_files(&bounded.file("out/rows")), &rows);
        let expected = match name {
            "deduplicate" => 50_000..=ROWS / 2,
            _ => ROWS..=ROWS,
        };
        assert!(expected.contains(&(rows.len() as u64)), "{name}: {} rows", rows.len());
        if name == "sort" {
            let place = |row: &Value| (row["number"].as_i64(), row["id"].as_i64());
            assert!(ndjson(&bounded.file("out/rows")).iter().map(place).is_sorted(), "rows came out of order");
        }
    }
}
