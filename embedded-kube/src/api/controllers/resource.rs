//! The kinds that the controllers look at.

use std::borrow::Cow;

use kube::api::{ApiResource, GroupVersionKind};
use serde::Serialize;

/// A kind, as paths and references have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Resource {
    /// Its API group; empty for the core.
    pub group: Cow<'static, str>,
    /// Its version, as `v1`.
    pub version: Cow<'static, str>,
    /// Its name, as `Pod`.
    pub kind: Cow<'static, str>,
    /// Its name in paths, as `pods`.
    pub plural: Cow<'static, str>,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// Pods.
pub const POD: Resource = Resource::named("", "Pod", "pods");
/// Jobs.
pub const JOB: Resource = Resource::named("batch", "Job", "jobs");
/// Namespaces.
pub const NAMESPACE: Resource = Resource::wide("", "Namespace", "namespaces");
/// Nodes.
pub const NODE: Resource = Resource::wide("", "Node", "nodes");
/// ConfigMaps.
pub const CONFIG_MAP: Resource = Resource::named("", "ConfigMap", "configmaps");
/// ServiceAccounts.
pub const SERVICE_ACCOUNT: Resource = Resource::named("", "ServiceAccount", "serviceaccounts");
/// Leases.
pub const LEASE: Resource = Resource::named("coordination.k8s.io", "Lease", "leases");
/// ClusterRoles.
pub const CLUSTER_ROLE: Resource = Resource::wide(RBAC, "ClusterRole", "clusterroles");
/// CustomResourceDefinitions.
pub const DEFINITION: Resource =
    Resource::wide("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions");
/// Events, which nobody watches here: the API forgets them, and they go with their namespace.
pub const EVENT: Resource = Resource::named("", "Event", "events");

/// The built-in kinds that are watched: those of the embedded API that can be deleted and have an owner, or are one.
pub const BUILT_IN: [Resource; 17] = [
    NAMESPACE,
    NODE,
    DEFINITION,
    CLUSTER_ROLE,
    Resource::wide(RBAC, "ClusterRoleBinding", "clusterrolebindings"),
    JOB,
    POD,
    CONFIG_MAP,
    Resource::named("", "Secret", "secrets"),
    SERVICE_ACCOUNT,
    LEASE,
    Resource::named("apps", "ControllerRevision", "controllerrevisions"),
    Resource::named("", "ResourceQuota", "resourcequotas"),
    Resource::named("", "LimitRange", "limitranges"),
    Resource::named("networking.k8s.io", "NetworkPolicy", "networkpolicies"),
    Resource::named(RBAC, "Role", "roles"),
    Resource::named(RBAC, "RoleBinding", "rolebindings"),
];

impl Resource {
    const fn named(group: &'static str, kind: &'static str, plural: &'static str) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed("v1"),
            kind: Cow::Borrowed(kind),
            plural: Cow::Borrowed(plural),
            namespaced: true,
        }
    }

    const fn wide(group: &'static str, kind: &'static str, plural: &'static str) -> Self {
        let mut resource = Self::named(group, kind, plural);
        resource.namespaced = false;
        resource
    }

    /// Group and version as objects have them: `v1`, `batch/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether a reference with this `apiVersion` and `kind` is to an object of this kind, in whatever version.
    #[must_use]
    pub fn is(&self, api_version: &str, kind: &str) -> bool {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.group == group && self.kind == kind
    }

    /// As the client calls it.
    #[must_use]
    pub fn api(&self) -> ApiResource {
        let kind = GroupVersionKind::gvk(&self.group, &self.version, &self.kind);
        ApiResource::from_gvk_with_plural(&kind, &self.plural)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_to_a_kind_in_whatever_version() {
        assert!(JOB.is("batch/v1", "Job") && JOB.is("batch/v2", "Job") && POD.is("v1", "Pod"));
        assert!(!JOB.is("batch/v1", "CronJob") && !JOB.is("v1", "Job") && !POD.is("apps/v1", "Pod"));
        assert_eq!((JOB.api_version(), POD.api_version()), ("batch/v1".into(), "v1".into()));
    }
}
