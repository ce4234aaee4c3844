//! Paths of fields, as messages show them.

use std::fmt;

/// The path of a field, as `spec.sources[2].sync.lag`.
#[derive(Clone, Debug)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn root(field: &str) -> Self {
        Self(field.to_owned())
    }

    /// A field of an object.
    pub(super) fn field(&self, name: &str) -> Self {
        Self(format!("{}.{name}", self.0))
    }

    /// An item of a list, from 0.
    pub(super) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// A value of a map.
    pub(super) fn key(&self, key: &str) -> Self {
        let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        if !key.is_empty() && key.chars().all(plain) { self.field(key) } else { Self(format!("{}[{key:?}]", self.0)) }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
