//! The `sqlite` connector.

use std::sync::Arc;

use aggregator_crds::pipeline::WriteMode;
use aggregator_worker::connector::{Connector, ErrorKind, RejectReason, SinkRequest, SourceRequest};
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::rows::{attempt, batch, into, open, positions, read, request, rows, window, write};

fn at(folder: &TempDir, file: &str) -> Box<dyn Connector> {
    open(json!({"sqlite": {"path": folder.path().join(file)}}))
}

fn file(folder: &TempDir, statements: &str) -> Connection {
    let connection = Connection::open(folder.path().join("t.db")).expect("a file");
    connection.execute_batch(statements).expect(statements);
    connection
}

fn texts(connection: &Connection, query: &str) -> Vec<String> {
    let mut statement = connection.prepare(query).expect(query);
    statement.query_map([], |row| row.get(0)).expect(query).collect::<Result<_, _>>().expect(query)
}

fn people(rows: &[(i64, &str)]) -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id)))),
        ("name", Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, name)| *name)))),
    ])
}

const PEOPLE: &str = "SELECT id || ' ' || name FROM people ORDER BY id, name";

#[tokio::test]
async fn every_type_comes_back_as_it_was_written() {
    let folder = TempDir::new().expect("a folder");
    let connector = at(&folder, "new/folder/t.db");
    let long = "é".repeat(524_288);
    let decimals = Decimal128Array::from(vec![Some(10_i128.pow(38) - 1), Some(-1), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("big", Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None]))),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("real", Arc::new(Float64Array::from(vec![Some(f64::MIN_POSITIVE), Some(f64::NEG_INFINITY), None]))),
        ("text", Arc::new(StringArray::from(vec![Some(""), Some(&long), None]))),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(&b"\0\xff"[..]), Some(b""), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(-719_162), Some(2_932_896), None]))),
        ("clock", Arc::new(Time64MicrosecondArray::from(vec![Some(0), Some(86_399_999_999), None]))),
        ("moment", Arc::new(TimestampMicrosecondArray::from(vec![Some(-62_135_596_800_000_000), Some(1), None]))),
        (
            "instant",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(253_402_207_200_999_999), Some(-1), None])
                    .with_timezone("UTC"),
            ),
        ),
        ("amount", Arc::new(decimals.with_precision_and_scale(38, 9).expect("in range"))),
    ];
    let written = batch(columns);
    let staged =
        write(&*connector, into("every", &written, WriteMode::Append, &[]), 1, std::slice::from_ref(&written)).await;
    assert_eq!(staged.expect("written").written, 3);
    let found = read(&*connector, SourceRequest { batch_rows: 2, ..request("every") }).await.expect("a read");
    assert_eq!(found.schema, written.schema());
    assert_eq!(found.rows(), rows(&written));
    assert_eq!(connector.describe("every").await.expect("there").schema().expect("known types"), found.schema);
    let nan = batch(vec![("real", Arc::new(Float64Array::from(vec![f64::NAN])))]);
    let error = write(&*connector, into("nan", &nan, WriteMode::Append, &[]), 2, &[nan]).await.expect_err("NaN");
    assert!(error.detail.contains("NaN"), "{error}");
}

#[tokio::test]
async fn a_value_of_another_storage_class_is_rejected_with_its_rowid() {
    let folder = TempDir::new().expect("a folder");
    drop(file(
        &folder,
        "CREATE TABLE t (n INTEGER, at TIMESTAMP, flag BOOLEAN, amount DECIMAL(10,2), free);
         INSERT INTO t (rowid, n, at, flag, amount, free) VALUES (10, 1, '2026-01-02 03:04:05', 1, 1.25, 7), (20, 'x', NULL, 0, 1, 8),
           (30, 3, 'soon', 1, 1, 9), (40, 4, 1767323045, 1, 1, 1), (50, 5, NULL, 2, 1, 1), (60, 6, NULL, 1, 1.255, 1),
           (70, NULL, '2026-01-02T03:04:05.000001', NULL, NULL, NULL)",
    ));
    let connector = at(&folder, "t.db");
    let found = read(&*connector, SourceRequest { rejects: true, ..request("t") }).await.expect("a read");
    assert_eq!(found.rows(), ["1|2026-01-02T03:04:05|true|1.25|7", "NULL|2026-01-02T03:04:05.000001|NULL|NULL|NULL"]);
    let rejects: Vec<String> = found
        .rejects
        .iter()
        .map(|reject| format!("{} {}", reject.column.as_deref().unwrap_or_default(), reject.message))
        .collect();
    assert_eq!(
        rejects,
        [
            "n the value is stored as text, the column's type wants an integer (rowid 20)",
            "at `soon` is not a timestamp as 2026-01-02T03:04:05 (rowid 30)",
            "at the value is stored as integer, the column's type wants text (rowid 40)",
            "flag 2 is neither 0 nor 1 (rowid 50)",
            "amount `1.255` does not fit Decimal128(10, 2) (rowid 60)",
        ]
    );
    assert!(found.rejects.iter().all(|reject| reject.reason == RejectReason::CastFailed));
    assert_eq!(found.rejects[0].raw, r#"{"n":"x","at":null,"flag":0,"amount":1,"free":8}"#);
    let error = read(&*connector, request("t")).await.expect_err("not allowed");
    assert!(error.kind == ErrorKind::Data && error.detail.contains("rowid 20"), "{error}");
}

#[tokio::test]
async fn a_window_holds_both_its_bounds_whatever_the_text_looks_like() {
    let folder = TempDir::new().expect("a folder");
    drop(file(
        &folder,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP, word TEXT);
         INSERT INTO t VALUES (1, '2026-01-02 00:00:00', 'b'), (2, '2026-01-02T00:00:01', 'B'),
           (3, '2026-01-02 00:00:02.5', 'a'), (4, '2026-01-02T02:00:03+02:00', NULL), (5, '2026-01-03 00:00:00', 'z')",
    ));
    let connector = at(&folder, "t.db");
    let ids = async |column: &str, lower: Option<&str>, upper: Option<&str>| {
        let columns = Some(vec!["id".into()]);
        let mut rows =
            read(&*connector, SourceRequest { columns, window: window(column, lower, upper), ..request("t") })
                .await
                .expect("a read")
                .rows();
        rows.sort();
        rows.join(" ")
    };
    assert_eq!(ids("at", Some("2026-01-02T00:00:01"), Some("2026-01-02T00:00:03")).await, "2 3 4");
    assert_eq!(ids("at", Some("2026-01-02T00:00:02.500"), None).await, "3 4 5");
    assert_eq!(ids("id", Some("2"), Some("3")).await, "2 3");
    // Row 4 has no word: it comes through, for the engine to reject.
    assert_eq!(ids("word", Some("B"), Some("a")).await, "2 3 4");
}

#[tokio::test]
async fn a_read_is_one_snapshot_and_queries_have_types() {
    let folder = TempDir::new().expect("a folder");
    let writer = file(
        &folder,
        "PRAGMA journal_mode = wal; CREATE TABLE t (n INTEGER);
         WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000) INSERT INTO t SELECT n FROM c",
    );
    let connector = at(&folder, "t.db");
    let source = connector.source(request("t")).await.expect("a source");
    let events = source.read().await.expect("started");
    writer.execute_batch("DELETE FROM t WHERE n < 4000; INSERT INTO t VALUES (0)").expect("written");
    let events: Vec<_> = futures::StreamExt::collect(events).await;
    let Some(Ok(aggregator_worker::connector::SourceEvent::End(end))) = events.last() else { panic!("{events:?}") };
    assert_eq!(end.read, 5000);
    let query = "SELECT count(*) AS rows, avg(n) AS mean, max(n) || '' AS word FROM t";
    let types: Vec<String> =
        connector.describe(query).await.expect("a query").columns.into_iter().map(|column| column.data_type).collect();
    assert_eq!(types, ["Int64", "Float64", "Utf8"]);
    assert_eq!(read(&*connector, request(query)).await.expect("a read").rows(), ["1002|4495.508982035928|5000"]);
}

#[tokio::test]
async fn modes_fences_and_aborts_keep_their_promises() {
    let folder = TempDir::new().expect("a folder");
    let connector = at(&folder, "t.db");
    let modes = async |mode, key: &[&str], epoch, rows: &[(i64, &str)]| {
        let rows = people(rows);
        write(&*connector, into("people", &rows, mode, key), epoch, &[rows]).await
    };
    assert_eq!(modes(WriteMode::Append, &[], 1, &[(1, "a"), (2, "b")]).await.expect("appended").written, 2);
    let connection = file(&folder, "");
    assert_eq!(texts(&connection, PEOPLE), ["1 a", "2 b"]);
    modes(WriteMode::Overwrite, &[], 2, &[(3, "c"), (4, "d")]).await.expect("overwritten");
    assert_eq!(texts(&connection, PEOPLE), ["3 c", "4 d"]);
    let error = modes(WriteMode::Upsert, &["id"], 3, &[(3, "x")]).await.expect_err("no unique index");
    assert_eq!(error.kind, ErrorKind::Config);
    connection.execute_batch(&error.remedy.expect("a statement")).expect("the remedy works");
    let staged = modes(WriteMode::Upsert, &["id"], 4, &[(4, "x"), (5, "e"), (4, "last")]).await.expect("merged");
    assert_eq!((staged.written, staged.deduplicated), (2, 1));
    assert_eq!(texts(&connection, PEOPLE), ["3 c", "4 last", "5 e"]);

    let rows = people(&[(9, "nine")]);
    let mut old = connector.sink(into("people", &rows, WriteMode::Overwrite, &[])).await.expect("a sink");
    old.fence(&attempt(5)).await.expect("fenced");
    old.write(rows.clone()).await.expect("written");
    assert_eq!(old.stage().await.expect("staged").written, 1);
    assert_eq!(texts(&connection, PEOPLE), ["3 c", "4 last", "5 e"], "nothing shows before the commit");
    let mut new = connector.sink(into("people", &rows, WriteMode::Overwrite, &[])).await.expect("a sink");
    assert_eq!(new.fence(&attempt(5)).await.expect_err("same epoch").kind, ErrorKind::Fenced);
    new.fence(&attempt(6)).await.expect("fenced");
    assert_eq!(old.commit(&positions(5)).await.expect_err("older").kind, ErrorKind::Fenced);
    assert_eq!(texts(&connection, PEOPLE), ["3 c", "4 last", "5 e"]);
    let last = new.last_commit().await.expect("read").expect("a commit");
    assert_eq!((last.epoch, last.run.as_deref(), last.positions), (6, Some("run-4"), positions(4)));
    new.stage().await.expect("staged");
    new.commit(&positions(6)).await.expect("the owner commits");
    assert_eq!(texts(&connection, PEOPLE), Vec::<String>::new());
}

#[tokio::test]
async fn refused_rows_become_rejects_and_missing_things_are_named() {
    let folder = TempDir::new().expect("a folder");
    let connection = file(&folder, "CREATE TABLE people (id INTEGER CHECK (id <> 2), name TEXT UNIQUE)");
    let connector = at(&folder, "t.db");
    let rows = people(&[(1, "a"), (2, "b"), (3, "a"), (4, "d")]);
    let lenient = SinkRequest { rejects: true, ..into("people", &rows, WriteMode::Append, &[]) };
    let staged = write(&*connector, lenient, 1, std::slice::from_ref(&rows)).await.expect("written");
    assert_eq!(staged.written, 2);
    let raws: Vec<&str> = staged.rejects.iter().map(|reject| reject.raw.as_str()).collect();
    assert_eq!(raws, [r#"{"id":2,"name":"b"}"#, r#"{"id":3,"name":"a"}"#]);
    assert_eq!(texts(&connection, PEOPLE), ["1 a", "4 d"]);
    let strict = into("people", &rows, WriteMode::Append, &[]);
    let error = write(&*connector, strict, 2, &[rows]).await.expect_err("the first bad row ends it");
    assert!(error.kind == ErrorKind::Refused && error.detail.contains(r#"{"id":1,"name":"a"}"#), "{error}");
    assert_eq!(texts(&connection, PEOPLE), ["1 a", "4 d"]);

    let error = connector.describe("peple").await.expect_err("no such table");
    assert_eq!((error.kind, error.remedy.as_deref()), (ErrorKind::NotFound, Some("did you mean `people`?")));
    let report = at(&folder, "none.db").check().await.expect("a sink would make it");
    assert!(report.message.ends_with("is not there yet; the first write makes it"), "{}", report.message);
    assert!(!folder.path().join("none.db").exists());
    std::fs::write(folder.path().join("text.db"), "this is no database, but long enough to look like one".repeat(100))
        .expect("a file");
    assert_eq!(at(&folder, "text.db").check().await.expect_err("no database").kind, ErrorKind::Data);
    assert!(connector.check().await.expect("a database").message.contains(", 1 table or view"));
}
