//! Small kinds: namespaces, configuration, leases, revisions.

use k8s_openapi::ByteString;
use serde_json::{Map, Value, json};

use super::{default_to, immutable, items, items_mut, text};
use crate::api::Cause;
use crate::api::schema::metadata;
use crate::api::schema::mistake::{forbidden, invalid, invalid_text, not_supported, required, too_long};
use crate::api::schema::names;
use crate::api::schema::path::Path;

const MOST_DATA: usize = 1024 * 1024;
const SET: &str = "field is immutable when `immutable` is set";

/// A Secret's `stringData` goes into its `data`.
pub(super) fn secret(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    if let Some(Value::Object(texts)) = fields.shift_remove("stringData") {
        let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
        for (name, text) in texts {
            let bytes = ByteString(text.as_str().unwrap_or_default().as_bytes().to_vec());
            data[&name] = json!(bytes);
        }
    }
    default_to(object, "type", "Opaque");
}

pub(super) fn namespace(object: &mut Value) {
    let name = text(&object["metadata"], "name").to_owned();
    if let Some(meta) = metadata::of(object).filter(|_| !name.is_empty()) {
        let labels = meta.entry("labels").or_insert_with(|| Value::Object(Map::new()));
        labels["kubernetes.io/metadata.name"] = name.into();
    }
    default_to(&mut object["status"], "phase", "Active");
}

pub(super) fn new_namespace(object: &mut Value) {
    namespace(object);
    object["status"] = json!({"phase": "Active"});
    let finalizers = items(&object["spec"], "finalizers");
    if !finalizers.iter().any(|name| name == "kubernetes") {
        let finalizers: Vec<Value> = finalizers.iter().cloned().chain([json!("kubernetes")]).collect();
        object["spec"]["finalizers"] = finalizers.into();
    }
}

pub(super) fn namespace_status(object: &Value) -> Option<Cause> {
    let deleted = !object["metadata"]["deletionTimestamp"].is_null();
    let (phase, empty) = if deleted { ("Terminating", "not empty") } else { ("Active", "empty") };
    let is = text(&object["status"], "phase");
    let detail = format!("may only be '{phase}' if `deletionTimestamp` is {empty}");
    (is != phase).then(|| invalid_text(&Path::of("status.Phase"), is, &detail))
}

/// Limits of containers follow from each other.
pub(super) fn limit_range(object: &mut Value) {
    for item in items_mut(&mut object["spec"], "limits").filter(|item| item["type"] == "Container") {
        for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            let Some(values) = item.get(from).and_then(Value::as_object).cloned() else { continue };
            for (name, value) in values {
                if item[to].is_null() {
                    item[to] = Value::Object(Map::new());
                }
                default_to(&mut item[to], &name, value);
            }
        }
    }
}

pub(super) fn network_policy(object: &mut Value) {
    for direction in ["ingress", "egress"] {
        for rule in items_mut(&mut object["spec"], direction) {
            items_mut(rule, "ports").for_each(|port| default_to(port, "protocol", "TCP"));
        }
    }
    if items(&object["spec"], "policyTypes").is_empty() {
        let egress = !items(&object["spec"], "egress").is_empty();
        object["spec"]["policyTypes"] = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    }
}

pub(super) fn check_network_policy(object: &Value) -> Vec<Cause> {
    let path = Path::of("spec.policyTypes");
    let known = ["Ingress", "Egress"];
    let types = items(&object["spec"], "policyTypes");
    if types.len() > known.len() {
        return vec![invalid(&path, &object["spec"]["policyTypes"], "may not specify more than two policyTypes")];
    }
    let unknown = types.iter().enumerate().filter(|(_, name)| !known.iter().any(|known| *name == known));
    unknown.map(|(place, name)| not_supported(&path.index(place), name, &known)).collect()
}

/// A new node is kept free until somebody has seen that it is ready.
pub(super) fn new_node(object: &mut Value) {
    let taint = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
    let spec = &mut object["spec"];
    if spec.is_null() {
        *spec = json!({});
    }
    if spec["taints"].is_null() {
        spec["taints"] = json!([]);
    }
    if let Some(taints) = spec["taints"].as_array_mut()
        && !taints.iter().any(|other| other["key"] == taint["key"] && other["effect"] == taint["effect"])
    {
        taints.push(taint);
    }
    let status = &mut object["status"];
    if status.is_null() {
        *status = json!({});
    }
    // What the structures always have.
    default_to(status, "daemonEndpoints", json!({"kubeletEndpoint": {"Port": 0}}));
    let names = [
        "machineID",
        "systemUUID",
        "bootID",
        "kernelVersion",
        "osImage",
        "containerRuntimeVersion",
        "kubeletVersion",
        "kubeProxyVersion",
        "operatingSystem",
        "architecture",
    ];
    let empty: Map<String, Value> = names.into_iter().map(|name| (name.to_owned(), json!(""))).collect();
    default_to(status, "nodeInfo", empty);
}

fn bytes(value: &Value) -> usize {
    serde_json::from_value::<ByteString>(value.clone()).map_or(0, |bytes| bytes.0.len())
}

fn keys<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object[name].as_object().into_iter().flatten()
}

fn check_keys(object: &Value, name: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, _) in keys(object, name) {
        let path = Path::of(name).key(key);
        causes.extend(names::config_key(key).into_iter().map(|what| invalid_text(&path, key, &what)));
    }
    causes
}

/// What may not change any more.
fn frozen(object: &Value, old: Option<&Value>, parts: &[&str]) -> Vec<Cause> {
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return Vec::new() };
    let mut causes = Vec::new();
    if object["immutable"] != true {
        causes.push(forbidden(&Path::of("immutable"), SET));
    }
    let changed = parts.iter().filter(|part| object[**part] != old[**part]);
    causes.extend(changed.map(|part| forbidden(&Path::of(part), SET)));
    causes
}

pub(super) fn check_config_map(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = frozen(object, old, &["data", "binaryData"]);
    causes.extend(check_keys(object, "data"));
    for (key, _) in keys(object, "data").filter(|(key, _)| object["binaryData"].get(*key).is_some()) {
        causes.push(invalid_text(&Path::of("data").key(key), key, "duplicate of key present in binaryData"));
    }
    causes.extend(check_keys(object, "binaryData"));
    let texts: usize = keys(object, "data").map(|(_, value)| value.as_str().unwrap_or_default().len()).sum();
    let binary: usize = keys(object, "binaryData").map(|(_, value)| bytes(value)).sum();
    if texts + binary > MOST_DATA {
        // The whole object has no name.
        let mut cause = too_long(&Path::default(), 1024 * 1024);
        cause.field = "[]".to_owned();
        causes.push(cause);
    }
    causes
}

pub(super) fn check_secret(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let kind = text(object, "type");
    if let Some(old) = old
        && object["type"] != old["type"]
    {
        causes.push(invalid_text(&Path::of("type"), kind, "field is immutable"));
    }
    causes.extend(frozen(object, old, &["data"]));
    causes.extend(check_keys(object, "data"));
    if keys(object, "data").map(|(_, value)| bytes(value)).sum::<usize>() > MOST_DATA {
        causes.push(too_long(&Path::of("data"), 1024 * 1024));
    }
    let needs = |name: &str| object["data"].get(name).is_none().then(|| required(&Path::of("data").key(name), ""));
    match kind {
        "kubernetes.io/service-account-token" => {
            let name = "kubernetes.io/service-account.name";
            if text(&object["metadata"]["annotations"], name).is_empty() {
                causes.push(required(&Path::of("metadata.annotations").key(name), ""));
            }
        }
        "kubernetes.io/dockercfg" => causes.extend(needs(".dockercfg")),
        "kubernetes.io/dockerconfigjson" => causes.extend(needs(".dockerconfigjson")),
        "kubernetes.io/tls" => causes.extend(needs("tls.crt").into_iter().chain(needs("tls.key"))),
        "kubernetes.io/ssh-auth" if text(&object["data"], "ssh-privatekey").is_empty() => {
            causes.push(required(&Path::of("data").key("ssh-privatekey"), ""));
        }
        "kubernetes.io/basic-auth" => {
            if let (Some(user), Some(password)) = (needs("username"), needs("password")) {
                causes.extend([user, password]);
            }
        }
        _ => {}
    }
    causes
}

pub(super) fn check_lease(object: &Value) -> Vec<Cause> {
    let (spec, path) = (&object["spec"], Path::of("spec"));
    let mut causes = Vec::new();
    let low = |name: &str, least: i64| spec[name].as_i64().filter(|value| *value < least);
    if let Some(value) = low("leaseDurationSeconds", 1) {
        causes.push(invalid(&path.child("leaseDurationSeconds"), &value.into(), "must be greater than 0"));
    }
    if let Some(value) = low("leaseTransitions", 0) {
        causes.push(invalid(&path.child("leaseTransitions"), &value.into(), "must be greater than or equal to 0"));
    }
    let strategy = &spec["strategy"];
    if !strategy.is_null() && strategy != "OldestEmulationVersion" {
        causes.push(not_supported(&path.child("strategy"), strategy, &["OldestEmulationVersion"]));
    }
    if !text(spec, "preferredHolder").is_empty() && text(spec, "strategy").is_empty() {
        causes.push(forbidden(&path.child("preferredHolder"), "may only be specified if `strategy` is defined"));
    }
    causes
}

pub(super) fn check_revision(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(number) = object["revision"].as_i64().filter(|number| *number < 0) {
        causes.push(invalid(&Path::of("revision"), &number.into(), "must be greater than or equal to 0"));
    }
    let path = Path::of("data");
    match (old, &object["data"]) {
        (Some(old), data) => causes.extend(immutable(data, &old["data"], &path)),
        (None, Value::Null) => causes.push(required(&path, "data is mandatory")),
        (None, Value::Object(_)) => {}
        (None, _) => causes.push(required(&path, "data must be a valid JSON object")),
    }
    causes
}
