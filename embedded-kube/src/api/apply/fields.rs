//! `fieldsV1`: a set of paths as an object has it.

use serde_json::{Map, Value};

use super::element::Element;
use super::set::FieldSet;

/// What is in a set beside what is below it.
const ITSELF: &str = ".";

/// The set, as `fieldsV1`.
pub(super) fn written(set: &FieldSet) -> Value {
    let mut fields = Map::new();
    for member in set.members.iter().filter(|member| !set.children.contains_key(member)) {
        fields.insert(member.text(), Value::Object(Map::new()));
    }
    for (step, child) in &set.children {
        let mut below = match written(child) {
            Value::Object(below) => below,
            _ => Map::new(),
        };
        if set.members.contains(step) {
            below.insert(ITSELF.into(), Value::Object(Map::new()));
        }
        fields.insert(step.text(), Value::Object(below));
    }
    fields.sort_keys();
    Value::Object(fields)
}

/// The set that `fieldsV1` means.
pub(super) fn read(fields: &Value) -> Result<FieldSet, String> {
    Ok(below(fields)?.0)
}

/// What is below a step, and whether the step itself is in the set.
fn below(fields: &Value) -> Result<(FieldSet, bool), String> {
    let fields = match fields {
        Value::Object(fields) => fields,
        Value::Null => return Ok((FieldSet::default(), true)),
        _ => return Err("expect { or n".into()),
    };
    let (mut set, mut itself) = (FieldSet::default(), false);
    for (text, value) in fields {
        if text == ITSELF {
            itself = true;
            continue;
        }
        let Some(step) = Element::read(text)? else { continue };
        let (child, member) = below(value)?;
        if member {
            set.members.insert(step.clone());
        }
        if child != FieldSet::default() {
            set.children.insert(step, child);
        }
    }
    let itself = itself || set == FieldSet::default();
    Ok((set, itself))
}
