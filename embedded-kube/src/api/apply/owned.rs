//! The fields that a configuration has something to say about.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::element::Element;
use super::set::FieldSet;
use super::typed::{Sort, Type};

/// Every leaf and every item of the value.
pub(super) fn fields(of: Type<'_>, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    collect(of, value, &mut Vec::new(), &mut set);
    set
}

fn collect(of: Type<'_>, value: &Value, path: &mut Vec<Element>, set: &mut FieldSet) {
    match of.sort(Some(value)).unwrap_or_else(|| of.first()) {
        Sort::Scalar => set.insert(path),
        Sort::Map => {
            let Some(map) = of.map() else { return };
            if map.atomic {
                set.insert(path);
                return;
            }
            for (name, value) in value.as_object().into_iter().flatten() {
                path.push(Element::Field(name.clone()));
                collect(map.member(name).unwrap_or(Type::UNTYPED), value, path, set);
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                if empty || !map.declares(name) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        Sort::List => {
            let Some(list) = of.list() else { return };
            if list.is_atomic() {
                set.insert(path);
                return;
            }
            let mut items: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
            for item in value.as_array().into_iter().flatten() {
                if let Ok(step) = list.step(item) {
                    items.entry(step).or_default().push(item);
                }
            }
            for (step, found) in items {
                path.push(step);
                // What is there more than once is one value.
                if let [item] = found.as_slice() {
                    collect(list.items, item, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
    }
}
