//! What the caches leave out of the objects that they keep: there are thousands, and nobody asks for it.

use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, PodTemplateSpec, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Resource;

use crate::worker::MANIFESTS;

/// Where `kubectl apply` keeps the whole object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A kind whose objects can do without some of their parts.
pub trait Lean: Resource + Sized {
    /// Leaves out what no plan looks at.
    fn lean(&mut self) {
        metadata(self);
    }
}

/// Who wrote which field, and what was last applied, make up half of most objects.
fn metadata<K: Resource>(object: &mut K) {
    let metadata = object.meta_mut();
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

impl Lean for Pod {
    fn lean(&mut self) {
        metadata(self);
        self.spec = None;
    }
}

impl Lean for Job {
    fn lean(&mut self) {
        metadata(self);
        if let Some(spec) = &mut self.spec {
            spec.template = PodTemplateSpec::default();
        }
    }
}

impl Lean for ConfigMap {
    /// That a plan is there counts; what the worker reads of it may have a megabyte.
    fn lean(&mut self) {
        metadata(self);
        if let Some(manifests) = self.data.as_mut().and_then(|data| data.get_mut(MANIFESTS)) {
            *manifests = String::new();
        }
    }
}

impl Lean for Connector {}
impl Lean for Pipeline {}
impl Lean for Transformation {}
impl Lean for Schedule {}
impl Lean for PipelineRun {}
impl Lean for Checkpoint {}
impl Lean for ControllerRevision {}
impl Lean for ServiceAccount {}
impl Lean for Role {}
impl Lean for RoleBinding {}
