//! Whole objects inside an object: `x-kubernetes-embedded-resource`.

use serde_json::Value;

use super::metadata;
use super::mistake::{invalid, invalid_text, required};
use super::names;
use super::path::Path;
use super::shape::Schema;
use super::tree::Tree;
use crate::api::Cause;
use crate::api::builtin::decode::decode;

/// Brings the metadata of objects inside into their form; gives back what nobody knows of them, in order.
///
/// # Errors
/// What cannot be read, in words.
pub(crate) fn coerce(value: &mut Value, schema: &Schema) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    visit(value, schema, &Path::default(), &mut unknown)?;
    unknown.sort();
    Ok(unknown)
}

fn visit(value: &mut Value, schema: &Schema, path: &Path, unknown: &mut Vec<String>) -> Result<(), String> {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if schema.embedded && matches!(name.as_str(), "apiVersion" | "kind") && !field.is_string() {
                    return Err(told(&invalid(&path.child(name), field, "must be a string")));
                }
                if schema.embedded && name == "metadata" {
                    let read = decode("meta.ObjectMeta", &Tree::from(&*field));
                    let read = read.map_err(|what| told(&invalid(&path.child(name), field, &what)))?;
                    let place = path.child(name);
                    let names = read.strict.iter().filter_map(|what| what.strip_prefix("unknown field \""));
                    unknown.extend(names.map(|name| format!("{place}.{}", name.trim_end_matches('"'))));
                    *field = if read.value.is_null() { Value::Object(serde_json::Map::new()) } else { read.value };
                }
                if let Some(of) = schema.properties.get(name) {
                    visit(field, of, &path.child(name), unknown)?;
                } else if let Some(of) = schema.additional.schema() {
                    visit(field, of, &path.key(name), unknown)?;
                }
            }
        }
        Value::Array(items) => {
            let Some(of) = &schema.items else { return Ok(()) };
            for (place, item) in items.iter_mut().enumerate() {
                visit(item, of, &path.index(place), unknown)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn told(cause: &Cause) -> String {
    format!("{}: {}", cause.field, cause.message)
}

/// What is wrong with objects inside.
pub(crate) fn check(value: &Value, schema: &Schema, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    match value {
        Value::Object(fields) => {
            if schema.embedded {
                object(value, path, &mut causes);
            }
            for (name, field) in fields {
                if let Some(of) = schema.properties.get(name) {
                    causes.extend(check(field, of, &path.child(name)));
                } else if let Some(of) = schema.additional.schema() {
                    causes.extend(check(field, of, &path.key(name)));
                }
            }
        }
        Value::Array(items) => {
            if let Some(of) = &schema.items {
                for (place, item) in items.iter().enumerate() {
                    causes.extend(check(item, of, &path.index(place)));
                }
            }
        }
        _ => {}
    }
    causes
}

fn object(value: &Value, path: &Path, causes: &mut Vec<Cause>) {
    for name in ["apiVersion", "kind"] {
        let path = path.child(name);
        match value.get(name) {
            None => causes.push(required(&path, "")),
            Some(Value::String(text)) if text.is_empty() => causes.push(invalid_text(&path, "", "must not be empty")),
            Some(Value::String(text)) if name == "apiVersion" => {
                if text.matches('/').count() > 1 {
                    causes.push(invalid_text(&path, text, &format!("unexpected GroupVersion string: {text}")));
                }
            }
            Some(Value::String(text)) => {
                let wrong = names::label_1035(&text.to_lowercase());
                if !wrong.is_empty() {
                    let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
                    causes.push(invalid_text(&path, text, &detail));
                }
            }
            Some(other) => causes.push(invalid(&path, other, "must be a string")),
        }
    }
    let Some(meta) = value.get("metadata") else { return };
    let mut meta = meta.clone();
    if meta["name"].as_str().is_none_or(str::is_empty) && meta.is_object() {
        meta["name"] = "fakename".into();
    }
    let namespaced = meta["namespace"].as_str().is_some_and(|name| !name.is_empty());
    causes.extend(metadata::created(&meta, namespaced, names::path_segment, &path.child("metadata")));
}
