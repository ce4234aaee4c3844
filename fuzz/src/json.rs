//! JSON lines, and the fallback by way of a tree of values. The first line has options: `r` makes `i` a required column, a number
//! is that of rows in a batch.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aggregator_crds::connector::{FileFormat, JsonFormat, NdjsonFormat};
use aggregator_worker::connector::RejectReason;
use aggregator_worker::format::{BlockReader, Input, Place, ReadPlan, RecordDecoder, SchemaProbe, infer_schema, open};
use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use serde_json::Value;

use crate::options;
use crate::reading::{Outcome, all, fate, in_parts, plan, schema};

/// Lines read straight and lines read by way of a tree give the same rows and rejects, in batches of any size, and so does a read
/// that stops and goes on, and one document that holds them all; the columns that are guessed of the lines hold every one of them.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let (options, text) = options::split(input);
    let schema = columns(options.contains('r'));
    let batch_rows = options::number(&options).unwrap_or(3).clamp(1, 1000);
    let lines = FileFormat::Ndjson(NdjsonFormat::default());
    let straight = read(text, &lines, &schema, batch_rows);
    assert_eq!(read(text, &lines, &schema, 1), straight, "one row a batch");
    let stopped = in_parts(|from| reader(text, &lines, &schema, 1, from), &schema, 1);
    assert_eq!(stopped, straight, "stopped and gone on");
    let Ok(outcome) = &straight else { return fate(&straight) };
    let records = records(text, outcome);
    if let Some(records) = records {
        by_tree(&schema, &records, outcome);
        as_document(&schema, &records, outcome, batch_rows);
        guessed(text, &records, &lines);
    }
    fate(&straight)
}

fn columns(required: bool) -> SchemaRef {
    let item = |data_type| DataType::List(Arc::new(Field::new("item", data_type, true)));
    schema(&[
        (if required { "i!" } else { "i" }, DataType::Int64),
        ("s", DataType::Utf8),
        ("f", DataType::Float64),
        ("b", DataType::Boolean),
        ("d", DataType::Date32),
        ("t", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ("m", DataType::Decimal128(10, 2)),
        ("l", item(DataType::Int64)),
        ("n", item(item(DataType::Utf8))),
    ])
}

fn read(text: &[u8], format: &FileFormat, schema: &SchemaRef, batch_rows: usize) -> Result<Outcome, String> {
    all(reader(text, format, schema, batch_rows, None), schema, batch_rows)
}

fn reader(
    text: &[u8],
    format: &FileFormat,
    schema: &SchemaRef,
    batch_rows: usize,
    from: Option<Place>,
) -> aggregator_worker::connector::Result<Box<dyn BlockReader>> {
    let input = Input::Stream(Box::new(std::io::Cursor::new(text.to_vec())));
    let plan = ReadPlan { from, ..plan(schema, batch_rows) };
    open(input, "input", format, plan, &Arc::<AtomicU64>::default())
}

/// The lines as values; None when one of them is none, which is rejected as such, or was read though a part that no column
/// wants is none, and of text in another encoding.
fn records(text: &[u8], outcome: &Outcome) -> Option<Vec<Value>> {
    if text.starts_with(b"\xfe\xff") || text.starts_with(b"\xff\xfe") {
        // A byte order mark of UTF-16: its lines end elsewhere.
        return None;
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    let lines: Vec<(usize, &[u8])> = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace)).collect();
    assert_eq!(lines.len() as u64, outcome.read, "each line that is not blank is read");
    let mut records = Vec::new();
    let mut broken = false;
    for (number, line) in lines {
        match serde_json::from_slice(line) {
            Ok(record) => records.push(record),
            Err(_) => {
                broken = true;
                let number = number as u64 + 1;
                let reject = outcome.rejects.iter().find(|reject| reject.line == Some(number));
                // A value that no column wants is passed over without a look at its depth or size.
                let told = reject
                    .is_none_or(|reject| reject.reason == RejectReason::Malformed || std::str::from_utf8(line).is_ok());
                assert!(told, "line {number} is no JSON: {reject:?}");
            }
        }
    }
    (!broken).then_some(records)
}

/// The fallback gives the same; its rejects have numbers of records where the lines' have those of lines.
fn by_tree(schema: &SchemaRef, records: &[Value], outcome: &Outcome) {
    let decoder = RecordDecoder::new(Arc::clone(schema), "input".into(), true);
    let (rows, rejects) = decoder.decode(1, records).expect("rejects are wanted");
    assert_eq!(rows, outcome.rows, "by way of a tree");
    let faults = |rejects: &[aggregator_worker::connector::Reject]| -> Vec<_> {
        rejects.iter().map(|reject| (reject.column.clone(), reject.reason, reject.message.clone())).collect()
    };
    assert_eq!(faults(&rejects), faults(&outcome.rejects), "by way of a tree");
}

fn as_document(schema: &SchemaRef, records: &[Value], outcome: &Outcome, batch_rows: usize) {
    // A line may be as deep as a document may be: in a list it is deeper by one.
    let Ok(text) = serde_json::to_vec(records) else { return };
    if serde_json::from_slice::<Value>(&text).is_err() {
        return;
    }
    let format = FileFormat::Json(JsonFormat::default());
    let document = read(&text, &format, schema, batch_rows).expect("a document");
    assert_eq!(document.rows, outcome.rows, "as one document");
    assert_eq!(document.rejects.len(), outcome.rejects.len(), "as one document");
}

/// What is guessed of all records reads all of them.
fn guessed(text: &[u8], records: &[Value], lines: &FileFormat) {
    let schema = infer_schema(records);
    let mut probe = SchemaProbe::default();
    let input = Input::Stream(Box::new(std::io::Cursor::new(text.to_vec())));
    probe.look(input, "input", lines, "input", u64::MAX).expect("what was read");
    assert_eq!(probe.schema(lines).expect("no declaration"), schema, "guessed of lines and of records");
    let decoder = RecordDecoder::new(schema, "input".into(), true);
    let (_, rejects) = decoder.decode(1, records).expect("rejects are wanted");
    let lost = rejects.iter().find(|reject| reject.reason != RejectReason::Malformed);
    assert!(lost.is_none(), "the guessed columns do not hold {lost:?}");
}
