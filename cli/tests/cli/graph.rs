//! Graphs whose branches meet again, under little memory.

use std::collections::BTreeMap;

use crate::aggregator::Place;
use crate::rows::{Made, of_files, same, sorted};

const ROWS: Made = Made { first: 0, end: 150_000, version: "v" };

const HEAD: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: in, namespace: test}
spec:
  file: {root: in}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: test}
spec:
  file: {root: out, format: {ndjson: {}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: graph, namespace: test}
spec:
  sources: [{name: source, connector: in, stream: \"*.csv\"}]
";

fn run(transforms: &str) -> Place {
    let place = Place::new();
    place.write("in/rows.csv", &ROWS.csv());
    place.write("m.yaml", &format!("{HEAD}{transforms}"));
    let report = place.json("run -f m.yaml --state state --memory 16Mi");
    assert_eq!(report["ledger"], serde_json::json!({"balanced": true}));
    assert_eq!(report["nodes"][0]["read"], 150_000);
    place
}

/// The account and id of each row.
fn rows() -> impl Iterator<Item = (u64, u64)> {
    (ROWS.first..ROWS.end).map(|id| (id * 7919 % 1009, id))
}

#[test]
fn a_diamond_joins_its_two_branches() {
    let place = run("  transforms:
    - name: totals
      from: [source]
      aggregate: {groupBy: [account], measures: [{name: rows, expression: count(*)}, {name: last, expression: max(id)}]}
    - name: slim
      from: [source]
      mapping: {columns: [{name: id}, {name: account}]}
    - name: both
      from: [slim, totals]
      sql: {query: \"SELECT s.id, t.account, t.rows, t.last FROM slim s JOIN totals t ON t.account = s.account\"}
  sinks: [{name: sink, from: both, connector: out, stream: rows/}]
");
    let mut totals: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (account, id) in rows() {
        let total = totals.entry(account).or_default();
        *total = (total.0 + 1, total.1.max(id));
    }
    let expected = rows().map(|(account, id)| format!("{id}|{account}|{}|{}", totals[&account].0, totals[&account].1));
    same("the diamond", &of_files(&place.file("out")), &sorted(expected.collect()));
}

#[test]
fn a_node_joins_itself() {
    let place = run("  transforms:
    - name: pairs
      from: [source]
      sql: {query: \"SELECT a.id, b.id AS next FROM source a JOIN source b ON b.id = a.id + 1009\"}
  sinks:
    - {name: sink, from: pairs, connector: out, stream: pairs/}
    - {name: all, from: source, connector: out, stream: all/}
");
    let expected = (ROWS.first..ROWS.end - 1009).map(|id| format!("{id}|{}", id + 1009)).collect();
    same("the self-join", &of_files(&place.file("out/pairs")), &sorted(expected));
    same("the copy beside it", &of_files(&place.file("out/all")), &sorted(ROWS.lines()));
}

#[test]
fn a_union_of_two_branches_sorts_what_does_not_fit_into_memory() {
    let place = run("  transforms:
    - name: even
      from: [source]
      filter: {where: id % 2 = 0}
    - name: odd
      from: [source]
      filter: {where: id % 2 = 1}
    - name: all
      from: [even, odd]
      union: {}
    - name: latest
      from: [all]
      deduplicate: {key: [account], orderBy: [{column: id}], keep: Last}
  sinks: [{name: sink, from: latest, connector: out, stream: rows/}]
");
    let mut latest: BTreeMap<u64, u64> = BTreeMap::new();
    for (account, id) in rows() {
        let last = latest.entry(account).or_default();
        *last = (*last).max(id);
    }
    let expected: Vec<u64> = latest.into_values().collect();
    let came = of_files(&place.file("out"));
    let ids = came.iter().map(|row| row.split('|').next().and_then(|id| id.parse().ok()).expect("an id"));
    let mut ids: Vec<u64> = ids.collect();
    ids.sort_unstable();
    let mut expected = expected;
    expected.sort_unstable();
    assert_eq!(ids, expected);
}
