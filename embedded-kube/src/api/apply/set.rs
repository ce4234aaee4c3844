//! A set of paths into an object.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::element::Element;

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet {
    /// Steps that are paths of the set.
    pub(super) members: BTreeSet<Element>,
    /// What is in the set below a step. That says nothing about the step itself.
    pub(super) children: BTreeMap<Element, FieldSet>,
}

/// The steps to a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Element>);

impl FieldSet {
    /// A set of paths of names.
    pub(super) fn of_names(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(&path.iter().map(|name| Element::Field((*name).to_owned())).collect::<Vec<_>>());
        }
        set
    }

    /// Adds a path. Nobody owns a whole object: the empty one is none.
    pub(super) fn insert(&mut self, path: &[Element]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// Whether the path is in it.
    pub(super) fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|child| child.has(rest)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    /// What is in one of both.
    pub(super) fn union(&self, other: &Self) -> Self {
        let mut children = self.children.clone();
        for (step, child) in &other.children {
            let merged = children.get(step).map_or_else(|| child.clone(), |own| own.union(child));
            children.insert(step.clone(), merged);
        }
        Self { members: self.members.union(&other.members).cloned().collect(), children }
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let shared = self.children.iter().filter_map(|(step, child)| {
            let shared = child.intersection(other.children.get(step)?);
            (!shared.is_empty()).then(|| (step.clone(), shared))
        });
        Self { members: self.members.intersection(&other.members).cloned().collect(), children: shared.collect() }
    }

    /// What is in it, and not in the other. What is below a path of the other stays.
    pub(super) fn difference(&self, other: &Self) -> Self {
        self.without(other, false)
    }

    /// What is in it, and neither in the other nor below a path of the other.
    pub(super) fn outside(&self, other: &Self) -> Self {
        self.without(other, true)
    }

    fn without(&self, other: &Self, below: bool) -> Self {
        let left = self.children.iter().filter_map(|(step, child)| {
            if below && other.members.contains(step) {
                return None;
            }
            let Some(taken) = other.children.get(step) else { return Some((step.clone(), child.clone())) };
            let left = child.without(taken, below);
            (!left.is_empty()).then(|| (step.clone(), left))
        });
        Self { members: self.members.difference(&other.members).cloned().collect(), children: left.collect() }
    }

    /// Every path: those of one step before what is below any.
    pub(super) fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.list(&mut Vec::new(), &mut paths);
        paths
    }

    fn list(&self, prefix: &mut Vec<Element>, paths: &mut Vec<Path>) {
        for member in &self.members {
            let path = prefix.iter().chain([member]).cloned().collect();
            paths.push(Path(path));
        }
        for (step, child) in &self.children {
            prefix.push(step.clone());
            child.list(prefix, paths);
            prefix.pop();
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(to, "{step}"))
    }
}
