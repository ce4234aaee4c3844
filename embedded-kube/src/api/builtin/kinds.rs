//! The closed list of built-in kinds: what `kubectl api-resources` says of them.

use std::sync::Arc;

use serde_json::Value;

use crate::api::Kind;

/// A built-in kind: group, version, kind, plural, short names, categories, whether it is in namespaces, whether its status
/// is a resource of its own, and the structure that it is.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, bool, bool, &'static str);

const KINDS: [Row; 25] = [
    ("", "ConfigMap", "configmaps", "cm", "", true, false, "core.ConfigMap"),
    ("", "Event", "events", "ev", "", true, false, "core.Event"),
    ("", "LimitRange", "limitranges", "limits", "", true, false, "core.LimitRange"),
    ("", "Namespace", "namespaces", "ns", "", false, true, "core.Namespace"),
    ("", "Node", "nodes", "no", "", false, true, "core.Node"),
    ("", "Pod", "pods", "po", "all", true, true, "core.Pod"),
    ("", "ResourceQuota", "resourcequotas", "quota", "", true, true, "core.ResourceQuota"),
    ("", "Secret", "secrets", "", "", true, false, "core.Secret"),
    ("", "ServiceAccount", "serviceaccounts", "sa", "", true, false, "core.ServiceAccount"),
    (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd,crds",
        "api-extensions",
        false,
        true,
        "apiextensions.CustomResourceDefinition",
    ),
    ("apps", "ControllerRevision", "controllerrevisions", "", "", true, false, "apps.ControllerRevision"),
    (
        "authentication.k8s.io",
        "SelfSubjectReview",
        "selfsubjectreviews",
        "",
        "",
        false,
        false,
        "authentication.SelfSubjectReview",
    ),
    ("authentication.k8s.io", "TokenReview", "tokenreviews", "", "", false, false, "authentication.TokenReview"),
    (
        "authorization.k8s.io",
        "LocalSubjectAccessReview",
        "localsubjectaccessreviews",
        "",
        "",
        true,
        false,
        "authorization.LocalSubjectAccessReview",
    ),
    (
        "authorization.k8s.io",
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        "",
        "",
        false,
        false,
        "authorization.SelfSubjectAccessReview",
    ),
    (
        "authorization.k8s.io",
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        "",
        "",
        false,
        false,
        "authorization.SelfSubjectRulesReview",
    ),
    (
        "authorization.k8s.io",
        "SubjectAccessReview",
        "subjectaccessreviews",
        "",
        "",
        false,
        false,
        "authorization.SubjectAccessReview",
    ),
    ("batch", "Job", "jobs", "", "all", true, true, "batch.Job"),
    ("coordination.k8s.io", "Lease", "leases", "", "", true, false, "coordination.Lease"),
    ("events.k8s.io", "Event", "events", "ev", "", true, false, "events.Event"),
    ("networking.k8s.io", "NetworkPolicy", "networkpolicies", "netpol", "", true, false, "networking.NetworkPolicy"),
    ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", "", "", false, false, "rbac.ClusterRole"),
    (
        "rbac.authorization.k8s.io",
        "ClusterRoleBinding",
        "clusterrolebindings",
        "",
        "",
        false,
        false,
        "rbac.ClusterRoleBinding",
    ),
    ("rbac.authorization.k8s.io", "Role", "roles", "", "", true, false, "rbac.Role"),
    ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", "", "", true, false, "rbac.RoleBinding"),
];

/// The built-in kinds, without schemas and columns.
pub(super) fn all() -> Vec<Kind> {
    KINDS.iter().map(kind).collect()
}

/// What a token is asked for with, at a part of a ServiceAccount.
const TOKEN: Row =
    ("authentication.k8s.io", "TokenRequest", "serviceaccounts", "", "", true, false, "authentication.TokenRequest");

/// What a token is asked for with.
pub(super) fn token_request() -> Kind {
    kind(&TOKEN)
}

/// The structure that a built-in kind is.
pub(super) fn structure(kind: &Kind) -> Option<&'static str> {
    let mut all = KINDS.iter().chain([&TOKEN]);
    all.find(|row| row.0 == kind.group && row.1 == kind.kind).map(|row| row.7)
}

fn kind((group, name, plural, short, categories, namespaced, status, _): &Row) -> Kind {
    let names = |names: &str| names.split(',').filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect();
    Kind {
        group: (*group).to_owned(),
        version: "v1".to_owned(),
        kind: (*name).to_owned(),
        plural: (*plural).to_owned(),
        singular: name.to_lowercase(),
        short_names: names(short),
        categories: names(categories),
        namespaced: *namespaced,
        status: *status,
        custom: false,
        schema: Arc::new(Value::Null),
        columns: Vec::new(),
    }
}
