//! JSON records: their schema, declared or inferred, and their conversion to batches and rejects.

use std::sync::Arc;

use aggregator_compiler::types;
use aggregator_crds::connector::{InferSchema, StreamSchema};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use serde_json::Value;

use super::cell::Cell;
use super::column::{Fault, Faults, assemble, build, check_type};
use super::infer::{Guess, Guesses};
use crate::connector::{ConnectorError, ErrorKind, Reject, RejectReason, Result};

/// The schema that a manifest declares; None when it is to be inferred.
///
/// # Errors
/// [`ErrorKind::Config`] when a column's type is not known or cannot be read from text, or a name stands twice.
pub fn declared_schema(schema: &StreamSchema) -> Result<Option<SchemaRef>> {
    let StreamSchema::Columns(columns) = schema else { return Ok(None) };
    let mut fields: Vec<Field> = Vec::with_capacity(columns.len());
    for column in columns {
        let operation = || format!("read the declared schema, column `{}`", column.name);
        let data_type = types::parse(&column.data_type)
            .map_err(|error| ConnectorError::new(ErrorKind::Config, operation(), error.to_string()))?;
        if fields.iter().any(|field| field.name() == &column.name) {
            return Err(ConnectorError::new(ErrorKind::Config, operation(), "the name stands twice")
                .remedy("give every column a name of its own"));
        }
        let field = Field::new(&column.name, data_type, column.nullable);
        check_type(&field)?;
        fields.push(field);
    }
    Ok(Some(Arc::new(Schema::new(fields))))
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
