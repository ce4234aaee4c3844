//! What goes with its owner, before it, or stays without it.

mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;

use super::resource::Resource;

pub use plan::plan;

/// The finalizer of an object that goes after its dependents.
pub const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of an object whose dependents stay.
pub const ORPHAN: &str = "orphan";

/// An object, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its kind.
    pub resource: Resource,
    /// What every object has.
    pub metadata: Arc<ObjectMeta>,
}

/// What has become of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there.
    Solid,
    /// It is not there any more, or is another object of that name.
    Gone,
    /// It goes, and waits for its dependents to go first.
    Waits,
    /// Nobody knows: its kind is not served, or such an owner cannot be.
    Unknown,
}

/// What is known of an object and of what it is tied to.
#[derive(Clone, Debug)]
pub struct View {
    /// The object.
    pub item: Item,
    /// What has become of each of its owners.
    pub owners: Vec<(OwnerReference, Fate)>,
    /// What names it as an owner.
    pub dependents: Vec<Item>,
}

/// Whether an object goes after its dependents.
#[must_use]
pub fn waits(metadata: &ObjectMeta) -> bool {
    metadata.deletion_timestamp.is_some() && super::owner::has_finalizer(metadata, FOREGROUND)
}
