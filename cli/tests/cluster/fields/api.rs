//! The Kubernetes API, asked by a client: kubectl would take ten times as long.

use std::time::{Duration, Instant};

use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

/// How long the operator may take to say what it thinks of an object.
pub(super) const SAID: Duration = Duration::from_secs(10);

/// The objects of a namespace.
#[derive(Clone)]
pub(super) struct Objects {
    client: Client,
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
        other => unreachable!("{other} is no kind of ours"),
    }
}

/// What the leading condition of an object says, and of which version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Objects {
    pub(super) async fn of(kubeconfig: &str, namespace: &str) -> Self {
        let kubeconfig: Kubeconfig = Kubeconfig::from_yaml(kubeconfig).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.expect("a configuration")).expect("a client");
        Self { client, namespace: namespace.to_owned() }
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(kind))
    }

    /// Makes an object, or only tries whether it could be made.
    pub(super) async fn create(&self, kind: &str, name: &str, spec: &Value, really: bool) -> Result<Value, String> {
        let resource = resource(kind);
        let object = json!({
            "apiVersion": resource.api_version, "kind": kind, "metadata": {"name": name}, "spec": spec,
        });
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let params = PostParams { dry_run: !really, ..PostParams::default() };
        let made = self.api(kind).create(&params, &object).await.map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(made).expect("JSON"))
    }

    /// Gives an object that is there another spec.
    pub(super) async fn replace(&self, kind: &str, name: &str, spec: &Value) -> Result<Value, String> {
        let api = self.api(kind);
        loop {
            let mut object = api.get(name).await.map_err(|error| error.to_string())?;
            object.data["spec"] = spec.clone();
            match api.replace(name, &PostParams::default(), &object).await {
                Ok(object) => return Ok(serde_json::to_value(object).expect("JSON")),
                // The operator has written its status in between.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    pub(super) async fn delete(&self, kind: &str, name: &str) {
        self.api(kind).delete(name, &DeleteParams::background()).await.expect("it is there");
    }

    /// What is said of this version of an object, and how long that took.
    pub(super) async fn said(&self, kind: &str, object: &Value) -> Result<(Said, Duration), String> {
        let name = object["metadata"]["name"].as_str().expect("a name");
        let generation = object["metadata"]["generation"].as_i64();
        let leading = if kind == "PipelineRun" { "Succeeded" } else { "Ready" };
        let api = self.api(kind);
        let begun = Instant::now();
        loop {
            let there = api.get(name).await.map_err(|error| error.to_string())?;
            let conditions = there.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let said = conditions.iter().find(|condition| condition["type"] == leading);
            if let Some(said) = said.filter(|said| said["observedGeneration"].as_i64() == generation) {
                let text = |field: &str| said[field].as_str().unwrap_or_default().to_owned();
                let said = Said { status: text("status"), reason: text("reason"), message: text("message") };
                return Ok((said, begun.elapsed()));
            }
            if begun.elapsed() > SAID {
                return Err(format!("nothing was said of generation {generation:?} in time, but {conditions:?}"));
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }
}
