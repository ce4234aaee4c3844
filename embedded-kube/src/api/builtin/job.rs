//! Jobs: what nobody writes of them, and how they find their Pods.

use serde_json::{Map, Value, json};

use super::pod_defaults;
use super::{default_to, items_mut, text};
use crate::api::schema::names;

const LABELS: [&str; 4] =
    ["job-name", "batch.kubernetes.io/job-name", "controller-uid", "batch.kubernetes.io/controller-uid"];
/// By which a Job finds its Pods.
const UID: &str = "batch.kubernetes.io/controller-uid";

/// Fills in defaults.
pub(super) fn fill_in(object: &mut Value) {
    let labels = object["spec"]["template"]["metadata"]["labels"].clone();
    if object["metadata"]["labels"].is_null() && !labels.is_null() {
        object["metadata"]["labels"] = labels;
    }
    let spec = &mut object["spec"];
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        default_to(spec, "completions", 1);
    }
    default_to(spec, "parallelism", 1);
    let limit = if spec["backoffLimitPerIndex"].is_null() { 6 } else { i32::MAX };
    default_to(spec, "backoffLimit", limit);
    default_to(spec, "completionMode", "NonIndexed");
    default_to(spec, "suspend", false);
    let replaced = if spec["podFailurePolicy"].is_null() { "TerminatingOrFailed" } else { "Failed" };
    default_to(spec, "podReplacementPolicy", replaced);
    default_to(spec, "manualSelector", false);
    if let Some(policy) = spec.get_mut("podFailurePolicy") {
        for pattern in items_mut(policy, "rules").flat_map(|rule| items_mut(rule, "onPodConditions")) {
            default_to(pattern, "status", "True");
        }
    }
    pod_defaults::spec_of(&mut spec["template"]["spec"]);
    drop_absent(object);
}

/// Looking at what is not there leaves `null`.
fn drop_absent(object: &mut Value) {
    for place in ["/spec", "/metadata", "/spec/template/metadata"] {
        if let Some(fields) = object.pointer_mut(place).and_then(Value::as_object_mut) {
            fields.retain(|_, value| !value.is_null());
        }
    }
}

/// A new Job gets a selector, unless it has one of its own.
pub(super) fn prepare(object: &mut Value) {
    object["status"] = json!({});
    if object["spec"]["manualSelector"] == true {
        return;
    }
    let name = text(&object["metadata"], "name").to_owned();
    let uid = text(&object["metadata"], "uid").to_owned();
    let labels = &mut object["spec"]["template"]["metadata"]["labels"];
    if labels.is_null() {
        *labels = Value::Object(Map::new());
    }
    for label in LABELS {
        let value = if label.ends_with("job-name") { &name } else { &uid };
        if labels[label].is_null() {
            labels[label] = value.clone().into();
        }
    }
    let selector = &mut object["spec"]["selector"]["matchLabels"];
    if selector.is_null() {
        *selector = Value::Object(Map::new());
    }
    if selector[UID].is_null() {
        selector[UID] = uid.into();
    }
}

/// What is said of a name that Pods cannot have.
pub(super) fn warnings(object: &Value) -> Option<String> {
    let wrong = names::label(text(&object["metadata"], "name"));
    (!wrong.is_empty()).then(|| {
        format!(
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [{}]",
            wrong.join(" ")
        )
    })
}
