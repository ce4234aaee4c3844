//! JSON merge patches.

use serde_json::Value;

use crate::api::Refusal;

use super::unfit;

/// The object, merged with the patch by RFC 7396, but for lists: see [`settled`].
pub(super) fn merged(live: &Value, patch: &Value) -> Result<Value, Refusal> {
    let mut object = live.clone();
    json_patch::merge(&mut object, &settled(Some(live), patch));
    if object.is_object() { Ok(object) } else { Err(unfit()) }
}

/// The API server also drops what is null in the maps of a list, when the list is put where no map was. The RFC leaves lists
/// as they are.
fn settled(live: Option<&Value>, patch: &Value) -> Value {
    let live = live.and_then(Value::as_object);
    match (live, patch) {
        (Some(live), Value::Object(patch)) => {
            let merged = patch.iter().map(|(key, value)| (key.clone(), settled(live.get(key), value)));
            Value::Object(merged.collect())
        }
        (Some(_), patch) => patch.clone(),
        (None, patch) => without_nulls(patch),
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        value => value.clone(),
    }
}
