//! What a request asks for: its path, its verb, and its options. Pure.

mod options;
mod path;

pub use options::{FieldValidation, ListOptions, Match, WriteOptions, query};
pub use path::{Document, ResourcePath, Target, Verb};
