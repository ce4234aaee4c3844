//! What happens when rows and table differ in shape, by policy, on both databases.

use std::sync::Arc;

use aggregator_crds::pipeline::{ChangePolicy, SchemaPolicy, TablePolicy, WriteMode};
use aggregator_worker::connector::{
    ErrorKind, RejectReason, SchemaChange, SchemaChangeKind, SinkRequest, Staged, WriteOptions,
};
use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray};

use crate::both::Both;
use crate::rows::{batch, into, write};

fn rows(of: &[(i64, Option<&str>, Option<&str>)]) -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(of.iter().map(|row| row.0)))),
        ("size", Arc::new(StringArray::from_iter(of.iter().map(|row| row.1)))),
        ("note", Arc::new(StringArray::from_iter(of.iter().map(|row| row.2)))),
    ])
}

fn under(rows: &RecordBatch, mode: WriteMode, policy: SchemaPolicy) -> SinkRequest {
    let key: &[&str] = if mode == WriteMode::Append { &[] } else { &["id"] };
    let request = into("things", rows, mode, key);
    SinkRequest { write: WriteOptions { policy, ..request.write }, rejects: true, ..request }
}

fn policy(columns: ChangePolicy, data_type: ChangePolicy) -> SchemaPolicy {
    SchemaPolicy { tables: None, columns: Some(columns), data_type: Some(data_type) }
}

fn told(staged: &Staged) -> Vec<String> {
    staged.effects.schema_changes.iter().map(ToString::to_string).collect()
}

const THINGS: &str = "SELECT id || ' ' || coalesce(CAST(size AS text), '∅') FROM things ORDER BY id";

#[tokio::test]
async fn what_is_frozen_fails_before_anything_is_read_and_says_what_to_do() {
    for both in Both::fresh().await {
        let some = rows(&[(1, Some("1"), Some("x"))]);
        let frozen = SchemaPolicy { tables: Some(TablePolicy::Freeze), ..SchemaPolicy::default() };
        let table = both.table("things");
        let error = both.connector.sink(under(&some, WriteMode::Upsert, frozen.clone())).await.err().expect("no table");
        assert_eq!(error.kind, ErrorKind::Config, "{}", both.name);
        assert_eq!(
            error.detail,
            format!("there is no table {table}, and `schemaPolicy.tables: Freeze` lets nobody create it")
        );
        let remedy = error.remedy.expect("a remedy");
        let (statement, rest) = remedy.split_once("; or ").expect("a statement and more");
        assert_eq!(rest, "correct the sink's `stream`, or write `tables: Evolve`");
        // The statement of the remedy makes the table that the run would have made.
        both.execute(&statement.replace(", \"note\" text", "").replace(", \"note\" TEXT", "")).await;
        let narrow = policy(ChangePolicy::Freeze, ChangePolicy::Freeze);
        let error =
            both.connector.sink(under(&some, WriteMode::Upsert, narrow.clone())).await.err().expect("no column");
        assert_eq!(
            error.detail,
            format!("{table} has no column `note`, and `schemaPolicy.columns: Freeze` lets nobody add it")
        );
        let remedy = error.remedy.expect("a remedy");
        both.execute(remedy.split_once("; or ").expect("a statement and more").0).await;
        let staged =
            write(&*both.connector, under(&some, WriteMode::Upsert, narrow), 1, &[some]).await.expect("written");
        assert_eq!((staged.written, told(&staged)), (1, vec![]), "{}", both.name);
        assert_eq!(both.texts("SELECT id || size || note FROM things").await, ["11x"]);
    }
}

#[tokio::test]
async fn values_without_a_place_are_left_out_and_counted() {
    for both in Both::fresh().await {
        both.execute("CREATE TABLE things (id bigint PRIMARY KEY, size integer)").await;
        let some = rows(&[
            (1, Some("7"), Some("x")),
            (2, Some("wide"), None),
            (3, None, Some("y")),
            (4, Some("wider"), Some("z")),
        ]);
        let discard = policy(ChangePolicy::DiscardValue, ChangePolicy::DiscardValue);
        for (epoch, mode) in [(1, WriteMode::Append), (2, WriteMode::Upsert)] {
            let request = under(&some, mode, discard.clone());
            let mut sink = both.connector.sink(request.clone()).await.expect("a sink");
            let plan: Vec<String> =
                sink.plan().await.expect("a plan").into_iter().map(|change| change.action).collect();
            drop(sink);
            let table = both.table("things");
            // SQLite writes the names of its own types in capitals.
            let kind = if both.name == "postgres" { "integer" } else { "INTEGER" };
            for action in [
                format!("leave out values of size that do not fit {kind} of {table}"),
                format!("leave note out, which {table} does not have"),
            ] {
                assert!(plan.contains(&action), "{}: {plan:?}", both.name);
            }
            let staged = write(&*both.connector, request, epoch, std::slice::from_ref(&some)).await.expect("written");
            assert_eq!((staged.written, staged.rejects.len()), (4, 0), "{} {mode:?}", both.name);
            assert_eq!(told(&staged), ["3 values of note left out", "2 values of size left out"]);
            assert_eq!(both.texts(THINGS).await, ["1 7", "2 ∅", "3 ∅", "4 ∅"], "{}", both.name);
        }
    }
}

#[tokio::test]
async fn rows_without_a_place_are_rejected_with_column_and_reason() {
    for both in Both::fresh().await {
        both.execute("CREATE TABLE things (id bigint PRIMARY KEY, size integer)").await;
        let some = rows(&[
            (1, Some("7"), None),
            (2, Some("wide"), None),
            (3, None, Some("y")),
            (4, None, None),
            (5, Some("x"), Some("y")),
        ]);
        let discard = policy(ChangePolicy::DiscardRow, ChangePolicy::DiscardRow);
        let request = under(&some, WriteMode::Upsert, discard);
        let staged = write(&*both.connector, request.clone(), 1, std::slice::from_ref(&some)).await.expect("written");
        assert_eq!((staged.written, staged.rejects.len()), (2, 3), "{}", both.name);
        assert_eq!(told(&staged), Vec::<String>::new());
        assert_eq!(both.texts(THINGS).await, ["1 7", "4 ∅"]);
        let seen: Vec<(Option<&str>, RejectReason, &str)> = staged
            .rejects
            .iter()
            .map(|reject| (reject.column.as_deref(), reject.reason, reject.message.as_str()))
            .collect();
        let kind = if both.name == "postgres" { "integer" } else { "INTEGER" };
        let narrow = &*format!("the value does not fit the column, which is {kind}");
        assert_eq!(
            seen,
            [
                (Some("size"), RejectReason::CastFailed, narrow),
                (Some("note"), RejectReason::WriteRefused, "the table has no such column"),
                (Some("size"), RejectReason::CastFailed, narrow),
            ],
            "{}",
            both.name
        );
        assert!(staged.rejects[0].raw.contains("\"wide\""), "{:?}", staged.rejects[0]);
        let strict = SinkRequest { rejects: false, ..request };
        let error = write(&*both.connector, strict, 2, &[some]).await.expect_err("the first wrong row ends it");
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.detail.starts_with("column `size`") && error.detail.contains("\"wide\""), "{error}");
    }
}

#[tokio::test]
async fn a_column_that_rows_are_told_apart_by_cannot_be_left_out() {
    for both in Both::fresh().await {
        both.execute("CREATE TABLE things (id integer PRIMARY KEY, size text)").await;
        let texts = batch(vec![
            ("id", Arc::new(StringArray::from(vec!["1", "x"])) as ArrayRef),
            ("size", Arc::new(StringArray::from(vec!["a", "b"]))),
        ]);
        let leave_out = policy(ChangePolicy::DiscardValue, ChangePolicy::DiscardValue);
        let error = both.connector.sink(under(&texts, WriteMode::Upsert, leave_out)).await.err().expect("the key");
        assert!(error.detail.ends_with("rows are told apart by it: its values cannot be left out"), "{error}");
        let reject = policy(ChangePolicy::DiscardRow, ChangePolicy::DiscardRow);
        let staged =
            write(&*both.connector, under(&texts, WriteMode::Upsert, reject), 1, &[texts]).await.expect("written");
        assert_eq!((staged.written, staged.rejects.len()), (1, 1), "{}", both.name);
        assert_eq!(both.texts(THINGS).await, ["1 a"]);
    }
}

#[tokio::test]
async fn tables_are_created_and_columns_added_and_the_report_says_so_once() {
    for both in Both::fresh().await {
        let first = rows(&[(1, Some("1"), Some("x"))]);
        let narrow = first.project(&[0, 1]).expect("two columns");
        let evolve = || policy(ChangePolicy::Evolve, ChangePolicy::Freeze);
        let staged =
            write(&*both.connector, under(&narrow, WriteMode::Append, evolve()), 1, &[narrow]).await.expect("written");
        assert_eq!(told(&staged), ["table created"], "{}", both.name);
        for (epoch, expected) in [(2, true), (3, false)] {
            let request = under(&first, WriteMode::Append, evolve());
            let staged = write(&*both.connector, request, epoch, std::slice::from_ref(&first)).await.expect("written");
            let kind = if both.name == "postgres" { "text" } else { "TEXT" };
            let added = SchemaChange {
                kind: SchemaChangeKind::ColumnAdded,
                column: Some("note".into()),
                from: None,
                to: Some(kind.into()),
                rows: 0,
            };
            let changes = if expected { vec![added] } else { Vec::new() };
            assert_eq!(staged.effects.schema_changes, changes, "{} {epoch}", both.name);
        }
        assert_eq!(both.texts("SELECT coalesce(note, '∅') FROM things ORDER BY note IS NULL").await, ["x", "x", "∅"]);
    }
}

#[tokio::test]
async fn postgres_columns_are_widened_and_lose_nothing() {
    let both = Both::postgres().await;
    both.execute(
        "CREATE TABLE things (id integer PRIMARY KEY, size real, name varchar(3), amount numeric(5,2), fixed bigint); \
         INSERT INTO things VALUES (1, 1.5, 'abc', 123.45, 9)",
    )
    .await;
    let wide = || {
        let amounts = Decimal128Array::from(vec![123_456_789_i128]).with_precision_and_scale(12, 4).expect("fits");
        batch(vec![
            ("id", Arc::new(Int64Array::from(vec![i64::MAX]))),
            ("size", Arc::new(Float64Array::from(vec![0.1]))),
            ("name", Arc::new(StringArray::from(vec!["longer"]))),
            ("amount", Arc::new(amounts)),
            ("fixed", Arc::new(Int64Array::from(vec![7]))),
        ])
    };
    let rows = wide();
    let error = both
        .connector
        .sink(under(&rows, WriteMode::Upsert, policy(ChangePolicy::Evolve, ChangePolicy::Freeze)))
        .await
        .err()
        .expect("frozen");
    assert!(error.detail.starts_with("column `size` is Float64 in the rows and real in the table"), "{error}");
    let request = under(&rows, WriteMode::Upsert, policy(ChangePolicy::Evolve, ChangePolicy::Evolve));
    let mut sink = both.connector.sink(request.clone()).await.expect("a sink");
    let plan = sink.plan().await.expect("a plan");
    assert!(
        plan.iter().any(|change| change.action == "widen column id of public.things from integer to bigint"
            && change.statement.as_deref() == Some(r#"ALTER TABLE "public"."things" ALTER COLUMN "id" TYPE bigint"#)),
        "{plan:?}"
    );
    drop(sink);
    let staged = write(&*both.connector, request.clone(), 1, &[rows]).await.expect("written");
    assert_eq!(
        told(&staged),
        [
            "column id widened from integer to bigint",
            "column size widened from real to double precision",
            "column name widened from character varying(3) to text",
            "column amount widened from numeric(5,2) to numeric(12,4)",
        ]
    );
    let all = "SELECT concat_ws(' ', id, size, name, amount, fixed) FROM things ORDER BY id";
    assert_eq!(both.texts(all).await, ["1 1.5 abc 123.4500 9", "9223372036854775807 0.1 longer 12345.6789 7"]);
    let staged = write(&*both.connector, request, 2, &[wide()]).await.expect("written");
    assert_eq!(told(&staged), Vec::<String>::new(), "the second run finds the columns wide enough");
    // What no type holds without loss stays an error.
    let text = batch(vec![("id", Arc::new(StringArray::from(vec!["1"])) as ArrayRef)]);
    let evolve = policy(ChangePolicy::Evolve, ChangePolicy::Evolve);
    let error = both.connector.sink(under(&text, WriteMode::Append, evolve)).await.err().expect("no way");
    assert!(error.detail.starts_with("column `id` is Utf8 in the rows and bigint in the table"), "{error}");
}

#[tokio::test]
async fn texts_that_are_too_long_are_left_out_or_reject_their_rows() {
    let both = Both::postgres().await;
    both.execute("CREATE TABLE things (id bigint PRIMARY KEY, size varchar(2), note char(2))").await;
    let some = rows(&[(1, Some("ab"), None), (2, Some("abc"), Some("x")), (3, None, Some("äöü"))]);
    let leave_out = policy(ChangePolicy::Freeze, ChangePolicy::DiscardValue);
    let request = under(&some, WriteMode::Upsert, leave_out);
    let staged = write(&*both.connector, request, 1, std::slice::from_ref(&some)).await.expect("written");
    assert_eq!(told(&staged), ["1 value of note left out", "1 value of size left out"]);
    assert_eq!(both.texts(THINGS).await, ["1 ab", "2 ∅", "3 ∅"]);
    let reject = policy(ChangePolicy::Freeze, ChangePolicy::DiscardRow);
    let staged = write(&*both.connector, under(&some, WriteMode::Upsert, reject), 2, &[some]).await.expect("written");
    assert_eq!((staged.written, staged.rejects.len()), (1, 2));
}

/// Rows of which a column that holds no fractions, or few digits, takes the size of the first one only; two have a note.
fn unlike() -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(1..=4))),
        ("size", Arc::new(Float64Array::from(vec![Some(2.0), Some(0.1), None, Some(0.1)]))),
        ("note", Arc::new(StringArray::from(vec![None, None, Some("y"), Some("z")]))),
    ])
}

/// What becomes of those rows.
#[derive(Clone, Copy)]
enum Fate {
    /// Nothing is read; the error begins so, with the table for `TABLE`.
    Fails(&'static str),
    /// The table has these rows then.
    Written {
        rows: &'static [&'static str],
        /// The columns for whose values rows were rejected, in the order of the rows.
        rejected: &'static [&'static str],
        /// What the report says of it.
        told: &'static [&'static str],
    },
}

const NO_TABLE: Fate = Fate::Fails("there is no table TABLE, and `schemaPolicy.tables: Freeze` lets nobody create it");
const NO_NOTE: Fate = Fate::Fails("TABLE has no column `note`, and `schemaPolicy.columns: Freeze` lets nobody add it");
const NO_SIZE: Fate = Fate::Fails("column `size` is Float64 in the rows and ");
const CREATED: Fate = written(&["1 2 ∅", "2 0.1 ∅", "3 ∅ y", "4 0.1 z"], &[], &["table created"]);

const fn written(
    rows: &'static [&'static str],
    rejected: &'static [&'static str],
    told: &'static [&'static str],
) -> Fate {
    Fate::Written { rows, rejected, told }
}

const ADDED: &str = "column note text added";
const WIDENED: &str = "column size widened from real to double precision";
const SIZE_LEFT_OUT: &str = "2 values of size left out";
const NOTE_LEFT_OUT: &str = "2 values of note left out";

/// Under each policy of columns and of types, what happens to a table without `note` whose `size` is too narrow. What a row
/// that is rejected has in its other columns is not left out, but with the rejects.
const FATES: [(ChangePolicy, ChangePolicy, Fate); 16] = {
    use ChangePolicy::{DiscardRow, DiscardValue, Evolve, Freeze};
    [
        (Evolve, Evolve, written(&["1 2 ∅", "2 0.1 ∅", "3 ∅ y", "4 0.1 z"], &[], &[ADDED, WIDENED])),
        (Evolve, Freeze, NO_SIZE),
        (Evolve, DiscardRow, written(&["1 2 ∅", "3 ∅ y"], &["size", "size"], &[ADDED])),
        (Evolve, DiscardValue, written(&["1 2 ∅", "2 ∅ ∅", "3 ∅ y", "4 ∅ z"], &[], &[ADDED, SIZE_LEFT_OUT])),
        (Freeze, Evolve, NO_NOTE),
        (Freeze, Freeze, NO_SIZE),
        (Freeze, DiscardRow, NO_NOTE),
        (Freeze, DiscardValue, NO_NOTE),
        (DiscardRow, Evolve, written(&["1 2", "2 0.1"], &["note", "note"], &[WIDENED])),
        (DiscardRow, Freeze, NO_SIZE),
        (DiscardRow, DiscardRow, written(&["1 2"], &["size", "note", "size"], &[])),
        (DiscardRow, DiscardValue, written(&["1 2", "2 ∅"], &["note", "note"], &["1 value of size left out"])),
        (DiscardValue, Evolve, written(&["1 2", "2 0.1", "3 ∅", "4 0.1"], &[], &[WIDENED, NOTE_LEFT_OUT])),
        (DiscardValue, Freeze, NO_SIZE),
        (DiscardValue, DiscardRow, written(&["1 2", "3 ∅"], &["size", "size"], &["1 value of note left out"])),
        (DiscardValue, DiscardValue, written(&["1 2", "2 ∅", "3 ∅", "4 ∅"], &[], &[NOTE_LEFT_OUT, SIZE_LEFT_OUT])),
    ]
};

/// Writes the rows into a table under a policy.
async fn meets(both: &Both, epoch: u64, table: &str, policy: SchemaPolicy, fate: Fate) {
    let some = unlike();
    let name = format!("{}, {table}, {policy:?}", both.name);
    let noted = policy.columns == Some(ChangePolicy::Evolve) || table.starts_with("new");
    let request = SinkRequest { stream: table.into(), ..under(&some, WriteMode::Append, policy) };
    match fate {
        Fate::Fails(words) => {
            let error = both.connector.sink(request).await.err().expect(&name);
            assert_eq!(error.kind, ErrorKind::Config, "{name}: {error}");
            let words = words.replace("TABLE", &both.table(table));
            assert!(error.detail.starts_with(&words), "{name}: {error}");
        }
        Fate::Written { rows, rejected, told: changes } => {
            let staged = write(&*both.connector, request, epoch, &[some]).await.expect(&name);
            let columns: Vec<&str> = staged.rejects.iter().filter_map(|reject| reject.column.as_deref()).collect();
            assert_eq!((staged.written, columns.as_slice()), (rows.len() as u64, rejected), "{name}");
            // SQLite writes the names of its own types in capitals.
            let told: Vec<String> = told(&staged).iter().map(|change| change.to_lowercase()).collect();
            assert_eq!(told, changes, "{name}");
            let note = if noted { " || ' ' || coalesce(note, '∅')" } else { "" };
            // SQLite shows a real 2 as 2.0.
            let size = "coalesce(replace(CAST(size AS text), '.0', ''), '∅')";
            let query = format!("SELECT id || ' ' || {size}{note} FROM {table} ORDER BY id");
            assert_eq!(both.texts(&query).await, rows, "{name}");
        }
    }
}

#[tokio::test]
async fn every_policy_of_tables_columns_and_types_does_to_rows_and_table_what_it_says() {
    for both in Both::fresh().await {
        let (narrow, mut epoch) = (if both.name == "postgres" { "real" } else { "integer" }, 0);
        for tables in [TablePolicy::Evolve, TablePolicy::Freeze] {
            for (number, (columns, data_type, fate)) in FATES.into_iter().enumerate() {
                let policy = SchemaPolicy { tables: Some(tables), ..policy(columns, data_type) };
                // A table that is there may differ, and one that is not cannot.
                let there = format!("{tables:?}_{number}").to_lowercase();
                both.execute(&format!("CREATE TABLE {there} (id bigint PRIMARY KEY, size {narrow})")).await;
                let fixed = both.name == "sqlite" && data_type == ChangePolicy::Evolve;
                meets(&both, epoch + 1, &there, policy.clone(), if fixed { NO_SIZE } else { fate }).await;
                let missing = if tables == TablePolicy::Freeze { NO_TABLE } else { CREATED };
                meets(&both, epoch + 2, &format!("new_{there}"), policy, missing).await;
                epoch += 2;
            }
        }
    }
}
