//! Rows of a test as a batch: types are told from the values, or given. Text stays text, whatever it looks like.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::types;
use aggregator_crds::transformation::TestRow;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use arrow::json::reader::infer_json_schema_from_iterator;
use serde_json::Value;

/// The rows as a batch.
///
/// # Errors
/// A sentence that names the column whose values or type do not fit.
pub(super) fn to_batch(rows: &[TestRow], given: &BTreeMap<String, String>) -> Result<RecordBatch, String> {
    let schema = schema(rows, given)?;
    let values: Vec<Value> = rows.iter().map(|row| Value::Object(row.0.clone())).collect();
    if values.is_empty() {
        return Ok(RecordBatch::new_empty(schema));
    }
    let mut decoder = ReaderBuilder::new(Arc::clone(&schema))
        .with_batch_size(values.len())
        .with_coerce_primitive(true)
        .build_decoder()
        .map_err(|error| error.to_string())?;
    decoder.serialize(&values).map_err(|error| format!("the rows do not fit their types: {error}"))?;
    let batch = decoder.flush().map_err(|error| format!("the rows do not fit their types: {error}"))?;
    Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(schema)))
}

fn schema(rows: &[TestRow], given: &BTreeMap<String, String>) -> Result<SchemaRef, String> {
    let values = rows.iter().map(|row| Ok(Value::Object(row.0.clone())));
    let told = infer_json_schema_from_iterator(values).map_err(|error| error.to_string())?;
    let mut names: Vec<&String> = Vec::new();
    for name in rows.iter().flat_map(|row| row.0.keys()).chain(given.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let fields = names
        .into_iter()
        .map(|name| {
            let data_type = match given.get(name) {
                Some(written) => types::parse(written).map_err(|error| format!("column `{name}`: {error}"))?,
                // A column of nulls alone may be anything; text is what most sources give.
                None => told.field_with_name(name).map_or(DataType::Utf8, |field| match field.data_type() {
                    DataType::Null => DataType::Utf8,
                    other => other.clone(),
                }),
            };
            Ok(Field::new(name, data_type, true))
        })
        .collect::<Result<Vec<_>, String>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(json: Value) -> Vec<TestRow> {
        serde_json::from_value(json).expect("rows")
    }

    #[test]
    fn text_stays_text_and_given_types_win() {
        let rows = rows(
            serde_json::json!([{ "at": "2026-01-02T03:04:05Z", "n": 1, "x": null }, { "late": true, "at": null }]),
        );
        let given = BTreeMap::from([("x".to_owned(), "Float64".to_owned())]);
        let batch = to_batch(&rows, &given).expect("a batch");
        let shown: Vec<String> =
            batch.schema().fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
        assert_eq!(shown, ["at Utf8", "n Int64", "x Float64", "late Boolean"]);
        assert_eq!(batch.num_rows(), 2);
    }

    #[test]
    fn no_rows_and_wrong_types_are_told() {
        assert_eq!(to_batch(&[], &BTreeMap::new()).expect("empty").num_rows(), 0);
        let given = BTreeMap::from([("n".to_owned(), "Int99".to_owned())]);
        let error = to_batch(&rows(serde_json::json!([{ "n": 1 }])), &given).expect_err("no such type");
        assert!(error.starts_with("column `n`: `Int99` is not a type"), "{error}");
        let given = BTreeMap::from([("n".to_owned(), "Int64".to_owned())]);
        let error = to_batch(&rows(serde_json::json!([{ "n": "soon" }])), &given).expect_err("not a number");
        assert!(error.starts_with("the rows do not fit their types"), "{error}");
    }
}
