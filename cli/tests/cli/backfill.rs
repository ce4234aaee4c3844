//! An interval of the cursors, read again: what belongs to it, what stays as it is, and what is refused.

use serde_json::Value;

use crate::aggregator::Place;
use crate::postgres::Database;

const RUN: &str = "run -f m --state state";
const DAY: &str = "--backfill 2026-01-02/2026-01-03";

/// Events of three days, every six hours, copied into a table by their time.
fn place(database: &Database, cursor: &str, write: &str) -> Place {
    database.execute(
        "CREATE TABLE events AS SELECT n AS id, 'first' AS note, at, (at AT TIME ZONE 'UTC')::date AS day, n::bigint AS number
             FROM generate_series(0, 11) AS n, LATERAL (SELECT '2026-01-01T00:00:00Z'::timestamptz + n * interval '6 hours' AS at) t;
         ALTER TABLE events ADD PRIMARY KEY (id)",
    );
    let place = Place::new();
    place.write("m/db.yaml", &database.manifest());
    place.write(
        "m/pipeline.yaml",
        &format!(
            "apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: copy, namespace: test}}
spec:
  sources: [{{name: events, connector: db, stream: public.events, sync: {{{cursor}}}}}]
  sinks: [{{name: kept, from: events, connector: db, stream: public.kept, write: {{{write}}}}}]
"
        ),
    );
    place
}

const BY_TIME: &str = "mode: Incremental, cursor: at";
const UPSERT: &str = "mode: Upsert, key: [id]";

fn noted(database: &Database, note: &str) -> Vec<String> {
    database.rows(&format!("SELECT id FROM kept WHERE note = '{note}'"))
}

fn read(report: &Value) -> u64 {
    report["nodes"][0]["out"].as_u64().unwrap_or_else(|| panic!("{report}"))
}

#[test]
fn an_interval_is_read_again_and_the_next_run_goes_on_as_if_nothing_had_been() {
    for cursor in [BY_TIME, "mode: Incremental, cursor: day"] {
        let database = Database::new();
        let place = place(&database, cursor, UPSERT);
        assert_eq!(read(&place.json(RUN)), 12);
        // Corrected at the source, without a new time.
        database.execute("UPDATE events SET note = 'second'");
        let report = place.json(&format!("{RUN} {DAY}"));
        assert_eq!(report["backfill"]["from"], "2026-01-02T00:00:00Z", "{report}");
        assert_eq!((read(&report), report["ledger"]["balanced"].as_bool()), (4, Some(true)), "{report}");
        assert_eq!(noted(&database, "second"), ["4", "5", "6", "7"], "the beginning, and not the end, of the interval");

        database.execute("INSERT INTO events VALUES (12, 'new', '2026-01-04T00:00:00Z', '2026-01-04', 12)");
        assert_eq!(read(&place.json(RUN)), 1, "{cursor}: only what is new");
        assert_eq!(noted(&database, "first").len(), 8);
        // The same interval once more is a run of its own, and reads it again.
        assert_eq!(read(&place.json(&format!("{RUN} {DAY}"))), 4);
    }
}

#[test]
fn one_that_dies_is_continued_and_done_once() {
    for point in ["begun", "fenced", "moved", "committing", "committed"] {
        let database = Database::new();
        let place = place(&database, BY_TIME, "mode: Append");
        place.json(RUN);
        let said = place.die_at(point, &format!("{RUN} {DAY}"));
        assert!(said.signal().is_some(), "`{point}` was not hit: {}", said.stderr);
        let report = place.json(&format!("{RUN} {DAY}"));
        assert_eq!(report["resumed"], true, "{point}");
        let all = database.rows("SELECT id, count(*) FROM kept GROUP BY id HAVING count(*) > 1");
        assert_eq!(all, ["4|2", "5|2", "6|2", "7|2"], "{point}: each row of the interval was added once more");
        assert_eq!(read_or_none(&place.json(RUN)), 0, "{point}: nothing is new");
    }
}

fn read_or_none(report: &Value) -> u64 {
    report["nodes"][0]["out"].as_u64().unwrap_or(0)
}

#[test]
fn what_cannot_be_read_again_is_refused_before_anything_is_written() {
    for (cursor, write, said) in [
        (BY_TIME, "mode: Overwrite", "has the mode Overwrite: it would keep the interval and nothing else"),
        ("mode: FullRefresh", UPSERT, "no source of the Pipeline is read incrementally"),
        ("mode: Incremental, cursor: number", UPSERT, "the cursor `number` is Int64, and an interval is of times"),
    ] {
        let database = Database::new();
        let place = place(&database, cursor, write);
        let refused = place.say(&format!("{RUN} {DAY}"));
        assert_eq!(refused.code(), Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
        assert!(database.rows("SELECT * FROM kept").is_empty());
    }
    let place = place(&Database::new(), BY_TIME, UPSERT);
    for (arguments, said) in [
        ("--mode Full --backfill 2026-01-02/2026-01-03", "--mode Full reads everything"),
        ("--backfill 2026-01-03/2026-01-02", "the second time is not after the first"),
        ("--backfill yesterday/today", "`yesterday` is no time"),
    ] {
        let refused = place.say(&format!("{RUN} {arguments}"));
        assert_eq!(refused.code(), Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
    }
}
