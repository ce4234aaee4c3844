//! Writing PostgreSQL: modes, plans, commits and fences.

use std::collections::BTreeSet;
use std::sync::Arc;

use aggregator_crds::pipeline::WriteMode;
use aggregator_worker::connector::{ErrorKind, SavedSplit, Sink};
use arrow::array::{Int64Array, RecordBatch, StringArray};

use crate::rows::{attempt, batch, execute, fresh, into, of_one_run, positions, split, texts, write};

fn people(rows: &[(i64, &str)]) -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id)))),
        ("name", Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, name)| *name)))),
    ])
}

const PEOPLE: &str = "SELECT id || ' ' || name FROM people ORDER BY id, name";

#[tokio::test]
async fn append_overwrite_and_upsert_leave_what_they_promise() {
    let (server, database, connector) = fresh().await;
    let modes = async |mode, key: &[&str], epoch, rows: &[&[(i64, &str)]]| {
        let batches: Vec<RecordBatch> = rows.iter().map(|rows| people(rows)).collect();
        write(&*connector, into("public.people", &batches[0], mode, key), epoch, &batches).await
    };
    let staged = modes(WriteMode::Append, &[], 1, &[&[(1, "a"), (2, "b")], &[(2, "b")]]).await.expect("appended");
    assert_eq!(staged.written, 3);
    assert!(staged.bytes > 0);
    assert_eq!(texts(&server, &database, PEOPLE).await, ["1 a", "2 b", "2 b"]);
    modes(WriteMode::Append, &[], 2, &[&[(3, "c")]]).await.expect("appended");
    assert_eq!(texts(&server, &database, PEOPLE).await, ["1 a", "2 b", "2 b", "3 c"]);

    let error = modes(WriteMode::Upsert, &["id"], 3, &[&[(1, "x")]]).await.expect_err("no unique index");
    assert_eq!(error.kind, ErrorKind::Config);
    let remedy = error.remedy.unwrap_or_default();
    assert_eq!(remedy, "CREATE UNIQUE INDEX ON \"public\".\"people\" (\"id\")");

    execute(&server, &database, "CREATE VIEW names AS SELECT name FROM people").await;
    modes(WriteMode::Overwrite, &[], 4, &[&[(7, "new")], &[(8, "too")]]).await.expect("overwritten");
    assert_eq!(texts(&server, &database, PEOPLE).await, ["7 new", "8 too"]);
    assert_eq!(texts(&server, &database, "SELECT count(*)::text FROM names").await, ["2"]);

    execute(&server, &database, &remedy).await;
    let staged =
        modes(WriteMode::Upsert, &["id"], 5, &[&[(8, "old"), (9, "nine")], &[(8, "last")]]).await.expect("merged");
    assert_eq!((staged.written, staged.deduplicated), (2, 1));
    assert_eq!(texts(&server, &database, PEOPLE).await, ["7 new", "8 last", "9 nine"]);

    let empty = people(&[]);
    write(&*connector, into("public.people", &empty, WriteMode::Overwrite, &[]), 6, &[]).await.expect("emptied");
    assert_eq!(texts(&server, &database, PEOPLE).await, Vec::<String>::new());
}

#[tokio::test]
async fn keys_that_only_the_server_finds_equal_are_one() {
    let (server, database, connector) = fresh().await;
    execute(
        &server,
        &database,
        "CREATE TABLE codes (code char(4) PRIMARY KEY, name text); INSERT INTO codes VALUES ('b', 'old')",
    )
    .await;
    let codes = |rows: &[(&str, &str)]| {
        batch(vec![
            ("code", Arc::new(StringArray::from_iter_values(rows.iter().map(|(code, _)| *code)))),
            ("name", Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, name)| *name)))),
        ])
    };
    for (epoch, rejects) in [(1, false), (2, true)] {
        let rows = codes(&[("a", "first"), ("b", "new"), ("a ", "last")]);
        let mut request = into("public.codes", &rows, WriteMode::Upsert, &["code"]);
        request.rejects = rejects;
        let staged = write(&*connector, request, epoch, &[rows]).await.expect("merged");
        assert_eq!((staged.written, staged.deduplicated, staged.rejects.len()), (2, 1, 0), "rejects: {rejects}");
        let all = texts(&server, &database, "SELECT trim(code) || ' ' || name FROM codes ORDER BY code").await;
        assert_eq!(all, ["a last", "b new"]);
    }
}

#[tokio::test]
async fn a_new_table_has_key_and_comments_and_an_old_one_gets_new_columns() {
    let (server, database, connector) = fresh().await;
    let rows = people(&[(1, "a"), (1, "b")]);
    let commented =
        rows.schema().field(1).clone().with_metadata([("comment".to_owned(), "it's a name".to_owned())].into());
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![rows.schema().field(0).clone(), commented]));
    let rows = RecordBatch::try_new(schema, rows.columns().to_vec()).expect("the same columns");
    let mut sink = connector.sink(into("public.people", &rows, WriteMode::Upsert, &["id"])).await.expect("a sink");
    let plan: Vec<String> = sink.plan().await.expect("a plan").into_iter().map(|change| change.action).collect();
    assert_eq!(
        plan,
        [
            "create table public._aggregator_commits",
            "create table public.people (2 columns, key id)",
            "comment column name of public.people",
            "add or replace rows of public.people by id"
        ]
    );
    assert_eq!(
        texts(&server, &database, "SELECT relname::text FROM pg_class WHERE relname = 'people'").await,
        Vec::<String>::new()
    );
    drop(sink);
    let request = into("public.people", &rows, WriteMode::Upsert, &["id"]);
    let staged = write(&*connector, request, 1, &[rows]).await.expect("written");
    assert_eq!((staged.written, staged.deduplicated), (1, 1));
    assert_eq!(texts(&server, &database, PEOPLE).await, ["1 b"]);
    let comment = "SELECT col_description('people'::regclass, 2)";
    assert_eq!(texts(&server, &database, comment).await, ["it's a name"]);

    let wider = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![2]))),
        ("name", Arc::new(StringArray::from(vec!["c"]))),
        ("age", Arc::new(Int64Array::from(vec![44]))),
    ]);
    let request = into("public.people", &wider, WriteMode::Append, &[]);
    let plan = connector.sink(request.clone()).await.expect("a sink").plan().await.expect("a plan");
    assert_eq!(plan[0].statement.as_deref(), Some(r#"ALTER TABLE "public"."people" ADD COLUMN "age" bigint"#));
    write(&*connector, request, 2, &[wider]).await.expect("written");
    let all = "SELECT id || ' ' || coalesce(age::text, 'none') FROM people ORDER BY id";
    assert_eq!(texts(&server, &database, all).await, ["1 none", "2 44"]);
    let error =
        connector.sink(into("nowhere.people", &people(&[]), WriteMode::Append, &[])).await.err().expect("no schema");
    assert_eq!((error.kind, error.remedy.as_deref()), (ErrorKind::NotFound, Some("CREATE SCHEMA \"nowhere\"")));
}

#[tokio::test]
async fn nothing_shows_before_the_commit_and_nothing_stays_without_it() {
    let (server, database, connector) = fresh().await;
    execute(&server, &database, "CREATE TABLE people (id bigint, name text); INSERT INTO people VALUES (1, 'old')")
        .await;
    for abort in [true, false] {
        let rows = people(&[(2, "new")]);
        let mut sink = connector.sink(into("public.people", &rows, WriteMode::Overwrite, &[])).await.expect("a sink");
        sink.fence(&attempt(if abort { 1 } else { 2 })).await.expect("fenced");
        sink.write(rows).await.expect("written");
        assert_eq!(texts(&server, &database, PEOPLE).await, ["1 old"]);
        assert_eq!(sink.stage().await.expect("staged").written, 1);
        if abort {
            sink.abort().await.expect("given up");
        }
        drop(sink);
        assert_eq!(texts(&server, &database, PEOPLE).await, ["1 old"], "abort: {abort}");
    }
}

#[tokio::test]
async fn an_older_attempt_cannot_commit() {
    let (server, database, connector) = fresh().await;
    execute(&server, &database, "CREATE TABLE people (id bigint, name text)").await;
    let prepared = async |epoch: u64, name: &str| -> Box<dyn Sink> {
        let rows = people(&[(1, name)]);
        let mut sink = connector.sink(into("public.people", &rows, WriteMode::Append, &[])).await.expect("a sink");
        sink.fence(&attempt(epoch)).await.expect("fenced");
        sink.write(rows).await.expect("written");
        sink.stage().await.expect("staged");
        sink
    };
    let mut old = prepared(1, "old").await;
    let mut new = prepared(2, "new").await;
    // The server has ended its transaction, so that the new one need not wait for its locks.
    let error = old.commit(&positions(1)).await.expect_err("ended");
    assert_eq!(error.kind, ErrorKind::Transient);
    assert_eq!(texts(&server, &database, PEOPLE).await, Vec::<String>::new());
    new.commit(&positions(2)).await.expect("the owner commits");
    assert_eq!(texts(&server, &database, PEOPLE).await, ["1 new"]);

    let rows = people(&[]);
    let mut late = connector.sink(into("public.people", &rows, WriteMode::Append, &[])).await.expect("a sink");
    assert_eq!(late.fence(&attempt(2)).await.expect_err("same epoch").kind, ErrorKind::Fenced);
    let last = late.last_commit().await.expect("read").expect("a commit");
    assert_eq!((last.epoch, last.run.as_deref(), last.rows), (2, Some("run-2"), 1));
    assert_eq!(last.positions, positions(2));
    late.fence(&attempt(3)).await.expect("newer");
    let last = late.last_commit().await.expect("read").expect("a commit");
    assert_eq!((last.epoch, last.run.as_deref()), (3, Some("run-2")));
}

#[tokio::test]
async fn an_attempt_that_was_overtaken_takes_nothing_away_that_its_successor_keeps() {
    let (server, database, connector) = fresh().await;
    let sink =
        async || connector.sink(into("public.people", &people(&[]), WriteMode::Append, &[])).await.expect("a sink");
    let numbers = |saved: Vec<SavedSplit>| saved.iter().map(|saved| saved.number).collect::<BTreeSet<u64>>();
    execute(&server, &database, "CREATE TABLE people (id bigint, name text)").await;
    let mut old = sink().await;
    old.fence(&of_one_run(1)).await.expect("fenced");
    old.keep(&BTreeSet::new(), true).await.expect("kept");
    for number in 0..3 {
        old.write(people(&[(number, "old")])).await.expect("written");
        old.save(&split(number.unsigned_abs())).await.expect("saved");
    }
    old.write(people(&[(99, "old")])).await.expect("written");
    assert_eq!(old.flush().await.expect("sent"), []);
    let mut new = sink().await;
    new.fence(&of_one_run(2)).await.expect("fenced");
    assert_eq!(numbers(new.saved().await.expect("read")), BTreeSet::from([0, 1, 2]));
    // The old attempt is in a transaction that has locks on the staging table: its connection is ended.
    new.keep(&BTreeSet::from([0, 2]), true).await.expect("kept");
    assert_eq!(old.save(&split(3)).await.expect_err("overtaken").kind, ErrorKind::Transient);
    // One that was between two transactions is told.
    let mut late = sink().await;
    late.fence(&of_one_run(3)).await.expect("fenced");
    assert_eq!(new.keep(&BTreeSet::from([0]), true).await.expect_err("overtaken").kind, ErrorKind::Fenced);
    let error = new.write(people(&[(98, "old")])).await.expect_err("overtaken");
    assert_eq!(error.kind, ErrorKind::Fenced);
    assert_eq!(new.save(&split(3)).await.expect_err("overtaken").kind, ErrorKind::Fenced);
    let mut new = late;
    new.keep(&BTreeSet::from([0, 2]), true).await.expect("kept");
    new.write(people(&[(7, "new")])).await.expect("written");
    new.save(&split(3)).await.expect("saved");
    assert_eq!(new.stage().await.expect("staged").written, 3);
    assert_eq!(texts(&server, &database, PEOPLE).await, Vec::<String>::new());
    new.commit(&positions(2)).await.expect("committed");
    assert_eq!(texts(&server, &database, PEOPLE).await, ["0 old", "2 old", "7 new"]);
}
