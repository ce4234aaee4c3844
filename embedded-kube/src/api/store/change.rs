//! What is kept, and how it changes.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::super::Kind;

/// A resource: all objects of a kind, whatever the version in which they are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// Its API group; empty for the core.
    pub group: String,
    /// Its name in paths, as `pods`.
    pub plural: String,
}

impl Resource {
    /// The resource of a kind.
    #[must_use]
    pub fn of(kind: &Kind) -> Self {
        Self { group: kind.group.clone(), plural: kind.plural.clone() }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { out.write_str(&self.plural) } else { write!(out, "{}.{}", self.plural, self.group) }
    }
}

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its resource.
    pub resource: Resource,
    /// Its namespace; empty when it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// An object as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Which it is.
    pub key: Key,
    /// The version of its last change.
    pub version: u64,
    /// All of it, with the version in `metadata.resourceVersion`.
    pub object: Value,
}

impl Stored {
    /// Which of all objects that ever had this name.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.object["metadata"]["uid"].as_str().unwrap_or_default()
    }
}

/// What a change takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// There is no such object.
    Absent,
    /// It has this version.
    Version(u64),
}

/// A change to one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It becomes this; its version is put into it.
    Put(Value),
    /// It goes. Who watches is told of it as it was last: this, with the version of its going.
    Remove(Value),
}

impl Expected {
    /// Whether that is so.
    pub(super) fn holds(self, there: Option<&Arc<Stored>>) -> bool {
        match (self, there) {
            (Self::Absent, None) => true,
            (Self::Version(version), Some(there)) => there.version == version,
            (Self::Absent, Some(_)) | (Self::Version(_), None) => false,
        }
    }
}
