//! Who the workers of a namespace are, and what they may do. Those of runs tell how far the run is, and keep its Checkpoint;
//! those that check Connectors keep catalogues. Nothing else.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use kube::api::ObjectMeta;

use crate::action::{Action, Kind};
use crate::labels::labels;
use crate::settings::Settings;
use crate::world::World;

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// It makes an attempt at a run.
    Run,
    /// It checks a Connector.
    Probe,
}

impl Who {
    /// Every kind of worker.
    pub const ALL: [Self; 2] = [Self::Run, Self::Probe];

    /// The name of its ServiceAccount.
    #[must_use]
    pub fn name(self, settings: &Settings) -> String {
        match self {
            Self::Run => settings.service_account.clone(),
            Self::Probe => format!("{}-probe", settings.service_account),
        }
    }

    /// What it may do in its namespace.
    #[must_use]
    pub fn rules(self) -> Vec<PolicyRule> {
        let rule = |group: &str, resource: &str, verbs: &[&str]| PolicyRule {
            api_groups: Some(vec![group.into()]),
            resources: Some(vec![resource.into()]),
            verbs: verbs.iter().map(ToString::to_string).collect(),
            ..PolicyRule::default()
        };
        match self {
            Self::Run => vec![
                rule(aggregator_crds::GROUP, "pipelineruns/status", &["patch"]),
                rule(aggregator_crds::GROUP, "checkpoints", &["get", "create", "update"]),
            ],
            // An object that may be new is applied, which takes both.
            Self::Probe => vec![rule("", "configmaps", &["create", "patch"])],
        }
    }
}

fn metadata(namespace: &str, who: Who, settings: &Settings) -> ObjectMeta {
    ObjectMeta {
        name: Some(who.name(settings)),
        namespace: Some(namespace.to_owned()),
        labels: Some(labels([])),
        ..ObjectMeta::default()
    }
}

/// The writes that give the workers of a namespace their identity and rights.
#[must_use]
pub fn all(namespace: &str, who: Who, settings: &Settings) -> Vec<Action> {
    let metadata = metadata(namespace, who, settings);
    let name = who.name(settings);
    let role = Role { metadata: metadata.clone(), rules: Some(who.rules()) };
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
pub fn is_there(world: &World, namespace: &str, who: Who, settings: &Settings) -> bool {
    let name = &who.name(settings);
    let role = world.roles.get(namespace, name);
    world.service_accounts.get(namespace, name).is_some()
        && role.is_some_and(|role| role.rules.as_ref() == Some(&who.rules()))
        && world.role_bindings.get(namespace, name).is_some()
}
