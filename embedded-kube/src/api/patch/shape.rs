//! How values of the built-in kinds merge: the `listType`, `mapType`, `patchStrategy` and `patchMergeKey` of their fields, in
//! Kubernetes 1.37. What is not here is a list that is replaced as a whole, or a map that is merged.

mod objects;
mod pod;

#[cfg(test)]
mod tests;

use crate::api::Kind;

/// The shape of a value.
#[derive(Debug)]
pub(in crate::api) enum Shape {
    /// A map that is owned as a whole.
    Whole,
    /// An object some of whose fields are not as others.
    Fields(&'static [(&'static str, Field)]),
}

/// A field of an object.
#[derive(Debug)]
pub(in crate::api) enum Field {
    /// It holds an object of that shape.
    Value(&'static Shape),
    /// It holds a list.
    List(List),
}

/// A list.
#[derive(Debug)]
pub(in crate::api) struct List {
    /// How server-side apply merges it.
    pub(in crate::api) applied: Applied,
    /// How strategic merge patches do.
    pub(super) patched: Patched,
    /// What is in it.
    pub(in crate::api) items: &'static Shape,
}

/// How server-side apply merges a list.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) enum Applied {
    /// Not at all: it is one value.
    Atomic,
    /// It is a set of scalars.
    Set,
    /// By these fields of its items, with the defaults of those that have one.
    Map(&'static [(&'static str, Option<&'static str>)]),
}

/// How strategic merge patches merge a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patched {
    /// Not at all.
    Replace,
    /// As a set of scalars.
    Merge,
    /// By that field of its items.
    By(&'static str),
}

/// Nothing is special in it.
pub(in crate::api) const PLAIN: Shape = Shape::Fields(&[]);
const WHOLE: Shape = Shape::Whole;

/// A list that both merge by one key.
const fn keyed(keys: &'static [(&'static str, Option<&'static str>)], items: &'static Shape) -> Field {
    Field::List(List { applied: Applied::Map(keys), patched: Patched::By(keys[0].0), items })
}

const fn list(applied: Applied, patched: Patched) -> Field {
    Field::List(List { applied, patched, items: &PLAIN })
}

const BY_NAME: &[(&str, Option<&str>)] = &[("name", None)];
const BY_TYPE: &[(&str, Option<&str>)] = &[("type", None)];

impl Shape {
    /// The shape of a kind's objects.
    pub(in crate::api) fn of(kind: &Kind) -> Option<&'static Self> {
        if kind.custom { None } else { Some(objects::shape(&kind.group, &kind.kind)) }
    }

    /// That field, if it is not as others.
    pub(in crate::api) fn field(&self, name: &str) -> Option<&'static Field> {
        match self {
            Self::Whole => None,
            Self::Fields(fields) => fields.iter().find(|(field, _)| *field == name).map(|(_, field)| field),
        }
    }
}
