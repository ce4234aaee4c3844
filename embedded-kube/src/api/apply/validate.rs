//! Whether a configuration is of the type that its schema says.

use serde_json::Value;

use super::element::Element;
use super::list_type::ListType;
use super::map_type::MapType;
use super::mistake::{Mistake, Mistakes, held};
use super::typed::{ScalarType, Sort, Type};

/// Whether the value is of the type. Lists that are merged may not have an item twice, unless `duplicates` are allowed.
pub(super) fn validated(of: Type<'_>, value: &Value, duplicates: bool) -> Result<(), Mistakes> {
    let mistakes = mistakes(of, value, duplicates);
    if mistakes.is_empty() { Ok(()) } else { Err(Mistakes(mistakes)) }
}

fn mistakes(of: Type<'_>, value: &Value, duplicates: bool) -> Vec<Mistake> {
    match of.sort(Some(value)).unwrap_or_else(|| of.first()) {
        Sort::Map => of.map().map_or_else(Vec::new, |map| of_map(map, value, duplicates)),
        Sort::List => of.list().map_or_else(Vec::new, |list| of_list(&list, value, duplicates)),
        Sort::Scalar => of.scalar().and_then(|scalar| of_scalar(scalar, value, "")).into_iter().collect(),
    }
}

fn of_map(map: MapType<'_>, value: &Value, duplicates: bool) -> Vec<Mistake> {
    let members = match value {
        Value::Null => return Vec::new(),
        Value::Object(members) => members,
        other => return vec![Mistake::new(format!("expected map, got {}", held(other)))],
    };
    let mut found = Vec::new();
    for (name, value) in members {
        let step = Element::Field(name.clone()).to_string();
        match map.member(name) {
            None => found.push(Mistake::new("field not declared in schema").below(&step)),
            Some(of) => found.extend(mistakes(of, value, duplicates).into_iter().map(|mistake| mistake.below(&step))),
        }
    }
    found
}

fn of_list(list: &ListType<'_>, value: &Value, duplicates: bool) -> Vec<Mistake> {
    let items = match value {
        Value::Null => return Vec::new(),
        Value::Array(items) => items,
        other => return vec![Mistake::new(format!("expected list, got {}", held(other)))],
    };
    let (mut found, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
    for (index, item) in items.iter().enumerate() {
        let step = if list.is_atomic() {
            Element::Index(i64::try_from(index).unwrap_or(i64::MAX))
        } else {
            match list.step(item) {
                Ok(step) => step,
                Err(message) => {
                    found.push(Mistake::new(format!("element {index}: {message}")));
                    return found;
                }
            }
        };
        let text = step.to_string();
        if !list.is_atomic() && !seen.insert(step) && !duplicates {
            found.push(Mistake::new(format!("duplicate entries for key {text}")));
        }
        found.extend(mistakes(list.items, item, duplicates).into_iter().map(|mistake| mistake.below(&text)));
    }
    found
}

/// What is the matter with a scalar. Null is any.
pub(super) fn of_scalar(of: ScalarType, value: &Value, prefix: &str) -> Option<Mistake> {
    let message = match (of, value) {
        (_, Value::Null)
        | (ScalarType::Number, Value::Number(_))
        | (ScalarType::Text, Value::String(_))
        | (ScalarType::Truth, Value::Bool(_))
        | (ScalarType::Any, Value::Number(_) | Value::String(_) | Value::Bool(_)) => return None,
        (ScalarType::Number, other) => {
            format!("expected numeric (int or float), got {}", crate::api::patch::type_name(other))
        }
        (ScalarType::Text, other) => {
            format!("expected string, got &value.valueUnstructured{{Value:{}}}", literal(other))
        }
        (ScalarType::Truth, other) => format!("expected boolean, got {}", held(other)),
        (ScalarType::Any, other) => format!("expected any scalar, got {}", held(other)),
    };
    Some(Mistake::new(format!("{prefix}{message}")))
}

/// A value as Go would write it in a program.
fn literal(value: &Value) -> String {
    let name = crate::api::patch::type_name(value);
    match value {
        Value::Null => "interface {}(nil)".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => format!("{name}{{{}}}", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let mut members: Vec<String> =
                members.iter().map(|(key, value)| format!("{key:?}:{}", literal(value))).collect();
            members.sort_unstable();
            format!("{name}{{{}}}", members.join(", "))
        }
    }
}
