//! Putting rows where they wait.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::database::fault;
use super::extent::bytes_of;
use super::target::{Role, Target, TargetColumn};
use super::types::Kind;
use super::versions::written;
use crate::connector::{ConnectorError, ErrorKind, Reject, RejectReason, Result};
use crate::connectors::sql;

/// Puts a batch into a staging table, inside an open transaction; gives the rows that SQLite could not keep as they are,
/// and the bytes.
pub(super) fn stage_batch(
    transaction: &Connection,
    operation: &str,
    target: &Target,
    batch: &RecordBatch,
    table: &str,
    rejects: bool,
) -> Result<(Vec<Reject>, u64)> {
    let failed = |error: rusqlite::Error| fault(operation, error);
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns = Vec::new();
    for (column, TargetColumn { name, kind, role, .. }) in batch.columns().iter().zip(&target.columns) {
        let wrong =
            |error: String| ConnectorError::new(ErrorKind::Data, operation, format!("column `{name}`: {error}"));
        if *role == Role::Effective && *kind != Kind::Date {
            columns.push(times(column, *kind).map_err(wrong)?);
            continue;
        }
        // Times are written as Arrow shows them in microseconds, decimals with all their digits.
        let cast = cast_with_options(column, &kind.arrow(), &strict)
            .and_then(|column| cast_with_options(&column, &kind.stored(), &strict))
            .map_err(|error| wrong(error.to_string()))?;
        columns.push(cast);
    }
    let mut refused = Vec::new();
    let mut bytes = 0;
    let mut insert = transaction.prepare(&target.stage_insert(table)).map_err(failed)?;
    'rows: for row in 0..batch.num_rows() {
        for (number, (column, TargetColumn { name, kind, role, .. })) in columns.iter().zip(&target.columns).enumerate()
        {
            let value = cell(column, row);
            let message = match value {
                ValueRef::Real(real) if real.is_nan() => Some("NaN, which SQLite would store as null"),
                ValueRef::Text(text) if kind.has_years() && !is_four_digits(text) => {
                    Some("the year is not between 0000 and 9999, where SQLite's dates end")
                }
                ValueRef::Null if target.key.contains(name) => {
                    Some("the key is null, so the row could not be found again")
                }
                ValueRef::Null if *role == Role::Effective => {
                    Some("it is null, so nobody knows from when the row holds")
                }
                _ => None,
            };
            if let Some(message) = message {
                if !rejects {
                    let detail = format!("column `{name}`: {message}, in the row {}", sql::row_json(batch, row));
                    return Err(ConnectorError::new(ErrorKind::Refused, operation, detail)
                        .remedy("clean the column in a mapping, or declare `rejects` in the Pipeline"));
                }
                refused.push(reject(target, Some(name.clone()), message.to_owned(), sql::row_json(batch, row)));
                continue 'rows;
            }
            bytes += bytes_of(value);
            insert.raw_bind_parameter(number + 1, ToSqlOutput::Borrowed(value)).map_err(failed)?;
        }
        insert.raw_execute().map_err(failed)?;
    }
    Ok((refused, bytes))
}

/// Times as texts in the order of time.
fn times(column: &ArrayRef, kind: Kind) -> std::result::Result<ArrayRef, String> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = cast_with_options(column, &kind.arrow(), &strict)
        .and_then(|column| cast_with_options(&column, &DataType::Int64, &strict))
        .map_err(|error| error.to_string())?;
    let texts = cast.as_primitive::<Int64Type>().iter().map(|value| {
        value
            .map(|value| {
                written(kind, value).ok_or_else(|| format!("{value} microseconds since 1970 is a time without a name"))
            })
            .transpose()
    });
    Ok(Arc::new(texts.collect::<std::result::Result<StringArray, String>>()?))
}

/// Whether a date or timestamp begins with a year of four digits.
fn is_four_digits(text: &[u8]) -> bool {
    text.get(4) == Some(&b'-') && text[..4].iter().all(u8::is_ascii_digit)
}

fn cell(column: &ArrayRef, row: usize) -> ValueRef<'_> {
    if column.is_null(row) {
        return ValueRef::Null;
    }
    match column.data_type() {
        DataType::Int64 => ValueRef::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => ValueRef::Real(column.as_primitive::<Float64Type>().value(row)),
        DataType::Binary => ValueRef::Blob(column.as_binary::<i32>().value(row)),
        _ => ValueRef::Text(column.as_string::<i32>().value(row).as_bytes()),
    }
}

pub(super) fn reject(target: &Target, column: Option<String>, message: String, raw: String) -> Reject {
    Reject {
        location: target.shown.clone(),
        line: None,
        offset: None,
        column,
        reason: RejectReason::WriteRefused,
        message,
        raw,
    }
}
