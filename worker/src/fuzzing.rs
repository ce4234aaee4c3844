//! Doors for the fuzz targets: decoders whose names are not public. Only in builds that ask for them.

use std::io::Cursor;

use aggregator_crds::connector::CsvFormat;

use crate::connector::Result;
pub use crate::connectors::http::fuzzing::{Answer, Asked, follow};
pub use crate::connectors::postgres::fuzzing::{Copied, decode_copy};
use crate::format::{BlockReader, CsvReader, Dialect, ReadPlan};

/// Reads delimited text in chunks of about `smallest` bytes, or, without, record by record. `names` are the columns of
/// text without a header.
///
/// # Errors
/// As [`crate::format::open`].
pub fn read_csv(
    text: Vec<u8>,
    format: &CsvFormat,
    plan: ReadPlan,
    names: Vec<String>,
    smallest: Option<usize>,
) -> Result<Box<dyn BlockReader>> {
    let input = Box::new(Cursor::new(text));
    Ok(Box::new(CsvReader::taking(input, Dialect::new(format)?, plan, Some(names), smallest)?))
}
