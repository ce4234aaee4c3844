//! A run of a Transformation's tests: its name, what it is about, and what its worker is told.

use std::collections::BTreeMap;

use aggregator_crds::Transformation;
use kube::ResourceExt;
use kube::api::ObjectMeta;

use crate::labels::labels;
use crate::names;
use crate::worker;

/// The longest all tests may take, in seconds.
pub(super) const DEADLINE: i64 = 300;

/// The name of the Job that runs the tests of this version.
#[must_use]
pub(super) fn job_name(transformation: &Transformation) -> String {
    let generation = transformation.metadata.generation.unwrap_or_default().to_string();
    let version = names::hash(&[&transformation.uid().unwrap_or_default(), &generation], 8);
    names::child(&transformation.name_any(), &format!("test-{version}"))
}

/// The labels of everything that belongs to it.
pub(super) fn labels_of() -> BTreeMap<String, String> {
    labels([])
}

/// What is tested.
#[must_use]
pub(super) fn about(transformation: &Transformation) -> Transformation {
    let metadata = ObjectMeta {
        name: transformation.metadata.name.clone(),
        namespace: transformation.metadata.namespace.clone(),
        ..ObjectMeta::default()
    };
    Transformation { metadata, spec: transformation.spec.clone(), status: None }
}

/// What the worker is told.
#[must_use]
pub(super) fn arguments() -> Vec<String> {
    worker::arguments("test", Vec::new())
}
