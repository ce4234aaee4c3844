//! File formats: bytes to record batches and back, shared by every connector that moves files. No I/O of its own
//! beyond the readers and writers it is given.

mod cell;
mod column;
mod infer;
mod records;

#[cfg(feature = "formats")]
mod block;
#[cfg(feature = "formats")]
mod compression;
#[cfg(feature = "formats")]
mod csv;
#[cfg(feature = "formats")]
mod encoding;
#[cfg(feature = "formats")]
mod join;
#[cfg(feature = "formats")]
mod json;
#[cfg(feature = "formats")]
mod large;
#[cfg(feature = "formats")]
mod open;
#[cfg(feature = "formats")]
mod parquet;
#[cfg(feature = "formats")]
mod ranged;
#[cfg(feature = "formats")]
mod workers;
mod writer;

#[cfg(feature = "formats")]
pub(crate) use block::input_error;
#[cfg(feature = "formats")]
pub use block::{Block, BlockReader, Place, ReadPlan};
#[cfg(feature = "http")]
pub(crate) use compression::{decompress, is_bomb};
#[cfg(feature = "formats")]
pub use compression::{ending as compression_ending, split_name};
#[cfg(feature = "fuzzing")]
pub(crate) use csv::CsvReader;
#[cfg(feature = "formats")]
pub(crate) use csv::Dialect;
#[cfg(feature = "formats")]
pub(crate) use infer::Guess;
#[cfg(feature = "formats")]
pub use join::{Piece, join};
#[cfg(feature = "http")]
pub(crate) use json::too_deep;
#[cfg(feature = "http")]
pub(crate) use open::text;
#[cfg(feature = "formats")]
pub use open::{Input, SchemaProbe, ending_of, format_by_name, open, stream_schema};
#[cfg(feature = "formats")]
pub use ranged::Ranges;
pub use records::{RecordDecoder, declared_schema, infer_records, infer_schema};
#[cfg(feature = "formats")]
pub(crate) use writer::ROW_GROUP_BYTES;
#[cfg(feature = "formats")]
pub(crate) use writer::write_error;
pub use writer::{Extent, FileWriter, check_writable, declared_compression};
