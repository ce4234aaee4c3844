//! More columns than a stream may have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregator_worker::connector::ErrorKind;
use arrow::array::{ArrayRef, Int32Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::harness::Lake;

const REMEDY: &str =
    "if they are columns, write what they hold as rows of a name and a value; otherwise correct the format";

fn header(columns: usize) -> String {
    (0..columns).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",")
}

fn record(columns: usize) -> String {
    let fields: Vec<String> = (0..columns).map(|column| format!("\"c{column}\":1")).collect();
    format!("{{{}}}", fields.join(","))
}

fn parquet(columns: usize) -> Vec<u8> {
    let values: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let rows =
        RecordBatch::try_from_iter((0..columns).map(|column| (format!("c{column}"), Arc::clone(&values)))).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn more_columns_than_a_stream_may_have_are_refused_at_once() {
    let lake = Lake::plain();
    let many = 100_000;
    lake.put("a.csv", format!("{}\n{}\n", header(many), vec!["1"; many].join(",")))
        .put("b.csv", format!("{}\n", vec!["1"; many].join(",")))
        .put("c.csv", format!("\n{}\n", ",".repeat(8 << 20)))
        .put("d.ndjson", format!("{{}}\n{}\n", record(many)))
        .put("e.json", format!("[{{}},{}]", record(many)))
        .put("f.parquet", parquet(10_001));
    let bare = json!({"csv": {"header": false}});
    for (name, format, place, columns) in [
        ("a.csv", None, "a.csv:1", many),
        ("b.csv", Some(&bare), "b.csv", many),
        ("c.csv", None, "c.csv:2", (8 << 20) + 1),
        ("d.ndjson", None, "d.ndjson", many),
        ("e.json", None, "e.json", many),
        ("f.parquet", None, "f.parquet", 10_001),
    ] {
        let begin = Instant::now();
        let error = match format {
            None => lake.connector.describe(name).await,
            Some(format) => crate::harness::open(lake.root(), Some(Value::clone(format))).unwrap().describe(name).await,
        }
        .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{error}");
        let text = format!("read {place}: there are {columns} columns, and a stream may have 10000");
        assert_eq!((error.to_string(), error.remedy.as_deref()), (text, Some(REMEDY)));
        assert!(begin.elapsed() < Duration::from_secs(20), "{name} took {:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn a_declaration_of_too_many_columns_is_refused_too() {
    let columns: Vec<Value> = (0..10_001).map(|column| json!({"name": format!("c{column}"), "type": "Utf8"})).collect();
    let lake = Lake::new(Some(json!({"csv": {"schema": {"columns": columns}}})));
    lake.put("a.csv", "c0\nx\n");
    let error = lake.connector.describe("a.csv").await.unwrap_err();
    assert_eq!(error.to_string(), "read the declared schema: there are 10001 columns, and a stream may have 10000");
}

#[tokio::test]
async fn as_many_columns_as_a_stream_may_have_are_read() {
    let lake = Lake::plain();
    lake.put("a.csv", format!("{}\n{}\n", header(10_000), vec!["7"; 10_000].join(",")));
    let outcome = lake.read("a.csv").await.unwrap();
    assert_eq!((outcome.batch.num_columns(), outcome.batch.num_rows()), (10_000, 1));
    assert_eq!(outcome.rows()[0][9_999], "7");
}
