//! One JSON object a line: chunks of whole lines are decoded on several threads.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use encoding_rs::Encoding;
use serde::de::DeserializeSeed;
use serde_json::Value;

use super::depth::too_deep;
use super::integers::{in_quotes, is_large, parse};
use super::row::RowSeed;
use crate::connector::{ConnectorError, ErrorKind, MAX_ROW, RejectReason, Result};
use crate::format::block::{Block, BlockReader, Place, ReadPlan, input_error, no_such_place};
use crate::format::cell::Cell;
use crate::format::chunks::{Chunk, Chunks, Ends};
use crate::format::column::{Fault, Faults, assemble, build};
use crate::format::csv::constant;
use crate::format::decoding::{Decode, Decoded, Decoding, SMALLEST_CHUNK, Worked};
use crate::format::encoding::Utf8Reader;
use crate::format::infer::{Guess, Guesses};
use crate::format::records::{allow, not_an_object, reject};

/// The most cells that are decoded at once: a line that has few of many columns is short, and takes the room of all of them.
const MOST_CELLS: usize = 256 * 1024;
/// The most lines of a chunk when columns are guessed.
const LOOKED_AT: usize = 8192;

/// One line of a chunk.
struct Line<'t> {
    /// How many lines of the chunk are before it.
    number: u64,
    /// Where it begins in the chunk.
    offset: u64,
    text: &'t [u8],
}

/// The lines of a chunk that are not blank, and how many there are in all.
fn split(chunk: &[u8]) -> (Vec<Line<'_>>, u64) {
    let (mut lines, mut number, mut begin) = (Vec::new(), 0, 0);
    while begin < chunk.len() {
        let end = memchr::memchr(b'\n', &chunk[begin..]).map_or(chunk.len(), |length| begin + length);
        let text = &chunk[begin..end];
        if !text.iter().all(u8::is_ascii_whitespace) {
            lines.push(Line { number, offset: begin as u64, text });
        }
        number += 1;
        begin = end + 1;
    }
    (lines, number)
}

/// Passes over everything before a place, of which nothing was read yet; gives its line and byte.
fn skip_to(input: &mut Utf8Reader, place: Place, location: &str) -> Result<(u64, u64)> {
    let Place::Text { offset, line } = place else { return Err(no_such_place(location, place)) };
    let passed = std::io::copy(&mut input.by_ref().take(offset), &mut std::io::sink())
        .map_err(|error| input_error(location, error))?;
    if passed < offset {
        return Err(no_such_place(location, place));
    }
    Ok((line, offset))
}

fn too_long(location: &str, line: u64) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Limit,
        format!("read {location}:{line}"),
        format!("the line is longer than {} MiB", MAX_ROW >> 20),
    )
    .remedy("put one record on a line, or declare the format `json` if the file is one document")
}

/// Decodes lines.
struct LineDecoder {
    plan: ReadPlan,
    /// The number of each wanted column.
    places: HashMap<String, usize>,
}

impl LineDecoder {
    fn new(plan: ReadPlan) -> Self {
        let fields = plan.schema.fields().iter().enumerate();
        let places = fields.map(|(place, field)| (field.name().clone(), place)).collect();
        Self { plan, places }
    }

    /// The most lines of a chunk.
    fn lines_at_once(&self) -> usize {
        let columns = self.plan.schema.fields().len().max(1);
        self.plan.batch_rows.min(MOST_CELLS / columns).max(1)
    }
}

impl Decode for LineDecoder {
    fn plan(&self) -> &ReadPlan {
        &self.plan
    }

    fn decode(&self, chunk: &[u8]) -> Result<Option<Decoded>> {
        let (lines, all) = split(chunk);
        let fields = self.plan.schema.fields();
        let mut faults = Faults::default();
        let mut columns: Vec<Vec<Cell<'_>>> = fields.iter().map(|_| Vec::with_capacity(lines.len())).collect();
        let mut row: Vec<Cell<'_>> = vec![Cell::Null; fields.len()];
        for (index, line) in lines.iter().enumerate() {
            row.fill(Cell::Null);
            if let Err(fault) = read_row(line.text, &self.places, &mut row) {
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
                let raw = String::from_utf8_lossy(line.text);
                reject(&self.plan.location, Some(line.number), Some(line.offset), fault, raw.trim_end_matches('\r'))
            })
            .collect();
        Ok(Some(Decoded { block: Block { batch, rejects, read: lines.len() as u64 }, lines: all }))
    }
}

/// Reads one file of JSON lines.
pub(crate) struct LineReader {
    decoding: Decoding<LineDecoder>,
}

impl LineReader {
    /// Reads `input`, which is decompressed.
    pub(crate) fn new(input: Box<dyn Read + Send>, encoding: &'static Encoding, plan: ReadPlan) -> Result<Self> {
        // One thread has nobody to share with: it takes as many lines at once as a batch may have.
        let first = if plan.threads > 1 { SMALLEST_CHUNK } else { plan.buffers.chunk() };
        Self::taking(input, encoding, plan, first)
    }

    /// Takes a first chunk of about that size.
    fn taking(input: Box<dyn Read + Send>, encoding: &'static Encoding, plan: ReadPlan, first: usize) -> Result<Self> {
        let (location, from) = (plan.location.clone(), plan.from);
        let mut input = Utf8Reader::new(input, encoding).map_err(|error| input_error(&location, error))?;
        let (line, offset) = match from {
            Some(place) => skip_to(&mut input, place, &location)?,
            None => (1, 0),
        };
        let decoder = LineDecoder::new(plan);
        let chunks = Chunks::new(input, Vec::new(), Ends::Lines(decoder.lines_at_once()), location);
        Ok(Self { decoding: Decoding::new(Arc::new(decoder), chunks, first, line, offset) })
    }
}

/// Why a line cannot be read.
fn not_json(error: &serde_json::Error) -> String {
    too_deep("the line", error).unwrap_or_else(|| format!("the line is not JSON: {error}"))
}

fn read_row<'t>(text: &'t [u8], places: &HashMap<String, usize>, row: &mut [Cell<'t>]) -> Result<(), Fault> {
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
        let decoding = &mut self.decoding;
        while let Some(Worked { text, decoded }) = decoding.next_chunk()? {
            let Some(decoded) = decoded? else {
                // No line ends in it.
                return Err(too_long(&decoding.plan().location, decoding.begins().0));
            };
            let mut block = decoding.pass_decoded(&text, decoded);
            // Blank lines alone are no block.
            if block.read > 0 {
                block.rejects = allow(decoding.plan().rejects, block.rejects)?;
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    fn place(&mut self) -> Result<Option<Place>> {
        Ok(Some(self.decoding.place()))
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
    let input = Utf8Reader::new(input, encoding).map_err(|error| input_error(location, error))?;
    let lines_at_once = usize::try_from(most).unwrap_or(usize::MAX).clamp(1, LOOKED_AT);
    let mut chunks = Chunks::new(input, Vec::new(), Ends::Lines(lines_at_once), location.to_owned());
    let (mut looked, mut passed) = (0, 0);
    while looked < most {
        let Some(Chunk { text, whole }) = chunks.next(SMALLEST_CHUNK)? else { break };
        if !whole {
            return Err(too_long(location, passed + 1));
        }
        let (lines, all) = split(&text);
        passed += all;
        for line in lines.into_iter().take(usize::try_from(most - looked).unwrap_or(usize::MAX)) {
            looked += 1;
            // A line that does not parse says nothing of types; reading rejects it.
            if let Ok(Value::Object(record)) = parse(line.text) {
                for (key, value) in &record {
                    guesses.merge(key, Guess::of_json(value));
                }
                guesses.check(location)?;
            }
        }
    }
    Ok(looked)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};
    use std::sync::atomic::{AtomicU64, Ordering};

    use aggregator_crds::connector::Compression;
    use aggregator_tests::random::Random;
    use arrow::array::{AsArray, RecordBatch};
    use arrow::compute::concat_batches;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
    use encoding_rs::UTF_8;

    use super::*;
    use crate::connector::{Buffers, Reject};
    use crate::format::compression::{Compressor, CountingReader, decompress};

    const BATCH_ROWS: usize = 3;

    #[derive(Debug, PartialEq)]
    struct Outcome {
        rows: RecordBatch,
        rejects: Vec<Reject>,
        read: u64,
    }

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("c", DataType::Utf8, true)]))
    }

    fn plan(threads: usize, batch_rows: usize, from: Option<Place>) -> ReadPlan {
        ReadPlan {
            schema: schema(),
            known: None,
            location: "t".into(),
            rejects: true,
            batch_rows,
            threads,
            buffers: Buffers::default(),
            constants: Vec::new(),
            from,
        }
    }

    fn plain(text: &[u8]) -> Box<dyn Read + Send> {
        Box::new(Cursor::new(text.to_vec()))
    }

    fn gzip(text: &[u8]) -> Box<dyn Read + Send> {
        let mut compressor = Compressor::new(Vec::<u8>::new(), Compression::Gzip).unwrap();
        compressor.write_all(text).unwrap();
        decompress(plain(&compressor.finish().unwrap()), Compression::Gzip).unwrap()
    }

    /// Chunks are decoded on several threads inside of a runtime only.
    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().build().unwrap()
    }

    /// Lines of all kinds, some of them longer than the chunks of a test; the end of the last one may be missing.
    fn text(random: &mut Random) -> Vec<u8> {
        const LINES: [&[u8]; 13] = [
            br#"{"a":1,"c":"x"}"#,
            br#"{"c":"\u00e9\"\n","b":[1,{"a":2}],"a":"7"}"#,
            b" {\"a\":-3,\"c\":null}\t",
            b"{\"c\":\"\xc3\xa9\"}",
            br#"{"c":18446744073709551616}"#,
            br#"{"a":"x"}"#,
            br#"{"a":1.5,"c":"y"}"#,
            b"{\"c\":\"\xff\"}",
            b"[1]",
            b"{\"a\":",
            b"{} {}",
            b"",
            b"  ",
        ];
        let mut text: Vec<u8> = Vec::new();
        for _ in 0..random.below(30) {
            if random.percent(8) {
                let value = "x".repeat(random.below(500));
                text.extend_from_slice(format!("{{\"c\":\"{value}\"}}").as_bytes());
            } else {
                text.extend_from_slice(random.pick::<&[u8]>(&LINES));
            }
            let end: &[u8] = if random.percent(30) { b"\r\n" } else { b"\n" };
            text.extend_from_slice(end);
        }
        if random.percent(50) {
            text.truncate(text.len().saturating_sub(1 + random.below(4)));
        }
        text
    }

    fn reader(input: Box<dyn Read + Send>, threads: usize, first: usize, from: Option<Place>) -> LineReader {
        LineReader::taking(input, UTF_8, plan(threads, BATCH_ROWS, from), first).unwrap()
    }

    fn joined(blocks: Vec<Block>) -> Outcome {
        let (mut batches, mut rejects, mut read) = (Vec::new(), Vec::new(), 0);
        for block in blocks {
            assert!((1..=BATCH_ROWS as u64).contains(&block.read), "{block:?}");
            batches.push(block.batch);
            rejects.extend(block.rejects);
            read += block.read;
        }
        Outcome { rows: concat_batches(&schema(), &batches).unwrap(), rejects, read }
    }

    /// Reads to the end; the place after each block is where a line begins.
    fn read(mut reader: LineReader, text: &[u8]) -> Outcome {
        let mut blocks = Vec::new();
        while let Some(block) = reader.next_block().unwrap() {
            blocks.push(block);
            let place = reader.place().unwrap();
            let Some(Place::Text { offset, line }) = place else { panic!("{place:?}") };
            let before = &text[..usize::try_from(offset).unwrap()];
            assert!(before.ends_with(b"\n") || before.len() == text.len(), "{offset}");
            assert_eq!(line, 1 + before.split_inclusive(|byte| *byte == b'\n').count() as u64, "{offset}");
        }
        joined(blocks)
    }

    /// Reads each block by a reader of its own, which goes on where the one before has stopped; says how many there were.
    fn read_in_parts(text: &[u8], threads: usize, first: usize) -> (Outcome, u64) {
        let (mut blocks, mut from, mut stops) = (Vec::new(), None, 0);
        loop {
            let mut reader = reader(plain(text), threads, first, from);
            let Some(block) = reader.next_block().unwrap() else { return (joined(blocks), stops) };
            blocks.push(block);
            let place = reader.place().unwrap();
            assert!(place.is_some() && place != from, "no progress");
            (from, stops) = (place, stops + 1);
        }
    }

    /// The lines that are not blank: their numbers, the bytes at which they begin, and their text.
    fn lines_of(text: &[u8]) -> Vec<(u64, u64, &[u8])> {
        let (mut lines, mut begin) = (Vec::new(), 0);
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if !line.iter().all(u8::is_ascii_whitespace) {
                lines.push((number as u64 + 1, begin, line));
            }
            begin += line.len() as u64 + 1;
        }
        lines
    }

    #[test]
    fn chunks_of_any_size_on_any_threads_give_the_same_rows_rejects_and_places() {
        let mut random = Random::seeded("chunks_of_any_size_on_any_threads_give_the_same_rows_rejects_and_places");
        let runtime = runtime();
        let _inside = runtime.enter();
        let (mut rows, mut rejects, mut stops) = (0, 0, 0);
        for number in 0..500 {
            let text = text(&mut random);
            let shown = String::from_utf8_lossy(&text);
            let alone = read(reader(plain(&text), 1, Buffers::default().chunk(), None), &text);
            let lines = lines_of(&text);
            assert_eq!(alone.read, lines.len() as u64, "{number}: {shown:?}");
            assert_eq!(alone.rows.num_rows() + alone.rejects.len(), lines.len(), "{number}: {shown:?}");
            for reject in &alone.rejects {
                let line = lines.iter().find(|(line, ..)| Some(*line) == reject.line);
                let (_, offset, line) = line.unwrap_or_else(|| panic!("{reject:?} is no line of {shown:?}"));
                assert_eq!(reject.offset, Some(*offset), "{number}: {shown:?}");
                assert_eq!(reject.raw, String::from_utf8_lossy(line).trim_end_matches('\r'), "{number}: {shown:?}");
            }
            for compressed in [false, true] {
                let (threads, first) = (1 + random.below(4), 1 + random.below(80));
                let input = if compressed { gzip(&text) } else { plain(&text) };
                let found = read(reader(input, threads, first, None), &text);
                assert_eq!(found, alone, "{number}: {threads} threads, chunks of {first} bytes: {shown:?}");
            }
            if number % 4 == 0 {
                let (threads, first) = (1 + random.below(4), 1 + random.below(80));
                let (found, times) = read_in_parts(&text, threads, first);
                assert_eq!(found, alone, "{number}: {threads} threads, chunks of {first} bytes: {shown:?}");
                stops += times;
            }
            rows += alone.rows.num_rows();
            rejects += alone.rejects.len();
        }
        assert!(rows > 1_000 && rejects > 1_000, "{rows} rows and {rejects} rejects are no test");
        assert!(stops > 300, "{stops} stops are no test");
    }

    /// The values of `a` that come before the error, and the error.
    fn until_it_fails(mut reader: LineReader) -> (Vec<i64>, ConnectorError) {
        let mut values = Vec::new();
        loop {
            match reader.next_block() {
                Ok(Some(block)) => values.extend(block.batch.column(0).as_primitive::<Int64Type>().values().iter()),
                Ok(None) => panic!("it was read to its end"),
                Err(error) => return (values, error),
            }
        }
    }

    /// Whether nothing before the last one is missing.
    fn are_the_first(values: &[i64]) -> bool {
        values.iter().zip(0..).all(|(value, wanted)| *value == wanted)
    }

    #[test]
    fn without_rejects_the_first_bad_line_is_the_error_on_any_threads() {
        let runtime = runtime();
        let _inside = runtime.enter();
        let line = |id: u64| if id % 20 == 17 { "{\"a\":\n".to_owned() } else { format!("{{\"a\":{id}}}\n") };
        let text: String = (0..60).map(line).collect();
        for threads in [1, 4] {
            let plan = ReadPlan { rejects: false, ..plan(threads, BATCH_ROWS, None) };
            let reader = LineReader::taking(plain(text.as_bytes()), UTF_8, plan, 20).unwrap();
            let (values, error) = until_it_fails(reader);
            assert!((15..=17).contains(&values.len()) && are_the_first(&values), "{values:?}");
            assert!(error.to_string().starts_with("read t:18: the line is not JSON: EOF"), "{error}");
        }
    }

    /// Gives its text, and then breaks off.
    struct Broken(Cursor<Vec<u8>>);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(std::io::Error::other("broken off")),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn what_comes_before_an_input_breaks_off_is_given_first() {
        let runtime = runtime();
        let _inside = runtime.enter();
        let text: String = (0..300).map(|id| format!("{{\"a\":{id}}}\n")).collect();
        for threads in [1, 4] {
            let input = Box::new(Broken(Cursor::new(text.clone().into_bytes())));
            let (values, error) = until_it_fails(reader(input, threads, 20, None));
            // All but what the last chunk would have had.
            assert!(values.len() > 280 && are_the_first(&values), "{values:?}");
            assert_eq!(error.to_string(), "read t: the compressed file is corrupt: broken off");
        }
    }

    #[test]
    fn nothing_is_read_beside_the_first_chunk() {
        let runtime = runtime();
        let _inside = runtime.enter();
        let taken = Arc::new(AtomicU64::new(0));
        let input = Box::new(CountingReader::new(plain(&b"{\"a\":7}\n".repeat(1000)), Arc::clone(&taken)));
        let mut reader = LineReader::taking(input, UTF_8, plan(4, 20, None), 80).unwrap();
        assert_eq!(reader.next_block().unwrap().unwrap().read, 10);
        assert_eq!(taken.load(Ordering::Relaxed), 80);
        assert_eq!(reader.next_block().unwrap().unwrap().read, 20);
        assert!(taken.load(Ordering::Relaxed) >= 80 + 5 * 160, "as many chunks as may wait");
    }

    #[test]
    fn of_many_columns_few_lines_are_decoded_at_once() {
        let fields: Vec<Field> =
            (0..10_000).map(|column| Field::new(format!("c{column}"), DataType::Utf8, true)).collect();
        let plan = ReadPlan { schema: Arc::new(Schema::new(fields)), ..plan(1, 8192, None) };
        let mut reader = LineReader::new(plain(&b"{}\n".repeat(60)), UTF_8, plan).unwrap();
        let mut read = Vec::new();
        while let Some(block) = reader.next_block().unwrap() {
            read.push(block.read);
        }
        assert_eq!(read, [26, 26, 8]);
    }

    #[test]
    fn guessing_looks_at_so_many_lines_as_it_is_told() {
        let text = b"{\"a\":1}\n\n[]\n{\"b\":true}\n{\"c\":1}";
        for (most, names) in
            [(1, &["a"][..]), (2, &["a"]), (3, &["a", "b"]), (4, &["a", "b", "c"]), (9, &["a", "b", "c"])]
        {
            let mut guesses = Guesses::default();
            let looked = infer(plain(text), UTF_8, "t", most, &mut guesses).unwrap();
            assert_eq!(looked, most.min(4));
            let schema = guesses.schema();
            assert_eq!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), names);
        }
    }
}
