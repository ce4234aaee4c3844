//! The built-in kinds: a closed list, what they are, their defaults and their own rules.

mod containers;
pub(crate) mod decode;
mod definition;
mod event;
mod inlined;
mod job;
mod job_rules;
mod kinds;
mod limits;
mod moment;
mod plain;
mod plugins;
mod pod;
mod pod_defaults;
mod quantity;
mod roles;
mod types;
mod volumes;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use self::decode::{Decoded, decode};
use super::schema::path::Path;
use super::schema::tree::Tree;
use super::schema::{Admitted, keep_system_fields, metadata, mistake, names};
use super::{Cause, Kind, Refusal};

pub(crate) use definition::of_taken_definition;
pub use definition::{CLEANUP, Leaving, accepted, deprecation, leaving, of_definition};
pub(crate) use event::NAMES as EVENT_NAMES;
pub use plugins::{bear_lost_nodes, with_plugins};

/// For how many seconds a token is, if nobody says how long.
const HOUR: i64 = 60 * 60;

/// The built-in kinds, without schemas and columns: a schema is large, and [`schema`] builds it when it is needed.
#[must_use]
pub fn kinds() -> Vec<Kind> {
    kinds::all()
}

/// What a token of a ServiceAccount is asked for with, which is no kind that can be asked for.
#[must_use]
pub(crate) fn token_request() -> Kind {
    let kind = kinds::token_request();
    Kind { schema: schema(&kind), ..kind }
}

/// The schema of a kind: that of a built-in one is built once, when it is first asked for.
#[must_use]
pub fn schema(kind: &Kind) -> Arc<Value> {
    match kinds::structure(kind).filter(|_| !kind.custom) {
        Some(structure) => inlined::schema(structure),
        None => Arc::clone(&kind.schema),
    }
}

/// Reads a document, and fills in defaults.
pub(crate) fn read(kind: &Kind, document: &Tree) -> Result<Decoded, String> {
    let structure = kinds::structure(kind).ok_or_else(|| format!("no kind {} is built in", kind.kind))?;
    let mut decoded = decode(structure, document)?;
    fill_in(kind, &mut decoded.value);
    Ok(decoded)
}

/// Fills in defaults.
fn fill_in(kind: &Kind, object: &mut Value) {
    match kind.kind.as_str() {
        "Pod" => pod_defaults::pod(object),
        "Job" => job::fill_in(object),
        "Secret" => plain::secret(object),
        "TokenRequest" => default_to(&mut object["spec"], "expirationSeconds", HOUR),
        "Namespace" => plain::namespace(object),
        "LimitRange" => plain::limit_range(object),
        "NetworkPolicy" => plain::network_policy(object),
        "RoleBinding" | "ClusterRoleBinding" => roles::binding(object),
        "CustomResourceDefinition" => definition::fill_in(object),
        _ => {}
    }
}

/// Looks at a new object.
pub(crate) fn create(kind: &Kind, mut object: Value) -> Result<Admitted, Refusal> {
    let mut warnings = Vec::new();
    match kind.kind.as_str() {
        "Pod" => pod::prepare(&mut object),
        "Job" => job::prepare(&mut object),
        "Namespace" => plain::new_namespace(&mut object),
        "ResourceQuota" => object["status"] = json!({}),
        "Node" => plain::new_node(&mut object),
        "CustomResourceDefinition" => definition::prepare(&mut object),
        _ => {}
    }
    // What is read from the store has the defaults again: some follow from what has just been set.
    fill_in(kind, &mut object);
    if counts_generations(kind)
        && let Some(meta) = metadata::of(&mut object)
    {
        meta.insert("generation".into(), 1.into());
    }
    let rule = name_rule(kind);
    let mut causes = metadata::created(&object["metadata"], kind.namespaced, rule, &Path::of("metadata"));
    if !matches!(kind.kind.as_str(), "Lease" | "CustomResourceDefinition") {
        causes.extend(finalizers(&object["metadata"]));
    }
    if kind.kind == "CustomResourceDefinition" {
        causes.extend(definition::name(&object));
    }
    causes.extend(own_rules(kind, &object, None));
    match kind.kind.as_str() {
        "Pod" => warnings.extend(containers::warnings(&object["spec"], &Path::of("spec"))),
        "Job" => {
            warnings.extend(job::warnings(&object));
            let template = &object["spec"]["template"]["spec"];
            warnings.extend(containers::warnings(template, &Path::of("spec.template.spec")));
        }
        "CustomResourceDefinition" => warnings.extend(definition::warnings(&object)),
        _ => {}
    }
    decided(kind, object, causes, warnings)
}

/// Looks at a changed object.
pub(crate) fn update(kind: &Kind, mut object: Value, old: &Value, subresource: &str) -> Result<Admitted, Refusal> {
    let status = subresource == "status";
    if status {
        for name in ["spec", "data"] {
            keep(&mut object, old, name);
        }
        if kind.kind == "Pod" {
            keep_in(&mut object, old, "metadata", "ownerReferences");
            keep_in(&mut object, old, "status", "qosClass");
        }
    } else if kind.status {
        keep(&mut object, old, "status");
    }
    if kind.kind == "CustomResourceDefinition" && !status {
        definition::note_stored(&mut object);
    }
    if kind.kind == "Namespace" && !status && subresource != "finalize" {
        keep_in(&mut object, old, "spec", "finalizers");
    }
    keep_system_fields(&mut object, old);
    let counted = ["spec", "data"].iter().any(|name| object.get(*name) != old.get(*name));
    if counts_generations(kind)
        && !status
        && counted
        && let Some(meta) = metadata::of(&mut object)
    {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
        meta.insert("generation".into(), (generation + 1).into());
    }

    let path = Path::of("metadata");
    let (meta, before) = (&object["metadata"], &old["metadata"]);
    let mut causes = metadata::created(meta, kind.namespaced, names::path_segment, &path);
    causes.extend(metadata::updated(meta, before, &path));
    if kind.kind == "CustomResourceDefinition" {
        // The API server looks twice, and tells twice.
        causes.extend(metadata::updated(meta, before, &path));
    }
    if !status {
        let again = [
            "ConfigMap",
            "Secret",
            "Role",
            "ClusterRole",
            "RoleBinding",
            "ClusterRoleBinding",
            "ServiceAccount",
            "Namespace",
        ];
        if again.contains(&kind.kind.as_str()) {
            let rule = name_rule(kind);
            causes.extend(metadata::created(meta, kind.namespaced, rule, &path));
        }
        if again.contains(&kind.kind.as_str()) || kind.kind == "Job" {
            causes.extend(finalizers(meta));
        }
        causes.extend(own_rules(kind, &object, Some(old)));
    } else if kind.kind == "Namespace" {
        causes.extend(plain::namespace_status(&object));
    } else if kind.kind == "Job" {
        causes.extend(job_rules::status(&object, old));
    } else if kind.kind == "ResourceQuota" {
        causes.extend(limits::check_quota_status(&object));
    }
    if kind.kind != "CustomResourceDefinition" {
        causes = once(causes);
    }
    decided(kind, object, causes, Vec::new())
}

/// What is wrong with a changed object of a built-in kind is told once, however often it has been looked at.
fn once(causes: Vec<Cause>) -> Vec<Cause> {
    let mut told: Vec<Cause> = Vec::with_capacity(causes.len());
    for cause in causes {
        if !told.iter().any(|other| other.field == cause.field && other.message == cause.message) {
            told.push(cause);
        }
    }
    told
}

/// Finalizers of built-in kinds are of a domain, or known.
fn finalizers(meta: &Value) -> Vec<Cause> {
    let path = Path::of("metadata.finalizers");
    let unknown = |name: &str| !name.contains('/') && !["kubernetes", "orphan", "foregroundDeletion"].contains(&name);
    let names = items(meta, "finalizers").iter().map(|name| name.as_str().unwrap_or_default()).enumerate();
    let detail = "name is neither a standard finalizer name nor is it fully qualified";
    names
        .filter(|(_, name)| unknown(name))
        .map(|(place, name)| mistake::invalid_text(&path.index(place), name, detail))
        .collect()
}

/// The rules of the kind.
fn own_rules(kind: &Kind, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    match kind.kind.as_str() {
        "Pod" => pod::check(object, old),
        "Job" => job_rules::check(object, old),
        "ConfigMap" => plain::check_config_map(object, old),
        "Secret" => plain::check_secret(object, old),
        "Event" => event::check(kind, object, old),
        "Lease" => plain::check_lease(object),
        "LimitRange" => limits::check_limit_range(object),
        "ResourceQuota" => limits::check_quota(object),
        "NetworkPolicy" => plain::check_network_policy(object),
        "ControllerRevision" => plain::check_revision(object, old),
        "Role" | "ClusterRole" => roles::check_role(object, kind.namespaced),
        "RoleBinding" | "ClusterRoleBinding" => roles::check_binding(object, old, kind.namespaced),
        "CustomResourceDefinition" => {
            let mut causes = definition::check(object, old);
            causes.extend(definition::check_stored(object));
            causes
        }
        _ => Vec::new(),
    }
}

fn name_rule(kind: &Kind) -> names::Rule {
    match kind.kind.as_str() {
        "Namespace" => names::short,
        "Event" if kind.group.is_empty() => names::path_segment,
        "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => names::role,
        _ => names::any,
    }
}

/// Kinds whose objects count how often they were changed.
fn counts_generations(kind: &Kind) -> bool {
    matches!(kind.kind.as_str(), "Pod" | "Job" | "NetworkPolicy" | "CustomResourceDefinition")
}

fn decided(kind: &Kind, object: Value, causes: Vec<Cause>, warnings: Vec<String>) -> Result<Admitted, Refusal> {
    if causes.is_empty() {
        return Ok(Admitted { object, warnings });
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if kind.kind == "Event" {
        // To the API server, events of both groups are those of the core.
        return Err(mistake::refusal(&Kind { group: String::new(), ..kind.clone() }, name, causes));
    }
    Err(mistake::refusal(kind, name, causes))
}

/// Puts back what a field was.
fn keep(object: &mut Value, old: &Value, name: &str) {
    let Some(fields) = object.as_object_mut() else { return };
    match old.get(name) {
        Some(value) => fields.insert(name.into(), value.clone()),
        None => fields.shift_remove(name),
    };
}

fn keep_in(object: &mut Value, old: &Value, part: &str, name: &str) {
    if let Some(part_of) = object.get_mut(part) {
        keep(part_of, &old[part], name);
    } else if !old[part][name].is_null()
        && let Some(fields) = object.as_object_mut()
    {
        let mut part_of = Map::new();
        part_of.insert(name.into(), old[part][name].clone());
        fields.insert(part.into(), part_of.into());
    }
}

/// Sets what nobody has set.
fn default_to(object: &mut Value, name: &str, value: impl Into<Value>) {
    let Some(fields) = object.as_object_mut() else { return };
    let entry = fields.entry(name).or_insert(Value::Null);
    if entry.is_null() || *entry == "" {
        *entry = value.into();
    }
}

/// The items of a list.
fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The items of a list, to be changed.
fn items_mut<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

/// A text; the empty one if there is none.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// What cannot be changed and was.
fn immutable(new: &Value, old: &Value, path: &Path) -> Option<Cause> {
    (new != old).then(|| mistake::invalid(path, new, "field is immutable"))
}
