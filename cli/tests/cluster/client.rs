//! The Kubernetes API of a project's namespace, asked by a client: kubectl would take ten times as long.

use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Config;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::project::Project;

/// Who writes.
const FIELD_MANAGER: &str = "tests";

/// A client of somebody who may do everything.
pub(crate) struct Client {
    runtime: Runtime,
    client: kube::Client,
    namespace: String,
}

fn resource(kind: &str) -> ApiResource {
    match kind {
        "Connector" => ApiResource::erase::<Connector>(&()),
        "Pipeline" => ApiResource::erase::<Pipeline>(&()),
        "Transformation" => ApiResource::erase::<Transformation>(&()),
        "Schedule" => ApiResource::erase::<Schedule>(&()),
        "PipelineRun" => ApiResource::erase::<PipelineRun>(&()),
        "Checkpoint" => ApiResource::erase::<Checkpoint>(&()),
        "ConfigMap" => ApiResource::erase::<ConfigMap>(&()),
        "Job" => ApiResource::erase::<Job>(&()),
        "Pod" => ApiResource::erase::<Pod>(&()),
        other => unreachable!("{other} is not asked for here"),
    }
}

/// An answer; None when the object is not there.
fn there<T>(answer: Result<T, kube::Error>) -> Option<T> {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 404 => None,
        answer => Some(answer.expect("an answer")),
    }
}

fn json_of(object: DynamicObject) -> Value {
    serde_json::to_value(object).expect("JSON")
}

impl Client {
    /// Of the namespace of a project.
    pub(crate) fn of(project: &Project) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let kubeconfig = Kubeconfig::from_yaml(&project.admin()).expect("a kubeconfig");
        let client = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            kube::Client::try_from(config.expect("a configuration")).expect("a client")
        });
        Self { runtime, client, namespace: project.namespace.name().to_owned() }
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(kind))
    }

    /// Makes an object, or makes it what it should be.
    pub(crate) fn apply(&self, kind: &str, name: &str, spec: &Value) -> Value {
        let resource = resource(kind);
        let object = serde_json::json!({
            "apiVersion": resource.api_version, "kind": kind, "metadata": {"name": name}, "spec": spec,
        });
        let (api, params) = (self.api(kind), PatchParams::apply(FIELD_MANAGER).force());
        let applied = self.runtime.block_on(api.patch(name, &params, &Patch::Apply(&object)));
        json_of(applied.expect("an object of ours"))
    }

    /// Changes fields of an object; None when it is not there.
    pub(crate) fn merge(&self, kind: &str, name: &str, fields: &Value) -> Option<Value> {
        let (api, params) = (self.api(kind), PatchParams::default());
        there(self.runtime.block_on(api.patch(name, &params, &Patch::Merge(fields)))).map(json_of)
    }

    /// Deletes an object; false when it is not there.
    pub(crate) fn delete(&self, kind: &str, name: &str) -> bool {
        let api = self.api(kind);
        there(self.runtime.block_on(api.delete(name, &DeleteParams::background()))).is_some()
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let api = self.api(kind);
        self.runtime.block_on(api.get_opt(name)).expect("an answer").map(json_of)
    }

    /// All objects of a kind that have these labels, as `key=value`; all of them when there is none.
    pub(crate) fn list(&self, kind: &str, labels: &str) -> Vec<Value> {
        let api = self.api(kind);
        let list = self.runtime.block_on(api.list(&ListParams::default().labels(labels)));
        list.expect("an answer").items.into_iter().map(json_of).collect()
    }
}
