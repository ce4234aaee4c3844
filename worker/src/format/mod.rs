//! File formats: bytes to record batches and back, shared by every connector that moves files. No I/O of its own
//! beyond the readers and writers it is given.

mod cell;
mod column;
mod infer;
mod records;

mod allowance;
mod block;
mod chunks;
mod compression;
mod csv;
mod decoding;
mod delta;
mod encoding;
mod footer;
mod join;
mod json;
mod large;
mod lists;
mod lz4;
mod open;
mod page_header;
mod pages;
mod parquet;
mod ranged;
mod runs;
mod structures;
mod thrift;
mod varint;
mod workers;
mod writer;

pub(crate) use block::input_error;
pub use block::{Block, BlockReader, Place, ReadPlan};
#[cfg(feature = "http")]
pub(crate) use compression::{decompress, is_bomb};
pub use compression::{ending as compression_ending, split_name};
#[cfg(feature = "fuzzing")]
pub(crate) use csv::CsvReader;
pub(crate) use csv::Dialect;
pub(crate) use infer::Guess;
pub use join::{Piece, join};
#[cfg(feature = "http")]
pub(crate) use json::{is_larger as is_larger_as_tree, parse as parse_json, too_deep};
#[cfg(feature = "http")]
pub(crate) use open::text;
pub use open::{Input, SchemaProbe, ending_of, format_by_name, open};
pub use ranged::Ranges;
pub use records::{RecordDecoder, declared_schema, infer_records, infer_schema};
pub(crate) use workers::Workers;
pub(crate) use writer::write_error;
pub use writer::{Extent, FileWriter, check_writable, declared_compression};
