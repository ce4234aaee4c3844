//! The fields of a kind, as its schema has them, and where an object has one.

use std::collections::BTreeMap;

use serde_json::Value;

/// A field that an object has.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Which field of the kind, as `spec.sources[].sync.lag`.
    pub(super) field: String,
    /// Where in the object: a JSON pointer.
    pub(super) pointer: String,
    /// What may stand there.
    pub(super) schema: Value,
}

impl Place {
    /// The last two names in the field's path, of which a message about it has one; the spec itself is told of in quotes.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.field.rsplit('.').map(|name| name.trim_end_matches(['[', ']', '{', '}'])).take(2);
        names.map(|name| if name == "spec" { "\"spec\" must" } else { name })
    }
}

/// Every field of a kind's spec, with what may stand there.
pub(super) fn fields(schema: &Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    below(&schema["properties"]["spec"], "spec", &mut all);
    all
}

fn below(schema: &Value, path: &str, all: &mut BTreeMap<String, Value>) {
    all.insert(path.to_owned(), schema.clone());
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        below(property, &format!("{path}.{name}"), all);
    }
    for (keyword, shown) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = schema.get(keyword) {
            below(inner, &format!("{path}{shown}"), all);
        }
    }
}

/// Every field that an object has.
pub(super) fn places(schema: &Value, object: &Value) -> Vec<Place> {
    let mut all = Vec::new();
    found(&schema["properties"]["spec"], "spec", "/spec", object, &mut all);
    all
}

fn found(schema: &Value, field: &str, pointer: &str, object: &Value, all: &mut Vec<Place>) {
    let Some(value) = object.pointer(pointer) else { return };
    all.push(Place { field: field.to_owned(), pointer: pointer.to_owned(), schema: schema.clone() });
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        found(property, &format!("{field}.{name}"), &format!("{pointer}/{name}"), object, all);
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for index in 0..list.len() {
            found(items, &format!("{field}[]"), &format!("{pointer}/{index}"), object, all);
        }
    }
    if let (Some(entries), Some(map)) = (schema.get("additionalProperties"), value.as_object()) {
        for key in map.keys() {
            found(entries, &format!("{field}{{}}"), &format!("{pointer}/{key}"), object, all);
        }
    }
}

/// An object with a field changed, or taken away.
pub(super) fn with(object: &Value, pointer: &str, value: Option<&Value>) -> Value {
    let mut object = object.clone();
    let (parent, last) = pointer.rsplit_once('/').expect("a pointer below the root");
    match object.pointer_mut(parent).expect("the object has the field") {
        Value::Object(fields) => match value {
            Some(value) => drop(fields.insert(last.to_owned(), value.clone())),
            None => drop(fields.remove(last)),
        },
        Value::Array(items) => {
            let index: usize = last.parse().expect("an index");
            match value {
                Some(value) => items[index] = value.clone(),
                None => drop(items.remove(index)),
            }
        }
        other => unreachable!("{other} has no fields"),
    }
    object
}
