//! Fields that a write cannot own.

use std::sync::LazyLock;

use crate::api::Kind;

use super::set::FieldSet;

/// Fields that are nobody's: the API server writes them, or they say which object it is.
pub(super) static NOBODYS: LazyLock<FieldSet> = LazyLock::new(|| {
    FieldSet::of_names(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
});

/// Fields that a write to the object, or to its status, leaves as they are.
pub(super) fn left(kind: &Kind, subresource: &str) -> FieldSet {
    let paths: &[&[&str]] = match (subresource, kind.custom, kind.kind.as_str()) {
        ("", true, _) if kind.status => &[&["status"]],
        ("", false, "Pod" | "Node" | "Namespace" | "ResourceQuota" | "Job" | "CustomResourceDefinition") => {
            &[&["status"]]
        }
        ("status", true, _) => &[&["metadata"], &["spec"]],
        ("status", false, "Pod") => &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]],
        ("status", false, _) => &[&["spec"]],
        ("finalize", false, "Namespace") => &[&["status"]],
        _ => &[],
    };
    FieldSet::of_names(paths)
}
