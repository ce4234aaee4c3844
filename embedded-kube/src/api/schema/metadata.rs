//! What every object has: its name, labels, owners
//! (<https://github.com/kubernetes/apimachinery/blob/master/pkg/api/validation/objectmeta.go>).

use serde_json::{Map, Value};

use super::go;
use super::mistake::{forbidden, invalid, invalid_text, not_supported, required, too_long};
use super::names::{self, Rule};
use super::path::Path;
use crate::api::Cause;

const ANNOTATIONS_LIMIT: usize = 256 * 1024;

fn text<'a>(meta: &'a Value, name: &str) -> &'a str {
    meta[name].as_str().unwrap_or_default()
}

fn fields<'a>(meta: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a str)> {
    let fields = meta[name].as_object().into_iter().flatten();
    fields.map(|(name, value)| (name, value.as_str().unwrap_or_default()))
}

fn items<'a>(meta: &'a Value, name: &str) -> &'a [Value] {
    meta[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What is wrong with what a new object has.
pub(crate) fn created(meta: &Value, namespaced: bool, rule: Rule, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    let beginning = text(meta, "generateName");
    if !beginning.is_empty() {
        let wrong = rule(beginning, true).into_iter();
        causes.extend(wrong.map(|what| invalid_text(&path.child("generateName"), beginning, &what)));
    }
    let name = text(meta, "name");
    if name.is_empty() {
        causes.push(required(&path.child("name"), "name or generateName is required"));
    } else {
        let wrong = rule(name, false).into_iter();
        causes.extend(wrong.map(|what| invalid_text(&path.child("name"), name, &what)));
    }
    let namespace = text(meta, "namespace");
    let place = path.child("namespace");
    if !namespaced && !namespace.is_empty() {
        causes.push(forbidden(&place, "not allowed on this type"));
    } else if namespaced && namespace.is_empty() {
        causes.push(required(&place, ""));
    } else if namespaced {
        causes.extend(names::short(namespace, false).into_iter().map(|what| invalid_text(&place, namespace, &what)));
    }
    causes.extend(generation(meta, path));
    causes.extend(always(meta, path));
    causes.extend(finalizers(meta, path));
    causes.extend(managers(meta, path));
    causes
}

/// What is wrong with what a changed object has.
pub(crate) fn updated(meta: &Value, old: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    if !old["deletionTimestamp"].is_null() {
        let mut added: Vec<String> = Vec::new();
        for name in items(meta, "finalizers").iter().filter(|name| !items(old, "finalizers").contains(name)) {
            let name = go::quoted(name.as_str().unwrap_or_default());
            if !added.contains(&name) {
                added.push(name);
            }
        }
        added.sort();
        if !added.is_empty() {
            let added = format!("[]string{{{}}}", added.join(", "));
            let detail =
                format!("no new finalizers can be added if the object is being deleted, found new finalizers {added}");
            causes.push(forbidden(&path.child("finalizers"), &detail));
        }
    }
    if text(meta, "resourceVersion").is_empty() {
        causes.push(invalid_text(&path.child("resourceVersion"), "", "must be specified for an update"));
    }
    causes.extend(generation(meta, path));
    let number = |meta: &Value| meta["generation"].as_i64().unwrap_or_default();
    if number(meta) < number(old) {
        causes.push(invalid(&path.child("generation"), &number(meta).into(), "must not be decremented"));
    }
    for name in ["name", "namespace", "uid"] {
        if text(meta, name) != text(old, name) {
            causes.push(invalid_text(&path.child(name), text(meta, name), "field is immutable"));
        }
    }
    for name in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        if meta[name] != old[name] {
            causes.push(invalid(&path.child(name), &meta[name], "field is immutable"));
        }
    }
    causes.extend(always(meta, path));
    causes.extend(managers(meta, path));
    causes
}

fn generation(meta: &Value, path: &Path) -> Option<Cause> {
    let number = meta["generation"].as_i64().filter(|number| *number < 0)?;
    Some(invalid(&path.child("generation"), &number.into(), "must be greater than or equal to 0"))
}

/// Labels, annotations and owners.
fn always(meta: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = labels(&meta["labels"], &path.child("labels"));
    let place = path.child("annotations");
    let mut size = 0;
    for (key, value) in fields(meta, "annotations") {
        size += key.len() + value.len();
        causes.extend(names::qualified(&key.to_lowercase()).into_iter().map(|what| invalid_text(&place, key, &what)));
    }
    if size > ANNOTATIONS_LIMIT {
        causes.push(too_long(&place, 256 * 1024));
    }
    causes.extend(owners(items(meta, "ownerReferences"), &path.child("ownerReferences")));
    causes
}

/// What is wrong with labels.
pub(crate) fn labels(labels: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        causes.extend(names::qualified(key).into_iter().map(|what| invalid_text(path, key, &what)));
        causes.extend(names::label_value(value).into_iter().map(|what| invalid_text(path, value, &what)));
    }
    causes
}

fn owners(owners: &[Value], path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut controller = None;
    for (place, owner) in owners.iter().enumerate() {
        let path_of = path.index(place);
        let version = text(owner, "apiVersion");
        if version.is_empty() {
            causes.push(required(&path_of.child("apiVersion"), "must not be empty"));
        } else if !is_group_version(version) || version.ends_with('/') {
            let detail = "must be <group>/<version> or <version>";
            causes.push(invalid_text(&path_of.child("apiVersion"), version, detail));
        }
        for name in ["kind", "name", "uid"] {
            if text(owner, name).is_empty() {
                causes.push(required(&path_of.child(name), "must not be empty"));
            }
        }
        if version == "v1" && text(owner, "kind") == "Event" {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            causes.push(told_in_order(&path_of, &in_order(owner), detail));
        }
        if owner["controller"] == true {
            let name = format!("{}/{}", text(owner, "kind"), text(owner, "name"));
            match &controller {
                Some(first) => {
                    let detail = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                    );
                    let all: Vec<String> = owners.iter().map(in_order).collect();
                    causes.push(told_in_order(path, &format!("[{}]", all.join(",")), &detail));
                }
                None => controller = Some(name),
            }
        }
    }
    causes
}

fn is_group_version(version: &str) -> bool {
    version.matches('/').count() <= 1
}

/// Structures are told with their fields in their own order, and not in that of their names.
fn in_order(owner: &Value) -> String {
    let names = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let told = |name: &&str| owner.get(name).map(|value| format!("\"{name}\":{}", go::json(value)));
    format!("{{{}}}", names.iter().filter_map(told).collect::<Vec<_>>().join(","))
}

fn told_in_order(path: &Path, value: &str, detail: &str) -> Cause {
    let mut cause = invalid(path, &Value::Null, detail);
    cause.message = cause.message.replacen("null", value, 1);
    cause
}

fn finalizers(meta: &Value, path: &Path) -> Vec<Cause> {
    let place = path.child("finalizers");
    let all = items(meta, "finalizers");
    let mut causes = Vec::new();
    for name in all.iter().filter_map(Value::as_str) {
        causes.extend(names::qualified(name).into_iter().map(|what| invalid_text(&place, name, &what)));
    }
    let has = |name: &str| all.iter().any(|one| one == name);
    if has("orphan") && has("foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        causes.push(invalid(&place, &meta["finalizers"], detail));
    }
    causes
}

fn managers(meta: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (place, entry) in items(meta, "managedFields").iter().enumerate() {
        let path = path.child("managedFields").index(place);
        match text(entry, "operation") {
            "Apply" | "Update" => {}
            "" => causes.push(required(&path.child("operation"), "must not be empty")),
            _ => causes.push(not_supported(&path.child("operation"), &entry["operation"], &["Apply", "Update"])),
        }
        if !matches!(text(entry, "fieldsType"), "" | "FieldsV1") {
            causes.push(invalid(&path.child("fieldsType"), &entry["fieldsType"], "must be `FieldsV1`"));
        }
        let manager = text(entry, "manager");
        if manager.len() > 128 {
            causes.push(too_long(&path.child("manager"), 128));
        }
        if let Some((at, letter)) = manager.char_indices().find(|(_, letter)| !go::printable(*letter)) {
            let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(letter));
            causes.push(invalid_text(&path.child("manager"), manager, &detail));
        }
        if text(entry, "subresource").len() > 256 {
            causes.push(too_long(&path.child("subresource"), 256));
        }
    }
    causes
}

/// What is said about new finalizers that may collide with others.
pub(crate) fn finalizer_warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    let of = |object: &Value| -> Vec<String> {
        let all = items(&object["metadata"], "finalizers");
        all.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    };
    let before = old.map(of).unwrap_or_default();
    let mut added: Vec<String> = of(new).into_iter().filter(|name| !before.contains(name)).collect();
    added.sort();
    added.dedup();
    let mut warnings = Vec::new();
    for name in added {
        let place = format!("metadata.finalizers: {}", go::quoted(&name));
        warnings.extend(names::qualified(&name).into_iter().map(|what| format!("{place}: {what}")));
        if !name.contains('/') && !["orphan", "foregroundDeletion", "kubernetes"].contains(&name.as_str()) {
            let path = if name.contains('.') { " including a path (/)" } else { "" };
            warnings.push(format!(
                "{place}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"
            ));
        }
    }
    warnings
}

/// An object's metadata, which it gets if it has none; nothing for what is no object.
pub(crate) fn of(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let meta = object.as_object_mut()?.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if !meta.is_object() {
        *meta = Value::Object(Map::new());
    }
    meta.as_object_mut()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(causes: &[Cause]) -> Vec<String> {
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[test]
    fn new_objects_have_what_they_must() {
        let path = Path::of("metadata");
        let good = json!({"name": "a", "namespace": "n", "labels": {"a/b": "c"}, "finalizers": ["a.b/c"]});
        assert_eq!(created(&good, true, names::any, &path), []);
        let bad = json!({
            "namespace": "n", "annotations": {"A B": ""},
            "ownerReferences": [
                {"apiVersion": "a/b/c", "kind": "K", "name": "n", "uid": "u", "controller": true},
                {"apiVersion": "v1", "kind": "K", "name": "m", "uid": "", "controller": true},
            ],
            "managedFields": [{"operation": "x"}],
        });
        let told = told(&created(&bad, true, names::any, &path));
        assert_eq!(told[0], "metadata.name: Required value: name or generateName is required");
        assert!(told[1].starts_with("metadata.annotations: Invalid value: \"A B\": name part must consist of"));
        assert!(
            told[2].starts_with("metadata.ownerReferences[0].apiVersion: Invalid value: \"a/b/c\": must be <group>")
        );
        assert_eq!(told[3], "metadata.ownerReferences[1].uid: Required value: must not be empty");
        assert!(told[4].contains(r#"[{"apiVersion":"a/b/c","kind":"K","name":"n","uid":"u","controller":true},{"#));
        assert_eq!(
            told[5],
            "metadata.managedFields[0].operation: Unsupported value: \"x\": supported values: \"Apply\", \"Update\"",
        );
    }

    #[test]
    fn changed_objects_keep_what_they_are() {
        let old = json!({"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1", "generation": 2, "deletionTimestamp": "t"});
        let new = json!({"name": "b", "namespace": "n", "uid": "v", "generation": 1, "finalizers": ["x/y"], "deletionTimestamp": "t"});
        assert_eq!(
            told(&updated(&new, &old, &Path::of("metadata"))),
            [
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"x/y\"}",
                "metadata.resourceVersion: Invalid value: \"\": must be specified for an update",
                "metadata.generation: Invalid value: 1: must not be decremented",
                "metadata.name: Invalid value: \"b\": field is immutable",
                "metadata.uid: Invalid value: \"v\": field is immutable",
            ],
        );
    }

    #[test]
    fn finalizers_without_a_domain_are_warned_of() {
        let warnings = finalizer_warnings(&json!({"metadata": {"finalizers": ["x", "a.b", "a.b/c", "orphan"]}}), None);
        assert_eq!(
            warnings,
            [
                "metadata.finalizers: \"a.b\": prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers",
                "metadata.finalizers: \"x\": prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers",
            ],
        );
    }
}
