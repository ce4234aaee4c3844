//! The documents by which clients find kinds.

use aggregator_embedded_kube::api::discovery::{
    AGGREGATED_CONTENT_TYPE, aggregated, api_group, api_groups, api_resources, api_versions, etag, version,
};
use serde_json::{Value, json};

use crate::kinds;
use crate::real::Real;

const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// Subresources that are not served.
const ABSENT: [&str; 10] = [
    "attach",
    "binding",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "finalize",
    "portforward",
    "proxy",
    "resize",
    "scale",
];

fn items(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().expect("a list")
}

/// The real document, without the groups, kinds and parts that are not served.
fn served(mut real: Value) -> Value {
    let kinds = kinds::all();
    for item in items(&mut real["items"]) {
        let group = item["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        for version in items(&mut item["versions"]) {
            let name = version["version"].as_str().unwrap().to_owned();
            items(&mut version["resources"]).retain(|resource| {
                let own = kinds.iter().filter(|kind| kind.group == group && kind.version == name);
                own.into_iter().any(|kind| resource["resource"] == kind.plural)
            });
            for resource in items(&mut version["resources"]) {
                let Some(parts) = resource.get_mut("subresources") else { continue };
                items(parts).retain(|part| !ABSENT.contains(&part["subresource"].as_str().unwrap()));
                if items(parts).is_empty() {
                    resource.as_object_mut().unwrap().remove("subresources");
                }
            }
        }
        items(&mut item["versions"]).retain(|version| !version["resources"].as_array().unwrap().is_empty());
    }
    items(&mut real["items"]).retain(|item| !item["versions"].as_array().unwrap().is_empty());
    real
}

#[test]
fn everything_is_told_as_the_api_server_tells_it() {
    let real = Real::start();
    let kinds = kinds::all();
    for (place, core) in [("/api", true), ("/apis", false)] {
        let answer = real.accepting(place, ACCEPT);
        assert_eq!(answer.content_type, AGGREGATED_CONTENT_TYPE);
        assert_eq!(aggregated(&kinds, core), served(answer.json()), "{place}");
        // Its tag is the hash of another JSON than the one it sends, but looks the same.
        let tag = answer.etag.unwrap();
        assert_eq!(tag.trim_matches('"').len(), etag(b"").len());
        assert!(
            tag.trim_matches('"').bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)),
            "{tag}"
        );
    }
}

#[test]
fn each_group_and_version_is_told_as_the_api_server_tells_it() {
    let real = Real::start();
    let kinds = kinds::all();
    let addressed = real.get("/api").json();
    let address = addressed["serverAddressByClientCIDRs"][0]["serverAddress"].as_str().unwrap();
    assert_eq!(api_versions(&kinds, address), addressed);
    let ours = api_groups(&kinds);
    let mut theirs = real.get("/apis").json();
    let known: Vec<&Value> = ours["groups"].as_array().unwrap().iter().map(|group| &group["name"]).collect();
    items(&mut theirs["groups"]).retain(|group| known.contains(&&group["name"]));
    for group in items(&mut theirs["groups"]) {
        let version = |version: &Value| kinds.iter().any(|kind| version["groupVersion"] == kind.api_version());
        items(&mut group["versions"]).retain(version);
    }
    assert_eq!(ours, theirs);
    let mut compared = 0;
    for group in ours["groups"].as_array().unwrap() {
        let group = group["name"].as_str().unwrap();
        let mut theirs = real.get(&format!("/apis/{group}")).json();
        let version = |version: &Value| kinds.iter().any(|kind| version["groupVersion"] == kind.api_version());
        items(&mut theirs["versions"]).retain(version);
        assert_eq!(api_group(&kinds, group), Some(theirs));
        compared += 1;
    }
    assert_eq!(compared, 10);
    assert_eq!(real.get("/apis/none.example.com").code, 404);
    assert_eq!(api_group(&kinds, "none.example.com"), None);
}

#[test]
fn the_resources_of_a_version_are_told_as_the_api_server_tells_them() {
    let real = Real::start();
    let kinds = kinds::all();
    let mut compared = 0;
    let mut versions: Vec<(&str, &str)> =
        kinds.iter().map(|kind| (kind.group.as_str(), kind.version.as_str())).collect();
    versions.sort_unstable();
    versions.dedup();
    for (group, version) in versions {
        let place = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let mut theirs = real.get(&place).json();
        items(&mut theirs["resources"]).retain(|resource| {
            let name = resource["name"].as_str().unwrap();
            let (plural, part) = name.split_once('/').unwrap_or((name, ""));
            let known = kinds.iter().any(|kind| kind.group == group && kind.plural == plural);
            known && !ABSENT.contains(&part)
        });
        for resource in items(&mut theirs["resources"]) {
            // By it, clients could notice that objects are stored in another version.
            resource.as_object_mut().unwrap().remove("storageVersionHash");
        }
        let mut ours = api_resources(&kinds, group, version).unwrap();
        if group == "wear.example.com" {
            // The API server's order is that of a map of definitions.
            for document in [&mut ours, &mut theirs] {
                items(&mut document["resources"]).sort_by_key(|resource| resource["name"].to_string());
            }
        }
        assert_eq!(ours, theirs, "{place}");
        compared += ours["resources"].as_array().unwrap().len();
    }
    assert_eq!(compared, 38);
}

#[test]
fn the_version_has_the_api_servers_fields() {
    let theirs = Real::start().get("/version").json();
    let ours = version(theirs["gitVersion"].as_str().unwrap());
    let fields = |version: &Value| {
        let mut fields: Vec<String> = version.as_object().unwrap().keys().cloned().collect();
        fields.sort_unstable();
        fields
    };
    assert_eq!(fields(&ours), fields(&theirs));
    for field in ["major", "minor", "gitVersion", "platform", "emulationMajor", "emulationMinor"] {
        assert_eq!(ours[field], theirs[field], "{field}");
    }
    assert_eq!(ours["gitTreeState"], json!("clean"));
}
