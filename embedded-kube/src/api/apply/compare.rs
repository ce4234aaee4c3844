//! Which fields differ between two objects.

use std::collections::BTreeMap;

use serde_json::Value;

use super::element::{Element, same};
use super::list_type::ListType;
use super::map_type::MapType;
use super::mistake::{Mistake, Mistakes};
use super::set::FieldSet;
use super::typed::{ScalarType, Sort, Type};
use super::validate::of_scalar;

/// The fields that differ.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    pub(super) removed: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) added: FieldSet,
}

/// Compares two objects of the type.
pub(super) fn compared(of: Type<'_>, before: &Value, after: &Value) -> Result<Comparison, Mistakes> {
    let mut walk = Walk::default();
    walk.values(of, Some(before), Some(after));
    if walk.mistakes.is_empty() { Ok(walk.comparison) } else { Err(Mistakes(walk.mistakes)) }
}

impl Comparison {
    /// Without these fields and what is below them.
    pub(super) fn outside(self, fields: &FieldSet) -> Self {
        Self {
            removed: self.removed.outside(fields),
            modified: self.modified.outside(fields),
            added: self.added.outside(fields),
        }
    }

    /// The fields that the second object has of its own.
    pub(super) fn changed(&self) -> FieldSet {
        self.modified.union(&self.added)
    }
}

#[derive(Default)]
struct Walk {
    path: Vec<Element>,
    comparison: Comparison,
    mistakes: Vec<Mistake>,
}

impl Walk {
    fn values(&mut self, of: Type<'_>, before: Option<&Value>, after: Option<&Value>) {
        let mut leaf = false;
        for sort in of.sorts(before, after) {
            leaf = match sort {
                Sort::Map => of.map().is_none_or(|map| self.maps(map, before, after)),
                Sort::List => of.list().is_none_or(|list| self.lists(&list, before, after)),
                Sort::Scalar => of.scalar().is_none_or(|scalar| self.scalars(scalar, before, after)),
            };
        }
        if !leaf {
            match (before, after) {
                (None, _) => self.comparison.added.insert(&self.path),
                (_, None) => self.comparison.removed.insert(&self.path),
                _ => {}
            }
        }
    }

    /// One value, which is not looked into. Whether it is one.
    fn leaf(&mut self, before: Option<&Value>, after: Option<&Value>) -> bool {
        match (before, after) {
            (None, _) => self.comparison.added.insert(&self.path),
            (_, None) => self.comparison.removed.insert(&self.path),
            (Some(before), Some(after)) if !same(before, after) => self.comparison.modified.insert(&self.path),
            _ => {}
        }
        true
    }

    fn scalars(&mut self, of: ScalarType, before: Option<&Value>, after: Option<&Value>) -> bool {
        let wrong = |value: Option<&Value>, prefix| value.and_then(|value| of_scalar(of, value, prefix));
        match (wrong(before, "lhs: "), wrong(after, "rhs: ")) {
            (Some(before), Some(after)) => {
                self.mistake(before);
                self.mistake(after);
                false
            }
            _ => self.leaf(before, after),
        }
    }

    fn maps(&mut self, map: MapType<'_>, before: Option<&Value>, after: Option<&Value>) -> bool {
        let (old, new) = (before.and_then(Value::as_object), after.and_then(Value::as_object));
        if map.atomic || (old.is_none_or(|old| old.is_empty()) && new.is_none_or(|new| new.is_empty())) {
            return self.leaf(before, after);
        }
        let own = old.into_iter().flat_map(|old| old.keys());
        let others =
            new.into_iter().flat_map(|new| new.keys()).filter(|name| !old.is_some_and(|old| old.contains_key(*name)));
        for name in own.chain(others) {
            let step = Element::Field(name.clone());
            let Some(of) = map.member(name) else {
                let text = step.to_string();
                self.mistake(Mistake::new("schema error: invalid atom: inlined").below(&text));
                continue;
            };
            self.step(step, of, old.and_then(|old| old.get(name)), new.and_then(|new| new.get(name)));
        }
        false
    }

    fn lists(&mut self, list: &ListType<'_>, before: Option<&Value>, after: Option<&Value>) -> bool {
        let (old, new) = (before.and_then(Value::as_array), after.and_then(Value::as_array));
        if list.is_atomic() || (old.is_none_or(Vec::is_empty) && new.is_none_or(Vec::is_empty)) {
            return self.leaf(before, after);
        }
        let mut items: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for (index, item) in old.into_iter().flatten().enumerate() {
            if let Some(step) = self.item(list, index, item) {
                items.entry(step).or_default().0.push(item);
            }
        }
        for (index, item) in new.into_iter().flatten().enumerate() {
            if let Some(step) = self.item(list, index, item) {
                items.entry(step).or_default().1.push(item);
            }
        }
        for (step, (old, new)) in items {
            self.items(list, step, &old, &new);
        }
        false
    }

    fn item(&mut self, list: &ListType<'_>, index: usize, item: &Value) -> Option<Element> {
        match list.step(item) {
            Ok(step) => Some(step),
            Err(message) => {
                self.mistake(Mistake::new(format!("element {index}: {message}")));
                None
            }
        }
    }

    /// Items of one key: what is there more than once is one value.
    fn items(&mut self, list: &ListType<'_>, step: Element, old: &[&Value], new: &[&Value]) {
        let path: Vec<Element> = self.path.iter().cloned().chain([step.clone()]).collect();
        match (old, new) {
            ([], []) => {}
            ([] | [_], [] | [_]) => self.step(step, list.items, old.first().copied(), new.first().copied()),
            ([_, _, ..], [_, _, ..]) => {
                let equal = old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new));
                if !equal {
                    self.comparison.modified.insert(&path);
                }
            }
            ([_, _, ..], _) => {
                if let Some(new) = new.first() {
                    self.step(step, list.items, None, Some(new));
                }
                self.comparison.removed.insert(&path);
            }
            (_, [_, _, ..]) => {
                if let Some(old) = old.first() {
                    self.step(step, list.items, Some(old), None);
                }
                self.comparison.added.insert(&path);
            }
        }
    }

    fn step(&mut self, step: Element, of: Type<'_>, before: Option<&Value>, after: Option<&Value>) {
        self.path.push(step);
        self.values(of, before, after);
        self.path.pop();
    }

    fn mistake(&mut self, mistake: Mistake) {
        let path: String = self.path.iter().map(ToString::to_string).collect();
        self.mistakes.push(mistake.below(&path));
    }
}
