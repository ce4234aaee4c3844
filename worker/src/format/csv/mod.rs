//! Delimited text: its dialect, the splitting into records, the reading into batches.

mod dialect;
mod fields;
mod layout;
mod quotes;
mod reader;
mod split;
mod written;

pub(crate) use dialect::Dialect;
pub(crate) use reader::{CsvReader, constant, infer, missing};
pub(crate) use written::Texts;
