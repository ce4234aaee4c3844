//! Rows that could not be read, converted, validated or written.

pub use aggregator_compiler::reject::RejectReason;
use serde::Serialize;

/// One rejected row: one entry, however many of its columns are at fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reject {
    /// Where the row came from: a file's path below the root, a table, an address; for a transform, the node's name.
    pub location: String,
    /// The row's number there, from 1: the line of a text file (counting the header), the record of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The byte at which the row begins, in the decompressed and decoded text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The first column at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Why.
    pub reason: RejectReason,
    /// Why, in words.
    pub message: String,
    /// The row as it was read, or as JSON; cut at 64 KiB.
    pub raw: String,
}

impl Reject {
    /// The most bytes of `raw`.
    pub const MAX_RAW: usize = 64 * 1024;
}
