//! JSON text to batches: one object a line, or one document that holds the records.

mod depth;
mod document;
mod elements;
mod integers;
mod lines;
mod passed;
mod row;
mod tree;

#[cfg(feature = "http")]
pub(crate) use depth::too_deep;
pub(crate) use document::{Document, DocumentReader, infer as infer_document, records_path};
#[cfg(feature = "http")]
pub(crate) use integers::parse;
pub(crate) use lines::{LineReader, infer as infer_lines};
#[cfg(feature = "http")]
pub(crate) use tree::is_larger;
