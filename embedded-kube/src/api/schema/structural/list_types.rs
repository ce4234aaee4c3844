//! How lists and maps are merged.

use serde_json::Value;

use super::{list, text};
use crate::api::Cause;
use crate::api::schema::mistake::{forbidden, invalid, invalid_text, not_supported, required};
use crate::api::schema::path::Path;

/// What is wrong with what a schema says of it.
pub(super) fn list_type(schema: &Value, path: &Path, causes: &mut Vec<Cause>) {
    let of = text(schema, "type");
    for (name, must) in [("x-kubernetes-map-type", "object"), ("x-kubernetes-list-type", "array")] {
        if !schema[name].is_null() && of != must {
            let detail = format!("must be {must} if {name} is specified");
            let path = path.child("type");
            causes.push(if of.is_empty() { required(&path, &detail) } else { invalid_text(&path, of, &detail) });
        }
    }
    for (name, known) in
        [("x-kubernetes-map-type", &["atomic", "granular"][..]), ("x-kubernetes-list-type", &["atomic", "set", "map"])]
    {
        if schema[name].as_str().is_some_and(|kind| !known.contains(&kind)) {
            causes.push(not_supported(&path.child(name), &schema[name], known));
        }
    }
    let (kind, keys, items) =
        (text(schema, "x-kubernetes-list-type"), list(schema, "x-kubernetes-list-map-keys"), &schema["items"]);
    if !keys.is_empty() && kind != "map" {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        let path = path.child("x-kubernetes-list-type");
        causes.push(if kind.is_empty() { required(&path, detail) } else { invalid_text(&path, kind, detail) });
    }
    if matches!(kind, "map" | "set") && items["nullable"] == true {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {kind}");
        causes.push(forbidden(&path.child("items").child("nullable"), &detail));
    }
    if kind == "set" && items["type"] == "object" && items["x-kubernetes-map-type"] != "atomic" {
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        causes.push(invalid(&path.child("items").child("x-kubernetes-map-type"), &Value::Null, detail));
    }
    if kind != "map" {
        return;
    }
    if keys.is_empty() {
        let path = path.child("x-kubernetes-list-map-keys");
        causes.push(required(&path, "must not be empty if x-kubernetes-list-type is map"));
    }
    if !items.is_object() {
        causes.push(required(&path.child("items"), "must have a schema if x-kubernetes-list-type is map"));
        return;
    }
    if items["type"] != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        causes.push(invalid_text(&path.child("items").child("type"), text(items, "type"), detail));
    }
    for key in keys.iter().filter_map(Value::as_str) {
        let (field, place) = (&items["properties"][key], path.child("items").child("properties").key(key));
        if !field.is_object() {
            let path = path.child("x-kubernetes-list-map-keys");
            causes.push(invalid(
                &path,
                &schema["x-kubernetes-list-map-keys"],
                "entries must all be names of item properties",
            ));
            continue;
        }
        if !list(items, "required").iter().any(|name| name == key) && field.get("default").is_none() {
            let detail =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            causes.push(required(&place.child("default"), detail));
        }
        if field["nullable"] == true {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            causes.push(forbidden(&place.child("nullable"), detail));
        }
    }
}
