//! File formats: bytes to record batches and back, shared by every connector that moves files. No I/O of its own
//! beyond the readers and writers it is given.

mod cell;
mod column;
mod infer;
mod records;

pub use records::{RecordDecoder, declared_schema, infer_records, infer_schema};
