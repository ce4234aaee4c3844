//! Bindings of roles.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cell::{self, list, text};
use super::column::Head;

pub(super) const ROLE: [Head; 6] = [
    Head::NAME,
    // In the words of an older version.
    Head::new(
        "Role",
        "roleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. If the RoleRef \
         cannot be resolved, the Authorizer must return an error.",
    ),
    Head::AGE,
    Head::new("Users", "Users in the roleBinding").wide(),
    Head::new("Groups", "Groups in the roleBinding").wide(),
    Head::new("ServiceAccounts", "ServiceAccounts in the roleBinding").wide(),
];
pub(super) const CLUSTER_ROLE: [Head; 6] = [
    Head::NAME,
    Head::new(
        "Role",
        "roleRef can only reference a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the \
         Authorizer must return an error.",
    ),
    Head::AGE,
    Head::new("Users", "Users in the clusterRoleBinding").wide(),
    Head::new("Groups", "Groups in the clusterRoleBinding").wide(),
    Head::new("ServiceAccounts", "ServiceAccounts in the clusterRoleBinding").wide(),
];

pub(super) fn cells(binding: &Value, now: Timestamp) -> Vec<Value> {
    let subjects = |kind: &str| {
        let own = list(binding, "/subjects").iter().filter(|subject| subject["kind"] == kind);
        let shown = own.map(|subject| match kind {
            "ServiceAccount" => format!("{}/{}", text(subject, "/namespace"), text(subject, "/name")),
            _ => text(subject, "/name").to_owned(),
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    vec![
        json!(cell::name(binding)),
        json!(format!("{}/{}", text(binding, "/roleRef/kind"), text(binding, "/roleRef/name"))),
        json!(cell::age(binding, now)),
        json!(subjects("User")),
        json!(subjects("Group")),
        json!(subjects("ServiceAccount")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_told_by_what_they_are() {
        let binding = json!({
            "metadata": {"name": "b"},
            "roleRef": {"kind": "ClusterRole", "name": "view"},
            "subjects": [
                {"kind": "User", "name": "u"},
                {"kind": "ServiceAccount", "namespace": "n", "name": "s"},
                {"kind": "User", "name": "v"},
                {"kind": "Group", "name": "g"},
            ],
        });
        let expected = ["b", "ClusterRole/view", "<unknown>", "u, v", "g", "n/s"];
        assert_eq!(cells(&binding, Timestamp::UNIX_EPOCH), expected);
    }
}
