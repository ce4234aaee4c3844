//! `key: PrimaryKey`: rows find theirs in the target by the key that the source's table has.

use crate::aggregator::{CONNECTORS, Place};
use crate::postgres::Database;
use crate::rows::{execute_sqlite, of_sqlite};

/// A key of two columns, of which none is the first.
const TABLE: &str = "CREATE TABLE stock (note TEXT, place TEXT NOT NULL, item INTEGER NOT NULL, pieces INTEGER, \
                     PRIMARY KEY (place, item));
                     INSERT INTO stock VALUES ('a', 'x', 1, 10), ('b', 'x', 2, 20), (NULL, 'y', 1, 30);";
const CHANGES: &str = "UPDATE stock SET pieces = 11, note = NULL WHERE place = 'x' AND item = 1;
                       DELETE FROM stock WHERE place = 'x' AND item = 2;
                       INSERT INTO stock VALUES ('c', 'y', 2, 40);";
const QUERY: &str = "SELECT place, item, pieces, note FROM stock";

fn pipeline(sink: &str, from: &str) -> String {
    format!(
        "apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: move, namespace: test}}
spec:
  sources: [{{name: source, connector: {from}, stream: stock}}]
  transforms: [{{name: known, from: [source], filter: {{where: pieces > 0}}}}]
  sinks: [{{name: sink, from: known, connector: {sink}, stream: stock, write: {{mode: Upsert, key: PrimaryKey}}}}]
"
    )
}

/// Runs twice, with changes in between: rows are found again, changed and added, and a row that does not come any more stays.
fn upserts(place: &Place, sink: &str, from: &str, change: impl Fn(&str), rows: impl Fn(&str) -> Vec<String>) {
    place.write("m/m.yaml", &format!("{CONNECTORS}{}", pipeline(sink, from)));
    change(TABLE);
    let plan = place.json("plan -f m --state state");
    assert_eq!(plan["sinks"][0]["key"], serde_json::json!(["place", "item"]), "{plan}");
    place.ok("run -f m --state state");
    assert_eq!(rows(QUERY), ["x|1|10|a", "x|2|20|b", "y|1|30|∅"]);
    change(CHANGES);
    let report = place.json("run -f m --state state");
    assert_eq!(rows(QUERY), ["x|1|11|∅", "x|2|20|b", "y|1|30|∅", "y|2|40|c"]);
    assert_eq!(report["ledger"]["balanced"], true);
}

#[test]
fn rows_are_written_to_sqlite_by_the_key_of_a_sqlite_table() {
    let place = Place::new();
    let (source, target) = (place.file("in.sqlite"), place.file("out.sqlite"));
    upserts(&place, "lite", "from-lite", |text| execute_sqlite(&source, text), |query| of_sqlite(&target, query));
}

#[test]
fn rows_are_written_to_postgres_by_the_key_of_a_sqlite_table() {
    let (place, database) = (Place::new(), Database::new());
    place.write("m/db.yaml", &database.manifest());
    let source = place.file("in.sqlite");
    upserts(&place, "db", "from-lite", |text| execute_sqlite(&source, text), |query| database.rows(query));
}

#[test]
fn rows_are_written_to_sqlite_by_the_key_of_a_postgres_table() {
    let (place, database) = (Place::new(), Database::new());
    place.write("m/db.yaml", &database.manifest());
    let target = place.file("out.sqlite");
    upserts(&place, "lite", "db", |text| database.execute(text), |query| of_sqlite(&target, query));
}
