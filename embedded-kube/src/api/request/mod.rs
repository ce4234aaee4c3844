//! What a request asks for: its path, its verb, and its options. Pure.

mod deletion;
mod options;
mod path;

pub use deletion::deletion;
pub use options::{FieldValidation, ListOptions, Match, WriteOptions, check_get, manager_mistakes, query};
pub use path::{Document, ResourcePath, Target, Verb};
