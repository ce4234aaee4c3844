//! Everything that is served in one document: `apidiscovery.k8s.io/v2`.

use serde_json::{Value, json};

use super::super::Kind;
use super::order::{self, GroupVersion, group_versions};
use super::resource::{subresources, verbs};

/// The `Content-Type` of the document, by which clients know it.
pub const AGGREGATED_CONTENT_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// `/api` (`core`) or `/apis`, for clients that accept it.
#[must_use]
pub fn aggregated(kinds: &[Kind], core: bool) -> Value {
    let mut groups: Vec<(&str, Vec<Value>)> = Vec::new();
    for version in group_versions(kinds).into_iter().filter(|version| version.group.is_empty() == core) {
        let described = described(kinds, &version);
        match groups.last_mut() {
            Some((group, versions)) if *group == version.group => versions.push(described),
            _ => groups.push((version.group, vec![described])),
        }
    }
    let item = |(group, versions): (&str, Vec<Value>)| {
        let metadata = if core { json!({}) } else { json!({"name": group}) };
        json!({"metadata": metadata, "versions": versions})
    };
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": groups.into_iter().map(item).collect::<Vec<_>>(),
    })
}

fn described(kinds: &[Kind], version: &GroupVersion<'_>) -> Value {
    let resources: Vec<Value> = order::of(kinds, version).into_iter().map(resource).collect();
    json!({"version": version.version, "resources": resources, "freshness": "Current"})
}

fn resource(kind: &Kind) -> Value {
    // Of a built-in kind, only the name: clients take group and version from where it stands.
    let own = if kind.custom {
        json!({"group": kind.group, "version": kind.version, "kind": kind.kind})
    } else {
        json!({"group": "", "version": "", "kind": kind.kind})
    };
    let mut resource = json!({
        "resource": kind.plural,
        "responseKind": own,
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": verbs(kind),
    });
    if !kind.short_names.is_empty() {
        resource["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        resource["categories"] = json!(kind.categories);
    }
    let parts: Vec<Value> = subresources(kind)
        .into_iter()
        .map(|part| {
            let other = |(group, version, kind)| json!({"group": group, "version": version, "kind": kind});
            let kind = part.kind.map_or_else(|| own.clone(), other);
            json!({"subresource": part.name, "responseKind": kind, "verbs": part.verbs})
        })
        .collect();
    if !parts.is_empty() {
        resource["subresources"] = parts.into();
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::super::sample::kind;
    use super::*;

    #[test]
    fn every_group_is_there_once() {
        let mut shirts = kind("example.com", "v1", "Shirt", "shirts");
        shirts.custom = true;
        shirts.status = true;
        shirts.namespaced = false;
        let old = kind("example.com", "v1beta1", "Shirt", "shirts");
        let kinds = [old, shirts, kind("", "v1", "Pod", "pods"), kind("batch", "v1", "Job", "jobs")];
        let core = aggregated(&kinds, true);
        assert_eq!(core["items"][0]["metadata"], json!({}));
        assert_eq!(core["items"][0]["versions"][0]["resources"][0]["resource"], "pods");
        assert_eq!(core["items"].as_array().map(Vec::len), Some(1));
        let others = aggregated(&kinds, false);
        let names: Vec<&Value> =
            others["items"].as_array().unwrap().iter().map(|item| &item["metadata"]["name"]).collect();
        assert_eq!(names, ["batch", "example.com"]);
        let versions = &others["items"][1]["versions"];
        assert_eq!((&versions[0]["version"], &versions[1]["version"]), (&json!("v1"), &json!("v1beta1")));
        let resource = &versions[0]["resources"][0];
        let own = json!({"group": "example.com", "version": "v1", "kind": "Shirt"});
        assert_eq!((&resource["scope"], &resource["responseKind"]), (&json!("Cluster"), &own));
        assert_eq!(resource["subresources"][0]["responseKind"], own);
    }
}
