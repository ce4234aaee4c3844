//! Bad rows: where they go, how many may be, and what is said of them.

use serde_json::{Value, json};

use crate::aggregator::Place;
use crate::rows::{ndjson, of_files};

const CONNECTORS: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: in, namespace: test}
spec:
  file:
    root: in
    format:
      csv:
        schema:
          columns: [{name: id, type: Int64, nullable: false}, {name: word, type: Utf8}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: test}
spec:
  file: {root: out, format: {ndjson: {}}}
---
";

/// Bad rows first, in the middle (two), and last, among four good ones.
const ROWS: &str = "id,word\nfirst,a\n1,one\n2,two\n,none\n3,three,3\n4,four\nlast,z\n";

fn place(rejects: &str) -> Place {
    let place = Place::new();
    place.write("in/rows.csv", ROWS);
    place.write(
        "m.yaml",
        &format!(
            "{CONNECTORS}apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
             sources: [{{name: source, connector: in, stream: rows.csv}}]\n  \
             sinks: [{{name: sink, from: source, connector: out, stream: rows/}}]\n{rejects}"
        ),
    );
    place
}

const RUN: &str = "run -f m.yaml --state state";

#[test]
fn each_bad_row_is_kept_with_its_line_and_all_others_arrive() {
    let place = place("  rejects: {connector: out, stream: rejects/, budget: {rows: 4, percent: \"60\"}}\n");
    let report = place.json(RUN);
    assert_eq!(of_files(&place.file("out/rows")), ["1|one", "2|two", "4|four"]);
    let mut kept = ndjson(&place.file("out/rejects"));
    kept.sort_by_key(|row| row["line"].as_i64());
    let brief: Vec<Value> = kept
        .iter()
        .map(|row| json!([row["line"], row["byte_offset"], row["column_name"], row["reason"], row["raw"]]))
        .collect();
    assert_eq!(
        brief,
        [
            json!([2, 8, "id", "CastFailed", "first,a"]),
            json!([5, 28, "id", "NullValue", ",none"]),
            json!([6, 34, null, "FieldCount", "3,three,3"]),
            json!([8, 51, "id", "CastFailed", "last,z"]),
        ]
    );
    for row in &kept {
        assert_eq!(
            (&row["node"], &row["location"], &row["run"]),
            (&json!("source"), &json!("rows.csv"), &report["run"])
        );
        assert!(row["message"].as_str().is_some_and(|message| !message.is_empty()), "{row}");
    }
    assert_eq!(report["rejects"]["total"], 4);
    let entry = |name: &str| {
        let found = report["nodes"].as_array().and_then(|nodes| nodes.iter().find(|node| node["name"] == name));
        found.unwrap_or_else(|| panic!("no node {name}")).clone()
    };
    assert_eq!(
        (&entry("source")["read"], &entry("source")["rejected"], &entry("source")["out"]),
        (&json!(7), &json!(4), &json!(3))
    );
    assert_eq!((&entry("rejects")["in"], &entry("rejects")["written"]), (&json!(4), &json!(4)));
    assert_eq!(report["ledger"], json!({"balanced": true}));
}

fn refused(rejects: &str, expected: &str) {
    let place = place(rejects);
    let said = place.say(RUN);
    assert_eq!(said.code(), Some(4), "{}", said.stderr);
    assert_eq!(said.stderr, expected);
    assert!(of_files(&place.file("out")).is_empty(), "rows are visible");
    // It stays refused, and a larger budget lets the rows pass.
    assert_eq!(place.say(RUN).code(), Some(4));
    let text = std::fs::read_to_string(place.file("m.yaml")).expect("the manifest");
    place.write("m.yaml", text.replace("{rows: 3}", "{rows: 4}").replace("\"57\"", "\"58\"").as_str());
    place.ok(RUN);
    assert_eq!(of_files(&place.file("out/rows")), ["1|one", "2|two", "4|four"]);
}

#[test]
fn more_rejects_than_the_budget_has_rows_fail_the_run() {
    refused(
        "  rejects: {connector: out, stream: rejects/, budget: {rows: 3}}\n",
        "error[RejectBudgetExceeded]: 4 rejected rows are over the budget of 3 rows\n  \
         help: look at the rejected rows in the report, mend their source, or raise `rejects.budget`; nothing was committed\n",
    );
}

#[test]
fn more_rejects_than_the_budget_has_percent_fail_the_run() {
    refused(
        "  rejects: {connector: out, stream: rejects/, budget: {percent: \"57\"}}\n",
        "error[RejectBudgetExceeded]: 4 rejected rows are over the budget of 57 % of 7 rows read\n  \
         help: look at the rejected rows in the report, mend their source, or raise `rejects.budget`; nothing was committed\n",
    );
}

#[test]
fn without_a_place_for_rejects_the_first_one_fails_the_run() {
    let place = place("");
    let said = place.say(RUN);
    assert_eq!(said.code(), Some(1));
    assert_eq!(
        said.stderr,
        "error[DataInvalid]: node `source`: read rows.csv:2: column `id`: `first` is not an integer (Int64)\n  \
         help: correct the row, declare another type for the column in the Connector's `schema`, or add `rejects` to the \
         Pipeline so that bad rows are set aside\n"
    );
    assert!(of_files(&place.file("out")).is_empty(), "rows are visible");
}

#[test]
fn a_column_that_nobody_reads_rejects_no_row() {
    let place = Place::new();
    place.write("data/a.csv", "id,amount,note\n1,many,a\n2,3,b\n3,4,c,surplus\n");
    let manifest = |query: &str| {
        format!(
            "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: files, namespace: test}}
spec:
  file:
    root: ../data
    format: {{csv: {{schema: {{columns: [{{name: id, type: Int64}}, {{name: amount, type: Int64}}, {{name: note, type: Utf8}}]}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: some, namespace: test}}
spec:
  sources: [{{name: rows, connector: files, stream: a.csv}}]
  transforms: [{{name: some, from: [rows], sql: {{query: {query:?}}}}}]
  sinks: [{{name: out, from: some, connector: files, stream: out/, write: {{mode: Overwrite}}}}]
  rejects: {{connector: files, stream: bad/}}
"
        )
    };
    for (query, out, rejected) in [
        ("SELECT id, note FROM rows", 2, vec!["FieldCount"]),
        ("SELECT id, amount FROM rows", 1, vec!["CastFailed", "FieldCount"]),
        ("SELECT count(*) AS n FROM rows", 1, vec!["FieldCount"]),
    ] {
        place.write("m/some.yaml", &manifest(query));
        let report = place.json("run -f m --state state");
        let reasons: Vec<&str> = report["rejects"]["samples"]
            .as_array()
            .expect("samples")
            .iter()
            .map(|sample| sample["reason"].as_str().expect("a reason"))
            .collect();
        assert_eq!(reasons, rejected, "{query}");
        assert_eq!(
            (report["nodes"][0]["read"].as_u64(), report["nodes"][1]["out"].as_u64()),
            (Some(3), Some(out)),
            "{query}"
        );
        assert_eq!(report["ledger"]["balanced"], true);
    }
}
