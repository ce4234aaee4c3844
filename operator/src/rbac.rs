//! What the operator itself may do. `config/rbac/operator.yaml` is written from here.

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::api::ObjectMeta;

use crate::labels::labels;

/// The name of the ClusterRole.
pub const NAME: &str = "aggregator-operator";

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    PolicyRule {
        api_groups: Some(vec![group.into()]),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

/// What the operator may do. No Secret is among it.
#[must_use]
pub fn rules() -> Vec<PolicyRule> {
    const OURS: &str = aggregator_crds::GROUP;
    vec![
        // One that somebody only tries goes away.
        rule(OURS, &["connectors"], &["list", "watch", "delete"]),
        rule(OURS, &["transformations"], &["list", "watch"]),
        rule(OURS, &["pipelines", "schedules"], &["list", "watch"]),
        rule(
            OURS,
            &[
                "connectors/status",
                "transformations/status",
                "pipelines/status",
                "schedules/status",
                "pipelineruns/status",
            ],
            &["patch"],
        ),
        rule(OURS, &["pipelineruns"], &["get", "list", "watch", "create", "patch", "delete"]),
        // What is given to workers, one must have; `list` and `watch` are its own.
        rule(OURS, &["checkpoints"], &["get", "list", "watch", "create", "update"]),
        rule("batch", &["jobs"], &["get", "list", "watch", "create", "patch", "delete"]),
        rule("", &["pods"], &["list", "watch"]),
        rule("", &["configmaps"], &["get", "list", "watch", "create", "patch", "delete"]),
        rule("apps", &["controllerrevisions"], &["get", "list", "watch", "create", "patch", "delete"]),
        rule("", &["serviceaccounts"], &["list", "watch", "create", "patch"]),
        rule("rbac.authorization.k8s.io", &["roles", "rolebindings"], &["list", "watch", "create", "patch"]),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
        rule("coordination.k8s.io", &["leases"], &["get", "create", "update"]),
    ]
}

/// The ClusterRole.
#[must_use]
pub fn cluster_role() -> ClusterRole {
    ClusterRole {
        metadata: ObjectMeta { name: Some(NAME.into()), labels: Some(labels([])), ..ObjectMeta::default() },
        rules: Some(rules()),
        aggregation_rule: None,
    }
}

#[cfg(test)]
mod tests {
    use aggregator_tests::folder;
    use aggregator_tests::golden::golden;

    use super::*;

    #[test]
    fn the_file_in_config_is_this_one_and_names_no_secret() {
        let text = serde_saphyr::to_string(&cluster_role()).expect("YAML");
        let text = format!("# Written from operator/src/rbac.rs; a test compares.\n{text}");
        assert!(!text.contains("secrets"), "{text}");
        assert_eq!(golden(&folder::workspace().join("config/rbac/operator.yaml"), &text), None);
    }

    #[test]
    fn whatever_is_given_to_workers_the_operator_has() {
        let has = |group: &str, resource: &str, verb: &str| {
            let named = |list: &Option<Vec<String>>, word: &str| list.iter().flatten().any(|it| it == word);
            rules().iter().any(|rule| {
                named(&rule.api_groups, group)
                    && named(&rule.resources, resource)
                    && rule.verbs.iter().any(|it| it == verb)
            })
        };
        for rule in crate::identity::Who::ALL.into_iter().flat_map(crate::identity::Who::rules) {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    for verb in &rule.verbs {
                        assert!(has(group, resource, verb), "{verb} {resource}");
                    }
                }
            }
        }
    }
}
