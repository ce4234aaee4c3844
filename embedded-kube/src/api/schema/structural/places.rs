//! What holds for every place of a schema.

use serde_json::Value;

use super::list_types::list_type;
use super::rules::rules;
use super::{fields, list, text};
use crate::api::Cause;
use crate::api::schema::mistake::{forbidden, invalid, not_supported};
use crate::api::schema::path::Path;
use crate::api::schema::prune;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// What holds for every place; `forbidden_defaults` says why there may be no defaults.
pub(super) fn walk(schema: &Value, path: &Path, root: bool, forbidden_defaults: Option<&str>, causes: &mut Vec<Cause>) {
    if !schema.is_object() {
        return;
    }
    plain(schema, path, forbidden_defaults, causes);
    let additional = &schema["additionalProperties"];
    if !additional.is_null() && fields(schema, "properties").next().is_some() && *additional != true {
        let detail = "additionalProperties and properties are mutual exclusive";
        causes.push(forbidden(&path.child("additionalProperties"), detail));
    }
    walk(additional, &path.child("additionalProperties"), false, forbidden_defaults, causes);
    for (name, field) in fields(schema, "properties") {
        let top = format!("in top-level {name}");
        let reason = if root && prune::META.contains(&name.as_str()) { Some(top.as_str()) } else { forbidden_defaults };
        walk(field, &path.child("properties").key(name), false, reason, causes);
    }
    walk(&schema["not"], &path.child("not"), false, forbidden_defaults, causes);
    for name in ["allOf", "oneOf", "anyOf"] {
        for (place, of) in list(schema, name).iter().enumerate() {
            walk(of, &path.child(name).index(place), false, forbidden_defaults, causes);
        }
    }
    walk(&schema["items"], &path.child("items"), false, forbidden_defaults, causes);
    list_type(schema, path, causes);
    rules(schema, path, causes);
}

fn plain(schema: &Value, path: &Path, forbidden_defaults: Option<&str>, causes: &mut Vec<Cause>) {
    let of = text(schema, "type");
    if of == "null" {
        causes.push(not_supported(&path.child("type"), &schema["type"], &TYPES));
        causes.push(forbidden(&path.child("type"), "type cannot be set to null, use nullable as an alternative"));
    } else if !of.is_empty() && !TYPES.contains(&of) {
        causes.push(not_supported(&path.child("type"), &schema["type"], &TYPES));
    }
    if let Some(reason) = forbidden_defaults.filter(|_| schema.get("default").is_some_and(|default| !default.is_null()))
    {
        causes.push(forbidden(&path.child("default"), &format!("must not be set {reason}")));
    }
    for name in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if !schema[name].is_null() {
            causes.push(forbidden(&path.child(name), &format!("{name} is not supported")));
        }
    }
    if schema["items"].is_array() {
        causes.push(forbidden(&path.child("items"), "items must be a schema object and not an array"));
    }
    if schema["uniqueItems"] == true {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push(forbidden(&path.child("uniqueItems"), detail));
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let path = path.child("x-kubernetes-preserve-unknown-fields");
        causes.push(invalid(&path, &false.into(), "must be true or undefined"));
    }
}
