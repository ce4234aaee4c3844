//! What a kube-apiserver asks of a schema beyond what the derive gives.

use serde_json::{Map, Value, json};

/// Rewrites a schema in place:
/// - `nullable` goes: an absent field is absent, and a null is a mistake that is worth an error;
/// - `additionalProperties: false` goes, which is forbidden: a kube-apiserver drops unknown fields, or refuses them when asked;
/// - formats of unsigned numbers become those that a kube-apiserver knows, with their bounds;
/// - lists whose items have a name are maps by it, so that names are unique and a server-side apply merges item by item;
/// - times are those that our own types can hold: `date-time` alone takes years and digits beyond;
/// - text, lists and maps have a largest size: nothing that is larger was meant.
pub(super) fn normalise(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("nullable");
    if object.get("additionalProperties").is_some_and(Value::is_boolean) {
        object.remove("additionalProperties");
    }
    number_format(object);
    list_of_named(object);
    bounds(object);
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(keyword) {
            normalise(inner);
        }
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(normalise);
    }
}

/// The most characters of a text that says nothing of its length. A worker's arguments hold no longer ones.
const TEXT: u64 = 65_536;
/// The most items of a list, and entries of a map.
const ITEMS: u64 = 10_000;

/// A time of a year from 1000 to 2999, to the nanosecond.
const TIME: &str =
    "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

fn bounds(schema: &mut Map<String, Value>) {
    if schema.get("format").and_then(Value::as_str) == Some("date-time") {
        schema.insert("pattern".into(), json!(TIME));
    }
    let (keyword, most) = match schema.get("type").and_then(Value::as_str) {
        Some("string") if !schema.contains_key("enum") && !schema.contains_key("format") => ("maxLength", TEXT),
        Some("array") => ("maxItems", ITEMS),
        Some("object") if schema.contains_key("additionalProperties") => ("maxProperties", ITEMS),
        _ => return,
    };
    schema.entry(keyword).or_insert_with(|| json!(most));
}

fn number_format(schema: &mut Map<String, Value>) {
    let (format, maximum) = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => ("int32", Some(u64::from(u8::MAX))),
        Some("uint16") => ("int32", Some(u64::from(u16::MAX))),
        Some("uint32") => ("int64", Some(u64::from(u32::MAX))),
        Some("uint64" | "uint") => ("int64", None),
        _ => return,
    };
    schema.insert("format".into(), format.into());
    schema.entry("minimum").or_insert_with(|| json!(0));
    if let Some(maximum) = maximum {
        schema.entry("maximum").or_insert_with(|| json!(maximum));
    }
}

/// A list of conditions is a map by `type`; one of things with a number is a map by `index`; one of things with a name is a
/// map by it, unless (as counters of many streams) several speak of one name.
fn list_of_named(schema: &mut Map<String, Value>) {
    let Some(items) = schema.get("items") else { return };
    let required = |key: &str| items["required"].as_array().is_some_and(|keys| keys.iter().any(|known| known == key));
    let counters = items["properties"]["stream"].is_object() && !required("connector");
    let key = if required("reason") && required("status") {
        "type"
    } else if required("index") {
        "index"
    } else if required("name") && !counters {
        "name"
    } else {
        return;
    };
    schema.insert("x-kubernetes-list-type".into(), "map".into());
    schema.insert("x-kubernetes-list-map-keys".into(), json!([key]));
}
