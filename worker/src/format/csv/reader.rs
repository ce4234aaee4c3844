//! Delimited text to batches: names from the header, types exact, every row good or rejected.
//!
//! ```text
//! Splitter: header ─► Decoding: chunks ─► Layout::decode, on several threads ─► blocks, in the file's order
//!                        └ not regular: the chunk, and what its last record needs of the next, ─► Splitter ─► Layout::block
//! ```

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::io::Read;
use std::sync::Arc;

use aggregator_crds::connector::RaggedRows;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Field;

use super::dialect::Dialect;
use super::layout::Layout;
use super::split::Splitter;
use crate::connector::{ConnectorError, ErrorKind, Result, check_columns};
use crate::format::block::{Block, BlockReader, Place, ReadPlan};
use crate::format::cell::Cell;
use crate::format::chunks::{Chunks, Ends};
use crate::format::column::{Faults, build};
use crate::format::decoding::{Decoding, SMALLEST_CHUNK, Worked};
use crate::format::infer::{Guess, Guesses};
use crate::format::records::allow;

/// Reads one file of delimited text.
pub(crate) struct CsvReader {
    layout: Arc<Layout>,
    text: Text,
    /// Blocks that were decoded together with one that was given out.
    ready: VecDeque<Block>,
    notes: Vec<String>,
}

/// How the text is taken.
enum Text {
    /// Record by record: the dialect has something that few files have.
    Parsed(Box<Splitter>),
    /// Chunk by chunk.
    Chunked(Box<Decoding<Layout>>),
}

impl CsvReader {
    /// Reads `input`, which is decompressed. `positional` are the names of a declared schema, for a file without any.
    pub(crate) fn new(
        input: Box<dyn Read + Send>,
        dialect: Dialect,
        plan: ReadPlan,
        positional: Option<Vec<String>>,
    ) -> Result<Self> {
        let smallest = dialect.is_plain().then_some(SMALLEST_CHUNK);
        Self::taking(input, dialect, plan, positional, smallest)
    }

    /// Takes chunks of at least that size, or, without, record by record.
    pub(crate) fn taking(
        input: Box<dyn Read + Send>,
        dialect: Dialect,
        plan: ReadPlan,
        positional: Option<Vec<String>>,
        smallest: Option<usize>,
    ) -> Result<Self> {
        let mut splitter = Splitter::new(input, dialect.clone(), plan.location.clone())?;
        let header = header(&mut splitter, &dialect, &plan.location)?;
        let mut notes = Vec::new();
        let names = match header {
            Header::Names(names, renamed) => {
                check_known(&names, &dialect, &plan)?;
                notes.extend(renamed.into_iter().map(|renamed| format!("{}: {renamed}", plan.location)));
                names
            }
            Header::Absent => match positional {
                Some(names) => names,
                None => numbered(first_width(&mut splitter, &plan.location)?),
            },
            // No line at all: nothing to read, and no column is missing.
            Header::Empty => plan.schema.fields().iter().map(|field| field.name().clone()).collect(),
        };
        if let Some(place) = plan.from {
            splitter.skip_to(place)?;
        }
        let (ends, location) = (Ends::Records(dialect.quote), plan.location.clone());
        let layout = Arc::new(Layout::new(dialect, plan, &names)?);
        notes.extend(layout.notes.iter().cloned());
        let text = if let Some(smallest) = smallest {
            let (input, rest, line, offset) = splitter.into_rest()?;
            let chunks = Chunks::new(input, rest, ends, location);
            Text::Chunked(Box::new(Decoding::new(Arc::clone(&layout), chunks, smallest, line, offset)))
        } else {
            Text::Parsed(Box::new(splitter))
        };
        Ok(Self { layout, text, ready: VecDeque::new(), notes })
    }

    /// Decodes more; false at the end.
    fn fill(&mut self) -> Result<bool> {
        let most = self.layout.plan.batch_rows;
        match &mut self.text {
            Text::Parsed(splitter) => {
                let Some(mut records) = splitter.next(most)? else { return Ok(false) };
                self.ready.push_back(self.layout.block(splitter, &mut records)?);
                Ok(true)
            }
            Text::Chunked(decoding) => {
                let Some(Worked { text, decoded }) = decoding.next_chunk()? else { return Ok(false) };
                match decoded? {
                    Some(decoded) => self.ready.extend(in_batches(decoding.pass_decoded(&text, decoded), most)),
                    None => parse(decoding, &self.layout, text, &mut self.ready)?,
                }
                Ok(true)
            }
        }
    }
}

/// Parses a chunk that is not regular, with as much of the following ones as its last record needs.
fn parse(
    decoding: &mut Decoding<Layout>,
    layout: &Layout,
    mut text: Vec<u8>,
    ready: &mut VecDeque<Block>,
) -> Result<()> {
    let dialect = &layout.dialect;
    loop {
        let (line, offset) = decoding.begins();
        let (length, lines) = (text.len() as u64, dialect.count_lines(&text, false));
        let mut splitter = Splitter::over(text, dialect, &layout.plan.location, line, offset);
        let mut open = None;
        while let Some(mut records) = splitter.next(layout.plan.batch_rows)? {
            if let Some(last) = records.rows.last().copied().filter(|row| splitter.may_go_on(*row))
                && let Some(more) = decoding.more()?
            {
                records.pop();
                let rest = splitter.text_from(last);
                open = Some((rest.to_vec(), more));
            }
            if !records.rows.is_empty() {
                ready.push_back(layout.block(&splitter, &mut records)?);
            }
        }
        let Some((mut rest, more)) = open else {
            decoding.pass(lines, length);
            return Ok(());
        };
        decoding.pass(lines - dialect.count_lines(&rest, false), length - rest.len() as u64);
        rest.extend(more);
        text = rest;
    }
}

/// A block in parts of at most so many rows; the first one has the rejects.
fn in_batches(block: Block, most: usize) -> impl Iterator<Item = Block> {
    let Block { batch, rejects, read } = block;
    let rows = batch.num_rows();
    let first = Block { batch: batch.slice(0, rows.min(most)), rejects, read };
    let rest = (most..rows.max(most)).step_by(most.max(1));
    let part = move |start: usize| -> RecordBatch { batch.slice(start, most.min(rows - start)) };
    std::iter::once(first).chain(rest.map(move |start| Block { batch: part(start), rejects: Vec::new(), read: 0 }))
}

impl BlockReader for CsvReader {
    fn next_block(&mut self) -> Result<Option<Block>> {
        while self.ready.is_empty() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        let Some(mut block) = self.ready.pop_front() else { return Ok(None) };
        block.rejects = allow(self.layout.plan.rejects, block.rejects)?;
        Ok(Some(block))
    }

    fn place(&mut self) -> Result<Option<Place>> {
        if !self.ready.is_empty() {
            return Ok(None);
        }
        Ok(Some(match &mut self.text {
            Text::Parsed(splitter) => splitter.next_place()?,
            Text::Chunked(decoding) => decoding.place(),
        }))
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// The fields of the first record, which is still to be read.
fn first_width(splitter: &mut Splitter, location: &str) -> Result<usize> {
    let width = splitter.next(1)?.map_or(0, |records| records.rows[0].fields);
    check_columns(location, width)?;
    splitter.take_back();
    Ok(width)
}

/// A column that has one value in every row.
pub(crate) fn constant(field: &Arc<Field>, rows: usize, value: Option<&str>, faults: &mut Faults) -> Result<ArrayRef> {
    let cell = value.map_or(Cell::Null, |value| Cell::Text(Cow::Borrowed(value)));
    build(field, rows, std::iter::repeat_n(cell, rows), faults)
}

/// Refuses a header that has no column of the stream.
fn check_known(names: &[String], dialect: &Dialect, plan: &ReadPlan) -> Result<()> {
    let Some(known) = plan.known.as_ref().filter(|_| dialect.columns.is_none()) else { return Ok(()) };
    if names.iter().any(|name| known.field_with_name(name).is_ok()) {
        return Ok(());
    }
    let expected: Vec<&str> = known.fields().iter().map(|field| field.name().as_str()).collect();
    // A message in place of a header may be long.
    let found: String = names.join(", ").chars().take(200).collect();
    let detail = format!("the header has none of the columns {}; it is: {found}", expected.join(", "));
    Err(ConnectorError::new(ErrorKind::Data, format!("read {}", plan.location), detail)
        .remedy("look whether it is a message instead of data; otherwise correct `header`, `skipRows`, `delimiter` or the columns"))
}

/// A required column that the file does not have.
pub(crate) fn missing(location: &str, field: &Field, names: &[String]) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Data,
        format!("read {location}"),
        format!("there is no column `{}`; there are {}", field.name(), names.join(", ")),
    )
    .remedy("correct the file, or declare the column `nullable: true`")
}

enum Header {
    /// The columns' names, and what was done to make each name stand once.
    Names(Vec<String>, Vec<String>),
    /// The file has no header, and nothing else names its columns.
    Absent,
    /// There is no line.
    Empty,
}

fn header(splitter: &mut Splitter, dialect: &Dialect, location: &str) -> Result<Header> {
    let mut found = None;
    if dialect.header {
        let Some(mut records) = splitter.next(1)? else { return Ok(Header::Empty) };
        let row = records.rows[0];
        if row.open_quote || !records.take_undecodable().is_empty() {
            return Err(ConnectorError::new(
                ErrorKind::Data,
                format!("read {location}:{}", splitter.place(row).line),
                "the header is broken: a quote is not closed, or the text is in another encoding",
            )
            .remedy("correct the file, or `quote`, `encoding` and `skipRows` of the Connector"));
        }
        check_columns(&format!("{location}:{}", splitter.place(row).line), row.fields)?;
        let text = records.text()?;
        let fields = (0..row.fields).map(|field| dialect.trimmed(&text[records.field(row, field)]).to_owned());
        found = Some(fields.collect::<Vec<_>>());
    }
    Ok(match dialect.columns.clone().or(found) {
        Some(names) => {
            let (names, renamed) = unique(names);
            Header::Names(names, renamed)
        }
        None => Header::Absent,
    })
}

/// Names for columns that have none.
fn numbered(width: usize) -> Vec<String> {
    (1..=width).map(|number| format!("column_{number}")).collect()
}

/// Makes each name stand once: an empty one becomes `column_<n>`, the second `x` becomes `x_2`.
fn unique(names: Vec<String>) -> (Vec<String>, Vec<String>) {
    let all: HashSet<String> = names.iter().cloned().collect();
    let mut seen = HashSet::new();
    let mut renamed = Vec::new();
    let names = names
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            let wanted = if name.is_empty() { format!("column_{}", index + 1) } else { name.clone() };
            let mut candidate = wanted.clone();
            let mut number = 2;
            while seen.contains(&candidate) || (candidate != name && all.contains(&candidate)) {
                candidate = format!("{wanted}_{number}");
                number += 1;
            }
            if candidate != name {
                renamed.push(format!("column {} `{name}` is called `{candidate}`", index + 1));
            }
            seen.insert(candidate.clone());
            candidate
        })
        .collect();
    (names, renamed)
}

/// Looks at up to `most` records of a file; says how many there were, and what a person should know of its columns.
pub(crate) fn infer(
    input: Box<dyn Read + Send>,
    dialect: &Dialect,
    location: &str,
    most: u64,
    guesses: &mut Guesses,
) -> Result<(u64, Vec<String>)> {
    let mut splitter = Splitter::new(input, dialect.clone(), location.to_owned())?;
    let (mut names, notes) = match header(&mut splitter, dialect, location)? {
        Header::Names(names, renamed) => (names, renamed),
        Header::Absent => (Vec::new(), Vec::new()),
        Header::Empty => return Ok((0, Vec::new())),
    };
    for name in &names {
        guesses.merge(name, Guess::Nothing);
    }
    let mut looked = 0;
    while looked < most {
        let Some(mut records) = splitter.next(usize::try_from(most - looked).unwrap_or(usize::MAX).min(8192))? else {
            break;
        };
        let broken: HashSet<usize> = records.take_undecodable().into_iter().collect();
        if names.is_empty() {
            check_columns(location, records.rows[0].fields)?;
            names = numbered(records.rows[0].fields);
        }
        looked += records.rows.len() as u64;
        let text = records.text()?;
        let sound = records.rows.iter().enumerate().filter(|(index, row)| {
            !broken.contains(index)
                && !row.open_quote
                && (row.fields == names.len() || dialect.ragged == RaggedRows::Fill)
        });
        for (_, row) in sound {
            for (place, name) in names.iter().enumerate().take(row.fields) {
                let value = dialect.trimmed(&text[records.field(*row, place)]);
                let guess = if dialect.is_null(value) { Guess::Nothing } else { Guess::of_text(value) };
                guesses.merge(name, guess);
            }
        }
    }
    Ok((looked, notes))
}

#[cfg(test)]
mod tests {
    use aggregator_crds::connector::CsvFormat;
    use aggregator_tests::random::Random;
    use arrow::array::AsArray;
    use arrow::compute::concat_batches;
    use arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef};

    use super::*;
    use crate::connector::{Buffers, Reject};
    use crate::format::encoding::Utf8Reader;

    type Outcome = (RecordBatch, Vec<Reject>, u64);

    fn read(text: &str, format: &CsvFormat, smallest: Option<usize>) -> Result<Outcome> {
        let (mut reader, schema) = reader(text, format, smallest, None)?;
        rest(&mut reader, &schema)
    }

    /// Reads in parts: each as long as the one before could not stop, by a reader of its own.
    fn read_in_parts(text: &str, format: &CsvFormat, smallest: Option<usize>) -> Result<(Outcome, u64)> {
        let (mut all, mut place, mut stops) = (Vec::new(), None, 0);
        loop {
            let (mut reader, schema) = reader(text, format, smallest, place)?;
            let mut parts = Vec::new();
            let stop = loop {
                let Some(block) = reader.next_block()? else { break None };
                parts.push(block);
                if let Some(place) = reader.place()? {
                    break Some(place);
                }
            };
            all.extend(parts);
            let Some(stop) = stop else { return Ok((joined(&schema, all), stops)) };
            assert_ne!(place, Some(stop), "no progress");
            (place, stops) = (Some(stop), stops + 1);
        }
    }

    fn rest(reader: &mut CsvReader, schema: &SchemaRef) -> Result<Outcome> {
        let mut blocks = Vec::new();
        while let Some(block) = reader.next_block()? {
            assert!(block.batch.num_rows() <= 3);
            blocks.push(block);
        }
        Ok(joined(schema, blocks))
    }

    fn joined(schema: &SchemaRef, blocks: Vec<Block>) -> Outcome {
        let (mut batches, mut rejects, mut read) = (Vec::new(), Vec::new(), 0);
        for block in blocks {
            batches.push(block.batch);
            rejects.extend(block.rejects);
            read += block.read;
        }
        (concat_batches(schema, &batches).unwrap(), rejects, read)
    }

    fn reader(
        text: &str,
        format: &CsvFormat,
        smallest: Option<usize>,
        from: Option<Place>,
    ) -> Result<(CsvReader, SchemaRef)> {
        let plan = plan(from);
        let schema = Arc::clone(&plan.schema);
        let input = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        Ok((CsvReader::taking(input, Dialect::new(format)?, plan, Some(names()), smallest)?, schema))
    }

    fn names() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    fn plan(from: Option<Place>) -> ReadPlan {
        ReadPlan {
            schema: Arc::new(Schema::new(vec![
                Field::new("a", DataType::Int64, true),
                Field::new("c", DataType::Utf8, true),
            ])),
            known: None,
            location: "t".into(),
            rejects: true,
            batch_rows: 3,
            threads: 2,
            buffers: Buffers::default(),
            constants: Vec::new(),
            from,
        }
    }

    /// Text of pieces that make trouble together: quotes in every place, ends of lines, characters of several bytes.
    fn text(random: &mut Random) -> String {
        const PIECES: [&str; 14] = [
            "1",
            ",",
            ",",
            "\n",
            "\n",
            "\"",
            "\"\"",
            "\r\n",
            "x",
            "é",
            "1,2,3\n",
            "\"q\",2,\"a,\nb\"\n",
            "7,,\"\"\"\"\n",
            " ",
        ];
        (0..random.below(40)).map(|_| *random.pick(&PIECES)).collect()
    }

    #[test]
    fn chunks_and_the_parser_read_the_same_rows_and_rejects() {
        let mut random = Random::seeded("chunks_and_the_parser_read_the_same_rows_and_rejects");
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let _inside = runtime.enter();
        let (mut rows, mut rejects, mut stops) = (0, 0, 0);
        for number in 0..2_000 {
            let text = text(&mut random);
            let format = CsvFormat {
                header: false,
                quote: if number % 10 == 0 { String::new() } else { "\"".into() },
                trim: number % 3 == 0,
                ..CsvFormat::default()
            };
            let parsed = read(&text, &format, None).unwrap();
            let chunked = read(&text, &format, Some(1 + random.below(20))).unwrap();
            assert_eq!(chunked, parsed, "{number}: {text:?}");
            for smallest in [None, Some(1 + random.below(20))].into_iter().filter(|_| number % 4 == 0) {
                let (in_parts, times) = read_in_parts(&text, &format, smallest).unwrap();
                assert_eq!(in_parts, parsed, "{number}, stopped {times} times: {text:?}");
                stops += times;
            }
            rows += parsed.0.num_rows();
            rejects += parsed.1.len();
        }
        assert!(rows > 1_000 && rejects > 1_000, "{rows} rows and {rejects} rejects are no test");
        assert!(stops > 1_000, "{stops} stops are no test");
    }

    #[test]
    fn a_record_that_a_chunk_cuts_is_read_with_the_next_chunk() {
        let dialect = Dialect::new(&CsvFormat::default()).unwrap();
        for (chunk, next, ids, begins) in [
            // No line ends as chunks do.
            ("1,x,2\r3,x,4\r5", ",x,6\r7,x,8\n", &[1_i64, 3, 5, 7][..], (5, 24)),
            // A quote that is text seems to hold all lines behind it.
            ("1,x,2\n3,5\",4\n5", ",x,6\n7,x,8\n", &[1, 3, 5], (4, 19)),
            ("1,x,2\n3,5\",4\n5,x,6", "", &[1, 3, 5], (3, 18)),
        ] {
            let layout = Arc::new(Layout::new(dialect.clone(), plan(None), &names()).unwrap());
            let rest = Utf8Reader::decoded(next.as_bytes().to_vec());
            let chunks = Chunks::new(rest, Vec::new(), Ends::Records(dialect.quote), "t".into());
            let mut decoding = Decoding::new(Arc::clone(&layout), chunks, 1, 1, 0);
            let mut ready = VecDeque::new();
            parse(&mut decoding, &layout, chunk.as_bytes().to_vec(), &mut ready).unwrap();
            let (batch, rejects, read) = joined(&layout.plan.schema, ready.into());
            assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), ids, "{chunk:?}");
            assert_eq!((rejects, read, decoding.begins()), (Vec::new(), ids.len() as u64, begins), "{chunk:?}");
        }
    }

    #[test]
    fn a_regular_file_is_not_left_to_the_parser() {
        let format = CsvFormat::default();
        let dialect = Dialect::new(&format).unwrap();
        for regular in ["a,b\n1,2\n", "\"a\"\"b\",\"c\nd\"\n", "1,2\r\n\r\n3,4\r\n", "5\",6\n", "\n\n"] {
            let slots = [Some(0), None];
            assert!(super::super::fields::split(regular.as_bytes(), &dialect, &slots, 1).is_some(), "{regular:?}");
        }
        for irregular in ["\"a\"b,c\n", "\"a\n", "a\rb\n"] {
            assert!(
                super::super::fields::split(irregular.as_bytes(), &dialect, &[Some(0)], 1).is_none(),
                "{irregular:?}"
            );
        }
    }
}
