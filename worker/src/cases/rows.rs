//! Rows of a test as a batch: types are told from the values, or given. Text stays text, whatever it looks like.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::diagnostic::Diagnostic;
use aggregator_compiler::manifest::Locator;
use aggregator_compiler::types;
use aggregator_crds::transformation::TestRow;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::json::reader::infer_json_schema_from_iterator;
use serde_json::Value;

/// Rows or types that do not fit together.
#[derive(Debug)]
pub(super) struct Unfit {
    /// Where, below what holds `rows` and `types`.
    path: String,
    message: String,
    help: &'static str,
}

impl Unfit {
    /// The mistake at its place in the file.
    pub(super) fn at(self, locator: &Locator, holder: &str) -> Diagnostic {
        let place = locator.place(&format!("{holder}.{}", self.path));
        Diagnostic::error("WrongRows", self.message).help(self.help).at(place)
    }
}

/// The rows as a batch.
///
/// # Errors
/// The column whose values or type do not fit, in the first row where they do not.
pub(super) fn to_batch(rows: &[TestRow], given: &BTreeMap<String, String>) -> Result<RecordBatch, Unfit> {
    let schema = schema(rows, given)?;
    decode(&schema, rows).map_err(|error| unfit(&schema, rows).unwrap_or_else(|| Unfit::rows(error)))
}

fn decode(schema: &SchemaRef, rows: &[TestRow]) -> Result<RecordBatch, ArrowError> {
    let values: Vec<Value> = rows.iter().map(|row| Value::Object(row.0.clone())).collect();
    if values.is_empty() {
        return Ok(RecordBatch::new_empty(Arc::clone(schema)));
    }
    let mut decoder = ReaderBuilder::new(Arc::clone(schema))
        .with_batch_size(values.len())
        .with_coerce_primitive(true)
        .build_decoder()?;
    decoder.serialize(&values)?;
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema))))
}

/// The first value that does not fit the type of its column.
fn unfit(schema: &SchemaRef, rows: &[TestRow]) -> Option<Unfit> {
    let columns: Vec<SchemaRef> =
        schema.fields().iter().map(|field| Arc::new(Schema::new(vec![Arc::clone(field)]))).collect();
    rows.iter().enumerate().find_map(|(index, row)| {
        let column = columns.iter().find(|column| decode(column, std::slice::from_ref(row)).is_err())?.field(0);
        let value = row.0.get(column.name()).unwrap_or(&Value::Null);
        Some(Unfit {
            path: format!("rows[{index}].{}", column.name()),
            message: format!("column `{}`: {value} does not fit {}", column.name(), column.data_type()),
            help: "write a value of that type, or another type under `types`",
        })
    })
}

impl Unfit {
    fn rows(error: impl std::fmt::Display) -> Self {
        let help = "give each column values of one kind";
        Self { path: "rows".into(), message: format!("the rows do not fit together: {error}"), help }
    }
}

/// The types that the values tell.
fn told(rows: &[TestRow]) -> Result<Schema, ArrowError> {
    infer_json_schema_from_iterator(rows.iter().map(|row| Ok(Value::Object(row.0.clone()))))
}

/// The first value that is of another kind than those of its column before.
fn mixed(rows: &[TestRow]) -> Option<Unfit> {
    rows.iter().enumerate().find_map(|(index, row)| {
        let (column, value) = row.0.iter().find(|(column, _)| {
            let alone = |row: &TestRow| TestRow(row.0.iter().filter(|(name, _)| name == column).map(owned).collect());
            told(&rows[..=index].iter().map(alone).collect::<Vec<_>>()).is_err()
        })?;
        Some(Unfit {
            path: format!("rows[{index}].{column}"),
            message: format!("column `{column}`: {value} is of another kind than in the rows before"),
            help: "give each column values of one kind",
        })
    })
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn schema(rows: &[TestRow], given: &BTreeMap<String, String>) -> Result<SchemaRef, Unfit> {
    let told = told(rows).map_err(|error| mixed(rows).unwrap_or_else(|| Unfit::rows(error)))?;
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
                Some(written) => types::parse(written).map_err(|error| Unfit {
                    path: format!("types.{name}"),
                    message: format!("column `{name}`: {error}"),
                    help: "",
                })?,
                // A column of nulls alone may be anything; text is what most sources give.
                None => told.field_with_name(name).map_or(DataType::Utf8, |field| match field.data_type() {
                    DataType::Null => DataType::Utf8,
                    other => other.clone(),
                }),
            };
            Ok(Field::new(name, data_type, true))
        })
        .collect::<Result<Vec<_>, Unfit>>()?;
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
        assert!(error.message.starts_with("column `n`: `Int99` is not a type"), "{error:?}");
        assert_eq!(error.path, "types.n");
        let given = BTreeMap::from([("n".to_owned(), "Int64".to_owned())]);
        let error =
            to_batch(&rows(serde_json::json!([{ "n": 7 }, { "n": "soon" }])), &given).expect_err("not a number");
        assert_eq!(
            (error.path.as_str(), error.message.as_str()),
            ("rows[1].n", "column `n`: \"soon\" does not fit Int64")
        );
    }
}
