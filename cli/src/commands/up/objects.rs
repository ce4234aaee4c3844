//! What the cluster is made of at every start: the kinds, the operator's identity and rights, and the roles of people.

use aggregator_crds::{Role, kinds, roles};
use aggregator_operator::rbac;
use serde_json::{Error, Value, json, to_value};

use super::users::SYSTEM;

/// The group of roles, and of users as subjects.
const RBAC: &str = "rbac.authorization.k8s.io";

/// All of it, each after what it needs.
pub(super) fn objects() -> Result<Vec<Value>, Error> {
    let mut objects = Vec::new();
    for kind in kinds() {
        objects.push(to_value(kind.crd())?);
    }
    objects.extend(operator()?);
    for role in Role::ALL {
        objects.push(to_value(role.cluster_role())?);
        objects.push(held(&role.cluster_role_name(), role));
    }
    objects.push(to_value(roles::instance_admin())?);
    objects.push(held(roles::INSTANCE_ADMIN, Role::Admin));
    Ok(objects)
}

/// The operator's, as `config/` has them.
fn operator() -> Result<[Value; 4], Error> {
    let account = json!({"name": rbac::NAME, "namespace": SYSTEM});
    let subject = json!({"kind": "ServiceAccount", "name": rbac::NAME, "namespace": SYSTEM});
    Ok([
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}),
        to_value(rbac::cluster_role())?,
        binding(rbac::NAME, rbac::NAME, &subject),
    ])
}

/// A role is held, in all namespaces, by the user of its name.
fn held(cluster_role: &str, by: Role) -> Value {
    let user = json!({"apiGroup": RBAC, "kind": "User", "name": by.name()});
    binding(cluster_role, cluster_role, &user)
}

fn binding(name: &str, cluster_role: &str, subject: &Value) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": cluster_role},
        "subjects": [subject],
    })
}

#[cfg(test)]
mod tests {
    use aggregator_tests::folder;

    use super::*;

    fn title(object: &Value) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
    }

    #[test]
    fn the_operator_has_what_config_gives_it() {
        let objects = objects().expect("objects");
        for file in ["rbac/operator.yaml", "rbac/binding.yaml"] {
            let text = std::fs::read_to_string(folder::workspace().join("config").join(file)).expect("a file");
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
            assert!(!documents.is_empty(), "{file}");
            for document in documents {
                assert!(objects.contains(&document), "{file}: {document}");
            }
        }
    }

    #[test]
    fn kinds_come_first_and_each_role_is_bound_to_the_user_of_its_name() {
        let objects = objects().expect("objects");
        let titles: Vec<String> = objects.iter().map(title).collect();
        let mut first = titles[..kinds().len()].iter();
        assert!(first.all(|title| title.starts_with("CustomResourceDefinition ")), "{titles:?}");
        let at = |title: &str| titles.iter().position(|known| known == title).unwrap_or_else(|| panic!("{title}"));
        for role in Role::ALL {
            let name = role.cluster_role_name();
            assert!(at(&format!("ClusterRole {name}")) < at(&format!("ClusterRoleBinding {name}")));
            let subjects = &objects[at(&format!("ClusterRoleBinding {name}"))]["subjects"];
            assert_eq!(*subjects, json!([{"apiGroup": RBAC, "kind": "User", "name": role.name()}]));
        }
        let instance = &objects[at("ClusterRoleBinding aggregator-instance-admin")];
        assert_eq!(instance["subjects"][0]["name"], "admin");
    }
}
