//! What can be done with a kind.

use super::super::Kind;

/// A part of objects that is a resource of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// Its name, as `status`.
    pub name: &'static str,
    /// Group, version and kind of what is read and written there, if it is not the object's own.
    pub kind: Option<(&'static str, &'static str, &'static str)>,
    /// What can be done with it.
    pub verbs: &'static [&'static str],
}

const STATUS: Subresource = Subresource { name: "status", kind: None, verbs: &["get", "patch", "update"] };
const LOG: Subresource = Subresource { name: "log", kind: None, verbs: &["get"] };
const TOKEN: Subresource =
    Subresource { name: "token", kind: Some(("authentication.k8s.io", "v1", "TokenRequest")), verbs: &["create"] };

/// What can be done with objects of the kind.
#[must_use]
pub fn verbs(kind: &Kind) -> &'static [&'static str] {
    match (kind.custom, kind.group.as_str(), kind.kind.as_str()) {
        // In this order.
        (true, ..) => &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
        // Questions, which nobody keeps.
        (false, "authentication.k8s.io" | "authorization.k8s.io", _) => &["create"],
        (false, "", "Namespace") => &["create", "delete", "get", "list", "patch", "update", "watch"],
        _ => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    }
}

/// The kind's subresources, by name.
#[must_use]
pub fn subresources(kind: &Kind) -> Vec<Subresource> {
    let mut all = Vec::new();
    match (kind.custom, kind.group.as_str(), kind.kind.as_str()) {
        (false, "", "Pod") => all.push(LOG),
        (false, "", "ServiceAccount") => all.push(TOKEN),
        _ => {}
    }
    if kind.status {
        all.push(STATUS);
    }
    all
}
