//! Incremental runs while many transactions write, some of which commit late: a row may become visible after rows with
//! later times were read.
//!
//! A Pipeline without `lag` reads the same table at the same time. It must miss rows: otherwise nothing committed late.

use std::time::Instant;

use crate::aggregator::{CONNECTORS, PATIENCE, Place};
use crate::postgres::Database;
use crate::rows::ndjson;

const CLIENTS: u32 = 40;
const TRANSACTIONS: u32 = 100_000;
const RUN: &str = "run -f m --state state";

/// Each row has the time at which its transaction wrote it; it is seen when that commits, up to 30 ms later.
const SCRIPT: &str = "\
\\set ms random(0, 30)
BEGIN;
INSERT INTO events (at) VALUES (clock_timestamp());
\\sleep :ms ms
COMMIT;
";

fn place(database: &Database, lag: &str) -> Place {
    let place = Place::new();
    place.write(
        "m/pipeline.yaml",
        &format!(
            "{CONNECTORS}{}apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: move, namespace: test}}
spec:
  sources: [{{name: events, connector: db, stream: public.events, sync: {{mode: Incremental, cursor: at, key: [id]{lag}}}}}]
  sinks: [{{name: out, from: events, connector: out, stream: rows/, write: {{mode: Append}}}}]
",
            database.manifest()
        ),
    );
    place
}

/// The ids that have arrived, sorted.
fn ids(place: &Place) -> Vec<i64> {
    let rows = ndjson(&place.file("out/rows")).into_iter();
    let mut ids: Vec<i64> = rows.map(|row| row["id"].as_i64().expect("an id")).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn no_row_of_a_hundred_thousand_transactions_is_missed_or_doubled() {
    let database = Database::new();
    database.execute("CREATE TABLE events (id bigserial PRIMARY KEY, at timestamptz NOT NULL)");
    // As long as the load generator's transactions may take, however busy the machine is.
    let (careful, hasty) = (place(&database, ", lag: 10s"), place(&database, ""));
    careful.write("load.sql", SCRIPT);
    let each = (TRANSACTIONS / CLIENTS).to_string();
    let clients = CLIENTS.to_string();
    let mut load = database.load(&careful.file("load.sql"), &["-c", &clients, "-j", "2", "-t", &each]);
    let mut runs = 0;
    while load.try_wait().expect("a child of ours").is_none() {
        careful.ok(RUN);
        hasty.ok(RUN);
        runs += 1;
    }
    let output = load.wait_with_output().expect("a child of ours");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("processed: {TRANSACTIONS}/{TRANSACTIONS}")), "{said}");
    assert!(runs >= 5, "only {runs} runs while rows were written");
    hasty.ok(RUN);
    let started = Instant::now();
    while ids(&careful).len() < TRANSACTIONS as usize && started.elapsed() < PATIENCE {
        careful.ok(RUN);
    }
    let all: Vec<i64> = (1..=TRANSACTIONS.into()).collect();
    let (careful, hasty) = (ids(&careful), ids(&hasty));
    assert!(hasty.len() < all.len(), "nothing committed late, so nothing was shown");
    assert_eq!(careful.len(), all.len(), "rows were missed or doubled");
    assert_eq!(careful, all);
    println!("{runs} runs in the meantime; without `lag`, {} rows were missed", all.len() - hasty.len());
}
