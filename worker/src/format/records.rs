//! JSON records: their schema, declared or inferred, and their conversion to batches and rejects.

use std::sync::Arc;

use aggregator_compiler::declared;
use aggregator_crds::connector::{InferSchema, StreamSchema};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde_json::Value;

use super::cell::Cell;
use super::column::{Fault, Faults, assemble, build};
use super::infer::{Guess, Guesses};
use crate::connector::{ConnectorError, ErrorKind, Reject, RejectReason, Result, check_columns};

/// The schema that a manifest declares; None when it is to be inferred.
///
/// # Errors
/// [`ErrorKind::Config`] when a column's type is not known or cannot be read from text, or a name stands twice.
pub fn declared_schema(schema: &StreamSchema) -> Result<Option<SchemaRef>> {
    let StreamSchema::Columns(columns) = schema else { return Ok(None) };
    check_columns("the declared schema", columns.len())?;
    declared::schema_of(columns).map(Some).map_err(|wrong| {
        let column = wrong.first().map(|wrong| wrong.column.clone()).unwrap_or_default();
        let detail = wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let help = wrong.into_iter().next().map(|wrong| wrong.help).unwrap_or_default();
        ConnectorError::new(ErrorKind::Config, format!("read the declared schema, column `{column}`"), detail)
            .remedy(help)
    })
}

/// How many records are looked at when a schema is inferred.
#[must_use]
pub fn infer_records(schema: Option<&StreamSchema>) -> u64 {
    match schema {
        Some(StreamSchema::Infer(infer)) => infer.records,
        Some(StreamSchema::Columns(_)) | None => InferSchema::default().records,
    }
}

/// Guesses the schema of JSON records: a column for each key, in the order in which keys are first met, all nullable.
///
/// Numbers are `Int64` or `Float64`; strings that are all dates, or all RFC 3339 timestamps, are `Date32` or
/// `Timestamp(Microsecond, UTC)`; arrays are lists. Objects are `Utf8` holding their JSON text, for the JSON functions
/// to take apart. What differs between records, or would not be exact, is `Utf8`. Records that are no object are passed over.
#[must_use]
pub fn infer_schema(records: &[Value]) -> SchemaRef {
    let mut guesses = Guesses::default();
    for record in records.iter().filter_map(Value::as_object) {
        for (key, value) in record {
            guesses.merge(key, Guess::of_json(value));
        }
    }
    guesses.schema()
}

/// Converts JSON records to batches of one schema, and those that do not fit to rejects.
///
/// A key that the schema does not name is left out; a missing key is null. A value that would be rounded does not fit.
/// A JSON string fits a number, a Boolean or a time if its text is one.
#[derive(Clone, Debug)]
pub struct RecordDecoder {
    schema: SchemaRef,
    location: String,
    rejects: bool,
}

impl RecordDecoder {
    /// A decoder of records at `location` (a path below the root, an address). Without `rejects`, the first record
    /// that does not fit is an error.
    #[must_use]
    pub fn new(schema: SchemaRef, location: String, rejects: bool) -> Self {
        Self { schema, location, rejects }
    }

    /// The schema of the batches.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Converts records, of which the first is number `first_record` (from 1) at the location.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] at the first record that does not fit, unless rejects are wanted.
    pub fn decode(&self, first_record: u64, records: &[Value]) -> Result<(RecordBatch, Vec<Reject>)> {
        let mut faults = Faults::default();
        for (row, record) in records.iter().enumerate().filter(|(_, record)| !record.is_object()) {
            faults.add(row, || not_an_object(record));
        }
        let columns = self
            .schema
            .fields()
            .iter()
            .map(|field| {
                let cells = records.iter().map(|record| record.get(field.name()).map_or(Cell::Null, Cell::from));
                build(field, records.len(), cells, &mut faults)
            })
            .collect::<Result<Vec<_>>>()?;
        let batch = assemble(&self.schema, columns, records.len(), &faults)?;
        let rejects: Vec<Reject> = faults
            .into_rows()
            .into_iter()
            .map(|(row, fault)| {
                reject(&self.location, Some(first_record + row as u64), None, fault, &records[row].to_string())
            })
            .collect();
        allow(self.rejects, rejects).map(|rejects| (batch, rejects))
    }
}

/// A record that is no object.
pub(crate) fn not_an_object(record: &Value) -> Fault {
    let kind = match record {
        Value::Null => "null",
        Value::Bool(_) => "a Boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Fault {
        column: None,
        reason: RejectReason::Malformed,
        message: format!("the record is {kind}, not an object with columns as keys"),
    }
}

/// A reject of a row at a place. `raw` is cut at [`Reject::MAX_RAW`].
pub(crate) fn reject(location: &str, line: Option<u64>, offset: Option<u64>, fault: Fault, raw: &str) -> Reject {
    let mut end = raw.len().min(Reject::MAX_RAW);
    while !raw.is_char_boundary(end) {
        end -= 1;
    }
    Reject {
        location: location.to_owned(),
        line,
        offset,
        column: fault.column,
        reason: fault.reason,
        message: fault.message,
        raw: raw[..end].to_owned(),
    }
}

/// The rejects, if they are wanted; otherwise the first of them as an error.
pub(crate) fn allow(wanted: bool, rejects: Vec<Reject>) -> Result<Vec<Reject>> {
    let Some(first) = rejects.first().filter(|_| !wanted) else { return Ok(rejects) };
    let place = match first.line {
        Some(line) => format!("{}:{line}", first.location),
        None => first.location.clone(),
    };
    let column = first.column.as_ref().map(|column| format!("column `{column}`: ")).unwrap_or_default();
    Err(ConnectorError::new(ErrorKind::Data, format!("read {place}"), format!("{column}{}", first.message)).remedy(
        "correct the row, declare another type for the column in the Connector's `schema`, or add `rejects` to the \
         Pipeline so that bad rows are set aside",
    ))
}

#[cfg(test)]
mod tests {
    use aggregator_compiler::types;
    use aggregator_crds::connector::SchemaColumn;
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};
    use serde_json::json;

    use super::*;

    fn types_of(records: &[Value]) -> Vec<(String, String)> {
        let schema = infer_schema(records);
        schema.fields().iter().map(|field| (field.name().clone(), types::name(field.data_type()))).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, data_type)| ((*name).to_owned(), (*data_type).to_owned())).collect()
    }

    #[test]
    fn a_schema_has_every_key_in_order_of_appearance() {
        let records = [
            json!({"id": 1, "price": 1, "ok": true, "at": "2026-01-01T00:00:00Z", "day": "2026-01-01", "tags": ["a"]}),
            json!({"id": 2, "price": 1.5, "ok": null, "at": null, "geo": {"lat": 1.5}, "mixed": 1, "tags": []}),
            json!({"mixed": "x", "big": u64::MAX, "nothing": null, "nested": [[1], [2.5]]}),
            json!("not an object"),
        ];
        assert_eq!(
            types_of(&records),
            pairs(&[
                ("id", "Int64"),
                ("price", "Float64"),
                ("ok", "Boolean"),
                ("at", "Timestamp(Microsecond, UTC)"),
                ("day", "Date32"),
                ("tags", "List(Utf8)"),
                ("geo", "Utf8"),
                ("mixed", "Utf8"),
                ("big", "Utf8"),
                ("nothing", "Utf8"),
                ("nested", "List(List(Float64))"),
            ])
        );
    }

    fn decoder(columns: &[(&str, DataType, bool)], rejects: bool) -> RecordDecoder {
        let fields: Vec<Field> =
            columns.iter().map(|(name, data_type, nullable)| Field::new(*name, data_type.clone(), *nullable)).collect();
        RecordDecoder::new(Arc::new(Schema::new(fields)), "api/page".into(), rejects)
    }

    #[test]
    fn records_that_do_not_fit_are_rejected_and_the_others_stay_in_order() {
        let decoder = decoder(&[("id", DataType::Int64, false), ("when", DataType::Date32, true)], true);
        let records = [
            json!({"id": 1, "when": "2026-01-01"}),
            json!({"id": "x", "when": "never"}),
            json!([1]),
            json!({"when": "2026-01-01"}),
            json!({"id": 2.5}),
            json!({"id": "3", "other": 1}),
        ];
        let (batch, rejects) = decoder.decode(11, &records).unwrap();
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[1, 3]);
        let found: Vec<_> = rejects
            .iter()
            .map(|reject| (reject.line.unwrap(), reject.column.as_deref(), reject.reason, reject.message.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (12, Some("id"), RejectReason::CastFailed, "`x` is not an integer (Int64)"),
                (13, None, RejectReason::Malformed, "the record is an array, not an object with columns as keys"),
                (14, Some("id"), RejectReason::NullValue, "the required column `id` has no value"),
                (15, Some("id"), RejectReason::CastFailed, "`2.5` is not an integer (Int64)"),
            ]
        );
        assert_eq!(rejects[0].raw, r#"{"id":"x","when":"never"}"#);
        assert_eq!(rejects[0].location, "api/page");
    }

    #[test]
    fn without_rejects_the_first_bad_record_is_an_error_with_its_place() {
        let decoder = decoder(&[("id", DataType::Int64, false)], false);
        let error = decoder.decode(1, &[json!({"id": 1}), json!({"id": "x"})]).expect_err("a bad record");
        assert_eq!(error.kind, ErrorKind::Data);
        assert_eq!(error.to_string(), "read api/page:2: column `id`: `x` is not an integer (Int64)");
        assert!(error.remedy.unwrap().contains("rejects"));
    }

    #[test]
    fn lists_are_built_and_a_bad_element_rejects_its_record() {
        let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
        let decoder = decoder(&[("n", list, true)], true);
        let records =
            [json!({"n": [1, null]}), json!({"n": null}), json!({"n": [2, "x"]}), json!({"n": 3}), json!({"n": [4]})];
        let (batch, rejects) = decoder.decode(1, &records).unwrap();
        let lists = batch.column(0).as_list::<i32>();
        assert_eq!(lists.value(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), None]);
        assert!(arrow::array::Array::is_null(lists, 1));
        assert_eq!(lists.value(2).as_primitive::<Int64Type>().values(), &[4]);
        let messages: Vec<&str> = rejects.iter().map(|reject| reject.message.as_str()).collect();
        assert_eq!(messages, ["in the list: `x` is not an integer (Int64)", "`3` is not a JSON array (List(Int64))"]);
    }

    #[test]
    fn objects_and_mixed_values_become_json_text() {
        let decoder = decoder(&[("v", DataType::Utf8, true)], true);
        let records =
            [json!({"v": {"a": [1, 2]}}), json!({"v": 1}), json!({"v": true}), json!({"v": "s"}), json!({"v": 1e300})];
        let (batch, rejects) = decoder.decode(1, &records).unwrap();
        let values: Vec<_> = batch.column(0).as_string::<i32>().iter().flatten().collect();
        assert_eq!(values, [r#"{"a":[1,2]}"#, "1", "true", "s"]);
        assert_eq!(rejects[0].line, Some(5), "{rejects:?}");
    }

    #[test]
    fn a_long_raw_text_is_cut_between_characters() {
        let decoder = decoder(&[("id", DataType::Int64, true)], true);
        let (_, rejects) = decoder.decode(1, &[json!({"id": "ä".repeat(Reject::MAX_RAW)})]).unwrap();
        assert!(rejects[0].raw.len() <= Reject::MAX_RAW && rejects[0].raw.len() > Reject::MAX_RAW - 2);
        assert!(rejects[0].message.len() < 500, "the value is cut in the message");
    }

    #[test]
    fn declared_columns_are_checked() {
        let column = |name: &str, data_type: &str| SchemaColumn {
            name: name.into(),
            data_type: data_type.into(),
            nullable: false,
        };
        let declared = |columns: Vec<SchemaColumn>| declared_schema(&StreamSchema::Columns(columns));
        let schema = declared(vec![column("a", "Timestamp(Millisecond, Europe/Berlin)")]).unwrap().unwrap();
        assert_eq!(
            schema.field(0),
            &Field::new("a", DataType::Timestamp(TimeUnit::Millisecond, Some("Europe/Berlin".into())), false)
        );
        for (columns, word) in [
            (vec![column("a", "int")], "is not a type"),
            (vec![column("a", "Int64"), column("a", "Utf8")], "stands twice"),
            (vec![column("a", "Binary")], "text holds no Binary"),
            (vec![column("a", "Timestamp(Microsecond, Mars/Base)")], "text holds no"),
        ] {
            let error = declared(columns).expect_err(word);
            assert_eq!(error.kind, ErrorKind::Config);
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(declared_schema(&StreamSchema::Infer(InferSchema::default())).unwrap(), None);
    }
}
