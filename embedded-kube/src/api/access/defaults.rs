//! The ClusterRoles and ClusterRoleBindings that are there from the beginning: what the real ones say of the kinds that are
//! served.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{Rule, aggregated};

const READ: &str = "get list watch";
const WRITE: &str = "create delete deletecollection patch update";
const ALL: &str = "create delete deletecollection get list patch update watch";
/// Stands for the core group, which has no name.
const CORE: &str = "core";
const CORE_AND_EVENTS: &str = "core events.k8s.io";

/// Verbs, groups, resources.
type Line = (&'static str, &'static str, &'static str);

const TO_VIEW: &[Line] = &[
    (READ, CORE, "configmaps pods serviceaccounts"),
    (READ, CORE, "limitranges namespaces/status pods/log pods/status resourcequotas resourcequotas/status"),
    (READ, CORE, "namespaces"),
    (READ, CORE_AND_EVENTS, "events"),
    (READ, "apps", "controllerrevisions"),
    (READ, "batch", "jobs jobs/status"),
    (READ, "networking.k8s.io", "networkpolicies"),
];

const TO_EDIT: &[Line] = &[
    (READ, CORE, "secrets"),
    ("impersonate", CORE, "serviceaccounts"),
    (WRITE, CORE, "configmaps pods secrets serviceaccounts"),
    ("create", CORE, "serviceaccounts/token"),
    (WRITE, CORE_AND_EVENTS, "events"),
    (WRITE, "batch", "jobs"),
    (WRITE, "networking.k8s.io", "networkpolicies"),
    (ALL, "coordination.k8s.io", "leases"),
];

const TO_ADMIN: &[Line] = &[
    ("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    (ALL, "rbac.authorization.k8s.io", "rolebindings roles"),
];

const BASIC_USER: &[Line] = &[
    ("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
    ("create", "authentication.k8s.io", "selfsubjectreviews"),
];

const NODE: &[Line] = &[
    ("create", "authentication.k8s.io", "tokenreviews"),
    ("create", "authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews"),
    ("create get list watch", CORE, "nodes"),
    ("patch update", CORE, "nodes/status"),
    ("patch update", CORE, "nodes"),
    ("create patch update", CORE_AND_EVENTS, "events"),
    (READ, CORE, "pods"),
    ("create delete", CORE, "pods"),
    ("patch update", CORE, "pods/status"),
    (READ, CORE, "configmaps secrets"),
    ("create delete get patch update", "coordination.k8s.io", "leases"),
    ("create", CORE, "serviceaccounts/token"),
    ("get", CORE, "serviceaccounts"),
];

const INFO: &str = "/healthz /livez /readyz /version /version/";
const DISCOVERY: &str = "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/";

/// Every default ClusterRole and ClusterRoleBinding, in the order of their kinds and names. Those that gather the rules of
/// others have them.
#[must_use]
pub fn defaults() -> Vec<Value> {
    let to = |role: &str| format!("rbac.authorization.k8s.io/aggregate-to-{role}");
    let mut roles = vec![
        role("admin", None, &[]),
        role("cluster-admin", None, &[everything(), paths("*", "*")]),
        role("edit", Some(to("admin")), &[]),
        role("system:aggregate-to-admin", Some(to("admin")), &rules(TO_ADMIN)),
        role("system:aggregate-to-edit", Some(to("edit")), &rules(TO_EDIT)),
        role("system:aggregate-to-view", Some(to("view")), &rules(TO_VIEW)),
        role("system:basic-user", None, &rules(BASIC_USER)),
        role("system:discovery", None, &[paths("get", DISCOVERY)]),
        role("system:node", None, node_rules()),
        role("system:public-info-viewer", None, &[paths("get", INFO)]),
        role("view", Some(to("edit")), &[]),
    ];
    // Each gathers what the one before it has gathered.
    for name in ["view", "edit", "admin"] {
        let Some(at) = roles.iter().position(|role| role["metadata"]["name"] == name) else { continue };
        roles[at]["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {to(name): "true"}}]});
        let gathered = aggregated(&roles[at], &roles.iter().collect::<Vec<_>>());
        roles[at]["rules"] = gathered.unwrap_or_default().into();
    }
    let bindings = [
        binding("cluster-admin", &["system:masters"]),
        binding("system:basic-user", &["system:authenticated"]),
        binding("system:discovery", &["system:authenticated"]),
        binding("system:node", &[]),
        binding("system:public-info-viewer", &["system:authenticated", "system:unauthenticated"]),
    ];
    roles.into_iter().chain(bindings).collect()
}

/// What every node may.
pub(super) fn node_rules() -> &'static [Rule] {
    static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| rules(NODE));
    &RULES
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn rules(lines: &[Line]) -> Vec<Rule> {
    let rule = |(verbs, groups, resources): &Line| {
        let groups = groups.split(' ').map(|group| if group == CORE { String::new() } else { group.to_owned() });
        Rule { verbs: words(verbs), groups: groups.collect(), resources: words(resources), ..Rule::default() }
    };
    lines.iter().map(rule).collect()
}

fn everything() -> Rule {
    Rule { verbs: words("*"), groups: words("*"), resources: words("*"), ..Rule::default() }
}

fn paths(verbs: &str, paths: &str) -> Rule {
    Rule { verbs: words(verbs), paths: words(paths), ..Rule::default() }
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name,
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
    })
}

fn role(name: &str, label: Option<String>, rules: &[Rule]) -> Value {
    let mut metadata = metadata(name);
    if let Some(label) = label {
        metadata["labels"][label] = "true".into();
    }
    let rules: Vec<Value> = rules.iter().map(Rule::object).collect();
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules})
}

fn binding(name: &str, groups: &[&str]) -> Value {
    let group = "rbac.authorization.k8s.io";
    let subject = |name: &&str| json!({"apiGroup": group, "kind": "Group", "name": name});
    let mut binding = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": metadata(name),
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
    });
    if !groups.is_empty() {
        binding["subjects"] = groups.iter().map(subject).collect();
    }
    binding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_what_the_smaller_one_has() {
        let defaults = defaults();
        let rules = |name: &str| {
            let role =
                defaults.iter().find(|object| object["kind"] == "ClusterRole" && object["metadata"]["name"] == name);
            Rule::all(role.unwrap())
        };
        let (view, edit, admin) = (rules("view"), rules("edit"), rules("admin"));
        assert_eq!(view.len(), TO_VIEW.len());
        assert_eq!(edit.len(), TO_EDIT.len() + TO_VIEW.len());
        assert_eq!(admin.len(), TO_ADMIN.len() + edit.len());
        assert!(view.iter().all(|rule| edit.contains(rule)) && edit.iter().all(|rule| admin.contains(rule)));
    }
}
