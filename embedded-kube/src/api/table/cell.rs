//! Reading objects: what is not there is empty.

use jiff::Timestamp;
use serde_json::Value;

use super::age;

/// A text at a place of the object.
pub(super) fn text<'a>(object: &'a Value, place: &str) -> &'a str {
    object.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// A text at a place of the object, or another one if it is empty.
pub(super) fn text_or<'a>(object: &'a Value, place: &str, other: &'a str) -> &'a str {
    match text(object, place) {
        "" => other,
        text => text,
    }
}

/// A whole number at a place of the object.
pub(super) fn integer(object: &Value, place: &str) -> i64 {
    object.pointer(place).and_then(Value::as_i64).unwrap_or_default()
}

/// Whether it is said at a place of the object.
pub(super) fn flag(object: &Value, place: &str) -> bool {
    object.pointer(place).and_then(Value::as_bool).unwrap_or_default()
}

/// The items at a place of the object.
pub(super) fn list<'a>(object: &'a Value, place: &str) -> &'a [Value] {
    object.pointer(place).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// How many fields there are at a place of the object.
pub(super) fn count(object: &Value, place: &str) -> usize {
    object.pointer(place).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

/// The object's name.
pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// How long ago the object was created.
pub(super) fn age(object: &Value, now: Timestamp) -> String {
    age::since(object.pointer("/metadata/creationTimestamp"), now)
}

/// Whether the object is being deleted.
pub(super) fn deleted(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
}

/// Whether the first condition of the type is true; nothing, if there is none.
pub(super) fn condition(object: &Value, kind: &str) -> Option<bool> {
    let found = list(object, "/status/conditions").iter().find(|condition| condition["type"] == kind);
    found.map(|condition| condition["status"] == "True")
}
