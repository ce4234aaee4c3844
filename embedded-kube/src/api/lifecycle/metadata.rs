//! Fields of an object's metadata.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// An object's metadata, made if it has none.
pub(super) fn of(object: &mut Value) -> &mut Map<String, Value> {
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(Map::new());
    }
    match &mut object["metadata"] {
        Value::Object(metadata) => metadata,
        // It was just made an object.
        _ => unreachable!("metadata is an object"),
    }
}

/// A text of the metadata; empty when it is not there.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

pub(super) fn number(object: &Value, field: &str) -> Option<i64> {
    object["metadata"][field].as_i64()
}

pub(super) fn finalizers(object: &Value) -> Vec<String> {
    let all = object["metadata"]["finalizers"].as_array().into_iter().flatten();
    all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

/// Whether something holds an object back that is to go: its finalizers, or those of a namespace, which its spec has.
pub(super) fn is_held(object: &Value) -> bool {
    !finalizers(object).is_empty() || is_full(object)
}

/// Whether it is a namespace of which nobody has said yet that it is empty.
pub(super) fn is_full(object: &Value) -> bool {
    let is_namespace = object["kind"] == "Namespace" && object["apiVersion"] == "v1";
    is_namespace && object["spec"]["finalizers"].as_array().is_some_and(|all| !all.is_empty())
}

pub(super) fn is_going(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

/// A time in whole seconds, as metadata has it.
pub(super) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Sets a field to what another object has there, or takes it away.
pub(super) fn copy(from: &Value, to: &mut Value, field: &str) {
    let value = from["metadata"].get(field).cloned();
    let metadata = of(to);
    match value {
        Some(value) => metadata.insert(field.to_owned(), value),
        None => metadata.remove(field),
    };
}
