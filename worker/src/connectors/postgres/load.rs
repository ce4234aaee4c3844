//! Sending rows: encoded into binary COPY, many batches at once and in the background; where the server refuses some,
//! halved until only those are left.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::BytesMut;
use pgpq::ArrowToPostgresBinaryEncoder;

use super::fault;
use super::keys::Keys;
use super::line::Line;
use super::session::Session;
use super::target::{Load, Role, Target};
use crate::connector::{Buffers, ConnectorError, ErrorKind, Reject, RejectReason, Result};
use crate::connectors::sql;

/// The column that numbers the staging table's rows in the order they came.
pub(super) const ROW: &str = "_aggregator_row";
/// What is given to the server at once, in bytes.
const CHUNK: usize = 1 << 20;
/// After a refusal, rows go in pieces of at most this many, so that many refusals cost little each.
const PIECE: usize = 512;

/// Sends batches of one sink.
pub(super) struct Loader {
    operation: String,
    location: String,
    statement: String,
    schema: SchemaRef,
    /// The columns that must not be null, and what is said of one that is.
    required: Vec<(String, &'static str)>,
    staged: bool,
    rejects: bool,
    /// The most bytes of one COPY. It ends with a small packet that waits for the server's acknowledgement of the one before
    /// (Nagle's algorithm), so they should not be many.
    most: usize,
    /// The number of the next staged row.
    pub(super) next_row: i64,
    /// The keys of an Upsert.
    pub(super) keys: Keys,
    /// Rows the server took.
    pub(super) copied: u64,
    /// Bytes sent.
    pub(super) bytes: u64,
    /// Rows it refused, or that it would.
    pub(super) refused: Vec<Reject>,
    /// Rows that were written down and not sent yet.
    buffer: BytesMut,
    /// What the present COPY has taken.
    filling: Option<Piece>,
    /// What the COPY before it has sent, until the server has said what it thinks of it.
    sent: Option<Piece>,
}

/// The rows of one COPY: kept, so that they can be sent again when the server refuses one of them.
#[derive(Default)]
struct Piece {
    /// Batches of the sink's schema, and as they are sent.
    rows: Vec<(RecordBatch, RecordBatch)>,
    /// Bytes sent.
    bytes: usize,
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
    pub(super) fn new(target: &Target, stage: Option<&str>, rejects: bool, buffers: Buffers) -> Self {
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
            required: required(target),
            staged: stage.is_some(),
            rejects,
            most: buffers.copy(),
            next_row: 0,
            keys: Keys::new(key_columns(target), buffers.keys()),
            copied: 0,
            bytes: 0,
            refused: Vec::new(),
            buffer: BytesMut::new(),
            filling: None,
            sent: None,
        }
    }

    /// Takes a batch of the sink's schema. It is sent with others, in the background.
    pub(super) async fn write(&mut self, line: &mut Line, batch: &RecordBatch) -> Result<()> {
        let batch = self.screen(batch)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let wire = self.convert(&batch)?;
        self.keys.see(&wire);
        if let Err(error) = self.encode(&wire) {
            // Some row cannot be written down; which one is found out by itself.
            tracing::debug!(%error, "a batch could not be encoded");
            self.flush(line).await?;
            return self.carefully(line, &batch, &wire).await;
        }
        let piece = self.filling.get_or_insert_default();
        piece.rows.push((batch, wire));
        if self.buffer.len() >= CHUNK {
            self.send(line).await?;
        }
        let full = self.filling.as_ref().is_some_and(|piece| piece.bytes + self.buffer.len() >= self.most);
        if full { self.close(line).await } else { Ok(()) }
    }

    /// Sends all that was taken and waits until the server has it.
    pub(super) async fn flush(&mut self, line: &mut Line) -> Result<()> {
        if self.filling.is_some() {
            self.close(line).await?;
        }
        self.settle(line).await
    }

    /// Writes rows down behind those that were not sent yet.
    fn encode(&mut self, wire: &RecordBatch) -> std::result::Result<(), pgpq::error::ErrorKind> {
        let length = self.buffer.len();
        let mut encoder = ArrowToPostgresBinaryEncoder::try_new(&self.schema)?;
        // The encoder insists on writing a header, of which a COPY takes one only.
        let mut head = BytesMut::new();
        let first = self.filling.is_none();
        let encoded = encoder.write_header(if first { &mut self.buffer } else { &mut head });
        let encoded = encoded.and_then(|()| encoder.write_batch(wire, &mut self.buffer));
        if encoded.is_err() {
            self.buffer.truncate(length);
        }
        encoded
    }

    /// Gives what was written down to the server; a COPY begins with the first rows.
    async fn send(&mut self, line: &mut Line) -> Result<()> {
        if self.filling.as_ref().is_some_and(|piece| piece.bytes == 0) {
            self.settle(line).await?;
            if self.rejects {
                line.idle()?.execute(&self.operation, "SAVEPOINT _aggregator").await?;
            }
            line.begin(&self.operation, &self.statement)?;
        }
        let chunk = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(CHUNK + CHUNK / 4));
        if let Some(piece) = &mut self.filling {
            piece.bytes += chunk.len();
        }
        line.send(chunk).await
    }

    /// Ends the COPY; what the server says of it is asked later.
    async fn close(&mut self, line: &mut Line) -> Result<()> {
        // The trailer of the binary format.
        self.buffer.extend_from_slice(&(-1_i16).to_be_bytes());
        self.send(line).await?;
        line.close();
        self.sent = self.filling.take();
        Ok(())
    }

    /// Waits for what the server says of the last COPY.
    async fn settle(&mut self, line: &mut Line) -> Result<()> {
        let Some(piece) = self.sent.take() else { return Ok(()) };
        let refusal = match line.end().await? {
            Ok(rows) => {
                self.copied += rows;
                self.bytes += piece.bytes as u64;
                if self.rejects {
                    line.idle()?.execute(&self.operation, "RELEASE SAVEPOINT _aggregator").await?;
                }
                return Ok(());
            }
            Err(error) => blame(&self.operation, error)?,
        };
        if !self.rejects {
            return Err(refusal.of_row(&piece));
        }
        line.idle()?.execute(&self.operation, "ROLLBACK TO SAVEPOINT _aggregator").await?;
        for (batch, wire) in &piece.rows {
            self.carefully(line, batch, wire).await?;
        }
        Ok(())
    }

    /// Sends rows by themselves; where the server refuses some, halves them until only those are left.
    async fn carefully(&mut self, line: &mut Line, batch: &RecordBatch, wire: &RecordBatch) -> Result<()> {
        let session = line.idle()?;
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
                return Err(refusal.of_rows(batch, start, length));
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
                    raw: sql::row_json(batch, start),
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
            if let Some((_, message)) = self.required.iter().find(|(name, _)| name == field.name())
                && column.logical_null_count() > 0
            {
                let nulls = (0..column.len()).filter(|row| column.is_null(*row));
                found.extend(nulls.map(|row| (row, field.name().clone(), *message)));
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

/// Where the key of an Upsert is among what is sent.
fn key_columns(target: &Target) -> Vec<usize> {
    let Load::Upsert(key) = &target.load else { return Vec::new() };
    let columns = target.columns.iter().enumerate().filter(|(_, column)| key.contains(&column.name));
    columns.map(|(at, _)| at).collect()
}

fn required(target: &Target) -> Vec<(String, &'static str)> {
    let key =
        target.load.key().iter().map(|name| (name.clone(), "the key is null, so the row could not be found again"));
    let effective = target.columns.iter().filter(|column| column.role == Role::Effective);
    let effective =
        effective.map(|column| (column.name.clone(), "it is null, so nobody knows from when the row holds"));
    key.chain(effective).collect()
}

impl Refusal {
    /// As an error that shows the row the server blames, of all that one COPY has sent.
    fn of_row(self, piece: &Piece) -> ConnectorError {
        let mut first = 0;
        for (batch, _) in &piece.rows {
            let length = batch.num_rows();
            if let Some(row) = self.row.filter(|row| (first..first + length).contains(row)) {
                return Self { row: Some(row - first), ..self }.of_rows(batch, 0, length);
            }
            first += length;
        }
        self.error
    }

    /// As [`Self::of_row`], of rows of one batch that were sent alone.
    fn of_rows(self, batch: &RecordBatch, start: usize, length: usize) -> ConnectorError {
        let row = self.row.filter(|row| *row < length).map(|row| sql::row_json(batch, start + row));
        let mut error = self.error;
        if let Some(row) = row {
            error.detail = format!("{}, for the row {row}", error.detail);
        }
        error
    }

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
