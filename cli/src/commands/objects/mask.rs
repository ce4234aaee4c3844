//! Values of Secrets are shown to nobody.

use serde_json::{Map, Value};

/// Where `kubectl apply` keeps the whole object once more, with all of its values.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object without what is for the server only, and without the values of a Secret.
pub(super) fn masked(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| name != "managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
    }
    if object["kind"] == "Secret" && object["apiVersion"] == "v1" {
        hide(object.get_mut("data"), |value| {
            let padding = value.bytes().rev().take_while(|byte| *byte == b'=').count();
            (value.len() / 4 * 3).saturating_sub(padding)
        });
        hide(object.get_mut("stringData"), str::len);
    }
    object
}

/// Puts how long each value is in its place.
fn hide(values: Option<&mut Value>, length: impl Fn(&str) -> usize) {
    let values = values.and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    for value in values {
        let bytes = value.as_str().map_or(0, &length);
        *value = format!("({bytes} bytes, not shown)").into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_value_of_a_secret_is_left() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "a", "managedFields": [1], "annotations": {LAST_APPLIED: "{\"data\":\"aHVudGVy\"}", "b": "c"}},
            "data": {"password": "aHVudGVyMg=="}, "stringData": {"token": "hunter"},
        });
        let shown = masked(secret);
        assert!(!shown.to_string().contains("aHVudGVy") && !shown.to_string().contains("hunter"), "{shown}");
        assert_eq!(shown["data"]["password"], "(7 bytes, not shown)");
        assert_eq!(shown["stringData"]["token"], "(6 bytes, not shown)");
        assert_eq!(shown["metadata"], json!({"name": "a", "annotations": {"b": "c"}}));
    }

    #[test]
    fn other_objects_keep_what_they_say() {
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"color": "blue"}});
        assert_eq!(masked(map.clone()), map);
    }
}
