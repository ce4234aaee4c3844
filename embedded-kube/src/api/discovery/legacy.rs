//! The documents of one group or version each, which clients ask for that do not know the one of everything.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::super::Kind;
use super::order::{self, GroupVersion, group_versions, priority};
use super::resource::{subresources, verbs};

/// `/api`: the versions of the core group. `address` is where the API is served, as `127.0.0.1:6443`.
#[must_use]
pub fn api_versions(kinds: &[Kind], address: &str) -> Value {
    let versions = group_versions(kinds).into_iter().filter(|version| version.group.is_empty());
    json!({
        "kind": "APIVersions",
        "versions": versions.map(|version| version.version).collect::<Vec<_>>(),
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// `/apis`: all groups but the core.
#[must_use]
pub fn api_groups(kinds: &[Kind]) -> Value {
    let versions = group_versions(kinds);
    let mut groups: Vec<&str> =
        versions.iter().map(|version| version.group).filter(|group| !group.is_empty()).collect();
    groups.dedup();
    // Of groups of one priority, the first is the one whose version is: `v1.z.com` comes before `v1alpha1.a.com`.
    groups.sort_by_cached_key(|group| {
        let own = versions.iter().filter(|version| version.group == *group);
        (Reverse(priority(group)), own.map(|version| format!("{}.{group}", version.version)).min())
    });
    let groups: Vec<Value> = groups.into_iter().map(|group| described(group, &versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`; nothing for a group that is not served.
#[must_use]
pub fn api_group(kinds: &[Kind], group: &str) -> Option<Value> {
    let versions = group_versions(kinds);
    if group.is_empty() || !versions.iter().any(|version| version.group == group) {
        return None;
    }
    let mut document = json!({"kind": "APIGroup", "apiVersion": "v1"});
    for (key, value) in described(group, &versions).as_object().into_iter().flatten() {
        document[key] = value.clone();
    }
    Some(document)
}

fn described(group: &str, versions: &[GroupVersion<'_>]) -> Value {
    let own = versions.iter().filter(|version| version.group == group);
    let own: Vec<Value> =
        own.map(|version| json!({"groupVersion": version.api_version(), "version": version.version})).collect();
    json!({"name": group, "preferredVersion": own.first(), "versions": own})
}

/// `/api/VERSION` or `/apis/GROUP/VERSION`: the resources of a version; nothing for one that is not served.
#[must_use]
pub fn api_resources(kinds: &[Kind], group: &str, version: &str) -> Option<Value> {
    let version = GroupVersion { group, version };
    let own = order::of(kinds, &version);
    if own.is_empty() {
        return None;
    }
    let mut document = json!({"kind": "APIResourceList"});
    // The core group's document has been without since the API's first days.
    if !group.is_empty() {
        document["apiVersion"] = "v1".into();
    }
    document["groupVersion"] = version.api_version().into();
    document["resources"] = own.into_iter().flat_map(resources).collect();
    Some(document)
}

fn resources(kind: &Kind) -> Vec<Value> {
    let mut main = json!({
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": verbs(kind),
    });
    if !kind.short_names.is_empty() {
        main["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        main["categories"] = json!(kind.categories);
    }
    let mut all = vec![main];
    for part in subresources(kind) {
        let mut resource = json!({
            "name": format!("{}/{}", kind.plural, part.name),
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": part.kind.map_or(kind.kind.as_str(), |(_, _, kind)| kind),
            "verbs": part.verbs,
        });
        if let Some((group, version, _)) = part.kind {
            resource["group"] = group.into();
            resource["version"] = version.into();
        }
        all.push(resource);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::sample::kind;
    use super::*;

    #[test]
    fn the_core_and_the_groups_have_documents_of_their_own() {
        let mut pods = kind("", "v1", "Pod", "pods");
        pods.status = true;
        pods.short_names = vec!["po".into()];
        let kinds = [kind("batch", "v1", "Job", "jobs"), pods, kind("", "v1", "ServiceAccount", "serviceaccounts")];
        assert_eq!(api_versions(&kinds, "127.0.0.1:1")["versions"], json!(["v1"]));
        let groups = api_groups(&kinds);
        assert_eq!(groups["groups"].as_array().map(Vec::len), Some(1));
        assert_eq!(groups["groups"][0]["preferredVersion"], json!({"groupVersion": "batch/v1", "version": "v1"}));
        assert_eq!(api_group(&kinds, "batch").unwrap()["name"], "batch");
        assert_eq!(api_group(&kinds, "other"), None);
        assert_eq!(api_group(&kinds, ""), None);
        let resources = api_resources(&kinds, "", "v1").unwrap();
        let names: Vec<&str> =
            resources["resources"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
        assert_eq!(names, ["pods", "pods/log", "pods/status", "serviceaccounts", "serviceaccounts/token"]);
        assert_eq!(resources.get("apiVersion"), None);
        assert_eq!(resources["resources"][4]["kind"], "TokenRequest");
        assert_eq!(api_resources(&kinds, "batch", "v1").unwrap()["apiVersion"], "v1");
        assert_eq!(api_resources(&kinds, "batch", "v2"), None);
    }
}
