//! A span that has ended.

use std::borrow::Cow;
use std::time::SystemTime;

use super::{SpanId, TraceId};

/// What a span says of what it is about: names and values.
pub type Attributes = Vec<(Cow<'static, str>, Value)>;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number; one that is too large is the largest.
    Number(i64),
    /// A number with a fraction.
    Real(f64),
    /// Whether something holds.
    Flag(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// A span that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace; without one, that of the process.
    pub trace: Option<TraceId>,
    /// Its identity.
    pub id: SpanId,
    /// The span it is a part of.
    pub parent: Option<SpanId>,
    /// What was done, in words of which there are few.
    pub name: Cow<'static, str>,
    /// When it began.
    pub begun: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// What it was about. One of the name [`Span::ERROR`] says that it did not end well.
    pub attributes: Attributes,
}

impl Span {
    /// The attribute that says why something did not end well, in a word.
    pub const ERROR: &'static str = "error.type";

    /// Whether it did not end well.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.attributes.iter().any(|(name, _)| name == Self::ERROR)
    }
}
