//! An object together with the places of its fields.

use std::sync::Arc;

use super::position::Positions;
use crate::diagnostic::Place;

/// Tells where the fields of one object stand.
#[derive(Clone, Debug)]
pub struct Locator {
    pub(super) file: Arc<str>,
    pub(super) object: String,
    /// The path of the object inside its document; empty when it is the document.
    pub(super) prefix: String,
    pub(super) positions: Arc<Positions>,
}

impl Locator {
    /// A locator of an object that was not read from a file: every place is the start of `file`.
    #[must_use]
    pub fn unread(file: &str, object: &str) -> Self {
        Self { file: file.into(), object: object.to_owned(), prefix: String::new(), positions: Arc::default() }
    }

    /// The place of a field, as `spec.sources[0].stream`; of the nearest field around it when it was not written.
    #[must_use]
    pub fn place(&self, path: &str) -> Place {
        self.make(path, self.positions.of(&self.whole(path)))
    }

    /// The place of a field's key.
    #[must_use]
    pub fn key(&self, path: &str) -> Place {
        self.make(path, self.positions.of_key(&self.whole(path)))
    }

    /// The place of a line and column (from 1) inside a field's text.
    #[must_use]
    pub fn inside(&self, path: &str, line: u32, column: u32) -> Place {
        self.make(path, self.positions.inside(&self.whole(path), line, column))
    }

    /// The locator of an item of a `v1` List.
    pub(super) fn item(&self, object: String, index: usize) -> Self {
        let prefix = self.whole(&format!("items[{index}]"));
        Self { file: Arc::clone(&self.file), object, prefix, positions: Arc::clone(&self.positions) }
    }

    /// The place of a field that is known by its line and column.
    pub(super) fn at(&self, path: &str, place: (u32, u32)) -> Place {
        self.make(path, place)
    }

    fn whole(&self, path: &str) -> String {
        match (self.prefix.is_empty(), path.is_empty()) {
            (true, _) => path.to_owned(),
            (false, true) => self.prefix.clone(),
            (false, false) => format!("{}.{path}", self.prefix),
        }
    }

    fn make(&self, path: &str, (line, column): (u32, u32)) -> Place {
        Place { file: self.file.to_string(), object: self.object.clone(), path: path.to_owned(), line, column }
    }
}

/// An object, and where it was written.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The object.
    pub object: T,
    /// The file, as the user named it.
    pub file: String,
    /// The object's namespace; `default` when it names none.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The paths of mappings that have a mistake in their shape: what they hold is not what was meant.
    pub damaged: Vec<String>,
    /// Where its fields stand.
    pub locator: Locator,
}

impl<T> Located<T> {
    /// The place of a field, as `spec.sources[0].stream`; of the nearest field around it when it was not written.
    #[must_use]
    pub fn place(&self, path: &str) -> Place {
        self.locator.place(path)
    }

    /// Whether a mapping, something in it or something around it has a mistake in its shape.
    pub(crate) fn is_damaged(&self, path: &str) -> bool {
        self.damaged.iter().any(|damaged| holds(damaged, path) || holds(path, damaged))
    }

    /// Whether a field stands in a mapping with a mistake in its shape.
    pub(crate) fn is_in_damaged(&self, path: &str) -> bool {
        self.damaged.iter().any(|damaged| holds(damaged, path))
    }

    /// Whether it is the object of that namespace and name.
    pub(crate) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }
}

/// Whether the field of the second path is that of the first, or stands in it.
fn holds(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
