//! What is wrong with a value, before it is told.

use serde_json::Value;

use super::go;
use super::mistake;
use super::path::Path;
use crate::api::Cause;

/// What is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// Where; nothing for what is told of the whole object.
    name: Option<String>,
    kind: Kind,
    /// In words.
    message: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Required,
    NotAmong { value: Value, known: Vec<String> },
    TooLong(i64),
    TooMany { actual: i64, most: i64 },
    Type(String),
    Other(Value),
}

impl Fault {
    /// It is told of the whole object.
    pub(crate) fn plain(message: String) -> Self {
        Self { name: None, kind: Kind::Other("".into()), message }
    }

    /// In words of its own.
    pub(crate) fn whole(path: &str, value: Value, message: String) -> Self {
        Self { name: Some(path.to_owned()), kind: Kind::Other(value), message }
    }

    /// The value should be something else.
    pub(crate) fn other(path: &str, value: Value, words: String) -> Self {
        Self::whole(path, value, format!("{path} in body {words}"))
    }

    /// It is of another type, or not of a format.
    pub(crate) fn type_of(path: &str, of: &str, value: &str) -> Self {
        let message = format!("{path} in body must be of type {of}: {}", go::quoted(value));
        Self { name: Some(path.to_owned()), kind: Kind::Type(value.to_owned()), message }
    }

    pub(crate) fn required(path: &str) -> Self {
        Self { name: Some(path.to_owned()), kind: Kind::Required, message: format!("{path} in body is required") }
    }

    pub(crate) fn too_long(path: &str, most: i64) -> Self {
        let message = format!("{path} in body should be at most {most} chars long");
        Self { name: Some(path.to_owned()), kind: Kind::TooLong(most), message }
    }

    pub(crate) fn too_many(path: &str, actual: i64, most: i64, what: &str) -> Self {
        let message = format!("{path} in body should have at most {most} {what}");
        Self { name: Some(path.to_owned()), kind: Kind::TooMany { actual, most }, message }
    }

    pub(crate) fn not_among(path: &str, value: &Value, known: &[Value]) -> Self {
        let known =
            known.iter().map(|known| known.as_str().map_or_else(|| go::json(known), ToOwned::to_owned)).collect();
        let message = format!("{path} in body should be one of {known:?}");
        Self { name: Some(path.to_owned()), kind: Kind::NotAmong { value: value.clone(), known }, message }
    }

    /// As it is told; places are below that one.
    pub(crate) fn cause(&self, below: &Path) -> Cause {
        let place = self.name.as_deref().map(|name| name.strip_prefix('.').unwrap_or(name));
        let path = match place {
            Some(name) if !name.is_empty() => below.child(name),
            _ => below.clone(),
        };
        match &self.kind {
            Kind::Required => mistake::required(&path, ""),
            Kind::NotAmong { value, known } => mistake::not_supported(&path, value, known),
            Kind::TooLong(most) => mistake::too_long(&path, *most),
            Kind::TooMany { actual, most } => mistake::too_many(&path, *actual, *most),
            Kind::Type(value) => mistake::type_invalid(&path, &value.as_str().into(), &self.message),
            Kind::Other(value) => mistake::invalid(&path, value, &self.message),
        }
    }
}

/// What has come of looking at a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) faults: Vec<Fault>,
    /// How many looks found nothing, by which the nearest of several schemas is found.
    pub(crate) matches: usize,
}

impl Outcome {
    pub(crate) fn is_valid(&self) -> bool {
        self.faults.is_empty()
    }

    pub(crate) fn counted() -> Self {
        Self { faults: Vec::new(), matches: 1 }
    }

    pub(crate) fn count(&mut self) {
        self.matches += 1;
    }

    /// What is told in the same words is told once.
    pub(crate) fn push(&mut self, fault: Fault) {
        if !self.faults.iter().any(|other| other.message == fault.message) {
            self.faults.push(fault);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.matches += other.matches;
        other.faults.into_iter().for_each(|fault| self.push(fault));
    }

    /// One look more.
    pub(crate) fn add(&mut self, other: Self) {
        self.merge(other);
        self.count();
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self { faults: vec![fault], matches: 0 }
    }
}

impl From<Option<Fault>> for Outcome {
    fn from(fault: Option<Fault>) -> Self {
        Self { faults: fault.into_iter().collect(), matches: 0 }
    }
}
