//! Delimited text. The first line has options: `h` a header, `t` trimmed, `q` no quotes, `f` short rows are filled, `e` an
//! escape, `c` comments, `s` lines end with `;`, `d` a tab as delimiter, `k` one line is skipped, `r` a required column, a number
//! for the size of a chunk.

use aggregator_crds::connector::{CsvFormat, FileFormat, RaggedRows};
use aggregator_worker::format::{Input, Place, ReadPlan, SchemaProbe};
use aggregator_worker::fuzzing::read_csv;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};

use crate::options;
use crate::reading::{Outcome, all, fate, in_parts, plan, schema, told};

const BATCH_ROWS: usize = 3;

/// Chunks and the parser give the same rows and rejects, and so do batches of any size and a read that stops and goes on; a reject quotes the text at the place it
/// names; looking at the columns fails only where reading does.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let (options, text) = options::split(input);
    let format = format(&options);
    let required = if options.contains('r') { "a!" } else { "a" };
    let schema = schema(&[
        (required, DataType::Int64),
        ("b", DataType::Utf8),
        ("c", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
    ]);
    let parsed = read(text, &format, &schema, None, BATCH_ROWS);
    assert_eq!(read(text, &format, &schema, None, 1), parsed, "one row a batch");
    assert_eq!(stopping(text, &format, &schema, None), parsed, "stopped and gone on");
    if !options.contains(['e', 'c', 's']) {
        let smallest = options::number(&options).unwrap_or(64).clamp(1, 64 * 1024);
        assert_eq!(read(text, &format, &schema, Some(smallest), BATCH_ROWS), parsed, "in chunks of {smallest} bytes");
        let stopped = stopping(text, &format, &schema, Some(smallest));
        assert_eq!(stopped, parsed, "stopped and gone on in chunks of {smallest} bytes");
    }
    if let (Ok(outcome), Ok(text)) = (&parsed, std::str::from_utf8(text)) {
        check_rejects(outcome, text);
    }
    let mut probe = SchemaProbe::default();
    let whole = Input::Stream(Box::new(std::io::Cursor::new(text.to_vec())));
    match probe.look(whole, "input", &FileFormat::Csv(format), "input", 100) {
        Ok(()) => assert!(parsed.as_ref().map_or(0, |outcome| outcome.read).min(100) <= probe.records),
        Err(error) => assert_eq!(parsed.as_ref().expect_err("it was read"), &told(error)),
    }
    fate(&parsed)
}

fn format(options: &str) -> CsvFormat {
    let given = |letter: char, value: &str| options.contains(letter).then(|| value.to_owned());
    CsvFormat {
        header: options.contains('h'),
        trim: options.contains('t'),
        quote: if options.contains('q') { String::new() } else { "\"".into() },
        ragged_rows: if options.contains('f') { RaggedRows::Fill } else { RaggedRows::Reject },
        escape: given('e', "\\"),
        comment: given('c', "#"),
        terminator: given('s', ";"),
        delimiter: given('d', "\t").unwrap_or_else(|| ",".into()),
        skip_rows: options.contains('k').into(),
        ..CsvFormat::default()
    }
}

fn read(
    text: &[u8],
    format: &CsvFormat,
    schema: &SchemaRef,
    smallest: Option<usize>,
    batch_rows: usize,
) -> Result<Outcome, String> {
    all(read_csv(text.to_vec(), format, plan(schema, batch_rows), names(), smallest), schema, batch_rows)
}

fn stopping(text: &[u8], format: &CsvFormat, schema: &SchemaRef, smallest: Option<usize>) -> Result<Outcome, String> {
    let open = |from: Option<Place>| {
        let plan = ReadPlan { from, ..plan(schema, BATCH_ROWS) };
        read_csv(text.to_vec(), format, plan, names(), smallest)
    };
    in_parts(open, schema, BATCH_ROWS)
}

fn names() -> Vec<String> {
    ["a", "b", "c"].map(str::to_owned).to_vec()
}

/// A reject's text stands where the reject says.
fn check_rejects(outcome: &Outcome, text: &str) {
    // Offsets count without the byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for reject in &outcome.rejects {
        let offset = usize::try_from(reject.offset.expect("an offset")).expect("a place in memory");
        assert!(text.as_bytes()[offset..].starts_with(reject.raw.as_bytes()), "{reject:?} is not at {offset}");
        assert!(reject.line.is_some_and(|line| line >= 1 && line <= text.len() as u64 + 1), "{reject:?}");
        assert!(!reject.message.is_empty(), "{reject:?}");
    }
}
