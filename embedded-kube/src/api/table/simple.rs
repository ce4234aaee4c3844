//! Kinds of which there is little to show.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::selector::LabelSelector;
use super::age;
use super::cell::{self, count, flag, integer, list, text};
use super::column::Head;

pub(super) const NAMESPACE: [Head; 3] = [Head::NAME, Head::new("Status", "The status of the namespace"), Head::AGE];

pub(super) fn namespace(namespace: &Value, now: Timestamp) -> Vec<Value> {
    vec![json!(cell::name(namespace)), json!(text(namespace, "/status/phase")), json!(cell::age(namespace, now))]
}

pub(super) const SECRET: [Head; 4] = [
    Head::NAME,
    Head::of("Type", "io.k8s.api.core.v1.Secret", "type"),
    Head::of("Data", "io.k8s.api.core.v1.Secret", "data"),
    Head::AGE,
];

pub(super) fn secret(secret: &Value, now: Timestamp) -> Vec<Value> {
    let data = count(secret, "/data");
    vec![json!(cell::name(secret)), json!(text(secret, "/type")), json!(data), json!(cell::age(secret, now))]
}

pub(super) const CONFIG_MAP: [Head; 3] =
    [Head::NAME, Head::of("Data", "io.k8s.api.core.v1.ConfigMap", "data"), Head::AGE];

pub(super) fn config_map(map: &Value, now: Timestamp) -> Vec<Value> {
    let data = count(map, "/data") + count(map, "/binaryData");
    vec![json!(cell::name(map)), json!(data), json!(cell::age(map, now))]
}

pub(super) const SERVICE_ACCOUNT: [Head; 2] = [Head::NAME, Head::AGE];

pub(super) fn service_account(account: &Value, now: Timestamp) -> Vec<Value> {
    vec![json!(cell::name(account)), json!(cell::age(account, now))]
}

pub(super) const REVISION: [Head; 4] = [
    Head::NAME,
    Head::new("Controller", "Controller of the object"),
    Head::of("Revision", "io.k8s.api.apps.v1.ControllerRevision", "revision"),
    Head::AGE,
];

pub(super) fn revision(revision: &Value, now: Timestamp) -> Vec<Value> {
    let owner = list(revision, "/metadata/ownerReferences").iter().find(|owner| flag(owner, "/controller"));
    let controller = owner.map_or_else(|| "<none>".to_owned(), controller);
    let number = integer(revision, "/revision");
    vec![json!(cell::name(revision)), json!(controller), json!(number), json!(cell::age(revision, now))]
}

/// An owner with its kind: `pipeline.example.com/orders`.
fn controller(owner: &Value) -> String {
    let kind = text(owner, "/kind").to_lowercase();
    let group = text(owner, "/apiVersion").split_once('/').map_or("", |(group, _)| group).to_lowercase();
    let dot = if group.is_empty() { "" } else { "." };
    format!("{kind}{dot}{group}/{}", text(owner, "/name"))
}

pub(super) const LEASE: [Head; 3] =
    [Head::NAME, Head::of("Holder", "io.k8s.api.coordination.v1.LeaseSpec", "holderIdentity"), Head::AGE];

pub(super) fn lease(lease: &Value, now: Timestamp) -> Vec<Value> {
    vec![json!(cell::name(lease)), json!(text(lease, "/spec/holderIdentity")), json!(cell::age(lease, now))]
}

pub(super) const NETWORK_POLICY: [Head; 3] =
    [Head::NAME, Head::of("Pod-Selector", "io.k8s.api.networking.v1.NetworkPolicySpec", "podSelector"), Head::AGE];

pub(super) fn network_policy(policy: &Value, now: Timestamp) -> Vec<Value> {
    // One that selects all Pods may be left out.
    let everything = json!({});
    let selector = policy.pointer("/spec/podSelector").filter(|selector| !selector.is_null()).unwrap_or(&everything);
    vec![json!(cell::name(policy)), json!(LabelSelector::shown(selector)), json!(cell::age(policy, now))]
}

pub(super) const DEFINITION: [Head; 8] = [
    Head::NAME,
    Head::new("Scope", "Cluster/Namespaced"),
    Head::new("Versions", "Served versions"),
    Head::CREATED,
    Head::new("Group", "API group").wide(),
    Head::new("Kind", "CustomResource kind").wide(),
    Head::new("ShortNames", "Short names").wide(),
    Head::new("Established", "Established status").holding("boolean").wide(),
];

pub(super) fn definition(definition: &Value, _: Timestamp) -> Vec<Value> {
    let served = list(definition, "/spec/versions").iter().filter(|version| flag(version, "/served"));
    let mut versions: Vec<String> = served
        .map(|version| {
            let storage = if flag(version, "/storage") { "(storage)" } else { "" };
            format!("{}{storage}", text(version, "/name"))
        })
        .collect();
    versions.sort_unstable();
    let short: Vec<&str> = list(definition, "/spec/names/shortNames").iter().filter_map(Value::as_str).collect();
    vec![
        json!(cell::name(definition)),
        json!(text(definition, "/spec/scope")),
        json!(versions.join(",")),
        json!(created(definition)),
        json!(text(definition, "/spec/group")),
        json!(text(definition, "/spec/names/kind")),
        json!(short.join(",")),
        json!(cell::condition(definition, "Established").unwrap_or_default()),
    ]
}

/// Of all other kinds.
pub(super) const DEFAULT: [Head; 2] = [Head::NAME, Head::CREATED];

pub(super) fn default(object: &Value, _: Timestamp) -> Vec<Value> {
    vec![json!(cell::name(object)), json!(created(object))]
}

fn created(object: &Value) -> String {
    age::written(object.pointer("/metadata/creationTimestamp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn owners_are_told_with_their_kinds() {
        let of = |owners: Value| revision(&json!({"metadata": {"ownerReferences": owners}, "revision": 3}), NOW);
        let mut owner = json!([{"apiVersion": "example.com/v1", "kind": "Shirt", "name": "s"}]);
        assert_eq!(of(owner.clone())[1..3], [json!("<none>"), json!(3)]);
        owner[0]["controller"] = json!(true);
        assert_eq!(of(owner.clone())[1], "shirt.example.com/s");
        owner[0]["apiVersion"] = json!("v1");
        assert_eq!(of(owner)[1], "shirt/s");
    }

    #[test]
    fn what_is_kept_is_counted() {
        assert_eq!(
            secret(&json!({"type": "Opaque", "data": {"a": "", "b": ""}}), NOW)[1..3],
            [json!("Opaque"), json!(2)]
        );
        assert_eq!(config_map(&json!({"data": {"a": ""}, "binaryData": {"b": ""}}), NOW)[1], 2);
        assert_eq!(config_map(&json!({}), NOW)[1], 0);
    }

    #[test]
    fn policies_show_what_they_are_for() {
        assert_eq!(network_policy(&json!({"spec": {}}), NOW)[1], "<none>");
        let selector = json!({"spec": {"podSelector": {"matchLabels": {"a": "b"}}}});
        assert_eq!(network_policy(&selector, NOW)[1], "a=b");
    }

    #[test]
    fn definitions_tell_their_versions() {
        let object = json!({
            "metadata": {"name": "shirts.example.com", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {
                "scope": "Cluster",
                "group": "example.com",
                "names": {"kind": "Shirt", "shortNames": ["sh", "s"]},
                "versions": [
                    {"name": "v2", "served": true, "storage": true},
                    {"name": "v1", "served": true},
                    {"name": "v0", "served": false},
                ],
            },
            "status": {"conditions": [{"type": "Established", "status": "True"}]},
        });
        let expected = json!([
            "shirts.example.com",
            "Cluster",
            "v1,v2(storage)",
            "2026-01-01T00:00:00Z",
            "example.com",
            "Shirt",
            "sh,s",
            true,
        ]);
        assert_eq!(json!(definition(&object, NOW)), expected);
    }
}
