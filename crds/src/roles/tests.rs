use aggregator_tests::folder;
use aggregator_tests::golden::golden;

use super::*;

/// Whether a role may do something.
fn may(role: Role, verb: &str, group: &str, resource: &str) -> bool {
    let named = |list: Option<&Vec<String>>, word: &str| list.into_iter().flatten().any(|it| it == word);
    role.rules().iter().any(|rule| {
        named(rule.api_groups.as_ref(), group)
            && named(rule.resources.as_ref(), resource)
            && named(Some(&rule.verbs), verb)
    })
}

fn who(verb: &str, group: &str, resource: &str) -> Vec<Role> {
    Role::ALL.into_iter().filter(|role| may(*role, verb, group, resource)).collect()
}

#[test]
fn the_file_in_config_is_written_from_the_table() {
    let documents = Role::ALL.map(Role::cluster_role).into_iter().chain([instance_admin()]);
    let documents: Vec<String> =
        documents.map(|role| serde_saphyr::to_string(&role).expect("a ClusterRole is YAML")).collect();
    let text = format!("# Written from crds/src/roles/mod.rs; a test compares.\n{}", documents.join("---\n"));
    assert_eq!(golden(&folder::workspace().join("config/rbac/roles.yaml"), &text), None);
}

#[test]
fn each_may_what_the_role_is_for() {
    for (verb, group, resource, roles) in [
        ("watch", GROUP, "checkpoints", ALL_BUT_EXECUTIVE),
        ("get", "", "pods/log", ALL_BUT_EXECUTIVE),
        ("patch", GROUP, "pipelines", &[Admin, Developer, Designer]),
        ("create", GROUP, "pipelines/publish", &[Admin, Developer]),
        ("create", GROUP, "connectors", &[Admin, Developer]),
        ("use", GROUP, "connectors", &[Admin, Developer, Designer]),
        ("create", GROUP, "pipelineruns", &[Admin, Developer, Executor]),
        ("patch", GROUP, "schedules", &[Admin, Developer, Designer]),
        ("update", GROUP, "schedules/pause", &[Admin, Developer, Executor]),
        ("delete", GROUP, "pipelineruns", &[Admin, Developer]),
        ("update", GROUP, "checkpoints", &[Admin, Developer]),
        ("create", RBAC, "rolebindings", &[Admin]),
        ("get", GROUP, "costs", &[Admin, Executive]),
        ("list", GROUP, "reports", &Role::ALL),
        ("delete", "", "namespaces", &[]),
    ] {
        assert_eq!(who(verb, group, resource), roles, "{verb} {group} {resource}");
    }
}

#[test]
fn every_kind_can_be_read_and_nobody_writes_a_status() {
    for kind in crate::kinds() {
        assert_eq!(who("list", GROUP, kind.plural), ALL_BUT_EXECUTIVE, "{}", kind.plural);
        for part in ["status", "finalizers"] {
            let resource = format!("{}/{part}", kind.plural);
            assert!(who("patch", GROUP, &resource).is_empty(), "{resource}");
        }
    }
}

#[test]
fn no_role_comes_by_secrets_or_by_everything() {
    let all = Role::ALL.map(Role::cluster_role).into_iter().chain([instance_admin()]);
    for role in all {
        let text = serde_json::to_string(&role).expect("JSON");
        for word in ["secrets", "configmaps", "serviceaccounts", "pods/exec", "pods/attach", "escalate", "\"*\""] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }
}

#[test]
fn an_admin_gives_others_the_six_roles_alone() {
    let rules = Role::Admin.rules();
    let bind: Vec<&PolicyRule> = rules.iter().filter(|rule| rule.verbs.contains(&"bind".to_owned())).collect();
    let six = Role::ALL.map(Role::cluster_role_name).to_vec();
    assert_eq!(bind.len(), 1);
    assert_eq!(bind[0].resource_names, Some(six));
    assert_eq!(who("bind", RBAC, "clusterroles"), [Admin]);
}
