//! Who an object belongs to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;

/// The owner that controls an object; there is at most one.
#[must_use]
pub fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// Whether the object of that UID controls another.
#[must_use]
pub fn controls(uid: &str, metadata: &ObjectMeta) -> bool {
    controller(metadata).is_some_and(|owner| owner.uid == uid)
}

/// An object's finalizers.
#[must_use]
pub fn finalizers(metadata: &ObjectMeta) -> &[String] {
    metadata.finalizers.as_deref().unwrap_or_default()
}

/// Whether an object has a finalizer.
#[must_use]
pub fn has_finalizer(metadata: &ObjectMeta, finalizer: &str) -> bool {
    finalizers(metadata).iter().any(|other| other == finalizer)
}
