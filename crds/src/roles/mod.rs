//! What people may do: six roles, as ClusterRoles. One table says it all; `config/rbac/roles.yaml` is written from it.
//!
//! Some resources are no objects (`pipelines/run`, `reports`): a right to them is asked for by whoever does what they stand
//! for. What a right to write alone would let somebody do beyond their role, as a designer who publishes, is kept from them
//! by guards, not by this table.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::GROUP;

/// The label of the ClusterRoles, with the role's name.
pub const LABEL: &str = "aggregator.dev/role";

/// The name of the ClusterRole of those who look after the whole installation: namespaces, and who is known to it.
pub const INSTANCE_ADMIN: &str = "aggregator-instance-admin";

/// A role of people. It holds in one namespace or in all, as its binding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Does everything within a project, and says who else may do what there.
    Admin,
    /// Writes Pipelines, Connectors and Schedules, and runs them.
    Developer,
    /// Drafts Pipelines and Schedules, and looks at their rows.
    Designer,
    /// Runs what others have written.
    Executor,
    /// Sees everything of a project, and changes nothing.
    Viewer,
    /// Sees reports and costs alone.
    Executive,
}

use Role::{Admin, Designer, Developer, Executive, Executor, Viewer};

/// A line of the table: who may do what.
struct Right {
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    roles: &'static [Role],
}

const fn right(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    roles: &'static [Role],
) -> Right {
    Right { group, resources, verbs, roles }
}

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "update", "patch", "delete"];

const RBAC: &str = "rbac.authorization.k8s.io";

/// Who sees the objects of a project.
const ALL_BUT_EXECUTIVE: &[Role] = &[Admin, Developer, Designer, Executor, Viewer];

/// The table. No line names a Secret or a ConfigMap, what runs in a Pod, or everything at once.
const RIGHTS: [Right; 24] = [
    right(
        GROUP,
        &["connectors", "pipelines", "transformations", "schedules", "pipelineruns", "checkpoints"],
        READ,
        ALL_BUT_EXECUTIVE,
    ),
    right("", &["pods", "events"], READ, ALL_BUT_EXECUTIVE),
    right("events.k8s.io", &["events"], READ, ALL_BUT_EXECUTIVE),
    right("batch", &["jobs"], READ, ALL_BUT_EXECUTIVE),
    right("", &["pods/log"], &["get"], ALL_BUT_EXECUTIVE),
    right(GROUP, &["pipelines", "transformations", "schedules"], WRITE, &[Admin, Developer, Designer]),
    right(GROUP, &["pipelines/publish"], &["create"], &[Admin, Developer]),
    right(GROUP, &["schedules/design"], &["update"], &[Admin, Developer]),
    right(GROUP, &["connectors"], WRITE, &[Admin, Developer]),
    right(GROUP, &["connectors"], &["use"], &[Admin, Developer, Designer]),
    right(GROUP, &["connectors/credentials"], &["update"], &[Admin, Developer]),
    right(GROUP, &["connectors/check"], &["create"], &[Admin, Developer]),
    right(GROUP, &["connectors/schema"], &["get"], &[Admin, Developer, Designer]),
    right(GROUP, &["pipelines/preview"], &["create"], &[Admin, Developer, Designer]),
    right(GROUP, &["pipelines/run"], &["create"], &[Admin, Developer, Executor]),
    // Of a run nothing may change but that it is to end. A designer gets `create` with the guard that asks for previews.
    right(GROUP, &["pipelineruns"], &["create", "patch"], &[Admin, Developer, Executor]),
    right(GROUP, &["schedules/pause"], &["update"], &[Admin, Developer, Executor]),
    right(GROUP, &["pipelineruns"], &["delete"], &[Admin, Developer]),
    right(GROUP, &["checkpoints"], WRITE, &[Admin, Developer]),
    right(
        GROUP,
        &["connectors", "pipelines", "transformations", "schedules", "pipelineruns", "checkpoints"],
        &["deletecollection"],
        &[Admin],
    ),
    right(RBAC, &["rolebindings"], &["get", "list", "watch", "create", "delete"], &[Admin]),
    right(
        GROUP,
        &["reports", "dashboards"],
        &["get", "list"],
        &[Admin, Developer, Designer, Executor, Viewer, Executive],
    ),
    right(GROUP, &["dashboards/executive", "costs"], &["get"], &[Admin, Executive]),
    right(GROUP, &["auditevents"], &["get", "list"], &[Admin]),
];

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [Admin, Developer, Designer, Executor, Viewer, Executive];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Admin => "admin",
            Developer => "developer",
            Designer => "designer",
            Executor => "executor",
            Viewer => "viewer",
            Executive => "executive",
        }
    }

    /// The name of its ClusterRole.
    #[must_use]
    pub fn cluster_role_name(self) -> String {
        format!("aggregator-{}", self.name())
    }

    /// What it may do.
    #[must_use]
    pub fn rules(self) -> Vec<PolicyRule> {
        let own = RIGHTS.iter().filter(|right| right.roles.contains(&self));
        let mut rules: Vec<PolicyRule> =
            own.map(|right| rule(right.group, texts(right.resources), texts(right.verbs))).collect();
        if self == Admin {
            // Whoever makes others members gives them these roles, and no right beyond.
            let six = Self::ALL.map(Self::cluster_role_name).to_vec();
            let bind = rule(RBAC, texts(&["clusterroles"]), texts(&["bind"]));
            rules.push(PolicyRule { resource_names: Some(six), ..bind });
        }
        rules
    }

    /// Its ClusterRole.
    #[must_use]
    pub fn cluster_role(self) -> ClusterRole {
        cluster_role(self.cluster_role_name(), self.name(), self.rules())
    }
}

/// The ClusterRole of those who look after the whole installation. It is bound beside [`Role::Admin`], and never within one
/// namespace, where it would be the right to delete it.
#[must_use]
pub fn instance_admin() -> ClusterRole {
    let all = || texts(&[READ, WRITE].concat());
    let rules = vec![rule("", texts(&["namespaces"]), all()), rule(GROUP, texts(&["users", "idpconfigs"]), all())];
    cluster_role(INSTANCE_ADMIN.to_owned(), "instance-admin", rules)
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn rule(group: &str, resources: Vec<String>, verbs: Vec<String>) -> PolicyRule {
    PolicyRule { api_groups: Some(vec![group.to_owned()]), resources: Some(resources), verbs, ..PolicyRule::default() }
}

fn cluster_role(name: String, role: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    let labels = BTreeMap::from([(LABEL.to_owned(), role.to_owned())]);
    ClusterRole {
        metadata: ObjectMeta { name: Some(name), labels: Some(labels), ..ObjectMeta::default() },
        rules: Some(rules),
        aggregation_rule: None,
    }
}
