//! Labels and annotations of ours, and who owns what.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use kube::{Resource, ResourceExt};

/// On every object that the operator makes.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "aggregator");
/// The run that a Job, Pod or ConfigMap is of.
pub const RUN: &str = "aggregator.dev/run";
/// The Connector that a check or a catalogue is of.
pub const CONNECTOR: &str = "aggregator.dev/connector";
/// The Pipeline.
pub const PIPELINE: &str = "aggregator.dev/pipeline";
/// The Schedule that made a run.
pub const SCHEDULE: &str = "aggregator.dev/schedule";
/// The number of the attempt, from 1.
pub const ATTEMPT: &str = "aggregator.dev/attempt";
/// The fire that made a run, in RFC 3339: an annotation.
pub const FIRE: &str = "aggregator.dev/fire";

/// On a Job that the operator has suspended because it does not see the plan that the Job was made from: an annotation.
pub const UNPLANNED: &str = "aggregator.dev/unplanned";

/// The generation of a Connector that a catalogue is of, or of a Pipeline that a revision was kept of: an annotation.
pub const GENERATION: &str = "aggregator.dev/generation";

/// The labels of a child.
#[must_use]
pub fn labels<const N: usize>(own: [(&str, &str); N]) -> BTreeMap<String, String> {
    std::iter::once(MANAGED_BY).chain(own).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// An object's label, empty when it has none.
pub fn label<'a, K: Resource>(object: &'a K, key: &str) -> &'a str {
    object.meta().labels.as_ref().and_then(|labels| labels.get(key)).map_or("", String::as_str)
}

/// The metadata of a child in its owner's namespace. It goes with its owner.
pub fn child_of<K: Resource<DynamicType = ()>>(
    owner: &K,
    name: String,
    labels: BTreeMap<String, String>,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: owner.namespace(),
        labels: Some(labels),
        owner_references: owner.controller_owner_ref(&()).map(|reference| vec![reference]),
        ..ObjectMeta::default()
    }
}

/// The reference to the object that controls another one.
pub fn controller<K: Resource>(object: &K) -> Option<&OwnerReference> {
    object.meta().owner_references.iter().flatten().find(|reference| reference.controller == Some(true))
}

/// Whether an object is controlled by the one with this UID.
pub fn is_owned<K: Resource>(object: &K, uid: &str) -> bool {
    controller(object).is_some_and(|reference| reference.uid == uid)
}
