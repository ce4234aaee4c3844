//! Who the workers of a namespace are, and what they may do: read the run they work for, tell how far it is, and keep its
//! Checkpoint. Nothing else.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use kube::api::ObjectMeta;

use crate::action::{Action, Kind};
use crate::labels::labels;
use crate::settings::Settings;
use crate::world::World;

/// What the workers may do in their namespace.
#[must_use]
pub fn rules() -> Vec<PolicyRule> {
    let rule = |resource: &str, verbs: &[&str]| PolicyRule {
        api_groups: Some(vec![aggregator_crds::GROUP.into()]),
        resources: Some(vec![resource.into()]),
        verbs: verbs.iter().map(ToString::to_string).collect(),
        ..PolicyRule::default()
    };
    vec![rule("pipelineruns/status", &["patch"]), rule("checkpoints", &["get", "create", "update"])]
}

fn metadata(namespace: &str, settings: &Settings) -> ObjectMeta {
    ObjectMeta {
        name: Some(settings.service_account.clone()),
        namespace: Some(namespace.to_owned()),
        labels: Some(labels([])),
        ..ObjectMeta::default()
    }
}

/// The writes that give the workers of a namespace their identity and rights.
#[must_use]
pub fn all(namespace: &str, settings: &Settings) -> Vec<Action> {
    let metadata = metadata(namespace, settings);
    let name = settings.service_account.clone();
    let role = Role { metadata: metadata.clone(), rules: Some(rules()) };
    let binding = RoleBinding {
        metadata: metadata.clone(),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "Role".into(),
            name: name.clone(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            name,
            namespace: Some(namespace.to_owned()),
            ..Subject::default()
        }]),
    };
    vec![
        Action::apply(Kind::ServiceAccount, &ServiceAccount { metadata, ..ServiceAccount::default() }),
        Action::apply(Kind::Role, &role),
        Action::apply(Kind::RoleBinding, &binding),
    ]
}

/// Whether they have them.
#[must_use]
pub fn is_there(world: &World, namespace: &str, settings: &Settings) -> bool {
    let name = &settings.service_account;
    let role = world.roles.get(namespace, name);
    world.service_accounts.get(namespace, name).is_some()
        && role.is_some_and(|role| role.rules.as_ref() == Some(&rules()))
        && world.role_bindings.get(namespace, name).is_some()
}
