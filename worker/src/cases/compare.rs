//! Whether rows are the expected ones: as multisets of rows, values compared by what they mean. Pure.

use std::collections::BTreeMap;

use aggregator_crds::transformation::{ExpectedReject, TestRow};
use arrow::array::RecordBatch;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use serde_json::{Map, Value};

use crate::rejects::NodeRejects;

/// The most differences that are listed.
const SHOWN: usize = 10;

/// What is different between the rows that came out and the expected ones, in any order.
pub(super) fn rows(expected: &[TestRow], batches: &[RecordBatch]) -> Result<Vec<String>, String> {
    let actual = as_objects(batches)?;
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for row in expected {
        *counts.entry(canonical(&row.0)).or_default() -= 1;
    }
    for row in &actual {
        *counts.entry(canonical(row)).or_default() += 1;
    }
    let mut differences = Vec::new();
    for (row, surplus) in counts {
        let times = if surplus.abs() == 1 { String::new() } else { format!(" ({} times)", surplus.abs()) };
        match surplus {
            0 => {}
            ..0 => differences.push(format!("missing{times}: {row}")),
            1.. => differences.push(format!("unexpected{times}: {row}")),
        }
    }
    if differences.len() > SHOWN {
        let more = differences.len() - SHOWN;
        differences.truncate(SHOWN);
        differences.push(format!("and {more} more"));
    }
    Ok(differences)
}

/// What is different between the rejected rows and the expected ones, in order. None expected means: there are none.
pub(super) fn rejects(expected: Option<&[ExpectedReject]>, actual: &[NodeRejects]) -> Vec<String> {
    let actual: Vec<_> = actual.iter().flat_map(|group| &group.rejects).collect();
    let expected = expected.unwrap_or_default();
    let mut differences = Vec::new();
    for index in 0..expected.len().max(actual.len()) {
        match (expected.get(index), actual.get(index)) {
            (Some(wanted), Some(reject)) => {
                let column_fits = wanted.column.is_none() || wanted.column == reject.column;
                if !column_fits || wanted.reason != reject.reason.as_str() {
                    let (wanted_column, column) = (
                        wanted.column.as_deref().unwrap_or("any column"),
                        reject.column.as_deref().unwrap_or("no column"),
                    );
                    differences.push(format!(
                        "reject {}: expected {} at {wanted_column}, got {} at {column}",
                        index + 1,
                        wanted.reason,
                        reject.reason.as_str()
                    ));
                }
            }
            (Some(wanted), None) => differences.push(format!("reject {} is missing: {}", index + 1, wanted.reason)),
            (None, Some(reject)) => differences.push(format!(
                "unexpected reject: {} ({}): {}",
                reject.reason.as_str(),
                reject.message,
                reject.raw
            )),
            (None, None) => {}
        }
    }
    differences
}

fn as_objects(batches: &[RecordBatch]) -> Result<Vec<Map<String, Value>>, String> {
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut bytes);
    for batch in batches {
        writer.write(batch).map_err(|error| error.to_string())?;
    }
    writer.finish().map_err(|error| error.to_string())?;
    drop(writer);
    serde_json::Deserializer::from_slice(&bytes)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())
}

/// A row as text: columns sorted, absent and null the same, numbers by value.
fn canonical(row: &Map<String, Value>) -> String {
    let sorted: BTreeMap<&String, String> =
        row.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, plain(value))).collect();
    let columns: Vec<String> = sorted.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{{{}}}", columns.join(", "))
}

fn plain(value: &Value) -> String {
    match value {
        // `7`, `7.0` and `7.00` are one number; whole numbers beyond 2^53 keep every digit.
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.to_string(),
            (None, Some(float)) => float.to_string(),
            (None, None) => number.to_string(),
        },
        Value::Array(values) => format!("[{}]", values.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => canonical(object),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn batch() -> RecordBatch {
        let schema =
            Schema::new(vec![Field::new("id", DataType::Utf8, true), Field::new("x", DataType::Float64, true)]);
        let columns: Vec<arrow::array::ArrayRef> = vec![
            Arc::new(StringArray::from(vec!["a", "a", "b"])),
            Arc::new(Float64Array::from(vec![Some(7.0), Some(7.0), None])),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).expect("equal lengths")
    }

    fn expected(json: Value) -> Vec<TestRow> {
        serde_json::from_value(json).expect("rows")
    }

    #[test]
    fn rows_are_compared_in_any_order_and_with_their_number() {
        let same = expected(serde_json::json!([{ "id": "b" }, { "x": 7, "id": "a" }, { "id": "a", "x": 7.0 }]));
        assert_eq!(rows(&same, &[batch()]).expect("compared"), Vec::<String>::new());
        let fewer = expected(serde_json::json!([{ "id": "b", "x": null }, { "id": "a", "x": 7 }, { "id": "c" }]));
        assert_eq!(
            rows(&fewer, &[batch()]).expect("compared"),
            ["unexpected: {id: \"a\", x: 7}", "missing: {id: \"c\"}"]
        );
    }
}
