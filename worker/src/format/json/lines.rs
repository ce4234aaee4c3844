//! One JSON object a line.

use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;

use encoding_rs::Encoding;
use serde::de::DeserializeSeed;
use serde_json::Value;

use super::depth::too_deep;
use super::integers::{in_quotes, is_large, parse};
use super::row::RowSeed;
use crate::connector::{ConnectorError, ErrorKind, MAX_ROW, RejectReason, Result};
use crate::format::block::{Block, BlockReader, Place, ReadPlan, input_error, no_such_place, read_more};
use crate::format::cell::Cell;
use crate::format::column::{Fault, Faults, assemble, build};
use crate::format::csv::constant;
use crate::format::encoding::Utf8Reader;
use crate::format::infer::{Guess, Guesses};
use crate::format::records::{allow, not_an_object, reject};

/// The most bytes of a block.
const BLOCK_BYTES: usize = 8 * 1024 * 1024;
const CHUNK: usize = 256 * 1024;

/// Splits text into lines that are not blank.
struct Lines {
    input: Utf8Reader,
    location: String,
    text: Vec<u8>,
    taken: usize,
    offset: u64,
    /// The number of lines before `text`.
    lines: u64,
    ended: bool,
}

/// One line of a block.
struct Line {
    /// Its number, from 1.
    number: u64,
    /// Where it begins in the decoded text.
    offset: u64,
    /// Its place in [`Lines::text`].
    range: Range<usize>,
}

impl Lines {
    fn new(input: Box<dyn Read + Send>, encoding: &'static Encoding, location: String) -> Result<Self> {
        let input = Utf8Reader::new(input, encoding).map_err(|error| input_error(&location, error))?;
        Ok(Self { input, location, text: Vec::new(), taken: 0, offset: 0, lines: 0, ended: false })
    }

    /// The next lines, at most `most`; empty at the end. The text of those before is forgotten.
    fn next(&mut self, most: usize) -> Result<Vec<Line>> {
        self.text.drain(..self.taken);
        self.offset += self.taken as u64;
        self.taken = 0;
        let mut lines = Vec::new();
        let mut searched = 0;
        while lines.len() < most && self.taken < BLOCK_BYTES {
            let end = memchr::memchr(b'\n', &self.text[searched..]).map(|end| searched + end);
            if end.is_none() && !self.ended {
                searched = self.text.len();
                if searched - self.taken > MAX_ROW {
                    return Err(self.too_long());
                }
                self.ended = !read_more(&mut self.input, &mut self.text, CHUNK, &self.location)?;
                continue;
            }
            let range = self.taken..end.unwrap_or(self.text.len());
            if range.is_empty() && end.is_none() {
                break;
            }
            self.lines += 1;
            let line = Line { number: self.lines, offset: self.offset + range.start as u64, range: range.clone() };
            if !self.text[range.clone()].iter().all(u8::is_ascii_whitespace) {
                lines.push(line);
            }
            self.taken = end.map_or(self.text.len(), |end| end + 1);
            searched = self.taken;
        }
        Ok(lines)
    }

    /// Where the next line begins.
    fn place(&self) -> Place {
        Place::Text { offset: self.offset + self.taken as u64, line: self.lines + 1 }
    }

    /// Passes over everything before a place that [`Self::place`] gave; nothing was read yet.
    fn skip_to(&mut self, place: Place) -> Result<()> {
        let Place::Text { offset, line } = place else { return Err(no_such_place(&self.location, place)) };
        let passed = std::io::copy(&mut self.input.by_ref().take(offset), &mut std::io::sink())
            .map_err(|error| input_error(&self.location, error))?;
        if passed < offset {
            return Err(no_such_place(&self.location, place));
        }
        (self.offset, self.lines) = (offset, line.saturating_sub(1));
        Ok(())
    }

    fn too_long(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Limit,
            format!("read {}:{}", self.location, self.lines + 1),
            format!("the line is longer than {} MiB", MAX_ROW >> 20),
        )
        .remedy("put one record on a line, or declare the format `json` if the file is one document")
    }
}

/// Reads one file of JSON lines.
pub(crate) struct LineReader {
    lines: Lines,
    plan: ReadPlan,
}

impl LineReader {
    /// Reads `input`, which is decompressed.
    pub(crate) fn new(input: Box<dyn Read + Send>, encoding: &'static Encoding, plan: ReadPlan) -> Result<Self> {
        let mut lines = Lines::new(input, encoding, plan.location.clone())?;
        if let Some(place) = plan.from {
            lines.skip_to(place)?;
        }
        Ok(Self { lines, plan })
    }
}

/// Why a line cannot be read.
fn not_json(error: &serde_json::Error) -> String {
    too_deep("the line", error).unwrap_or_else(|| format!("the line is not JSON: {error}"))
}

fn read_row<'t>(text: &'t [u8], places: &HashMap<&str, usize>, row: &mut [Cell<'t>]) -> Result<(), Fault> {
    let malformed = |message: String| Fault { column: None, reason: RejectReason::Malformed, message };
    let text = std::str::from_utf8(text)
        .map_err(|_| malformed("the text is not valid in the file's encoding; declare it with `encoding`".into()))?;
    if !text.trim_start().starts_with('{') {
        return Err(match serde_json::from_str::<Value>(text) {
            Ok(record) => not_an_object(&record),
            Err(error) => malformed(not_json(&error)),
        });
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    RowSeed { places, row: &mut *row }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| malformed(not_json(&error)))?;
    if row.iter().any(is_large) {
        let text = in_quotes(text.as_bytes());
        let mut exact = vec![Cell::Null; row.len()];
        RowSeed { places, row: &mut exact }
            .deserialize(&mut serde_json::Deserializer::from_slice(&text))
            .map_err(|error| malformed(not_json(&error)))?;
        for (cell, exact) in row.iter_mut().zip(exact) {
            *cell = exact.into_owned();
        }
    }
    Ok(())
}

impl BlockReader for LineReader {
    fn next_block(&mut self) -> Result<Option<Block>> {
        let lines = self.lines.next(self.plan.batch_rows)?;
        if lines.is_empty() {
            return Ok(None);
        }
        let fields = self.plan.schema.fields();
        let places: HashMap<&str, usize> =
            fields.iter().enumerate().map(|(place, field)| (field.name().as_str(), place)).collect();
        let mut faults = Faults::default();
        let mut columns: Vec<Vec<Cell<'_>>> = fields.iter().map(|_| Vec::with_capacity(lines.len())).collect();
        let mut row: Vec<Cell<'_>> = vec![Cell::Null; fields.len()];
        for (index, line) in lines.iter().enumerate() {
            row.fill(Cell::Null);
            if let Err(fault) = read_row(&self.lines.text[line.range.clone()], &places, &mut row) {
                faults.add(index, || fault);
            }
            for (column, cell) in columns.iter_mut().zip(&mut row) {
                column.push(std::mem::replace(cell, Cell::Null));
            }
        }
        let arrays = fields
            .iter()
            .zip(columns)
            .map(|(field, cells)| match self.plan.constant(field.name()) {
                Some(value) => constant(field, lines.len(), value, &mut faults),
                None => build(field, lines.len(), cells.into_iter(), &mut faults),
            })
            .collect::<Result<Vec<_>>>()?;
        let batch = assemble(&self.plan.schema, arrays, lines.len(), &faults)?;
        let rejects = faults
            .into_rows()
            .into_iter()
            .map(|(index, fault)| {
                let line = &lines[index];
                let raw = String::from_utf8_lossy(&self.lines.text[line.range.clone()]);
                reject(&self.plan.location, Some(line.number), Some(line.offset), fault, raw.trim_end_matches('\r'))
            })
            .collect();
        let rejects = allow(self.plan.rejects, rejects)?;
        Ok(Some(Block { batch, rejects, read: lines.len() as u64 }))
    }

    fn place(&mut self) -> Result<Option<Place>> {
        Ok(Some(self.lines.place()))
    }
}

/// Looks at up to `most` records; says how many there were.
pub(crate) fn infer(
    input: Box<dyn Read + Send>,
    encoding: &'static Encoding,
    location: &str,
    most: u64,
    guesses: &mut Guesses,
) -> Result<u64> {
    let mut lines = Lines::new(input, encoding, location.to_owned())?;
    let mut looked = 0;
    while looked < most {
        let found = lines.next(usize::try_from(most - looked).unwrap_or(usize::MAX).min(8192))?;
        if found.is_empty() {
            break;
        }
        looked += found.len() as u64;
        for line in found {
            // A line that does not parse says nothing of types; reading rejects it.
            if let Ok(Value::Object(record)) = parse(&lines.text[line.range]) {
                for (key, value) in &record {
                    guesses.merge(key, Guess::of_json(value));
                }
                guesses.check(location)?;
            }
        }
    }
    Ok(looked)
}
