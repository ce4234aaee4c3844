//! Many streams from one source: each flows on its own, with its own positions and outcome.

use aggregator_tests::folder;
use serde_json::Value;

use crate::aggregator::{CONNECTORS, Place};
use crate::postgres::Database;
use crate::rows::{of_files, sorted};

const RUN: &str = "run -f m --state state";

/// Replicates the tables of a database into folders.
fn place(database: &Database, source: &str, execution: &str) -> Place {
    let place = Place::new();
    place.write("m/db.yaml", &database.manifest());
    place.write(
        "m/pipeline.yaml",
        &format!(
            "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: lake, namespace: test}}
spec: {{file: {{root: ../lake, format: {{ndjson: {{}}}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: replicate, namespace: test}}
spec:
  sources:
    - name: shop
      connector: db
      streams: {{include: [\"public.*\"], exclude: [\"public.audit_*\"]}}
{source}
  transforms:
    - {{name: masked, from: [shop], mask: {{columns: [{{name: email, method: Redact}}], ifPresent: true}}}}
  sinks:
    - {{name: lake, from: masked, connector: lake, stream: \"raw/${{stream.name}}/\", write: {{mode: Append}}}}
{execution}
"
        ),
    );
    place
}

fn shop() -> Database {
    let database = Database::new();
    database.execute(
        "CREATE TABLE customers (id bigint PRIMARY KEY, email text, updated_at timestamptz);
         INSERT INTO customers SELECT id, 'c' || id || '@example.org', '2026-01-01T00:00:00Z'::timestamptz + id * interval '1 s'
             FROM generate_series(1, 5) AS id;
         CREATE TABLE orders (id bigint PRIMARY KEY, changed_at timestamptz);
         INSERT INTO orders SELECT id, '2026-01-01T00:00:00Z'::timestamptz + id * interval '1 s' FROM generate_series(1, 7) AS id;
         CREATE TABLE countries (code text PRIMARY KEY); INSERT INTO countries VALUES ('DE'), ('FR');
         CREATE TABLE audit_log (id bigint)",
    );
    database
}

const INCREMENTAL: &str = "      sync: {mode: Incremental, cursor: updated_at, fallback: FullRefresh}
      overrides: [{stream: public.orders, sync: {cursor: changed_at}}]";

/// Of each stream: its name, how it ended, and the rows that its source gave out.
fn streams(report: &Value) -> Vec<(&str, &str, u64)> {
    let list = report["streams"].as_array().unwrap_or_else(|| panic!("no streams: {report}"));
    list.iter()
        .map(|stream| {
            let out = stream["nodes"][0]["out"].as_u64().unwrap_or(0);
            (stream["stream"].as_str().expect("a name"), stream["outcome"].as_str().expect("an outcome"), out)
        })
        .collect()
}

#[test]
fn each_stream_has_its_own_rows_positions_and_cursor() {
    let database = shop();
    let place = place(&database, INCREMENTAL, "");
    let first = place.json(RUN);
    assert_eq!(
        streams(&first),
        [("public.countries", "Succeeded", 2), ("public.customers", "Succeeded", 5), ("public.orders", "Succeeded", 7)]
    );
    assert_eq!((&first["ledger"]["balanced"], &first["nodes"][0]["read"]), (&true.into(), &14.into()), "the sum");
    assert_eq!(of_files(&place.file("lake/raw/countries")), ["DE", "FR"]);
    assert_eq!(of_files(&place.file("lake/raw/customers"))[0], "1|***|2026-01-01T00:00:01Z");

    database.execute(
        "INSERT INTO orders VALUES (8, '2026-02-01'); INSERT INTO customers VALUES (6, 'x', '2026-02-01'); \
         CREATE TABLE late (id bigint); INSERT INTO late VALUES (1)",
    );
    let second = place.json(RUN);
    let read = streams(&second);
    // Tables without the cursor are read whole; a table that came is found.
    assert_eq!(
        read,
        [
            ("public.countries", "Succeeded", 2),
            ("public.customers", "Succeeded", 1),
            ("public.late", "Succeeded", 1),
            ("public.orders", "Succeeded", 1)
        ]
    );
    assert_eq!(of_files(&place.file("lake/raw/orders")).len(), 8);
}

/// A Connector of that name to a database, and its Secret, where the examples are.
fn connector(database: &Database, name: &str) -> String {
    let manifest = database.manifest().replace("connector-db", &format!("connector-{name}"));
    manifest.replace("{name: db,", &format!("{{name: {name},")).replace("namespace: test", "namespace: demo")
}

/// The tables of the shop that are replicated, each with what its rows are in the warehouse.
const REPLICATED: [(&str, &str); 5] = [
    ("addresses", "customer, kind, encode(sha256(email::bytea), 'hex') AS email, updated_at"),
    ("countries", "*"),
    ("customers", "id, name, encode(sha256(email::bytea), 'hex') AS email, updated_at"),
    ("late", "*"),
    ("orders", "*"),
];

/// Sees that the warehouse has these tables of the shop and no other, with their rows and their keys.
fn compare(shop: &Database, warehouse: &Database, tables: &[&str]) {
    for (table, columns) in REPLICATED.iter().filter(|(table, _)| tables.contains(table)) {
        let wanted = shop.rows(&format!("SELECT {columns} FROM public.{table}"));
        assert!(!wanted.is_empty(), "{table}");
        assert_eq!(warehouse.rows(&format!("SELECT * FROM raw.{table}")), wanted, "{table}");
    }
    let keys = |database: &Database, schema: &str| {
        database.rows(&format!(
            "SELECT relname, pg_get_constraintdef(k.oid) AS key FROM pg_class c
             LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
             WHERE relkind = 'r' AND relnamespace = '{schema}'::regnamespace AND relname !~ '^_|^audit_'"
        ))
    };
    let there = keys(warehouse, "raw");
    assert_eq!((there.len(), &there), (tables.len(), &keys(shop, "public")));
}

#[test]
fn the_example_replicates_a_database_and_what_changes_in_it() {
    let (shop, warehouse, place) = (Database::new(), Database::new(), Place::new());
    let examples = std::fs::read_to_string(folder::workspace().join("config/examples/pipeline.yaml"));
    let examples = examples.expect("the examples");
    let example =
        examples.split("\n---\n").find(|document| document.contains("name: replicate-shop")).expect("it is there");
    place.write("m/m.yaml", &format!("{}{}{example}", connector(&shop, "shop-db"), connector(&warehouse, "warehouse")));
    warehouse.execute("CREATE SCHEMA raw");
    shop.execute(
        "CREATE TABLE customers (id bigint PRIMARY KEY, name varchar(40) NOT NULL, email text, updated_at timestamptz);
         INSERT INTO customers SELECT id, 'Customer ' || id, CASE WHEN id <> 3 THEN 'c' || id || '@example.org' END,
             '2026-01-01T00:00:00Z'::timestamptz + id * interval '1 s' FROM generate_series(1, 50) AS id;
         CREATE TABLE addresses (customer bigint, kind text, email text, updated_at timestamp NOT NULL,
             PRIMARY KEY (kind, customer));
         INSERT INTO addresses SELECT id, kind, kind || id || '@example.org', '2026-01-01'::timestamp + id * interval '1 h'
             FROM generate_series(1, 20) AS id, unnest(ARRAY['home', 'work']) AS kind;
         CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, total numeric(10, 2), tags text[],
             changed_at timestamptz);
         INSERT INTO orders SELECT id, id % 50, id * 1.25, ARRAY['a', 'b ' || id],
             '2026-01-01T00:00:00Z'::timestamptz + id * interval '1 s' FROM generate_series(1, 200) AS id;
         CREATE TABLE countries (code char(2) PRIMARY KEY, name text);
         INSERT INTO countries VALUES ('DE', 'Germany'), ('FR', NULL);
         CREATE TABLE audit_log (what text); INSERT INTO audit_log VALUES ('it has no key, and is not read')",
    );
    let all = |report: &Value, wanted: &[(&str, u64)]| {
        let wanted: Vec<(String, &str, u64)> =
            wanted.iter().map(|(table, out)| (format!("public.{table}"), "Succeeded", *out)).collect();
        let came: Vec<(String, &str, u64)> =
            streams(report).into_iter().map(|(name, outcome, out)| (name.to_owned(), outcome, out)).collect();
        assert_eq!(came, wanted, "{report}");
        assert_eq!(report["ledger"]["balanced"], true, "{report}");
    };
    let first = place.json(RUN);
    all(&first, &[("addresses", 40), ("countries", 2), ("customers", 50), ("orders", 200)]);
    compare(&shop, &warehouse, &["addresses", "countries", "customers", "orders"]);

    // By their cursors, with the one that is overridden; whole where there is none; and a table that came since.
    shop.execute(
        "UPDATE customers SET email = 'new@example.org', name = 'renamed', updated_at = '2026-02-01' WHERE id IN (3, 7);
         INSERT INTO customers VALUES (51, 'Customer 51', NULL, '2026-02-02');
         UPDATE addresses SET email = NULL, updated_at = '2026-02-01' WHERE customer = 20 AND kind = 'home';
         UPDATE orders SET total = 0, changed_at = '2026-02-01' WHERE id % 100 = 0;
         INSERT INTO orders VALUES (201, 1, NULL, '{}', '2026-02-02');
         UPDATE countries SET name = 'France' WHERE code = 'FR'; INSERT INTO countries VALUES ('GB', 'Great Britain');
         INSERT INTO audit_log VALUES ('more');
         CREATE TABLE late (id int PRIMARY KEY, word text); INSERT INTO late VALUES (1, 'one'), (2, NULL)",
    );
    let second = place.json(RUN);
    all(&second, &[("addresses", 1), ("countries", 3), ("customers", 3), ("late", 2), ("orders", 3)]);
    compare(&shop, &warehouse, &REPLICATED.map(|(table, _)| table));

    // Nothing is new, and nothing is written twice.
    all(&place.json(RUN), &[("addresses", 0), ("countries", 3), ("customers", 0), ("late", 2), ("orders", 0)]);
    compare(&shop, &warehouse, &REPLICATED.map(|(table, _)| table));
}

#[test]
fn a_stream_that_fails_does_not_stop_the_others() {
    let database = shop();
    let place = place(&database, INCREMENTAL, "");
    // A row whose cursor is null is a reject, and this Pipeline takes none.
    database.execute("INSERT INTO customers VALUES (9, 'y', NULL)");
    let said = place.say(&format!("{RUN} --output json"));
    assert_eq!(said.code(), Some(1), "{}", said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).expect("a report");
    assert_eq!(
        streams(&report).iter().map(|(name, outcome, _)| (*name, *outcome)).collect::<Vec<_>>(),
        [("public.countries", "Succeeded"), ("public.customers", "Failed"), ("public.orders", "Succeeded")]
    );
    let message = report["error"]["message"].as_str().expect("a message");
    assert!(message.starts_with("1 of 3 streams did not succeed; `public.customers`: "), "{message}");
    assert_eq!(of_files(&place.file("lake/raw/orders")).len(), 7);
    assert!(!place.file("lake/raw/customers").exists());

    database.execute("DELETE FROM customers WHERE id = 9");
    let report = place.json(RUN);
    let customers = report["streams"].as_array().expect("streams")[1].clone();
    assert_eq!((&customers["outcome"], &customers["resumed"]), (&"Succeeded".into(), &true.into()));
    assert_eq!(of_files(&place.file("lake/raw/customers")).len(), 5);
    assert_eq!(of_files(&place.file("lake/raw/orders")).len(), 7, "nothing is doubled");
}

#[test]
fn a_stream_that_stops_the_others_is_named_as_the_cause() {
    let database = shop();
    let place = place(&database, INCREMENTAL, "  execution: {onStreamFailure: Stop}");
    // It comes last, so those that it may have stopped stand before it.
    database.execute("CREATE TABLE zones (id bigint, updated_at timestamptz); INSERT INTO zones VALUES (1, NULL)");
    let said = place.say(&format!("{RUN} --output json"));
    assert_eq!(said.code(), Some(1), "{}", said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).expect("a report");
    assert_eq!(report["outcome"], "Failed");
    let message = report["error"]["message"].as_str().expect("a message");
    assert!(message.contains("`public.zones`: "), "{message}");
    database.execute("DELETE FROM zones");
    place.ok(RUN);
    assert_eq!(of_files(&place.file("lake/raw/orders")).len(), 7, "nothing is lost or doubled");
    assert_eq!(of_files(&place.file("lake/raw/customers")).len(), 5);
}

#[test]
fn mistakes_in_what_streams_flow_through_are_told_together() {
    let database = shop();
    let place = place(&database, INCREMENTAL, "");
    let manifest = std::fs::read_to_string(place.file("m/pipeline.yaml")).expect("manifests");
    place.write(
        "m/pipeline.yaml",
        &manifest
            .replace("raw/${stream.name}/", "raw/")
            .replace("  transforms:\n", "    - {name: other, connector: db, stream: public.orders}\n  transforms:\n    - {name: both, from: [shop, other], union: {}}\n"),
    );
    let said = place.say(RUN);
    assert_eq!(said.code(), Some(2), "{}", said.stdout);
    for wanted in ["stands alone in its Pipeline", "`both` reads several nodes", "written to the same place"] {
        assert!(said.stderr.contains(wanted), "{wanted}: {}", said.stderr);
    }
}

#[test]
fn a_selection_of_nothing_says_what_to_compare() {
    let database = shop();
    let place = place(&database, "", "");
    let manifest = std::fs::read_to_string(place.file("m/pipeline.yaml")).expect("manifests");
    place.write("m/pipeline.yaml", &manifest.replace("public.*", "nowhere.*"));
    let said = place.say(RUN);
    assert_eq!(said.code(), Some(1));
    assert!(said.stderr.contains("of the 4 streams of `db` none is selected"), "{}", said.stderr);
    assert!(said.stderr.contains("aggregator connectors discover"), "{}", said.stderr);
}

#[test]
fn a_thousand_small_tables_are_one_run() {
    const TABLES: u64 = 1000;
    let database = Database::new();
    let tables: String = (0..TABLES)
        .map(|number| {
            format!("CREATE TABLE t{number:04} AS SELECT id, {number} AS n FROM generate_series(1, 10) AS id;")
        })
        .collect();
    database.execute(&tables);
    let place = place(&database, "", "");
    let report = place.json(RUN);
    assert_eq!((streams(&report).len() as u64, &report["nodes"][0]["read"]), (TABLES, &(TABLES * 10).into()));
    for number in 0..TABLES {
        let rows = sorted((1..=10).map(|id| format!("{id}|{number}")).collect());
        assert_eq!(of_files(&place.file(&format!("lake/raw/t{number:04}"))), rows, "table {number}");
    }
    let folders = std::fs::read_dir(place.file("lake/raw")).expect("folders").count() as u64;
    assert_eq!(folders, TABLES);
}

#[test]
fn more_streams_than_discovery_lists_are_an_error_and_not_a_loss() {
    let place = Place::new();
    place.write(
        "m/m.yaml",
        &format!(
            "{CONNECTORS}apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: all, namespace: test}}
spec:
  sources: [{{name: all, connector: in, streams: {{include: [\"**\"]}}}}]
  sinks: [{{name: out, from: all, connector: out, stream: \"${{stream.name}}/\", write: {{mode: Append}}}}]
"
        ),
    );
    for folder in 0..1001 {
        place.write(&format!("in/{folder}/a.csv"), "id\n1\n");
    }
    let said = place.say(RUN);
    assert_eq!(said.code(), Some(1), "{}", said.stderr);
    let words = "`in` has more streams than the 1000 that discovery lists";
    assert!(said.stderr.contains("error[LimitExceeded]") && said.stderr.contains(words), "{}", said.stderr);
    assert!(said.stderr.contains("narrow the Connector's root"), "{}", said.stderr);
    assert!(!place.file("out").exists(), "nothing is visible");
}

#[test]
fn four_streams_go_at_a_time_or_as_many_as_there_are_connections() {
    const TABLES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let waited_for = "SELECT count(DISTINCT relation)::text AS line FROM pg_locks WHERE NOT granted";
    for (limits, at_a_time) in [("", "4"), ("  limits: {connections: 2}\n", "2")] {
        let database = Database::new();
        for table in TABLES {
            database.execute(&format!("CREATE TABLE {table} AS SELECT '{table}' AS name"));
        }
        let place = place(&database, "", "");
        place.write("m/db.yaml", &database.manifest().replace("spec:\n", &format!("spec:\n{limits}")));
        let mut locked = database.session();
        locked.execute(&format!("BEGIN; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", TABLES.join(", ")));
        let mut run = place.start(RUN);
        let mut watched = database.session();
        assert!(run.until(|_| watched.lines(waited_for) == [at_a_time]), "{at_a_time} streams wait");
        for _ in 0..20 {
            watched.execute("SELECT pg_sleep(0.02)");
            assert_eq!(watched.lines(waited_for), [at_a_time], "no other stream begins");
        }
        locked.execute("ROLLBACK");
        let ended = run.wait();
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        assert_eq!(of_files(&place.file("lake/raw")).len(), TABLES.len());
    }
}
