//! Whether a schema is structural, so that it says of every value what it is
//! (<https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/validation.go>).

mod costs;
mod formats;
mod list_types;
mod places;
mod rules;

use serde_json::{Value, json};

use self::places::walk;
use super::check;
use super::expression;
use super::mistake::{forbidden, invalid, invalid_text, required};
use super::path::Path;
use super::prune;
use super::shape::Schema;
use crate::api::Cause;

pub(crate) use costs::costs;
pub(crate) use formats::unknown_formats;

/// What a place within `allOf` and its like may not say, and how that is told.
const OUTSIDE: [(&str, &str); 10] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
    ("$ref", "$ref is not supported"),
];
const FLAGS_OUTSIDE: [&str; 4] = [
    "nullable",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
];
/// What the root may say when the status is a resource of its own, as the server calls it.
const AT_ROOT: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]";
const NOT_AT_ROOT: [&str; 10] = [
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "enum",
    "maxProperties",
    "minProperties",
    "not",
    "oneOf",
    "x-kubernetes-embedded-resource",
];

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What is wrong with the schema of a kind.
pub(crate) fn check(schema: &Value, status: bool, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    if status {
        if NOT_AT_ROOT.iter().any(|name| schema.get(*name).is_some()) {
            let detail = format!(
                "only {AT_ROOT} fields are allowed at the root of the schema if the status subresource is enabled"
            );
            causes.push(invalid(path, schema, &detail));
        }
        if schema["type"] != "object" {
            let detail =
                "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
            causes.push(invalid_text(&path.child("type"), text(schema, "type"), detail));
        }
    }
    if schema["nullable"] == true {
        causes.push(forbidden(&path.child("nullable"), "nullable cannot be true at the root"));
    }
    let mut structure = Vec::new();
    invariants(schema, Level::Root, path, &mut structure);
    // The server looks at the root only.
    complete(schema, schema, path, path, true, &mut structure);
    structure.sort_by_key(|cause| format!("{}: {}", cause.field, cause.message));
    let sound = structure.is_empty();
    causes.extend(structure);
    if sound {
        defaults(schema, path, &mut causes);
    }
    walk(schema, path, true, None, &mut causes);
    causes
}

fn text<'a>(schema: &'a Value, name: &str) -> &'a str {
    schema[name].as_str().unwrap_or_default()
}

fn fields<'a>(schema: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    schema[name].as_object().into_iter().flatten()
}

fn list<'a>(schema: &'a Value, name: &str) -> &'a [Value] {
    schema[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn invariants(schema: &Value, level: Level, path: &Path, causes: &mut Vec<Cause>) {
    let of = text(schema, "type");
    let flag = |name: &str| schema[name] == true;
    if of == "array" && !schema["items"].is_object() {
        causes.push(required(&path.child("items"), "must be specified"));
    }
    if schema["items"].is_object() {
        invariants(&schema["items"], Level::Item, &path.child("items"), causes);
    }
    for (name, field) in fields(schema, "properties") {
        invariants(field, Level::Field, &path.child("properties").key(name), causes);
    }
    if !schema["additionalProperties"].is_null() {
        if level == Level::Root {
            causes.push(forbidden(&path.child("additionalProperties"), "must not be used at the root"));
        }
        if schema["additionalProperties"].is_object() {
            invariants(&schema["additionalProperties"], Level::Field, &path.child("additionalProperties"), causes);
        }
    }
    let mixed = flag("x-kubernetes-int-or-string");
    for other in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if mixed && flag(other) {
            causes.push(invalid(
                &path.child(other),
                &true.into(),
                "must be false if x-kubernetes-int-or-string is true",
            ));
        }
    }
    validations(schema, path, causes);
    let embedded = flag("x-kubernetes-embedded-resource");
    if embedded && of != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        let path = path.child("type");
        causes.push(if of.is_empty() { required(&path, detail) } else { invalid_text(&path, of, detail) });
    } else if of.is_empty() && !mixed && !flag("x-kubernetes-preserve-unknown-fields") {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        causes.push(required(&path.child("type"), detail));
    }
    if embedded && !schema["additionalProperties"].is_null() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        causes.push(forbidden(&path.child("additionalProperties"), detail));
    }
    if level == Level::Root && !of.is_empty() && of != "object" {
        causes.push(invalid_text(&path.child("type"), of, "must be object at the root"));
    }
    if level == Level::Root || embedded {
        for name in ["kind", "apiVersion"] {
            let field = &schema["properties"][name];
            if field.is_object() && field["type"] != "string" {
                let path = path.child("properties").key(name).child("type");
                causes.push(invalid_text(&path, text(field, "type"), "must be string"));
            }
        }
        let meta = &schema["properties"]["metadata"];
        if meta.is_object() {
            metadata(meta, level, &path.child("properties").key("metadata"), causes);
        }
    }
    if embedded && !flag("x-kubernetes-preserve-unknown-fields") && fields(schema, "properties").next().is_none() {
        let detail =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        causes.push(required(&path.child("properties"), detail));
    }
}

/// Of metadata only the name may be narrowed.
fn metadata(schema: &Value, level: Level, path: &Path, causes: &mut Vec<Cause>) {
    if schema["type"] != "object" {
        causes.push(invalid_text(&path.child("type"), text(schema, "type"), "must be object"));
    }
    let names = fields(schema, "properties").all(|(name, _)| name == "name" || name == "generateName");
    let others = schema
        .as_object()
        .is_some_and(|schema| schema.keys().any(|name| name != "type" && name != "properties" && name != "default"));
    if level == Level::Root && (!names || others) {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        causes.push(forbidden(path, detail));
    }
}

/// What `allOf` and its like say.
fn validations(schema: &Value, path: &Path, causes: &mut Vec<Cause>) {
    let either = json!([{"type": "integer"}, {"type": "string"}]);
    let skip_any = schema["anyOf"] == either;
    let skip_first = list(schema, "allOf").first().is_some_and(|first| first["anyOf"] == either);
    nested_lists(schema, skip_any, skip_first, path, causes);
    let pattern = text(schema, "pattern");
    if let Some(wrong) = expression::wrong(pattern) {
        let detail = format!("must be a valid regular expression, but isn't: {wrong}");
        causes.push(invalid_text(&path.child("pattern"), pattern, &detail));
    }
}

fn nested_lists(schema: &Value, skip_any: bool, skip_first: bool, path: &Path, causes: &mut Vec<Cause>) {
    for name in ["anyOf", "allOf", "oneOf"] {
        for (place, of) in list(schema, name).iter().enumerate() {
            if name == "anyOf" && skip_any {
                continue;
            }
            let skip = name == "allOf" && skip_first && place == 0;
            nested(of, skip, &path.child(name).index(place), causes);
        }
    }
    if schema["not"].is_object() {
        nested(&schema["not"], false, &path.child("not"), causes);
    }
}

fn nested(schema: &Value, skip_any: bool, path: &Path, causes: &mut Vec<Cause>) {
    nested_lists(schema, skip_any, false, path, causes);
    if schema["items"].is_object() {
        nested(&schema["items"], false, &path.child("items"), causes);
    }
    for (name, field) in fields(schema, "properties") {
        nested(field, false, &path.child("properties").key(name), causes);
    }
    for (name, detail) in OUTSIDE {
        let said = match &schema[name] {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        };
        if said {
            causes.push(forbidden(&path.child(name), detail));
        }
    }
    for name in FLAGS_OUTSIDE {
        if schema[name] == true {
            causes.push(forbidden(&path.child(name), "must be false to be structural"));
        }
    }
    if schema["properties"]["metadata"].is_object() {
        let path = path.child("properties").key("metadata");
        causes.push(forbidden(&path, "must not be specified in a nested context"));
    }
}

/// What `allOf` and its like name must be there outside of them.
fn complete(of: &Value, outside: &Value, outer: &Path, inner: &Path, root: bool, causes: &mut Vec<Cause>) {
    for name in ["not", "allOf", "anyOf", "oneOf"] {
        if of[name].is_object() {
            complete(&of[name], outside, outer, &inner.child(name), false, causes);
        }
        for (place, nested) in list(of, name).iter().enumerate() {
            complete(nested, outside, outer, &inner.child(name).index(place), false, causes);
        }
    }
    if root {
        return;
    }
    if of["items"].is_object() {
        below(&of["items"], &outside["items"], &outer.child("items"), &inner.child("items"), causes);
    }
    for (name, field) in fields(of, "properties") {
        let (outer, inner) = (outer.child("properties").key(name), inner.child("properties").key(name));
        below(field, &outside["properties"][name], &outer, &inner, causes);
    }
}

fn below(of: &Value, outside: &Value, outer: &Path, inner: &Path, causes: &mut Vec<Cause>) {
    if outside.is_object() {
        complete(of, outside, outer, inner, false, causes);
    } else {
        causes.push(required(outer, &format!("because it is defined in {inner}")));
    }
}

/// Defaults must be what their schemas say.
fn defaults(schema: &Value, path: &Path, causes: &mut Vec<Cause>) {
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        let (of, place) = (Schema::read(schema), path.child("default"));
        let mut pruned = default.clone();
        prune::prune(&mut pruned, &of, of.embedded);
        if pruned != *default {
            causes.push(invalid(&place, default, "must not have unknown fields"));
        }
        let outcome = check::check(&of, default, "", None);
        causes.extend(outcome.faults.iter().map(|fault| fault.cause(&place)));
    }
    if schema["items"].is_object() {
        defaults(&schema["items"], &path.child("items"), causes);
    }
    for (name, field) in fields(schema, "properties") {
        defaults(field, &path.child("properties").key(name), causes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schema: &Value, status: bool) -> Vec<String> {
        let causes = check(schema, status, &Path::of("s"));
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[test]
    fn a_sound_schema_is_sound() {
        let schema = json!({
            "type": "object", "required": ["spec"],
            "properties": {
                "metadata": {"type": "object"},
                "spec": {
                    "type": "object",
                    "properties": {
                        "size": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                        "free": {"x-kubernetes-preserve-unknown-fields": true},
                        "list": {"type": "array", "default": [], "items": {"type": "string"}},
                    },
                    "oneOf": [{"required": ["size"]}, {"required": ["list"]}],
                    "x-kubernetes-validations": [{"rule": "has(self.size)"}],
                },
            },
        });
        assert_eq!(told(&schema, true), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_structural_is_told() {
        let schema = json!({
            "type": "object",
            "properties": {
                "metadata": {"type": "object", "properties": {"labels": {"type": "object"}}},
                "spec": {
                    "type": "object",
                    "properties": {
                        "a": {},
                        "b": {"type": "array"},
                        "c": {"type": "string", "default": 1},
                        "d": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                            "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
                    },
                    "anyOf": [{"properties": {"e": {"type": "string"}}}],
                },
            },
        });
        assert_eq!(
            told(&schema, false),
            [
                "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
                "s.properties[spec].anyOf[0].properties[e].type: Forbidden: must be empty to be structural",
                "s.properties[spec].properties[a].type: Required value: must not be empty for specified object fields",
                "s.properties[spec].properties[b].items: Required value: must be specified",
                "s.properties[spec].properties[d].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            ],
        );
    }
}
