//! Objects of kinds that CustomResourceDefinitions define
//! (<https://github.com/kubernetes/apiextensions-apiserver/tree/master/pkg/registry/customresource>).

use serde_json::{Value, json};

use super::metadata;
use super::pair::Pair;
use super::path::Path;
use super::prune::{drop_nulls, fill_in, prune};
use super::shape::Schema;
use super::tree::{Tree, unknown_field};
use super::{Admitted, check, embedded, lists, mistake, names, rules};
use crate::api::builtin::decode::{Decoded, decode};
use crate::api::{Cause, Kind, Refusal};

const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/// Reads a document: what the schema does not know is dropped, defaults are filled in.
///
/// # Errors
/// What cannot be read, in words.
pub(crate) fn read(kind: &Kind, schema: &Schema, document: Tree) -> Result<Decoded, String> {
    let mut strict = document.duplicates();
    let own = document.field("kind").and_then(Tree::text).is_none_or(|name| name == kind.kind);
    let meta = document.field("metadata").map(|meta| decode("meta.ObjectMeta", meta)).transpose()?;
    let mut value = document.into_value();
    if let Some(meta) = &meta {
        // What is there twice has been told above.
        let unknown = meta.strict.iter().filter_map(|what| what.strip_prefix("unknown field \""));
        strict.extend(unknown.map(|name| unknown_field(&format!("metadata.{}", name.trim_end_matches('"')))));
    }
    // Of another kind nothing is known.
    if own {
        strict.extend(prune(&mut value, schema, true).iter().map(|path| unknown_field(path)));
        drop_nulls(&mut value, Some(schema));
        strict.extend(embedded::coerce(&mut value, schema)?.iter().map(|path| unknown_field(path)));
    }
    if let Some(meta) = meta {
        value["metadata"] = if meta.value.is_null() { json!({}) } else { meta.value };
    }
    if own {
        fill_in(&mut value, schema);
    }
    Ok(Decoded { value, strict })
}

/// Looks at a new object.
pub(crate) fn create(kind: &Kind, schema: &Schema, mut object: Value) -> Result<Admitted, Refusal> {
    if kind.status
        && let Some(fields) = object.as_object_mut()
    {
        fields.shift_remove("status");
    }
    if let Some(meta) = metadata::of(&mut object) {
        meta.insert("generation".into(), 1.into());
    }
    let mut causes = kind_and_version(kind, &object);
    if causes.is_empty() {
        causes.extend(metadata::created(&object["metadata"], kind.namespaced, names::any, &Path::of("metadata")));
        let outcome = check::check(schema, &object, "", None);
        causes.extend(outcome.faults.iter().map(|fault| fault.cause(&Path::default())));
    }
    causes.extend(embedded::check(&object, schema, &Path::default()));
    causes.extend(lists::check(&object, schema, &Path::default()));
    let warnings = metadata::finalizer_warnings(&object, None);
    decided(kind, schema, object, None, causes, warnings)
}

/// Looks at a changed object.
pub(crate) fn update(
    kind: &Kind,
    schema: &Schema,
    object: Value,
    old: &Value,
    status: bool,
) -> Result<Admitted, Refusal> {
    let object = if status { with_status(object, old) } else { prepared(kind, object, old) };
    let path = Path::of("metadata");
    let meta = &object["metadata"];
    let mut causes = metadata::created(meta, kind.namespaced, names::path_segment, &path);
    causes.extend(metadata::updated(meta, &old["metadata"], &path));
    let pair = Pair { new: &object, old, schema };
    let typed = kind_and_version(kind, &object);
    if typed.is_empty() {
        // The API server looks twice, and tells twice.
        causes.extend(metadata::updated(meta, &old["metadata"], &path));
        if status {
            let of = schema.properties.get("status");
            if let (Some(of), Some(value)) = (of, object.get("status")) {
                let outcome = check::check(of, value, "", pair.key("status"));
                causes.extend(outcome.faults.iter().map(|fault| fault.cause(&Path::of("status"))));
            }
        } else {
            let outcome = check::check(schema, &object, "", Some(pair));
            causes.extend(outcome.faults.iter().map(|fault| fault.cause(&Path::default())));
        }
    }
    causes.extend(typed);
    if !status {
        causes.extend(embedded::check(&object, schema, &Path::default()));
    }
    if lists::check(old, schema, &Path::default()).is_empty() {
        causes.extend(lists::check(&object, schema, &Path::default()));
    }
    let warnings = if status { Vec::new() } else { metadata::finalizer_warnings(&object, Some(old)) };
    decided(kind, schema, object, Some(old), causes, warnings)
}

fn decided(
    kind: &Kind,
    schema: &Schema,
    object: Value,
    old: Option<&Value>,
    mut causes: Vec<Cause>,
    mut warnings: Vec<String>,
) -> Result<Admitted, Refusal> {
    if schema.has_rules {
        if causes.iter().any(mistake::blocks_rules) {
            causes.push(mistake::invalid(&Path::default(), &Value::Null, UNCHECKED));
        } else {
            let verdict = rules::check(schema, &object, old);
            causes.extend(verdict.causes);
            // What rules warn of comes first.
            warnings.splice(0..0, verdict.warnings);
        }
    }
    if causes.is_empty() {
        return Ok(Admitted { object, warnings });
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    // The refusal is about what the object says that it is.
    let said = object["kind"].as_str().filter(|said| *said != kind.kind);
    let other = said.map(|said| Kind { kind: said.to_owned(), ..kind.clone() });
    Err(mistake::refusal(other.as_ref().unwrap_or(kind), name, causes))
}

fn kind_and_version(kind: &Kind, object: &Value) -> Vec<Cause> {
    let version = kind.api_version();
    let mut causes = Vec::new();
    for (name, must) in [("kind", kind.kind.as_str()), ("apiVersion", version.as_str())] {
        let is = object[name].as_str().unwrap_or_default();
        if is != must {
            causes.push(mistake::invalid_text(&Path::of(name), is, &format!("must be {must}")));
        }
    }
    causes
}

/// A write to the status changes nothing else.
fn with_status(mut object: Value, old: &Value) -> Value {
    let mut changed = old.clone();
    let status = object.as_object_mut().and_then(|fields| fields.shift_remove("status"));
    let managers = object["metadata"].as_object_mut().and_then(|meta| meta.shift_remove("managedFields"));
    if let Some(fields) = changed.as_object_mut() {
        match status {
            Some(status) => fields.insert("status".into(), status),
            None => fields.shift_remove("status"),
        };
    }
    if let Some(meta) = metadata::of(&mut changed) {
        match managers {
            Some(managers) => meta.insert("managedFields".into(), managers),
            None => meta.shift_remove("managedFields"),
        };
    }
    changed
}

/// A write to the object leaves the status, and what the API server alone sets.
fn prepared(kind: &Kind, mut object: Value, old: &Value) -> Value {
    if kind.status
        && let Some(fields) = object.as_object_mut()
    {
        match old.get("status") {
            Some(status) => fields.insert("status".into(), status.clone()),
            None => fields.shift_remove("status"),
        };
    }
    keep_system_fields(&mut object, old);
    if differs(&object, old)
        && let Some(meta) = metadata::of(&mut object)
    {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
        meta.insert("generation".into(), (generation + 1).into());
    }
    object
}

/// What an update never changes, whatever it says.
pub(crate) fn keep_system_fields(object: &mut Value, old: &Value) {
    let before = &old["metadata"];
    let Some(meta) = metadata::of(object) else { return };
    let mut keep = |name: &str| match before.get(name) {
        Some(value) => meta.insert(name.into(), value.clone()),
        None => meta.shift_remove(name),
    };
    keep("generation");
    for name in ["creationTimestamp", "deletionTimestamp"] {
        if !before[name].is_null() {
            keep(name);
        }
    }
    for name in ["uid", "deletionGracePeriodSeconds"] {
        let absent = meta.get(name).is_none_or(|value| value.is_null() || value == "");
        if absent && !before[name].is_null() {
            meta.insert(name.into(), before[name].clone());
        }
    }
}

/// Whether anything but the metadata differs.
fn differs(new: &Value, old: &Value) -> bool {
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return true };
    let known = |name: &&String| *name != "metadata";
    new.keys().chain(old.keys()).filter(known).any(|name| new.get(name) != old.get(name))
}
