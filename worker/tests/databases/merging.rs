//! The mode Merge, on both databases.

use std::collections::BTreeSet;
use std::sync::Arc;

use aggregator_crds::pipeline::{MissingRows, WriteMode};
use aggregator_worker::connector::{Connector, DELETED, Effects, ErrorKind, SinkRequest, Staged, WriteOptions};
use arrow::array::{BooleanArray, Int64Array, RecordBatch, StringArray};

use crate::both::Both;
use crate::rows::{attempt, batch, into, of_one_run, positions, split, write};

/// Rows of a Merge; a name of None marks a row as deleted.
fn rows(rows: &[(i64, Option<&str>)]) -> RecordBatch {
    let marked = batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id)))),
        ("name", Arc::new(StringArray::from_iter(rows.iter().map(|(_, name)| *name)))),
        (DELETED, Arc::new(BooleanArray::from_iter(rows.iter().map(|(_, name)| Some(name.is_none()))))),
    ]);
    // The mark is never null, and the table may refuse a null name.
    marked
}

fn merge(rows: &RecordBatch, missing: MissingRows, rejects: bool) -> SinkRequest {
    let request = into("people", rows, WriteMode::Merge, &["id"]);
    SinkRequest { write: WriteOptions { deletes: true, missing, ..request.write }, rejects, ..request }
}

fn counts(staged: &Staged) -> (u64, u64, usize) {
    (staged.written, staged.deduplicated, staged.rejects.len())
}

const PEOPLE: &str = "SELECT id || ' ' || name FROM people ORDER BY id";

async fn merged(connector: &dyn Connector, epoch: u64, of: &[&RecordBatch], missing: MissingRows) -> Staged {
    let batches: Vec<RecordBatch> = of.iter().copied().cloned().collect();
    write(connector, merge(&batches[0], missing, false), epoch, &batches).await.expect("merged")
}

#[tokio::test]
async fn rows_are_added_replaced_and_deleted_and_every_one_is_counted() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        let first = rows(&[(1, Some("a")), (2, Some("b")), (3, Some("c")), (9, None)]);
        let mut sink = connector.sink(merge(&first, MissingRows::Keep, false)).await.expect("a sink");
        let plan: Vec<String> = sink.plan().await.expect("a plan").into_iter().map(|change| change.action).collect();
        let table = both.table("people");
        assert!(plan.contains(&format!("create table {table} (2 columns, key id)")), "{plan:?}");
        assert_eq!(
            plan[plan.len() - 2..],
            [
                format!("delete rows of {table} that the rows say are deleted, by id"),
                format!("add or replace rows of {table} by id"),
            ]
        );
        drop(sink);
        let staged = merged(connector, 1, &[&first], MissingRows::Keep).await;
        // Nothing was there to be deleted, so the row of 9 changed nothing.
        assert_eq!(counts(&staged), (3, 1, 0), "{}", both.name);
        assert_eq!((staged.effects.deleted, staged.effects.unchanged), (0, 1));
        assert_eq!(both.texts(PEOPLE).await, ["1 a", "2 b", "3 c"]);

        // The last row of a key decides: 2 comes back, 3 goes, 4 comes and goes, 5 goes and comes.
        let batches = [
            rows(&[(1, Some("x")), (2, None), (3, Some("y")), (4, Some("z")), (5, None)]),
            rows(&[(2, Some("again")), (3, None), (4, None), (5, Some("new"))]),
        ];
        let staged = merged(connector, 2, &[&batches[0], &batches[1]], MissingRows::Keep).await;
        assert_eq!(counts(&staged), (4, 5, 0), "{}", both.name);
        assert_eq!(staged.effects, Effects { deleted: 1, unchanged: 1, ..Effects::default() });
        assert_eq!(both.texts(PEOPLE).await, ["1 x", "2 again", "5 new"]);
        // The same rows once more change nothing.
        merged(connector, 3, &[&batches[0], &batches[1]], MissingRows::Keep).await;
        assert_eq!(both.texts(PEOPLE).await, ["1 x", "2 again", "5 new"]);
    }
}

#[tokio::test]
async fn rows_that_do_not_come_are_deleted_when_that_is_asked_for() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        both.execute(
            "CREATE TABLE people (id bigint PRIMARY KEY, name text, note text, UNIQUE (name)); \
             INSERT INTO people VALUES (1, 'a', 'kept'), (2, 'b', 'gone'), (3, 'c', 'gone')",
        )
        .await;
        // 4 takes the name over that 2 had, and 5 that of 3.
        let full = rows(&[(1, Some("x")), (4, Some("b")), (3, None), (5, Some("c"))]);
        let staged = merged(connector, 1, &[&full], MissingRows::Delete).await;
        assert_eq!(counts(&staged), (4, 0, 0), "{}", both.name);
        assert_eq!(staged.effects, Effects { deleted: 1, missing: 1, ..Effects::default() });
        let all = "SELECT id || ' ' || name || ' ' || coalesce(note, '∅') FROM people ORDER BY id";
        assert_eq!(both.texts(all).await, ["1 x kept", "4 b ∅", "5 c ∅"]);
        let nothing = rows(&[]);
        let staged = merged(connector, 2, &[&nothing], MissingRows::Delete).await;
        assert_eq!((counts(&staged), staged.effects.missing), ((0, 0, 0), 3));
        assert_eq!(both.texts(PEOPLE).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn refused_rows_and_refused_deletes_become_rejects() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        both.execute("CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL CHECK (name <> 'bad'))").await;
        both.refuse_deletes("people", 7).await;
        both.execute("INSERT INTO people SELECT 7, 'seven' UNION ALL SELECT 8, 'eight'").await;
        let mut many: Vec<(i64, Option<&str>)> = (100..1100).map(|id| (id, Some("good"))).collect();
        many[300].1 = Some("bad");
        many[900].1 = Some("bad");
        many.extend([(7, None), (8, None), (6, None)]);
        let many = rows(&many);
        let strict = write(connector, merge(&many, MissingRows::Keep, false), 1, std::slice::from_ref(&many)).await;
        assert_eq!(strict.expect_err("refused").kind, ErrorKind::Refused, "{}", both.name);
        assert_eq!(both.texts(PEOPLE).await, ["7 seven", "8 eight"]);
        let request = merge(&many, MissingRows::Keep, true);
        let staged = write(connector, request, 2, std::slice::from_ref(&many)).await.expect("merged");
        assert_eq!(counts(&staged), (999, 1, 3), "{}", both.name);
        assert_eq!(staged.effects, Effects { deleted: 1, unchanged: 1, ..Effects::default() });
        let mut refused: Vec<i64> = staged
            .rejects
            .iter()
            .map(|reject| {
                serde_json::from_str::<serde_json::Value>(&reject.raw).expect("JSON")["id"].as_i64().expect("id")
            })
            .collect();
        refused.sort_unstable();
        assert_eq!(refused, [7, 400, 1000]);
        let seen = "SELECT count(*) || ' ' || min(id) || ' ' || count(CASE WHEN name = 'bad' THEN 1 END) FROM people";
        assert_eq!(both.texts(seen).await, ["999 7 0"]);

        let nameless = batch(vec![
            ("id", Arc::new(Int64Array::from(vec![None, Some(5)]))),
            ("name", Arc::new(StringArray::from(vec!["x", "five"]))),
            (DELETED, Arc::new(BooleanArray::from(vec![true, false]))),
        ]);
        let request = merge(&nameless, MissingRows::Keep, true);
        let staged = write(connector, request, 3, std::slice::from_ref(&nameless)).await.expect("merged");
        assert_eq!(counts(&staged), (1, 0, 1));
        assert!(staged.rejects[0].message.contains("the key is null"), "{:?}", staged.rejects);
    }
}

#[tokio::test]
async fn a_merge_needs_a_unique_index_and_leaves_no_trace_of_an_attempt_that_gave_up() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        both.execute("CREATE TABLE people (id bigint, name text); INSERT INTO people VALUES (1, 'old')").await;
        let some = rows(&[(1, None), (2, Some("b"))]);
        let error = connector.sink(merge(&some, MissingRows::Keep, false)).await.err().expect("no index");
        assert!(error.detail.starts_with("mode Merge needs a unique index"), "{error}");
        both.execute(&error.remedy.expect("a remedy")).await;
        let mut sink = connector.sink(merge(&some, MissingRows::Delete, false)).await.expect("a sink");
        sink.fence(&attempt(1)).await.expect("fenced");
        sink.write(some.clone()).await.expect("written");
        assert_eq!(sink.stage().await.expect("staged").written, 2);
        let mut newer = connector.sink(merge(&some, MissingRows::Delete, false)).await.expect("a sink");
        newer.fence(&attempt(2)).await.expect("fenced");
        // A server has ended the transaction of the older one; a file cannot.
        let error = sink.commit(&positions(1)).await.expect_err("overtaken");
        assert!(matches!(error.kind, ErrorKind::Fenced | ErrorKind::Transient), "{error}");
        drop(sink);
        assert_eq!(both.texts(PEOPLE).await, ["1 old"]);
        newer.write(some.clone()).await.expect("written");
        assert_eq!(newer.stage().await.expect("staged").written, 2);
        newer.commit(&positions(2)).await.expect("committed");
        assert_eq!(both.texts(PEOPLE).await, ["2 b"]);
    }
}

#[tokio::test]
async fn splits_of_an_attempt_that_died_are_merged_with_those_of_the_next_one() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        both.execute(
            "CREATE TABLE people (id bigint PRIMARY KEY, name text); INSERT INTO people VALUES (1, 'old'), (2, 'old')",
        )
        .await;
        let first = rows(&[(1, Some("first")), (2, None), (3, Some("three"))]);
        let mut sink = connector.sink(merge(&first, MissingRows::Delete, false)).await.expect("a sink");
        sink.fence(&of_one_run(1)).await.expect("fenced");
        sink.keep(&BTreeSet::new(), true).await.expect("kept");
        sink.write(first).await.expect("written");
        sink.flush().await.expect("sent");
        sink.save(&split(0)).await.expect("saved");
        drop(sink);
        let second = rows(&[(1, None), (4, Some("four"))]);
        let mut sink = connector.sink(merge(&second, MissingRows::Delete, false)).await.expect("a sink");
        sink.fence(&of_one_run(2)).await.expect("fenced");
        assert_eq!(sink.saved().await.expect("read").len(), 1);
        sink.keep(&BTreeSet::from([0]), true).await.expect("kept");
        sink.write(second).await.expect("written");
        sink.flush().await.expect("sent");
        sink.save(&split(1)).await.expect("saved");
        let staged = sink.stage().await.expect("staged");
        assert_eq!((staged.written, staged.deduplicated), (4, 1));
        assert_eq!(staged.effects, Effects { deleted: 2, ..Effects::default() });
        sink.commit(&positions(1)).await.expect("committed");
        assert_eq!(both.texts(PEOPLE).await, ["3 three", "4 four"]);
    }
}
