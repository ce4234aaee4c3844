//! What can still be read of an object with mistakes in its shape, so that its other mistakes are told as well.
//!
//! Each mistake is mended by the least that lets the object be read: an unknown field is left out, a field that is
//! missing or of the wrong type gets an empty value. The mapping around it is damaged: nobody looks at it again.

use serde_json::{Map, Value, json};

use super::position;

/// One mistake in a document's shape, and what would let the rest be read.
#[derive(Clone, Debug)]
pub(super) struct Mend {
    /// The JSON pointer of what is wrong.
    pub(super) pointer: String,
    /// What is done there.
    pub(super) by: By,
}

/// What is done about a mistake.
#[derive(Clone, Debug)]
pub(super) enum By {
    /// The field of that name is left out.
    LeavingOut(String),
    /// The field of that name is put in.
    PuttingIn(String, Value),
    /// It is replaced.
    Replacing(Value),
    /// All of these fields but the first are left out.
    Choosing(Vec<String>),
}

/// Mends a document, and gives the paths of the mappings that are damaged.
pub(super) fn salvage(document: &mut Value, mends: &[Mend]) -> Vec<String> {
    let damaged: Vec<String> = mends.iter().map(|mend| mend.damages(document)).collect();
    for mend in mends {
        // An outer mistake may have been mended first, and this one's place with it.
        let Some(found) = document.pointer_mut(&mend.pointer) else { continue };
        match (&mend.by, found) {
            (By::Replacing(value), found) => *found = value.clone(),
            (By::LeavingOut(name), Value::Object(fields)) => drop(fields.remove(name)),
            (By::PuttingIn(name, value), Value::Object(fields)) => drop(fields.insert(name.clone(), value.clone())),
            (By::Choosing(names), Value::Object(fields)) => {
                for name in names.iter().skip(1) {
                    fields.remove(name);
                }
            }
            _ => {}
        }
    }
    damaged
}

impl Mend {
    /// The path of the mapping that cannot be trusted any more.
    fn damages(&self, document: &Value) -> String {
        let holds = |value: Option<&Value>| value.is_some_and(|value| value.is_object() || value.is_array());
        let (mapping, field, structured) = match &self.by {
            By::LeavingOut(name) => {
                let value = document.pointer(&format!("{}/{name}", self.pointer));
                (self.pointer.as_str(), name.as_str(), holds(value))
            }
            By::PuttingIn(name, value) => (self.pointer.as_str(), name.as_str(), holds(Some(value))),
            By::Choosing(_) => (self.pointer.as_str(), "", true),
            By::Replacing(value) => {
                let structured = holds(Some(value)) || holds(document.pointer(&self.pointer));
                let (mapping, field) = self.pointer.rsplit_once('/').unwrap_or_default();
                (mapping, field, structured)
            }
        };
        // A word of the whole object, as `description`, says nothing about its nodes.
        if mapping == "/spec" && !structured {
            return position::child("spec", field);
        }
        position::from_pointer(mapping)
    }
}

/// A number without the fraction that a schema's bound may be written with.
pub(super) fn whole(number: &Value) -> Value {
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => json!(float as i64),
        _ => number.clone(),
    }
}

/// The least value of a schema, as far as its type goes.
pub(super) fn least(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|options| options.first()) {
        return first.clone();
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().find_map(Value::as_str).unwrap_or_default(),
        Some(Value::String(kind)) => kind.as_str(),
        _ => "object",
    };
    match kind {
        "string" => json!(""),
        "integer" | "number" => schema.get("minimum").map_or(json!(0), whole),
        "boolean" => json!(false),
        "array" => json!([]),
        _ => {
            let required = |schema: &Value| -> Vec<String> {
                let names = schema.get("required").and_then(Value::as_array);
                names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
            };
            let choice = schema.get("oneOf").and_then(Value::as_array).and_then(|branches| branches.first());
            let names = required(schema).into_iter().chain(choice.map(required).unwrap_or_default());
            let fields: Map<String, Value> = names
                .map(|name| {
                    let value =
                        schema.get("properties").and_then(|fields| fields.get(&name)).map_or(Value::Null, least);
                    (name, value)
                })
                .collect();
            Value::Object(fields)
        }
    }
}
