//! CustomResourceDefinitions: what may be one, and which kinds they define.

use std::sync::Arc;

use kube::core::Version;
use serde_json::{Map, Value, json};

use super::{default_to, immutable, items, text};
use crate::api::schema::go;
use crate::api::schema::mistake::{self, forbidden, invalid, invalid_text, not_supported, required};
use crate::api::schema::names;
use crate::api::schema::path::Path;
use crate::api::schema::structural;
use crate::api::{Cause, Column, Kind, Refusal};

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const ONE_SCHEMA: &str = "versions with different schemas are not served here, because nothing is converted: leave one version, or give all the same schema";
const SIMPLE_PATH: &str = "must be a simple json path starting with .";
const NO_WEBHOOK: &str = "conversion by webhook is not served here: leave one version, or give all the same schema";

/// Fills in names that follow from others.
pub(super) fn fill_in(object: &mut Value) {
    let names = &mut object["spec"]["names"];
    let kind = text(names, "kind").to_owned();
    if !kind.is_empty() {
        default_to(names, "singular", kind.to_lowercase());
        default_to(names, "listKind", format!("{kind}List"));
    }
    default_to(&mut object["spec"], "conversion", json!({"strategy": "None"}));
}

/// A new definition has nothing accepted yet.
pub(super) fn prepare(object: &mut Value) {
    let stored = items(&object["spec"], "versions").iter().find(|version| version["storage"] == true);
    let stored: Vec<Value> = stored.map(|version| version["name"].clone()).into_iter().collect();
    object["status"] = json!({
        "acceptedNames": {"kind": "", "plural": ""},
        "conditions": null,
        "storedVersions": stored,
    });
}

/// A version that objects are stored in stays known as one.
pub(super) fn note_stored(object: &mut Value) {
    let stored = items(&object["spec"], "versions").iter().find(|version| version["storage"] == true);
    let Some(name) = stored.map(|version| version["name"].clone()) else { return };
    if let Some(known) = object["status"]["storedVersions"].as_array_mut().filter(|known| !known.contains(&name)) {
        known.push(name);
    }
}

/// Its name follows from what it defines.
pub(super) fn name(object: &Value) -> Option<Cause> {
    let name = text(&object["metadata"], "name");
    let must = format!("{}.{}", text(&object["spec"]["names"], "plural"), text(&object["spec"], "group"));
    let detail = "must be spec.names.plural+\".\"+spec.group";
    (name != must && !name.is_empty()).then(|| invalid_text(&Path::of("metadata.name"), name, detail))
}

pub(super) fn check(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let (spec, path) = (&object["spec"], Path::of("spec"));
    let mut causes = check_group(text(spec, "group"), &path.child("group"));
    match text(spec, "scope") {
        "Cluster" | "Namespaced" => {}
        "" => causes.push(required(&path.child("scope"), "")),
        _ => causes.push(not_supported(&path.child("scope"), &spec["scope"], &["Cluster", "Namespaced"])),
    }
    let versions = items(spec, "versions");
    for (place, version) in versions.iter().enumerate() {
        let path = path.child("versions").index(place);
        if !version["schema"]["openAPIV3Schema"].is_object() {
            causes.push(required(&path.child("schema").child("openAPIV3Schema"), ""));
        }
        causes.extend(version_name(text(version, "name"), &path.child("name")));
    }
    if let Some(first) = versions.first() {
        // What all versions have alike is told of the definition.
        causes.extend(version_name(text(first, "name"), &path.child("version")));
        let status = versions.iter().any(|version| version["subresources"]["status"].is_object());
        causes.extend(check_scale(&first["subresources"]["scale"], &path.child("subresources")));
        let schema = &first["schema"]["openAPIV3Schema"];
        if schema.is_object() {
            let place = path.child("validation.openAPIV3Schema");
            let mut wrong = structural::check(schema, status, &place);
            if wrong.is_empty() && old.is_none_or(|old| !has_schema(old, schema)) {
                wrong = structural::costs(schema, &place);
            }
            causes.extend(wrong);
        }
        causes.extend(check_selectable(first, &path));
        let alike = |version: &Value| version["additionalPrinterColumns"] == first["additionalPrinterColumns"];
        if versions.iter().all(alike) {
            causes.extend(check_columns(first, &path));
        } else {
            for (place, version) in versions.iter().enumerate() {
                causes.extend(check_columns(version, &path.child("versions").index(place)));
            }
        }
    }
    let list = path.child("versions");
    let names: Vec<&str> = versions.iter().map(|version| text(version, "name")).collect();
    if (1..names.len()).any(|place| names[..place].contains(&names[place])) {
        causes.push(invalid(&list, &spec["versions"], "must contain unique version names"));
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        causes.push(Cause {
            reason: "FieldValueInvalid".into(),
            message: format!("Invalid value: {}: {detail}", versions_shown(versions)),
            field: list.to_string(),
        });
    }
    causes.extend(check_names(&spec["names"], &path.child("names")));
    if let Some(old) = old {
        let old = &old["spec"];
        causes.extend(immutable(&spec["scope"], &old["scope"], &path.child("scope")));
        causes.extend(immutable(&spec["names"]["kind"], &old["names"]["kind"], &path.child("names.kind")));
        causes.extend(immutable(&spec["group"], &old["group"], &path.child("group")));
        causes.extend(immutable(&spec["names"]["plural"], &old["names"]["plural"], &path.child("names.plural")));
    }
    causes.extend(check_conversion(&spec["conversion"], &path.child("conversion")));
    let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
    if let Some(first) = versions.first()
        && versions.iter().any(|version| schema(version) != schema(first))
    {
        causes.push(forbidden(&list, ONE_SCHEMA));
    }
    causes
}

/// Whether a definition has that schema. What has been taken once is not asked again what it costs.
fn has_schema(definition: &Value, schema: &Value) -> bool {
    items(&definition["spec"], "versions").iter().any(|version| version["schema"]["openAPIV3Schema"] == *schema)
}

/// Versions in which objects were stored stay in the list.
pub(super) fn check_stored(object: &Value) -> Vec<Cause> {
    let path = Path::of("status.storedVersions");
    let stored = items(&object["status"], "storedVersions");
    if stored.is_empty() {
        return vec![invalid(&path, &Value::Null, "must have at least one stored version")];
    }
    let versions = items(&object["spec"], "versions");
    let gone = |name: &Value| !versions.iter().any(|version| version["name"] == *name);
    let gone = stored.iter().enumerate().filter(|(_, name)| gone(name));
    gone.map(|(place, name)| {
        let it = name.as_str().unwrap_or_default();
        let detail = format!(
            "missing from spec.versions; {it} was previously a storage version, and must remain in spec.versions until \
             a storage migration ensures no data remains persisted in {it} and removes {it} from status.storedVersions"
        );
        invalid_text(&path.index(place), it, &detail)
    })
    .collect()
}

/// Versions as the API server has them within itself: what they have alike is not in them.
fn versions_shown(versions: &[Value]) -> String {
    let shown = versions.iter().map(|version| {
        let is = |field: &str| version[field] == true;
        format!(
            "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":null,\
             \"Subresources\":null,\"AdditionalPrinterColumns\":null,\"SelectableFields\":null}}",
            go::json(&version["name"]),
            is("served"),
            is("storage"),
            is("deprecated"),
            go::json(&version["deprecationWarning"]),
        )
    });
    format!("[{}]", shown.collect::<Vec<_>>().join(","))
}

fn check_conversion(conversion: &Value, path: &Path) -> Vec<Cause> {
    if text(conversion, "strategy") != "Webhook" {
        return Vec::new();
    }
    let webhook = &conversion["webhook"];
    let mut causes = Vec::new();
    if !webhook["clientConfig"].is_object() {
        causes.push(required(&path.child("webhookClientConfig"), "required when strategy is set to Webhook"));
    }
    if items(webhook, "conversionReviewVersions").is_empty() {
        causes.push(required(&path.child("conversionReviewVersions"), ""));
    }
    if causes.is_empty() {
        causes.push(forbidden(&path.child("strategy"), NO_WEBHOOK));
    }
    causes
}

/// Where the number of replicas would be.
fn check_scale(scale: &Value, path: &Path) -> Vec<Cause> {
    if !scale.is_object() {
        return Vec::new();
    }
    let mut causes = Vec::new();
    for (field, below) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let place = path.child("scale").child(field);
        match text(scale, field) {
            "" => causes.push(required(&place, "")),
            of if !of.starts_with('.') => causes.push(invalid_text(&place, of, SIMPLE_PATH)),
            of if !of.starts_with(&format!("{below}.")) => {
                causes.push(invalid_text(&place, of, &format!("should be a json path under {below}")));
            }
            _ => {}
        }
    }
    causes
}

/// Fields by which objects can be selected are there, and are simple ones.
fn check_selectable(version: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (place, field) in items(version, "selectableFields").iter().enumerate() {
        let path = path.child("selectableFields").index(place).child("jsonPath");
        let of = text(field, "jsonPath");
        if of.is_empty() {
            causes.push(required(&path, ""));
            continue;
        }
        let start = &version["schema"]["openAPIV3Schema"];
        let words = of.strip_prefix('.').unwrap_or(of).split('.');
        let found = words.fold(start, |schema, word| &schema["properties"][word]);
        if found.is_null() {
            causes.push(invalid_text(&path, of, "is an invalid path: does not refer to a valid field"));
        } else if of.starts_with(".metadata.") {
            causes.push(invalid_text(&path, of, "must not point to fields in metadata"));
        } else if !matches!(text(found, "type"), "string" | "boolean" | "integer") {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                 formats are allowed.";
            causes.push(invalid_text(&path, of, detail));
        }
    }
    causes
}

fn check_group(group: &str, path: &Path) -> Vec<Cause> {
    if group.is_empty() {
        return vec![required(path, "")];
    }
    let wrong = names::subdomain(group);
    if !wrong.is_empty() {
        return vec![invalid_text(path, group, &wrong.join(","))];
    }
    let dotted = group.contains('.');
    if dotted { Vec::new() } else { vec![invalid_text(path, group, "should be a domain with at least one dot")] }
}

fn version_name(name: &str, path: &Path) -> Option<Cause> {
    let wrong = names::label_1035(name);
    (!wrong.is_empty()).then(|| invalid_text(path, name, &wrong.join(",")))
}

fn check_columns(version: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (number, column) in items(version, "additionalPrinterColumns").iter().enumerate() {
        let path = path.child("additionalPrinterColumns").index(number);
        if text(column, "name").is_empty() {
            causes.push(required(&path.child("name"), ""));
        }
        let one_of = format!("must be one of {}", COLUMN_TYPES.join(","));
        match text(column, "type") {
            "" => causes.push(required(&path.child("type"), &one_of)),
            of if !COLUMN_TYPES.contains(&of) => causes.push(invalid_text(&path.child("type"), of, &one_of)),
            _ => {}
        }
        match text(column, "jsonPath") {
            "" => causes.push(required(&path.child("JSONPath"), "")),
            of if !of.starts_with('.') => {
                causes.push(invalid_text(&path.child("JSONPath"), of, SIMPLE_PATH));
            }
            _ => {}
        }
    }
    causes
}

fn check_names(of: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for name in ["plural", "singular", "kind", "listKind"] {
        if text(of, name).is_empty() {
            causes.push(required(&path.child(name), ""));
        }
    }
    for name in ["plural", "singular"] {
        let value = text(of, name);
        let wrong = names::label_1035(value);
        if !value.is_empty() && !wrong.is_empty() {
            causes.push(invalid_text(&path.child(name), value, &wrong.join(",")));
        }
    }
    for name in ["kind", "listKind"] {
        let value = text(of, name);
        let wrong = names::label_1035(&value.to_lowercase());
        if !value.is_empty() && !wrong.is_empty() {
            let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
            causes.push(invalid_text(&path.child(name), value, &detail));
        }
    }
    if !text(of, "kind").is_empty() && of["kind"] == of["listKind"] {
        causes.push(invalid_text(
            &path.child("listKind"),
            text(of, "listKind"),
            "kind and listKind may not be the same",
        ));
    }
    for list in ["shortNames", "categories"] {
        for (place, name) in items(of, list).iter().filter_map(Value::as_str).enumerate() {
            let wrong = names::label_1035(name);
            if !wrong.is_empty() {
                causes.push(invalid_text(&path.child(list).index(place), name, &wrong.join(",")));
            }
        }
    }
    causes
}

/// Formats that nobody checks.
pub(super) fn warnings(object: &Value) -> Vec<String> {
    let versions = items(&object["spec"], "versions").iter();
    let formats = versions.flat_map(|version| structural::unknown_formats(&version["schema"]["openAPIV3Schema"]));
    formats.map(|format| format!("unrecognized format {}", go::quoted(&format))).collect()
}

/// The kinds that a definition defines: one for each version that is served.
///
/// # Errors
/// It is none that can be served here.
pub fn of_definition(definition: &Value) -> Result<Vec<Kind>, Refusal> {
    kinds(definition, false)
}

/// The kinds of a definition that was taken before, whatever its rules cost.
///
/// # Errors
/// It is none that can be served here.
pub(crate) fn of_taken_definition(definition: &Value) -> Result<Vec<Kind>, Refusal> {
    kinds(definition, true)
}

fn kinds(definition: &Value, taken: bool) -> Result<Vec<Kind>, Refusal> {
    let mut definition = definition.clone();
    fill_in(&mut definition);
    let mut causes: Vec<Cause> = name(&definition).into_iter().collect();
    causes.extend(check(&definition, taken.then_some(&definition)));
    if !causes.is_empty() {
        let own = super::kinds().into_iter().find(|kind| kind.kind == "CustomResourceDefinition");
        let name = text(&definition["metadata"], "name");
        return Err(own.map_or_else(
            || Refusal::bad_request("no definitions are served"),
            |own| mistake::refusal(&own, name, causes),
        ));
    }
    let versions = items(&definition["spec"], "versions").iter().filter(|version| version["served"] == true);
    Ok(versions.map(|version| defined(&definition["spec"], version)).collect())
}

fn defined(spec: &Value, version: &Value) -> Kind {
    let names = &spec["names"];
    let kind = text(names, "kind");
    let singular = text(names, "singular");
    let list = |name| items(names, name).iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    Kind {
        group: text(spec, "group").to_owned(),
        version: text(version, "name").to_owned(),
        kind: kind.to_owned(),
        plural: text(names, "plural").to_owned(),
        singular: if singular.is_empty() { kind.to_lowercase() } else { singular.to_owned() },
        short_names: list("shortNames"),
        categories: list("categories"),
        namespaced: text(spec, "scope") == "Namespaced",
        status: version["subresources"]["status"].is_object(),
        custom: true,
        schema: Arc::new(version["schema"]["openAPIV3Schema"].clone()),
        columns: items(version, "additionalPrinterColumns").iter().map(column).collect(),
    }
}

fn column(of: &Value) -> Column {
    Column {
        name: text(of, "name").to_owned(),
        column_type: text(of, "type").to_owned(),
        format: text(of, "format").to_owned(),
        description: text(of, "description").to_owned(),
        priority: of["priority"].as_i64().and_then(|priority| i32::try_from(priority).ok()).unwrap_or_default(),
        json_path: text(of, "jsonPath").to_owned(),
    }
}

/// What is said of a version that is not to be used any more.
#[must_use]
pub fn deprecation(definition: &Value, version: &str) -> Option<String> {
    let spec = &definition["spec"];
    let versions = items(spec, "versions");
    let own = versions.iter().find(|one| one["name"] == version && one["deprecated"] == true)?;
    if let Some(warning) = own["deprecationWarning"].as_str() {
        return Some(warning.to_owned());
    }
    let (group, kind) = (text(spec, "group"), text(&spec["names"], "kind"));
    let rank = |name: &str| Version::parse(name).priority();
    let served = versions.iter().filter(|one| one["served"] == true && one["deprecated"] != true);
    let better = served.map(|one| text(one, "name")).filter(|name| rank(name) > rank(version));
    let better = better.max_by_key(|name| rank(name));
    let instead = better.map(|name| format!("; use {group}/{name} {kind}")).unwrap_or_default();
    Some(format!("{group}/{version} {kind} is deprecated{instead}"))
}

/// What a definition goes through that is to go, after everything of its kind: a condition with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It has been asked for.
    Pending,
    /// Its objects are being deleted.
    InProgress,
    /// There are none any more.
    Completed,
}

/// What keeps a definition until its objects are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// A definition with how far it is in going. `now` is as `2026-11-29T21:00:00Z`.
#[must_use]
pub fn leaving(definition: &Value, how: Leaving, now: &str) -> Value {
    let (status, reason, message) = match how {
        Leaving::Pending => (
            "True",
            "InstanceDeletionPending",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        ),
        Leaving::InProgress => ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"),
        Leaving::Completed => ("False", "InstanceDeletionCompleted", "removed all instances"),
    };
    let mut object = definition.clone();
    let mut conditions = items(&object["status"], "conditions").to_vec();
    conditions.retain(|one| one["type"] != "Terminating");
    let old = items(&object["status"], "conditions").iter().find(|one| one["type"] == "Terminating");
    let old = old.filter(|old| old["status"] == status);
    let since = old.map_or_else(|| Value::from(now), |old| old["lastTransitionTime"].clone());
    conditions.push(json!({
        "type": "Terminating", "status": status, "lastTransitionTime": since, "reason": reason, "message": message,
    }));
    object["status"]["conditions"] = conditions.into();
    let mut finalizers = items(&object["metadata"], "finalizers").to_vec();
    finalizers.retain(|one| one != CLEANUP);
    if how == Leaving::Completed {
        match object["metadata"].as_object_mut() {
            Some(fields) if finalizers.is_empty() => fields.shift_remove("finalizers"),
            Some(fields) => fields.insert("finalizers".into(), finalizers.into()),
            None => None,
        };
        return object;
    }
    finalizers.push(CLEANUP.into());
    object["metadata"]["finalizers"] = finalizers.into();
    if object["metadata"]["deletionTimestamp"].is_null() {
        object["metadata"]["deletionTimestamp"] = now.into();
    }
    object
}

/// The status of a definition among others: which names it has got, and whether it is served. `now` is as `2026-11-29T21:00:00Z`.
#[must_use]
pub fn accepted(definition: &Value, others: &[Value], now: &str) -> Value {
    let names = &definition["spec"]["names"];
    let before = &definition["status"]["acceptedNames"];
    let group = &definition["spec"]["group"];
    let is_rival = |other: &&Value| {
        other["spec"]["group"] == *group && other["metadata"]["name"] != definition["metadata"]["name"]
    };
    let rivals: Vec<&Value> = others.iter().filter(is_rival).collect();
    let taken = |name: &str, own: &[&str]| {
        rivals.iter().any(|other| {
            let accepted = &other["status"]["acceptedNames"];
            own.iter().any(|field| accepted[*field] == name || items(accepted, field).iter().any(|short| short == name))
        })
    };
    let mut got = before.as_object().cloned().unwrap_or_default();
    let mut conflict = None;
    let mut claim = |got: &mut Map<String, Value>, field: &str, reason: &str, rivals: &[&str]| {
        let name = text(names, field);
        if name != text(before, field) && taken(name, rivals) {
            conflict = Some((reason.to_owned(), format!("\"{name}\" is already in use")));
        } else {
            got.insert(field.to_owned(), name.into());
        }
    };
    let resources = ["plural", "singular", "shortNames"];
    claim(&mut got, "plural", "PluralConflict", &resources);
    claim(&mut got, "singular", "SingularConflict", &resources);
    claim(&mut got, "kind", "KindConflict", &["kind", "listKind"]);
    claim(&mut got, "listKind", "ListKindConflict", &["kind", "listKind"]);
    let known = items(before, "shortNames");
    let wanted: Vec<&str> =
        items(names, "shortNames").iter().filter(|name| !known.contains(name)).filter_map(Value::as_str).collect();
    match wanted.iter().find(|name| taken(name, &resources)) {
        Some(name) if conflict.is_none() => {
            conflict = Some(("ShortNamesConflict".to_owned(), format!("\"{name}\" is already in use")))
        }
        Some(_) => {}
        None if names["shortNames"].is_array() => {
            got.insert("shortNames".into(), names["shortNames"].clone());
        }
        None => {}
    }
    if names["categories"].is_array() {
        got.insert("categories".into(), names["categories"].clone());
    }
    let condition = |of: &str, status: &str, reason: &str, message: &str| {
        let old =
            items(&definition["status"], "conditions").iter().find(|old| old["type"] == of && old["status"] == status);
        let since = old.map_or_else(|| Value::from(now), |old| old["lastTransitionTime"].clone());
        json!({"type": of, "status": status, "lastTransitionTime": since, "reason": reason, "message": message})
    };
    let established = items(&definition["status"], "conditions")
        .iter()
        .any(|one| one["type"] == "Established" && one["status"] == "True");
    let conditions = match &conflict {
        None => vec![
            condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
            condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        Some((reason, message)) => {
            let served = if established {
                condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
            } else {
                condition("Established", "False", "NotAccepted", "not all names are accepted")
            };
            vec![condition("NamesAccepted", "False", reason, message), served]
        }
    };
    json!({"acceptedNames": got, "conditions": conditions, "storedVersions": definition["status"]["storedVersions"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(plural: &str, kind: &str) -> Value {
        let mut object = json!({
            "metadata": {"name": format!("{plural}.example.com")},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": plural, "kind": kind, "shortNames": ["wi"]},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}}}],
            },
        });
        fill_in(&mut object);
        prepare(&mut object);
        object
    }

    #[test]
    fn a_definition_defines_a_kind() {
        let kinds = of_definition(&definition("widgets", "Widget")).unwrap();
        assert_eq!(kinds.len(), 1);
        assert_eq!(kinds[0].resource(), "widgets.example.com");
        assert!(kinds[0].custom && kinds[0].status && kinds[0].namespaced);
        assert_eq!(kinds[0].singular, "widget");
        assert_eq!(kinds[0].columns[0].json_path, ".spec.size");
    }

    #[test]
    fn what_would_need_conversion_is_refused() {
        let mut object = definition("widgets", "Widget");
        let mut other = object["spec"]["versions"][0].clone();
        other["name"] = "v2".into();
        other["storage"] = false.into();
        object["spec"]["versions"].as_array_mut().unwrap().push(other);
        assert_eq!(of_definition(&object).unwrap().len(), 2);
        object["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["properties"]["status"] = json!({"type": "object"});
        let refusal = of_definition(&object).unwrap_err();
        assert!(refusal.message.ends_with(&format!("is invalid: spec.versions: Forbidden: {ONE_SCHEMA}")), "{refusal}");
        object["spec"]["conversion"] = json!({"strategy": "Webhook"});
        let missing = of_definition(&object).unwrap_err();
        assert!(missing.message.contains("spec.conversion.conversionReviewVersions: Required value"), "{missing}");
        object["spec"]["conversion"]["webhook"] = json!({"clientConfig": {}, "conversionReviewVersions": ["v1"]});
        assert!(of_definition(&object).unwrap_err().message.contains(NO_WEBHOOK));
    }

    #[test]
    fn what_was_taken_is_not_asked_what_it_costs() {
        let mut object = definition("widgets", "Widget");
        let rules = json!([{"rule": "self.all(a, self.all(b, a == b))"}]);
        let names = json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": rules});
        let schema = &mut object["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        schema["properties"]["spec"] = json!({"type": "object", "properties": {"names": names}});
        let refusal = of_definition(&object).unwrap_err();
        let dear = "x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x";
        assert!(refusal.message.contains(dear), "{refusal}");
        assert_eq!(of_taken_definition(&object).unwrap().len(), 1);
        assert_eq!(check(&object, Some(&object)), []);
    }

    #[test]
    fn names_are_given_once() {
        let now = "2026-11-29T21:00:00Z";
        let mut first = definition("widgets", "Widget");
        first["status"] = accepted(&first, &[], now);
        assert_eq!(first["status"]["conditions"][1]["type"], "Established");
        assert_eq!(first["status"]["conditions"][1]["status"], "True");
        assert_eq!(first["status"]["acceptedNames"]["shortNames"], json!(["wi"]));
        let mut second = definition("gadgets", "Widget");
        second["spec"]["names"]["shortNames"] = json!([]);
        let status = accepted(&second, &[first.clone()], now);
        assert_eq!(
            status["conditions"][0],
            json!({"type": "NamesAccepted", "status": "False", "lastTransitionTime": now, "reason": "ListKindConflict", "message": "\"WidgetList\" is already in use"}),
        );
        assert_eq!(status["conditions"][1]["reason"], "NotAccepted");
        assert_eq!(accepted(&first, &[first.clone(), second], "later")["conditions"], first["status"]["conditions"]);
    }
}
