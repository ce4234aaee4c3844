//! What an object says about itself, checked: every violation at once, each with its path and what would be right.
//!
//! Pure: no other object is looked at, no clock, no file but the machine's time zone database. Names of inputs, cycles,
//! columns, types and SQL are the compiler's.

mod checkpoint;
mod connector;
mod duration;
mod execution;
mod field;
mod format;
mod http;
mod operation;
mod path;
mod pipeline;
mod quantity;
mod report;
mod run;
mod schedule;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod transformation;

use std::fmt;

use serde::Serialize;

pub use duration::{InvalidDuration, parse_duration};
pub use quantity::{InvalidPercent, InvalidQuantity, parse_bytes, parse_percent, parse_quantity};

/// One thing about an object that cannot stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// The field, as `spec.sources[2].sync.lag`.
    pub path: String,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// What would be right, in a sentence without a full stop.
    pub help: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.path, self.message, self.help)
    }
}

/// An object that can be checked by itself.
pub trait Validate {
    /// Everything about the object that cannot stand, in the order of its fields; nothing when it is valid.
    fn validate(&self) -> Vec<Violation>;
}
