//! The binary COPY format, decoded into record batches: builders chosen once, nothing allocated per value.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter;
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::types::Wire;
use super::value::{Builder, Fault};
use crate::connector::{Buffers, ConnectorError, ErrorKind, MAX_ROW, Reject, RejectReason, Result, row_too_large};
use crate::connectors::sql;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Rows that were decoded together.
pub(super) struct Decoded {
    /// The good rows.
    pub(super) batch: RecordBatch,
    /// The bad ones.
    pub(super) rejects: Vec<Reject>,
}

/// Takes the bytes of a binary COPY, in pieces of any size, and gives batches.
pub(super) struct Decoder {
    schema: SchemaRef,
    builders: Vec<Builder>,
    faults: Vec<RowFault>,
    /// Bytes of a row that did not arrive whole yet.
    carry: Vec<u8>,
    state: State,
    rows: usize,
    batch_rows: usize,
    batch_bytes: u64,
    /// A batch ends when it has so many.
    most_bytes: u64,
    /// Rows met on the wire so far.
    pub(super) read: u64,
    /// Bytes taken so far.
    pub(super) bytes: u64,
    location: String,
    rejects: bool,
    /// Whether rejects say which row of the read they are.
    numbered: bool,
}

struct RowFault {
    row: usize,
    columns: Vec<(usize, Fault)>,
}

#[derive(PartialEq)]
enum State {
    Header,
    Rows,
    Ended,
}

/// What a piece of the wire held.
enum Step {
    Tuple { columns: usize, length: usize },
    Trailer,
    Incomplete,
}

impl Decoder {
    /// A decoder for columns that arrive so. `location` is what rejects and errors name; without `rejects`, the first
    /// row that cannot be read is an error.
    pub(super) fn new(
        schema: SchemaRef,
        wires: &[Wire],
        batch_rows: usize,
        location: impl Into<String>,
        rejects: bool,
    ) -> Self {
        let batch_rows = batch_rows.max(1);
        Self {
            schema,
            builders: wires.iter().map(|wire| Builder::new(wire, batch_rows)).collect(),
            faults: Vec::new(),
            carry: Vec::new(),
            state: State::Header,
            rows: 0,
            batch_rows,
            batch_bytes: 0,
            most_bytes: Buffers::default().batch(),
            read: 0,
            bytes: 0,
            location: location.into(),
            rejects,
            numbered: true,
        }
    }

    /// For a part of a table: where a row stands in it says nothing of where it stands in the table.
    pub(super) fn of_part(self) -> Self {
        Self { numbered: false, ..self }
    }

    /// With batches that end when they have so many bytes.
    pub(super) fn in_batches_of(self, bytes: u64) -> Self {
        Self { most_bytes: bytes, ..self }
    }

    /// Takes a piece; the batches that it completed are put into `out`.
    pub(super) fn feed(&mut self, piece: &[u8], out: &mut Vec<Decoded>) -> Result<()> {
        self.bytes += piece.len() as u64;
        if self.carry.is_empty() {
            let used = self.consume(piece, out)?;
            self.carry.extend_from_slice(&piece[used..]);
        } else {
            let mut joined = std::mem::take(&mut self.carry);
            joined.extend_from_slice(piece);
            let used = self.consume(&joined, out)?;
            joined.drain(..used);
            self.carry = joined;
        }
        // What is left is the beginning of one row, unless nothing may come any more.
        self.check_size(self.carry.len())
    }

    /// The server says that this was all; gives the last batch.
    pub(super) fn finish(&mut self) -> Result<Option<Decoded>> {
        if self.state != State::Ended {
            return Err(self.broken("the data ended before its trailer"));
        }
        if self.rows == 0 { Ok(None) } else { self.take().map(Some) }
    }

    fn consume(&mut self, bytes: &[u8], out: &mut Vec<Decoded>) -> Result<usize> {
        let mut at = 0;
        if self.state == State::Header {
            // Signature, flags, and the length of an extension that no server sends yet.
            let Some(header) = bytes.first_chunk::<19>() else { return Ok(0) };
            let extension = u32::from_be_bytes([header[15], header[16], header[17], header[18]]) as usize;
            if !header.starts_with(SIGNATURE) {
                return Err(self.broken("the data does not begin with the signature of a binary COPY"));
            }
            if bytes.len() < 19 + extension {
                return Ok(0);
            }
            at = 19 + extension;
            self.state = State::Rows;
        }
        while self.state == State::Rows {
            match step(&bytes[at..]) {
                Step::Incomplete => break,
                Step::Trailer => {
                    self.state = State::Ended;
                    at += 2;
                }
                Step::Tuple { columns, length } => {
                    if columns != self.builders.len() {
                        let detail =
                            format!("a row of {columns} columns came where {} are expected", self.builders.len());
                        return Err(self.broken(&detail));
                    }
                    self.check_size(length)?;
                    self.tuple(&bytes[at + 2..at + length])?;
                    self.batch_bytes += length as u64;
                    at += length;
                    if self.rows >= self.batch_rows || self.batch_bytes >= self.most_bytes {
                        out.push(self.take()?);
                    }
                }
            }
        }
        Ok(at)
    }

    fn check_size(&self, length: usize) -> Result<()> {
        if length <= MAX_ROW {
            return Ok(());
        }
        Err(row_too_large(&format!("{}, row {}", self.location, self.read + 1), "the row"))
    }

    fn tuple(&mut self, mut fields: &[u8]) -> Result<()> {
        self.read += 1;
        let mut faults = Vec::new();
        for (number, builder) in self.builders.iter_mut().enumerate() {
            let value = match fields.split_first_chunk::<4>() {
                Some((length, rest)) => match usize::try_from(i32::from_be_bytes(*length)) {
                    Ok(length) => {
                        let (value, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                        fields = rest;
                        Some(value)
                    }
                    Err(_) => {
                        fields = rest;
                        None
                    }
                },
                None => None,
            };
            if let Err(fault) = builder.append(value) {
                // Arrow's builders cannot take a value back: the row is filled up and filtered out of the batch.
                builder.append(None).map_err(|fault| {
                    ConnectorError::new(ErrorKind::Bug, format!("read {}", self.location), fault.message)
                })?;
                faults.push((number, fault));
            }
        }
        if let (Some((number, fault)), false) = (faults.first(), self.rejects) {
            let column = self.schema.field(*number).name();
            let detail = format!("row {}, column `{column}`: {} ({})", self.read, fault.message, fault.raw);
            return Err(ConnectorError::new(ErrorKind::Data, format!("read {}", self.location), detail)
                .remedy("declare `rejects` in the Pipeline, or leave such rows out with a query stream"));
        }
        if !faults.is_empty() {
            self.faults.push(RowFault { row: self.rows, columns: faults });
        }
        self.rows += 1;
        Ok(())
    }

    fn take(&mut self) -> Result<Decoded> {
        let bug = |error: arrow::error::ArrowError| {
            ConnectorError::new(ErrorKind::Bug, "build a batch", error.to_string()).caused_by(error)
        };
        let rows = std::mem::take(&mut self.rows);
        self.batch_bytes = 0;
        let mut columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        let faults = std::mem::take(&mut self.faults);
        let mut rejects = Vec::new();
        let mut left = rows;
        if !faults.is_empty() {
            let first = self.read - rows as u64;
            for fault in &faults {
                rejects.push(self.reject(fault, first, &columns)?);
            }
            let mut keep = vec![true; rows];
            for fault in &faults {
                keep[fault.row] = false;
            }
            let keep = BooleanArray::from(keep);
            columns = columns.iter().map(|column| filter(column, &keep)).collect::<Result<_, _>>().map_err(bug)?;
            left -= faults.len();
        }
        let options = RecordBatchOptions::new().with_row_count(Some(left));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(bug)?;
        Ok(Decoded { batch, rejects })
    }

    /// The good values as JSON, the bad ones as the text they were.
    fn reject(&self, fault: &RowFault, first: u64, columns: &[ArrayRef]) -> Result<Reject> {
        let fields: Vec<Field> =
            self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let mut values: Vec<ArrayRef> = columns.iter().map(|column| column.slice(fault.row, 1)).collect();
        let mut shown = fields;
        for (number, value) in &fault.columns {
            shown[*number] = Field::new(shown[*number].name(), arrow::datatypes::DataType::Utf8, true);
            values[*number] = Arc::new(arrow::array::StringArray::from(vec![value.raw.as_str()]));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::new(Schema::new(shown)), values, &options)
            .unwrap_or_else(|_| RecordBatch::new_empty(Arc::new(Schema::empty())));
        let raw = if row.num_rows() == 1 { sql::row_json(&row, 0) } else { String::new() };
        let (number, value) = fault.columns.first().ok_or_else(|| self.broken("a reject without a cause"))?;
        Ok(Reject {
            location: self.location.clone(),
            line: self.numbered.then(|| first + fault.row as u64 + 1),
            offset: None,
            column: Some(self.schema.field(*number).name().clone()),
            reason: RejectReason::CastFailed,
            message: value.message.to_string(),
            raw,
        })
    }

    fn broken(&self, detail: &str) -> ConnectorError {
        ConnectorError::new(ErrorKind::Data, format!("read {}", self.location), detail)
    }
}

/// Finds the end of the next tuple.
fn step(bytes: &[u8]) -> Step {
    let Some((count, mut rest)) = bytes.split_first_chunk::<2>() else { return Step::Incomplete };
    let count = i16::from_be_bytes(*count);
    let Ok(columns) = usize::try_from(count) else { return Step::Trailer };
    for _ in 0..columns {
        let Some((length, after)) = rest.split_first_chunk::<4>() else { return Step::Incomplete };
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or_default();
        let Some(after) = after.get(length..) else { return Step::Incomplete };
        rest = after;
    }
    Step::Tuple { columns, length: bytes.len() - rest.len() }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Int32Type};

    use super::*;

    fn stream(rows: &[(Option<i32>, Option<&str>)]) -> Vec<u8> {
        let mut bytes = [SIGNATURE, &[0; 8]].concat();
        for (number, text) in rows {
            bytes.extend(2_i16.to_be_bytes());
            for value in [number.map(|number| number.to_be_bytes().to_vec()), text.map(|text| text.as_bytes().to_vec())]
            {
                match value {
                    None => bytes.extend((-1_i32).to_be_bytes()),
                    Some(value) => {
                        bytes.extend(i32::try_from(value.len()).expect("short").to_be_bytes());
                        bytes.extend(value);
                    }
                }
            }
        }
        bytes.extend((-1_i16).to_be_bytes());
        bytes
    }

    fn decoder(wires: &[Wire], rejects: bool) -> Decoder {
        let fields: Vec<Field> =
            wires.iter().enumerate().map(|(at, wire)| Field::new(format!("c{at}"), wire.arrow(), true)).collect();
        Decoder::new(Arc::new(Schema::new(fields)), wires, 2, "public.t", rejects)
    }

    #[test]
    fn any_cut_of_the_wire_gives_the_same_rows() {
        let bytes = stream(&[(Some(1), Some("a")), (None, Some("")), (Some(-3), None)]);
        for size in 1..=bytes.len() {
            let mut decoder = decoder(&[Wire::Int4, Wire::Text], false);
            let mut batches = Vec::new();
            for piece in bytes.chunks(size) {
                decoder.feed(piece, &mut batches).expect("good rows");
            }
            batches.extend(decoder.finish().expect("a trailer"));
            let rows: Vec<(Option<i32>, Option<String>)> = batches
                .iter()
                .flat_map(|decoded| {
                    let numbers = decoded.batch.column(0).as_primitive::<Int32Type>().iter();
                    numbers.zip(decoded.batch.column(1).as_string::<i32>().iter().map(|text| text.map(str::to_owned)))
                })
                .collect();
            assert_eq!(rows, [(Some(1), Some("a".into())), (None, Some(String::new())), (Some(-3), None)]);
            assert_eq!((decoder.read, decoder.bytes), (3, bytes.len() as u64));
        }
    }

    #[test]
    fn a_row_that_is_too_large_is_refused_before_it_is_all_there() {
        let mut decoder = decoder(&[Wire::Text], true);
        let mut batches = Vec::new();
        let good = stream(&[]);
        decoder.feed(&good[..19], &mut batches).expect("a header");
        decoder
            .feed(&[[0, 1, 0, 0, 0, 1].as_slice(), b"a", &[0, 1, 0x40, 0, 0, 0]].concat(), &mut batches)
            .expect("a row");
        // A value of a gibibyte, piece by piece.
        let piece = vec![b'x'; 64 * 1024];
        let (fed, error) = (1..=16 * 1024)
            .find_map(|number| Some((number * piece.len(), decoder.feed(&piece, &mut batches).err()?)))
            .expect("a limit");
        assert!(fed <= MAX_ROW + piece.len(), "{fed} bytes were taken");
        assert_eq!(error.kind, ErrorKind::Limit);
        assert_eq!(error.to_string(), "read public.t, row 2: the row is larger than 64 MiB");
    }

    #[test]
    fn a_cut_short_stream_is_an_error() {
        let bytes = stream(&[(Some(1), Some("a"))]);
        for end in 0..bytes.len() {
            let mut decoder = decoder(&[Wire::Int4, Wire::Text], false);
            let mut batches = Vec::new();
            decoder.feed(&bytes[..end], &mut batches).expect("what came is good");
            assert!(decoder.finish().is_err_and(|error| error.kind == ErrorKind::Data), "{end}");
        }
    }

    #[test]
    fn a_bad_row_leaves_the_good_ones_and_names_itself() {
        let wires = [Wire::Date, Wire::Text];
        let bytes = stream(&[(Some(0), Some("good")), (Some(i32::MAX), Some("bad")), (Some(1), Some("good too"))]);
        let mut taken = Vec::new();
        let mut lenient = decoder(&wires, true);
        lenient.feed(&bytes, &mut taken).expect("rejects are allowed");
        taken.extend(lenient.finish().expect("a trailer"));
        let texts: Vec<&str> =
            taken.iter().flat_map(|decoded| decoded.batch.column(1).as_string::<i32>().iter().flatten()).collect();
        assert_eq!(texts, ["good", "good too"]);
        assert_eq!(taken[0].batch.schema().field(0).data_type(), &DataType::Date32);
        let rejects: Vec<&Reject> = taken.iter().flat_map(|decoded| &decoded.rejects).collect();
        assert_eq!(rejects.len(), 1);
        assert_eq!((rejects[0].line, rejects[0].column.as_deref()), (Some(2), Some("c0")));
        assert_eq!(rejects[0].raw, r#"{"c0":"infinity","c1":"bad"}"#);
        assert_eq!(lenient.read, 3);

        let (mut part, mut taken) = (decoder(&wires, true).of_part(), Vec::new());
        part.feed(&bytes, &mut taken).expect("rejects are allowed");
        taken.extend(part.finish().expect("a trailer"));
        let lines: Vec<Option<u64>> =
            taken.iter().flat_map(|decoded| &decoded.rejects).map(|reject| reject.line).collect();
        assert_eq!(lines, [None], "of a part of a table");

        let error = decoder(&wires, false).feed(&bytes, &mut Vec::new()).expect_err("no rejects allowed");
        assert!(error.to_string().contains("row 2, column `c0`: the date is infinity"), "{error}");
    }
}
