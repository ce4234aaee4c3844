//! Splits text into records and fields, and knows of each record where it stands and how it read.

use std::io::Read;

use csv_core::ReadRecordResult;

use super::dialect::Dialect;
use crate::connector::{ConnectorError, ErrorKind, MAX_ROW, Result};
use crate::format::block::{Place as FilePlace, input_error, no_such_place, read_more};
use crate::format::encoding::Utf8Reader;

/// The most bytes of the fields of one block.
const BLOCK_BYTES: usize = 8 * 1024 * 1024;
const CHUNK: usize = 256 * 1024;

/// One record of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Where its text begins and ends in the block's text: with blank lines and comments before it, and its line's end.
    start: usize,
    end: usize,
    /// Where its fields begin.
    fields_start: usize,
    /// Where its field ends begin, and how many there are.
    ends_start: usize,
    /// How many fields it has.
    pub(super) fields: usize,
    /// The text ended inside quotes.
    pub(super) open_quote: bool,
}

/// Whole records, split into fields.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) rows: Vec<Row>,
    fields: Vec<u8>,
    ends: Vec<usize>,
    /// How much of `fields` and `ends` is taken; the rest is room for the parser.
    fields_used: usize,
    ends_used: usize,
}

impl Records {
    /// Makes the bytes of rows that are not UTF-8 harmless and names those rows.
    pub(super) fn take_undecodable(&mut self) -> Vec<usize> {
        // Halves of a character on either side of a delimiter make a whole one here, where there is no delimiter.
        let whole = std::str::from_utf8(&self.fields).is_ok_and(|text| {
            self.rows.iter().all(|row| {
                text.is_char_boundary(row.fields_start)
                    && self.ends_of(*row).iter().all(|end| text.is_char_boundary(row.fields_start + end))
            })
        });
        if whole {
            return Vec::new();
        }
        let mut undecodable = Vec::new();
        for index in 0..self.rows.len() {
            let row = self.rows[index];
            let bytes = &self.fields[row.fields_start..self.end_of(row)];
            let sound = std::str::from_utf8(bytes)
                .is_ok_and(|text| self.ends_of(row).iter().all(|end| text.is_char_boundary(*end)));
            if !sound {
                let end = self.end_of(row);
                self.fields[row.fields_start..end].fill(b'?');
                undecodable.push(index);
            }
        }
        undecodable
    }

    /// Where the fields of a row end, from its beginning.
    fn ends_of(&self, row: Row) -> &[usize] {
        &self.ends[row.ends_start..row.ends_start + row.fields]
    }

    /// Takes the last row out, with its fields: who reads them again may find other ones.
    pub(super) fn pop(&mut self) -> Option<Row> {
        let row = self.rows.pop()?;
        self.fields.truncate(row.fields_start);
        self.ends.truncate(row.ends_start);
        Some(row)
    }

    fn end_of(&self, row: Row) -> usize {
        row.fields_start + self.ends_of(row).last().copied().unwrap_or_default()
    }

    /// The fields of all rows as text.
    pub(super) fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.fields)
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, "split delimited text", error.to_string()))
    }

    /// The place in [`Records::text`] of a field.
    pub(super) fn field(&self, row: Row, field: usize) -> std::ops::Range<usize> {
        let start = if field == 0 { 0 } else { self.ends[row.ends_start + field - 1] };
        row.fields_start + start..row.fields_start + self.ends[row.ends_start + field]
    }
}

/// Where a record stands and how it reads.
pub(super) struct Place<'a> {
    /// The line it begins on, from 1.
    pub(super) line: u64,
    /// The byte it begins at, in the decoded text.
    pub(super) offset: u64,
    /// Its text, without the line's end.
    pub(super) raw: &'a [u8],
}

/// Splits one file.
pub(super) struct Splitter {
    input: Utf8Reader,
    parser: csv_core::Reader,
    dialect: Dialect,
    location: String,
    /// The text of the current block and what was read after it.
    text: Vec<u8>,
    /// What of `text` the parser has taken.
    taken: usize,
    /// Where `text` begins in the file.
    offset: u64,
    /// The line on which `text` begins.
    line: u64,
    /// The byte before `text` is `\r`.
    after_return: bool,
    input_ended: bool,
    ended: bool,
}

impl Splitter {
    /// Splits `input`; skips the lines that the dialect says.
    pub(super) fn new(input: Box<dyn Read + Send>, dialect: Dialect, location: String) -> Result<Self> {
        let input = Utf8Reader::new(input, dialect.encoding).map_err(|error| input_error(&location, error))?;
        let parser = dialect.parser();
        let skip = dialect.skip_rows;
        let mut splitter = Self {
            input,
            parser,
            dialect,
            location,
            text: Vec::new(),
            taken: 0,
            offset: 0,
            line: 1,
            after_return: false,
            input_ended: false,
            ended: false,
        };
        for _ in 0..skip {
            splitter.skip_line()?;
        }
        Ok(splitter)
    }

    /// Splits text that begins with a record, on that line and at that byte of the file.
    pub(super) fn over(text: Vec<u8>, dialect: &Dialect, location: &str, line: u64, offset: u64) -> Self {
        let (dialect, location) = (dialect.clone(), location.to_owned());
        Self {
            input: Utf8Reader::decoded(text),
            parser: dialect.parser(),
            dialect,
            location,
            text: Vec::new(),
            taken: 0,
            offset,
            line,
            after_return: false,
            input_ended: false,
            ended: false,
        }
    }

    /// Takes back what the last call of [`Self::next`] gave.
    pub(super) fn take_back(&mut self) {
        self.taken = 0;
        self.ended = false;
        self.parser = self.dialect.parser();
    }

    /// Takes the second half of a line's end of which the parser has taken the first one; it would pass over it itself.
    fn end_line(&mut self) -> Result<()> {
        let after_return = self.taken.checked_sub(1).map_or(self.after_return, |last| self.text[last] == b'\r');
        if after_return && self.dialect.terminator.is_none() {
            if self.taken == self.text.len() && !self.input_ended {
                self.read_more()?;
            }
            self.taken += usize::from(self.text.get(self.taken) == Some(&b'\n'));
        }
        Ok(())
    }

    /// Where the next record begins.
    pub(super) fn next_place(&mut self) -> Result<FilePlace> {
        self.end_line()?;
        let line = self.line + self.dialect.count_lines(&self.text[..self.taken], self.after_return);
        Ok(FilePlace::Text { offset: self.offset + self.taken as u64, line })
    }

    /// Passes over everything before a place that [`Self::next_place`] gave.
    pub(super) fn skip_to(&mut self, place: FilePlace) -> Result<()> {
        self.forget();
        let FilePlace::Text { offset, line } = place else { return Err(no_such_place(&self.location, place)) };
        let mut left = offset.checked_sub(self.offset).ok_or_else(|| no_such_place(&self.location, place))?;
        loop {
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(self.text.len());
            self.text.drain(..part);
            left -= part as u64;
            if left == 0 {
                break;
            }
            if !self.read_more()? {
                return Err(no_such_place(&self.location, place));
            }
        }
        (self.offset, self.line, self.after_return) = (offset, line, false);
        Ok(())
    }

    /// What was not split yet: the text that was read, the rest of the input, and the line and byte they begin at.
    pub(super) fn into_rest(mut self) -> Result<(Utf8Reader, Vec<u8>, u64, u64)> {
        self.end_line()?;
        self.forget();
        Ok((self.input, self.text, self.line, self.offset))
    }

    /// Whether a row of the current block may go on behind the text: nothing in it ends the row.
    pub(super) fn may_go_on(&self, row: Row) -> bool {
        let ends = self.text.last().is_some_and(|last| self.dialect.ends_line(*last));
        row.open_quote || (self.input_ended && row.end == self.text.len() && !ends)
    }

    /// The text of a row of the current block and all that follows.
    pub(super) fn text_from(&self, row: Row) -> &[u8] {
        &self.text[row.start..]
    }

    fn skip_line(&mut self) -> Result<()> {
        loop {
            let rest = &self.text[self.taken..];
            if let Some(end) = rest.iter().position(|byte| self.dialect.ends_line(*byte)) {
                let pair = self.dialect.terminator.is_none() && rest[end] == b'\r';
                // Whether `\r` is half of a line's end is known with the byte after it.
                if !pair || end + 1 < rest.len() || self.input_ended {
                    self.taken += end + 1 + usize::from(pair && rest.get(end + 1) == Some(&b'\n'));
                    return Ok(());
                }
            }
            if self.input_ended || !self.read_more()? {
                self.taken = self.text.len();
                return Ok(());
            }
        }
    }

    fn read_more(&mut self) -> Result<bool> {
        let more = read_more(&mut self.input, &mut self.text, CHUNK, &self.location)?;
        self.input_ended = !more;
        Ok(more)
    }

    /// The next records, at most `most` of them; None at the end. The text of the block before is forgotten.
    pub(super) fn next(&mut self, most: usize) -> Result<Option<Records>> {
        self.forget();
        let mut records = Records::default();
        while !self.ended && records.rows.len() < most && records.fields_used < BLOCK_BYTES {
            if !self.next_record(&mut records)? {
                self.ended = true;
            }
        }
        records.fields.truncate(records.fields_used);
        records.ends.truncate(records.ends_used);
        Ok((!records.rows.is_empty()).then_some(records))
    }

    fn forget(&mut self) {
        self.line += self.dialect.count_lines(&self.text[..self.taken], self.after_return);
        if let Some(last) = self.taken.checked_sub(1) {
            self.after_return = self.text[last] == b'\r';
        }
        self.offset += self.taken as u64;
        self.text.drain(..self.taken);
        self.taken = 0;
    }

    fn next_record(&mut self, records: &mut Records) -> Result<bool> {
        let (start, fields_start, ends_start) = (self.taken, records.fields_used, records.ends_used);
        let (mut written, mut fields) = (0, 0);
        let mut closed = false;
        let open_quote = loop {
            if !closed && self.taken == self.text.len() {
                if self.text.len() - start > MAX_ROW {
                    return Err(self.too_long(start));
                }
                closed = self.input_ended || !self.read_more()?;
            }
            reserve(&mut records.fields, fields_start + written, 1024);
            reserve(&mut records.ends, ends_start + fields, 64);
            // At the end of the input, one more line end tells a record that is complete from an open quote.
            let line_end = [self.dialect.terminator.unwrap_or(b'\n')];
            let input = if closed { &line_end[..] } else { &self.text[self.taken..] };
            let (result, taken, out, ends) = self.parser.read_record(
                input,
                &mut records.fields[fields_start + written..],
                &mut records.ends[ends_start + fields..],
            );
            written += out;
            fields += ends;
            if !closed {
                self.taken += taken;
            }
            match result {
                ReadRecordResult::Record => break false,
                ReadRecordResult::OutputFull => grow(&mut records.fields),
                ReadRecordResult::OutputEndsFull => grow(&mut records.ends),
                ReadRecordResult::End => break true,
                ReadRecordResult::InputEmpty if closed => break true,
                ReadRecordResult::InputEmpty => {}
            }
        };
        if open_quote {
            if written == 0 {
                return Ok(false);
            }
            reserve(&mut records.ends, ends_start + fields, 1);
            records.ends[ends_start + fields] = written;
            fields += 1;
        }
        records.fields_used += written;
        records.ends_used += fields;
        records.rows.push(Row { start, end: self.taken, fields_start, ends_start, fields, open_quote });
        Ok(!closed)
    }

    fn too_long(&self, start: usize) -> ConnectorError {
        let line = self.line + self.dialect.count_lines(&self.text[..start], self.after_return);
        ConnectorError::new(
            ErrorKind::Limit,
            format!("read {}:{line}", self.location),
            format!("the record that begins here is longer than {} MiB", MAX_ROW >> 20),
        )
        .remedy("look for a quote that is not closed, or set `quote: \"\"` if quotes mean nothing in this file")
    }

    /// Where a row of the current block stands.
    pub(super) fn place(&self, row: Row) -> Place<'_> {
        let (at, raw) = self.raw(row);
        Place {
            line: self.line + self.dialect.count_lines(&self.text[..at], self.after_return),
            offset: self.offset + at as u64,
            raw,
        }
    }

    /// Where a row begins in the block's text, and its text without the line's end.
    pub(super) fn raw(&self, row: Row) -> (usize, &[u8]) {
        let text = &self.text[row.start..row.end];
        let mut begin = 0;
        loop {
            let rest = &text[begin..];
            match rest.first() {
                Some(byte) if self.dialect.ends_line(*byte) || matches!(byte, b'\n' | b'\r') => begin += 1,
                Some(byte) if self.dialect.comment == Some(*byte) => {
                    begin += rest.iter().position(|byte| self.dialect.ends_line(*byte)).unwrap_or(rest.len());
                }
                _ => break,
            }
        }
        let mut raw = &text[begin..];
        if let [before @ .., last] = raw
            && self.dialect.ends_line(*last)
        {
            raw = before;
            if let ([before @ .., b'\r'], b'\n') = (raw, *last) {
                raw = before;
            }
        }
        (row.start + begin, raw)
    }
}

fn reserve<T: Default + Clone>(buffer: &mut Vec<T>, used: usize, free: usize) {
    if buffer.len() < used + free {
        let length = (used + free).max(buffer.len() * 2);
        buffer.resize(length, T::default());
    }
}

fn grow<T: Default + Clone>(buffer: &mut Vec<T>) {
    let length = (buffer.len() * 2).max(1024);
    buffer.resize(length, T::default());
}
