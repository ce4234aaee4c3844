//! The roles that are there from the beginning.

use std::collections::BTreeSet;

use aggregator_embedded_kube::api::access::{Rule, defaults};
use serde_json::Value;

use crate::real::{RBAC, Real};

/// What is served, by group: resources, with those below them.
const SERVED: [(&str, &[&str]); 10] = [
    (
        "",
        &[
            "configmaps",
            "events",
            "limitranges",
            "namespaces",
            "namespaces/status",
            "nodes",
            "nodes/status",
            "pods",
            "pods/log",
            "pods/status",
            "resourcequotas",
            "resourcequotas/status",
            "secrets",
            "serviceaccounts",
            "serviceaccounts/token",
        ],
    ),
    ("apps", &["controllerrevisions"]),
    ("authentication.k8s.io", &["selfsubjectreviews", "tokenreviews"]),
    (
        "authorization.k8s.io",
        &["localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"],
    ),
    ("batch", &["jobs", "jobs/status"]),
    ("coordination.k8s.io", &["leases"]),
    ("events.k8s.io", &["events"]),
    ("networking.k8s.io", &["networkpolicies"]),
    ("rbac.authorization.k8s.io", &["clusterrolebindings", "clusterroles", "rolebindings", "roles"]),
    ("*", &["*"]),
];

/// What a role allows of what is served: a verb with a resource, or a path.
fn atoms(role: &Value) -> BTreeSet<(String, String)> {
    let mut atoms = BTreeSet::new();
    for rule in Rule::all(role) {
        assert!(rule.names.is_empty());
        for verb in &rule.verbs {
            for group in &rule.groups {
                let served = SERVED.iter().find(|(name, _)| name == group).map_or(&[][..], |(_, resources)| resources);
                let resources = rule.resources.iter().filter(|resource| served.contains(&resource.as_str()));
                atoms.extend(resources.map(|resource| (verb.clone(), format!("{group}:{resource}"))));
            }
            atoms.extend(rule.paths.iter().map(|path| (verb.clone(), path.clone())));
        }
    }
    atoms
}

#[test]
fn default_roles_say_what_the_real_ones_say_of_what_is_served() {
    let real = Real::new();
    for ours in defaults() {
        let kind = ours["kind"].as_str().unwrap();
        let name = ours["metadata"]["name"].as_str().unwrap();
        let path = format!("{RBAC}/{}s/{name}", kind.to_lowercase());
        // The controller manager gathers rules when it has started.
        let theirs = aggregator_tests::wait::eventually("the role to have its rules", || {
            let theirs = real.get(&path);
            let gathers = !theirs["aggregationRule"].is_null();
            let gathered = atoms(&theirs);
            (!gathers || gathered.len() >= atoms(&ours).len()).then_some(theirs)
        });
        for key in ["labels", "annotations"] {
            assert_eq!(ours["metadata"][key], theirs["metadata"][key], "{name}");
        }
        for key in ["aggregationRule", "roleRef", "subjects"] {
            assert_eq!(ours[key], theirs[key], "{name}");
        }
        if kind == "ClusterRole" {
            assert_eq!(atoms(&ours), atoms(&theirs), "{name}");
            assert!(!atoms(&ours).is_empty(), "{name}");
        }
    }
}
