//! An object without some of its fields.

use serde_json::{Map, Value};

use super::element::Element;
use super::set::FieldSet;
use super::typed::{Sort, Type};

/// The value without these fields; null when nothing is left.
pub(super) fn without(of: Type<'_>, value: &Value, fields: &FieldSet) -> Value {
    match of.sort(Some(value)).unwrap_or_else(|| of.first()) {
        Sort::Scalar => value.clone(),
        Sort::Map => map(of, value, fields),
        Sort::List => list(of, value, fields),
    }
}

fn map(of: Type<'_>, value: &Value, fields: &FieldSet) -> Value {
    let (Some(map), Value::Object(members)) = (of.map(), value) else { return Value::Null };
    if map.atomic {
        return Value::Null;
    }
    let mut left = Map::new();
    for (name, value) in members {
        let step = Element::Field(name.clone());
        if !fields.members.contains(&step) {
            let of = map.member(name).unwrap_or(Type::UNTYPED);
            left.insert(name.clone(), below(of, value, &step, fields));
        }
    }
    if left.is_empty() { Value::Null } else { Value::Object(left) }
}

fn list(of: Type<'_>, value: &Value, fields: &FieldSet) -> Value {
    let (Some(list), Value::Array(items)) = (of.list(), value) else { return Value::Null };
    if list.is_atomic() {
        return Value::Null;
    }
    let mut left = Vec::with_capacity(items.len());
    for item in items {
        match list.step(item) {
            Ok(step) if fields.members.contains(&step) => {}
            Ok(step) => left.push(below(list.items, item, &step, fields)),
            Err(_) => left.push(item.clone()),
        }
    }
    if left.is_empty() { Value::Null } else { Value::Array(left) }
}

fn below(of: Type<'_>, value: &Value, step: &Element, fields: &FieldSet) -> Value {
    match fields.children.get(step) {
        Some(fields) if !fields.is_empty() => without(of, value, fields),
        _ => value.clone(),
    }
}
