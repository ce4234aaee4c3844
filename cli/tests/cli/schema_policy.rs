//! Sources that change their shape under a Pipeline of many streams: each stream's target follows, refuses, or leaves
//! out, as `schemaPolicy` says, and the report names the change at the stream that has it.

use serde_json::{Value, json};

use crate::aggregator::Place;
use crate::postgres::Database;

const RUN: &str = "run -f m --state state";

/// Copies all tables of the schema `source` into tables of `public`, under a policy, and another one for some of them.
fn place(database: &Database, policy: &str, overrides: &str) -> Place {
    let place = Place::new();
    place.write("m/db.yaml", &database.manifest());
    place.write(
        "m/pipeline.yaml",
        &format!(
            "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: rejected, namespace: test}}
spec: {{file: {{root: ../rejected, format: {{ndjson: {{}}}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: copy, namespace: test}}
spec:
  sources: [{{name: all, connector: db, streams: {{include: [\"source.*\"]}}, overrides: [{overrides}]}}]
  sinks:
    - name: tables
      from: all
      connector: db
      stream: \"public.${{stream.name}}\"
      write: {{mode: Overwrite}}
      schemaPolicy: {policy}
  rejects: {{connector: rejected, stream: rows/, budget: {{rows: 10}}}}
"
        ),
    );
    place
}

/// Three tables that were copied once; then one has a new column, one a wider type, and one is as it was.
fn changed(policy: &str, overrides: &str) -> (Database, Place) {
    let database = Database::new();
    database.execute(
        "CREATE SCHEMA source;
         CREATE TABLE source.grown AS SELECT 1 AS id; CREATE TABLE source.same AS SELECT 1 AS id;
         CREATE TABLE source.wider AS SELECT 1 AS id",
    );
    let place = place(&database, policy, overrides);
    place.json(RUN);
    database.execute(
        "ALTER TABLE source.grown ADD COLUMN note text; INSERT INTO source.grown VALUES (2, 'new');
         ALTER TABLE source.wider ALTER COLUMN id TYPE bigint; INSERT INTO source.wider VALUES (5000000000);
         INSERT INTO source.same VALUES (2)",
    );
    (database, place)
}

/// Of each stream: its table, how it ended and why, and what was changed.
fn streams(report: &Value) -> Vec<(String, String, Value)> {
    let list = report["streams"].as_array().unwrap_or_else(|| panic!("no streams: {report}"));
    let of = |stream: &Value| {
        let name = stream["stream"].as_str().expect("a name").trim_start_matches("source.").to_owned();
        let nodes = stream["nodes"].as_array().expect("nodes");
        let changes = nodes.iter().filter_map(|node| node["effects"].get("schemaChanges")).next().cloned();
        let end = stream["error"]["reason"].as_str().or(stream["outcome"].as_str()).expect("an end");
        (name, end.to_owned(), changes.unwrap_or_else(|| json!([])))
    };
    list.iter().map(of).collect()
}

fn expected<const N: usize>(each: [(&str, &str, Value); N]) -> Vec<(String, String, Value)> {
    each.map(|(name, end, changes)| (name.to_owned(), end.to_owned(), changes)).into()
}

const ALL: &str = "SELECT 'grown' AS t, to_jsonb(g)::text FROM grown g UNION ALL SELECT 'same', to_jsonb(s)::text FROM same s \
                   UNION ALL SELECT 'wider', to_jsonb(w)::text FROM wider w";

#[test]
fn tables_follow_their_streams() {
    let (database, place) = changed("{columns: Evolve, dataType: Evolve}", "");
    let report = place.json(RUN);
    assert_eq!(
        streams(&report),
        expected([
            ("grown", "Succeeded", json!([{"kind": "ColumnAdded", "column": "note", "to": "text"}])),
            ("same", "Succeeded", json!([])),
            ("wider", "Succeeded", json!([{"kind": "TypeWidened", "column": "id", "from": "integer", "to": "bigint"}])),
        ]),
        "{report}"
    );
    assert_eq!(
        database.rows(ALL),
        [
            "grown|{\"id\": 1, \"note\": null}",
            "grown|{\"id\": 2, \"note\": \"new\"}",
            "same|{\"id\": 1}",
            "same|{\"id\": 2}",
            "wider|{\"id\": 1}",
            "wider|{\"id\": 5000000000}"
        ]
    );
}

#[test]
fn a_frozen_table_stops_its_own_stream_only() {
    let (database, place) = changed("{columns: Freeze, dataType: Freeze}", "");
    let said = place.say(&format!("{RUN} --output json"));
    assert_eq!(said.code(), Some(2), "{}", said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    let ends: Vec<(String, bool)> =
        streams(&report).into_iter().map(|(name, end, _)| (name, end == "Succeeded")).collect();
    assert_eq!(ends, [("grown".into(), false), ("same".into(), true), ("wider".into(), true)], "{report}");
    // The server says of each number whether it fits.
    assert_eq!(report["rejects"]["total"], 1, "{report}");
    let message = report["streams"][0]["error"]["message"].as_str().expect("a message");
    assert!(message.contains("`note`") && message.contains("Freeze"), "{message}");
    assert_eq!(database.rows(ALL), ["grown|{\"id\": 1}", "same|{\"id\": 1}", "same|{\"id\": 2}", "wider|{\"id\": 1}"]);
}

#[test]
fn what_has_no_place_is_left_out_or_rejected_with_its_stream() {
    let (database, place) = changed("{columns: DiscardValue, dataType: DiscardRow}", "");
    let report = place.json(RUN);
    let [grown, same, wider] = <[_; 3]>::try_from(streams(&report)).expect("three streams");
    assert_eq!(grown.2[0]["kind"], "ValueDiscarded", "{report}");
    assert_eq!((&grown.2[0]["column"], &grown.2[0]["rows"]), (&json!("note"), &json!(1)));
    assert_eq!((same.2, wider.2), (json!([]), json!([])));
    assert_eq!(report["rejects"]["total"], 1, "{report}");
    assert_eq!(
        database.rows(ALL),
        ["grown|{\"id\": 1}", "grown|{\"id\": 2}", "same|{\"id\": 1}", "same|{\"id\": 2}", "wider|{\"id\": 1}"]
    );
}

#[test]
fn each_stream_may_have_a_policy_of_its_own() {
    let overrides = "{stream: \"source.*\", schemaPolicy: {dataType: Evolve}}, \
                     {stream: source.grown, schemaPolicy: {columns: DiscardValue}}";
    let (database, place) = changed("{columns: Freeze, dataType: Freeze}", overrides);
    let plan = place.json("plan -f m --state state").to_string();
    for action in
        ["leave note out, which public.grown does not have", "widen column id of public.wider from integer to bigint"]
    {
        assert!(plan.contains(action), "{action}: {plan}");
    }
    let report = place.json(RUN);
    assert_eq!(
        streams(&report),
        expected([
            ("grown", "Succeeded", json!([{"kind": "ValueDiscarded", "column": "note", "rows": 1}])),
            ("same", "Succeeded", json!([])),
            ("wider", "Succeeded", json!([{"kind": "TypeWidened", "column": "id", "from": "integer", "to": "bigint"}])),
        ]),
        "{report}"
    );
    assert_eq!(
        database.rows(ALL),
        [
            "grown|{\"id\": 1}",
            "grown|{\"id\": 2}",
            "same|{\"id\": 1}",
            "same|{\"id\": 2}",
            "wider|{\"id\": 1}",
            "wider|{\"id\": 5000000000}"
        ]
    );
}

#[test]
fn a_table_that_comes_later_is_created_where_its_stream_may() {
    let (database, place) = changed("{tables: Evolve}", "{stream: \"source.la*\", schemaPolicy: {tables: Freeze}}");
    database.execute("CREATE TABLE source.late AS SELECT 1 AS id; CREATE TABLE source.other AS SELECT 2 AS id");
    let said = place.say(&format!("{RUN} --output json"));
    assert_eq!(said.code(), Some(2), "{}", said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    let mut each = streams(&report);
    let (late, end, changes) = each.remove(1);
    assert_eq!((late.as_str(), end == "Succeeded", changes), ("late", false, json!([])), "{report}");
    assert_eq!(
        each,
        expected([
            ("grown", "Succeeded", json!([{"kind": "ColumnAdded", "column": "note", "to": "text"}])),
            ("other", "Succeeded", json!([{"kind": "TableCreated"}])),
            ("same", "Succeeded", json!([])),
            ("wider", "Succeeded", json!([])),
        ]),
        "{report}"
    );
    let message = report["streams"][1]["error"]["message"].as_str().expect("a message");
    assert!(message.contains("there is no table public.late") && message.contains("Freeze"), "{message}");
    assert_eq!(database.rows("SELECT id FROM other"), ["2"]);
    assert_eq!(database.rows("SELECT to_regclass('public.late') IS NULL AS missing"), ["true"]);
}
