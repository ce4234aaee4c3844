//! How Go prints what came as JSON: messages of the API server have it.

use std::cmp::Ordering;

use serde_json::Value;

/// A value as `%v` prints it.
pub(in crate::api) fn printed(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(value) => value.clone(),
        Value::Array(items) => list(items),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|(left, _), (right, _)| left.as_bytes().cmp(right.as_bytes()));
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}:{}", printed(value))).collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

/// A list as `%v` prints it.
pub(super) fn list(items: &[Value]) -> String {
    let items: Vec<String> = items.iter().map(printed).collect();
    format!("[{}]", items.join(" "))
}

/// The name of the type that a value has once it is read.
pub(in crate::api) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Whether both are of one type.
pub(super) fn same_type(left: &Value, right: &Value) -> bool {
    type_name(left).cmp(type_name(right)) == Ordering::Equal
}
