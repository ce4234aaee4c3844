//! What the caches leave out of the objects that they keep: there are thousands, and nobody asks for it.

use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, PodTemplateSpec, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Resource;
use serde_json::Value;

use crate::labels;
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

impl Lean for ControllerRevision {
    /// Every Pipeline has some, and few are read: a spec as text takes a tenth of the room that it takes as a tree. Only one that
    /// was taken from its owner is known by its labels.
    fn lean(&mut self) {
        metadata(self);
        if labels::controller(self).is_some() {
            self.metadata.labels = None;
        }
        if !self.data.0.is_string() {
            self.data.0 = Value::String(self.data.0.to_string());
        }
    }
}

impl Lean for Checkpoint {
    /// When it was written counts, and whether something was committed: the positions of ten thousand streams have megabytes.
    fn lean(&mut self) {
        metadata(self);
        self.spec.attempts = Vec::new();
        self.spec.positions.truncate(1);
        for position in &mut self.spec.positions {
            position.state.0 = Value::Null;
        }
    }
}

impl Lean for Connector {}
impl Lean for Pipeline {}
impl Lean for Transformation {}
impl Lean for Schedule {}
impl Lean for PipelineRun {}
impl Lean for ServiceAccount {}
impl Lean for Role {}
impl Lean for RoleBinding {}

#[cfg(test)]
mod tests {
    use aggregator_crds::run::PipelineRevisionRef;
    use serde_json::json;

    use super::*;
    use crate::fixture::object;
    use crate::pipeline::revision;

    #[test]
    fn a_revision_is_kept_as_text_and_read_as_it_was() {
        let pipeline: Pipeline = object(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "Pipeline",
            "metadata": {"name": "move", "namespace": "demo", "uid": "uid"},
            "spec": {
                "sources": [{"name": "rows", "connector": "files", "stream": "*.csv"}],
                "transforms": [{"name": "few", "from": ["rows"], "filter": {"where": "id < 0 AND name = 'ö\"\\'"}}],
                "sinks": [{"name": "kept", "from": "few", "connector": "files", "stream": "out/"}],
            },
        }));
        let whole = revision::keep(&pipeline, 3);
        let mut lean = whole.clone();
        lean.lean();
        assert!(lean.data.0.is_string(), "{lean:?}");
        assert_eq!((revision::spec(&whole), revision::spec(&lean)), (Some(pipeline.spec.clone()), Some(pipeline.spec)));
        assert_eq!((revision::number(&lean), lean.metadata.labels.as_ref()), (3, None));
        assert_eq!(lean.metadata.owner_references, whole.metadata.owner_references, "it is found by its owner");
        let before = lean.clone();
        lean.lean();
        assert_eq!(lean, before, "once is enough");
        let kept = [std::sync::Arc::new(lean)];
        let newest = PipelineRevisionRef { name: "move".into(), revision: None };
        assert!(revision::asked(&kept, &newest).is_some());
        let mut taken = whole.clone();
        taken.metadata.owner_references = None;
        taken.lean();
        assert_eq!(taken.metadata.labels, whole.metadata.labels, "nothing else says whose it was");
    }

    #[test]
    fn of_a_checkpoint_it_is_kept_that_there_are_positions() {
        let position =
            |of: &str| json!({"source": "rows", "stream": of, "kind": "files", "version": 1, "state": {"a": 1}});
        let mut checkpoint: Checkpoint = object(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "Checkpoint", "metadata": {"name": "move"},
            "spec": {
                "pipelineRef": {"name": "move"}, "epoch": 7, "run": "first", "time": "2026-11-29T10:00:00Z",
                "positions": [position("a"), position("b")], "attempts": [{"state": {"epoch": 7}}],
            },
        }));
        let whole = checkpoint.clone();
        checkpoint.lean();
        let (spec, before) = (&checkpoint.spec, &whole.spec);
        assert_eq!((spec.epoch, &spec.run, spec.time), (before.epoch, &before.run, before.time));
        assert_eq!((spec.positions.len(), &spec.positions[0].state.0), (1, &Value::Null));
        assert!(spec.attempts.is_empty());
        let mut none = whole;
        none.spec.positions.clear();
        none.lean();
        assert!(none.spec.positions.is_empty(), "nothing was committed");
    }

    #[test]
    fn who_wrote_what_and_what_was_last_applied_is_left_out() {
        let mut connector: Connector = object(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "Connector",
            "metadata": {
                "name": "files", "annotations": {LAST_APPLIED: "{}", "aggregator.dev/expires-at": "never"},
                "managedFields": [{"manager": "kubectl"}],
            },
            "spec": {"file": {"root": "in", "format": {"csv": {}}}},
        }));
        connector.lean();
        assert_eq!(connector.metadata.managed_fields, None);
        let left: Vec<&String> = connector.metadata.annotations.iter().flat_map(|it| it.keys()).collect();
        assert_eq!(left, ["aggregator.dev/expires-at"]);
    }
}
