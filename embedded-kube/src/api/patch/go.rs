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

/// What is said of a value of another type where an object is put together from maps; `why` is what is said of it in JSON.
pub(in crate::api) fn unrestored(why: &str) -> String {
    let parts = why.strip_prefix("json: cannot unmarshal ").and_then(|rest| rest.split_once(" into Go "));
    let Some((found, (_, wanted))) = parts.and_then(|(found, rest)| Some((found, rest.rsplit_once(" of type ")?)))
    else {
        return why.to_owned();
    };
    let (name, sort) = match found {
        "array" => ("[]interface {}", "slice"),
        "object" => ("map[string]interface {}", "map"),
        "bool" | "string" => (found, found),
        number if number.contains('.') => ("float64", "float64"),
        _ => ("int64", "int64"),
    };
    match wanted {
        list if list.starts_with("[]") => format!("cannot restore slice from {sort}"),
        map if map.starts_with("map[") => format!("cannot restore map from {sort}"),
        structure if structure.contains('.') => format!("cannot restore struct from: {sort}"),
        plain => format!("cannot convert {name} to {plain}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_does_not_fit_is_told_in_other_words_where_maps_are_read() {
        for (json, told) in [
            (
                "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
                "cannot convert int64 to string",
            ),
            (
                "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
                "cannot restore slice from map",
            ),
            (
                "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec",
                "cannot restore struct from: slice",
            ),
            ("illegal base64 data at input byte 0", "illegal base64 data at input byte 0"),
        ] {
            assert_eq!(unrestored(json), told);
        }
    }
}
