//! Strategic merge patches, for the built-in kinds.
//!
//! A map is merged field by field, a list by the key of its items where the kind has one. Directives say otherwise: `$patch`
//! (`replace`, `delete`), `$retainKeys`, `$deleteFromPrimitiveList/FIELD` and `$setElementOrder/FIELD`.

mod list;
mod order;

use serde_json::{Map, Value};

use crate::api::patch::shape::{Field, PLAIN, Patched, Shape};
use crate::api::{Kind, Refusal, RefusalReason};

use super::{go, unfit};

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const ORDER: &str = "$setElementOrder";

type Object = Map<String, Value>;

/// What is the matter with a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mistake {
    /// It is malformed in a way that the API server has a name for.
    Format(&'static str),
    /// It does not fit the object.
    Unfit,
    /// Anything else. The API server takes it for a mistake of its own.
    Other(String),
}

impl From<Mistake> for Refusal {
    fn from(mistake: Mistake) -> Self {
        match mistake {
            Mistake::Format(message) => Self::bad_request(message),
            Mistake::Unfit => unfit(),
            Mistake::Other(message) => Self::new(RefusalReason::Unknown, message),
        }
    }
}

const BAD_DELETION: Mistake = Mistake::Format("invalid patch format of primitive list");
const BAD_RETENTION: Mistake = Mistake::Format("invalid patch format of retainKeys");
const BAD_ORDER: Mistake = Mistake::Format("invalid patch format of setElementOrder list");

/// The object, merged with the patch.
pub(super) fn merged(kind: &Kind, live: &Value, patch: &Value) -> Result<Value, Refusal> {
    let (Value::Object(live), Some(shape)) = (live, Shape::of(kind)) else { return Err(unfit()) };
    match patch {
        Value::Object(patch) => Ok(Value::Object(map(live.clone(), patch.clone(), shape)?)),
        // `null`
        _ => Ok(Value::Object(live.clone())),
    }
}

/// Merges a patch into a map.
fn map(mut original: Object, mut patch: Object, shape: &'static Shape) -> Result<Object, Mistake> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.shift_remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Object::new()),
            _ => Err(unknown_directive(directive, &patch)),
        };
    }
    retain(&mut original, &mut patch)?;
    ordered(&mut original, &mut patch, shape)?;
    for (key, value) in patch {
        let (field, deletes) = match key.strip_prefix(DELETE_FROM) {
            None => (key, false),
            Some(rest) => (rest.strip_prefix('/').ok_or(BAD_DELETION)?.to_owned(), true),
        };
        if value.is_null() {
            original.shift_remove(&field);
            continue;
        }
        let merged = match (original.get(&field), value) {
            (Some(Value::Object(before)), Value::Object(value)) => {
                Some(Value::Object(map(before.clone(), value, shape_of(shape, &field))?))
            }
            (Some(Value::Array(before)), Value::Array(value)) => {
                let (patched, items) = list_of(shape, &field);
                Some(Value::Array(list::merged(before.clone(), value, patched, items, deletes)?))
            }
            (Some(before), value) if go::same_type(before, &value) => Some(value),
            (_, _) if deletes => continue,
            (_, value) => without_directives(without_nulls(value)),
        };
        match merged {
            Some(merged) => original.insert(field, merged),
            None => original.shift_remove(&field),
        };
    }
    Ok(original)
}

fn shape_of(shape: &Shape, field: &str) -> &'static Shape {
    match shape.field(field) {
        Some(Field::Value(shape)) => shape,
        _ => &PLAIN,
    }
}

fn list_of(shape: &Shape, field: &str) -> (Patched, &'static Shape) {
    match shape.field(field) {
        Some(Field::List(list)) => (list.patched, list.items),
        _ => (Patched::Replace, &PLAIN),
    }
}

fn unknown_directive(directive: &Value, patch: &Object) -> Mistake {
    // Go's `%s`, which makes a fuss about what is no text.
    let directive = match directive {
        Value::String(text) => text.clone(),
        Value::Null => "%!s(<nil>)".into(),
        other => format!("%!s({}={})", go::type_name(other), go::printed(other)),
    };
    let patch = go::printed(&Value::Object(patch.clone()));
    Mistake::Other(format!("unknown patch type: {directive} in map: {patch}"))
}

/// `$retainKeys` names every field that may stay.
fn retain(original: &mut Object, patch: &mut Object) -> Result<(), Mistake> {
    let Some(retained) = patch.shift_remove(RETAIN) else { return Ok(()) };
    let retained = retained.as_array().ok_or(BAD_RETENTION)?;
    let stays = |key: &str| retained.iter().any(|name| name.as_str() == Some(key));
    let unnamed = patch.iter().any(|(key, value)| {
        !value.is_null() && !key.starts_with(DELETE_FROM) && !key.starts_with(ORDER) && !stays(key)
    });
    if unnamed {
        return Err(BAD_RETENTION);
    }
    original.retain(|key, _| stays(key));
    Ok(())
}

/// Merges the lists that `$setElementOrder` is about, and puts them in that order.
fn ordered(original: &mut Object, patch: &mut Object, shape: &'static Shape) -> Result<(), Mistake> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(ORDER)).cloned().collect();
    for directive in directives {
        let wanted = match patch.shift_remove(&directive) {
            Some(Value::Array(wanted)) => wanted,
            other => return Err(unexpected(&Value::Array(Vec::new()), &other.unwrap_or_default())),
        };
        let field = directive.strip_prefix(ORDER).and_then(|rest| rest.strip_prefix('/')).ok_or(BAD_ORDER)?;
        let before = array(original.get(field))?;
        let change = array(patch.get(field))?;
        let (patched, items) = list_of(shape, field);
        order::checked(change.as_deref().unwrap_or_default(), &wanted, patched)?;
        let merged = match (&before, &change) {
            (None, None) => continue,
            (Some(before), None) => before.clone(),
            (None, Some(change)) => change.iter().cloned().filter_map(without_directives).collect(),
            (Some(before), Some(change)) => list::merged(before.clone(), change.clone(), patched, items, false)?,
        };
        let maps = list::of_maps(&[before.as_deref().unwrap_or_default(), change.as_deref().unwrap_or_default()])?;
        let before = list::overwritten(before.unwrap_or_default(), change.as_deref().unwrap_or_default(), patched)?;
        let merged = order::arranged(merged, &wanted, &before, patched, maps)?;
        original.insert(field.to_owned(), Value::Array(merged));
        patch.shift_remove(field);
    }
    Ok(())
}

fn array(value: Option<&Value>) -> Result<Option<Vec<Value>>, Mistake> {
    match value {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items.clone())),
        Some(other) => Err(unexpected(&Value::Array(Vec::new()), other)),
    }
}

fn unexpected(expected: &Value, found: &Value) -> Mistake {
    Mistake::Other(format!("expected a {}, but received a {}", go::type_name(expected), go::type_name(found)))
}

/// What is put where nothing was before: nulls have nothing to remove there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        value => value,
    }
}

/// And directives have nothing to direct there: nothing for a map that is one.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let kept = map.into_iter().filter_map(|(key, value)| Some((key, without_directives(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        value => Some(value),
    }
}
