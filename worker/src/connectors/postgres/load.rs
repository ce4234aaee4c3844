//! Sending rows: encoded into binary COPY, and, where the server refuses some, halved until only those are left.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::BytesMut;
use pgpq::ArrowToPostgresBinaryEncoder;

use super::fault;
use super::session::Session;
use super::target::Target;
use crate::connector::{ConnectorError, ErrorKind, Reject, RejectReason, Result};
use crate::connectors::sql;

/// The column that numbers the staging table's rows in the order they came.
pub(super) const ROW: &str = "_aggregator_row";
/// After a refusal, rows go in pieces of at most this many, so that many refusals cost little each.
const PIECE: usize = 512;

/// Sends batches of one sink.
pub(super) struct Loader {
    operation: String,
    location: String,
    statement: String,
    schema: SchemaRef,
    /// The columns that must not be null.
    key: Vec<String>,
    staged: bool,
    rejects: bool,
    /// The number of the next staged row.
    pub(super) next_row: i64,
    /// Rows the server took.
    pub(super) copied: u64,
    /// Bytes sent.
    pub(super) bytes: u64,
    /// Rows it refused, or that it would.
    pub(super) refused: Vec<Reject>,
}

/// What the server blames.
pub(super) struct Refusal {
    /// The row, from 0, if the server names one.
    row: Option<usize>,
    column: Option<String>,
    message: String,
    error: ConnectorError,
}

impl Loader {
    /// For rows that go straight into the table, or into the staging table with their number.
    pub(super) fn new(target: &Target, stage: Option<&str>, key: &[String], rejects: bool) -> Self {
        let mut fields: Vec<Field> =
            target.columns.iter().map(|column| Field::new(&column.name, column.sent.clone(), true)).collect();
        if stage.is_some() {
            fields.push(Field::new(ROW, DataType::Int64, false));
        }
        let statement = match stage {
            Some(stage) => target.copy(stage, &format!(", {}", sql::identifier(ROW))),
            None => target.copy(&target.table, ""),
        };
        Self {
            operation: format!("write {}", target.shown),
            location: target.shown.clone(),
            statement,
            schema: Arc::new(Schema::new(fields)),
            key: key.to_vec(),
            staged: stage.is_some(),
            rejects,
            next_row: 0,
            copied: 0,
            bytes: 0,
            refused: Vec::new(),
        }
    }

    /// Sends a batch of the sink's schema.
    pub(super) async fn write(&mut self, session: &mut Session, batch: &RecordBatch) -> Result<()> {
        let batch = self.screen(batch)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let wire = self.convert(&batch)?;
        let mut pieces = vec![(0, batch.num_rows())];
        while let Some((start, length)) = pieces.pop() {
            if self.rejects {
                session.execute(&self.operation, "SAVEPOINT _aggregator").await?;
            }
            let Err(refusal) = self.copy(session, &wire.slice(start, length)).await? else {
                if self.rejects {
                    session.execute(&self.operation, "RELEASE SAVEPOINT _aggregator").await?;
                }
                continue;
            };
            if !self.rejects {
                let row = refusal.row.filter(|row| *row < length).map(|row| sql::row_json(&batch, start + row));
                let mut error = refusal.error;
                if let Some(row) = row {
                    error.detail = format!("{}, for the row {row}", error.detail);
                }
                return Err(error);
            }
            session.execute(&self.operation, "ROLLBACK TO SAVEPOINT _aggregator").await?;
            if length == 1 {
                self.refused.push(Reject {
                    location: self.location.clone(),
                    line: None,
                    offset: None,
                    column: refusal.column,
                    reason: RejectReason::WriteRefused,
                    message: refusal.message,
                    raw: sql::row_json(&batch, start),
                });
                continue;
            }
            pieces.extend(split(start, length, refusal.row).into_iter().rev());
        }
        Ok(())
    }

    /// Takes out what the server cannot hold, or what an Upsert could not find again.
    fn screen(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut keep = vec![true; batch.num_rows()];
        let mut found = Vec::new();
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            for row in rows_with_nul(column) {
                found.push((
                    row,
                    field.name().clone(),
                    "the text holds the character U+0000, which PostgreSQL cannot store",
                ));
            }
            if self.key.contains(field.name()) && column.logical_null_count() > 0 {
                let nulls = (0..column.len()).filter(|row| column.is_null(*row));
                found
                    .extend(nulls.map(|row| {
                        (row, field.name().clone(), "the key is null, so the row could not be found again")
                    }));
            }
        }
        if found.is_empty() {
            return Ok(batch.clone());
        }
        found.sort_by_key(|(row, _, _)| *row);
        for (row, column, message) in found {
            if !self.rejects {
                let detail = format!("column `{column}`: {message}, in the row {}", sql::row_json(batch, row));
                return Err(ConnectorError::new(ErrorKind::Refused, &self.operation, detail)
                    .remedy("clean the column in a mapping, or declare `rejects` in the Pipeline"));
            }
            if std::mem::replace(&mut keep[row], false) {
                self.refused.push(Reject {
                    location: self.location.clone(),
                    line: None,
                    offset: None,
                    column: Some(column),
                    reason: RejectReason::WriteRefused,
                    message: message.to_owned(),
                    raw: sql::row_json(batch, row),
                });
            }
        }
        filter_record_batch(batch, &keep.into()).map_err(|error| self.bug(&error))
    }

    /// The columns in the types they are sent as, and their number when they are staged.
    fn convert(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (column, field) in batch.columns().iter().zip(self.schema.fields()) {
            let cast = cast_with_options(column, field.data_type(), &strict).map_err(|error| {
                let detail = format!("column `{}`: {error}", field.name());
                ConnectorError::new(ErrorKind::Data, &self.operation, detail)
                    .remedy("the value does not fit the type PostgreSQL has for the column; cast it in a mapping")
            })?;
            columns.push(cast);
        }
        if self.staged {
            let end = self.next_row + i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
            columns.push(Arc::new(Int64Array::from_iter_values(self.next_row..end)) as ArrayRef);
            self.next_row = end;
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|error| self.bug(&error))
    }

    /// One COPY. The outer error ends the run, the inner one blames the rows.
    async fn copy(&mut self, session: &mut Session, rows: &RecordBatch) -> Result<Result<(), Refusal>> {
        let mut buffer = BytesMut::new();
        let encoded = ArrowToPostgresBinaryEncoder::try_new(&self.schema).and_then(|mut encoder| {
            encoder.write_header(&mut buffer)?;
            encoder.write_batch(rows, &mut buffer)?;
            encoder.write_footer(&mut buffer)
        });
        if let Err(error) = encoded {
            let message = error.to_string();
            let error = ConnectorError::new(ErrorKind::Refused, &self.operation, &message).caused_by(error);
            return Ok(Err(Refusal { row: None, column: None, message, error }));
        }
        let answer = async {
            let mut copy = session.connection.copy_in_raw(&self.statement).await?;
            copy.send(buffer.as_ref()).await?;
            copy.finish().await
        };
        match session.silence.attempt(&self.operation, answer).await? {
            Ok(rows) => {
                self.copied += rows;
                self.bytes += buffer.len() as u64;
                Ok(Ok(()))
            }
            Err(error) => blame(&self.operation, error).map(Err),
        }
    }

    fn bug(&self, error: &dyn std::fmt::Display) -> ConnectorError {
        ConnectorError::new(ErrorKind::Bug, &self.operation, error.to_string())
    }
}

/// Tells a refused row from a failed statement, which is an error.
pub(super) fn blame(operation: &str, error: sqlx::Error) -> Result<Refusal> {
    let (row, column, message) = match &error {
        sqlx::Error::Database(answer) if fault::blames_a_row(answer.as_ref()) => {
            let row = fault::copy_line(answer.as_ref()).and_then(|line| line.checked_sub(1));
            (row, fault::column(answer.as_ref()), fault::words(answer.as_ref()))
        }
        _ => return Err(fault::of_statement(operation.to_owned(), error)),
    };
    let error = fault::of_statement(operation.to_owned(), error);
    Ok(Refusal { row, column, message, error })
}

impl Refusal {
    /// As an error that ends the run.
    pub(super) fn into_error(self) -> ConnectorError {
        self.error
    }

    /// As a reject of the row that was sent alone.
    pub(super) fn into_reject(self, location: &str, raw: String) -> Reject {
        Reject {
            location: location.to_owned(),
            line: None,
            offset: None,
            column: self.column,
            reason: RejectReason::WriteRefused,
            message: self.message,
            raw: sql::cut(raw),
        }
    }
}

/// Divides rows that were refused together: around the one that is blamed, or in the middle. Every part is shorter.
pub(super) fn split(start: usize, length: usize, blamed: Option<usize>) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let mut rest = match blamed {
        Some(row) if row < length => {
            parts.extend([(start, row), (start + row, 1)]);
            (start + row + 1, length - row - 1)
        }
        _ => {
            parts.push((start, length / 2));
            (start + length / 2, length - length / 2)
        }
    };
    while rest.1 > 0 {
        let size = rest.1.min(PIECE);
        parts.push((rest.0, size));
        rest = (rest.0 + size, rest.1 - size);
    }
    parts.retain(|(_, length)| *length > 0);
    parts
}

fn rows_with_nul(column: &ArrayRef) -> Vec<usize> {
    fn among<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Vec<usize> {
        let held = |(row, value): (usize, Option<&str>)| value.is_some_and(|text| text.contains('\0')).then_some(row);
        values.enumerate().filter_map(held).collect()
    }
    match column.data_type() {
        // The values of an array lie in one buffer, so good columns cost one scan.
        DataType::Utf8 if column.as_string::<i32>().value_data().contains(&0) => {
            among(column.as_string::<i32>().iter())
        }
        DataType::LargeUtf8 if column.as_string::<i64>().value_data().contains(&0) => {
            among(column.as_string::<i64>().iter())
        }
        DataType::Utf8View => among(column.as_string_view().iter()),
        DataType::List(element) if matches!(element.data_type(), DataType::Utf8) => {
            let lists = column.as_list::<i32>();
            (0..lists.len())
                .filter(|row| lists.is_valid(*row) && !rows_with_nul(&lists.value(*row)).is_empty())
                .collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_rows_once_and_are_shorter() {
        for length in 2..2000 {
            for blamed in [None, Some(0), Some(length / 3), Some(length - 1), Some(length), Some(usize::MAX)] {
                let parts = split(7, length, blamed);
                let mut next = 7;
                for (start, size) in parts {
                    assert_eq!(start, next);
                    assert!(size > 0 && size < length);
                    next += size;
                }
                assert_eq!(next, 7 + length);
            }
        }
    }
}
