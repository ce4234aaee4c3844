//! Runs: that succeed, that are tried again, that fail, that are cancelled, that several Pods share.

use aggregator_crds::Reason;
use aggregator_operator::action::Kind;
use futures::FutureExt;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::scene::{Scene, condition};
use crate::worker::{Fares, Task};
use crate::workload::Step;

/// The Pipeline of all runs.
const PIPELINE: &str = "move";

pub(crate) fn well(_: &Task) -> Fares {
    Fares::Well
}

/// Nothing helps against what these meet.
pub(crate) fn badly(_: &Task) -> Fares {
    Fares::Badly { reason: Reason::CredentialsRefused, retryable: false }
}

/// The first attempt does not reach its system.
pub(crate) fn first_badly(task: &Task) -> Fares {
    match task {
        Task::Run { attempt: 1, .. } => Fares::Badly { reason: Reason::Unreachable, retryable: true },
        _ => Fares::Well,
    }
}

pub(crate) fn lasts(_: &Task) -> Fares {
    Fares::Lasts
}

/// What is known of a Connector that was checked a while ago.
pub(crate) fn checked() -> Value {
    let time = aggregator_operator::conditions::seconds(Timestamp::now());
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Reached", "message": "it answers",
        "lastTransitionTime": time, "observedGeneration": 1,
    });
    json!({
        "observedGeneration": 1, "type": "file", "conditions": [ready], "lastCheck": {"time": time, "generation": 1},
    })
}

/// Two Connectors that were checked: nobody does so again.
pub(crate) fn connectors(scene: &Scene) -> Step<'_> {
    async move {
        for (name, format) in [("in", json!({"csv": {}})), ("out", json!({"ndjson": {}}))] {
            let spec = json!({"file": {"root": format!("/data/{name}"), "format": format}});
            scene.create(Kind::Connector, json!({"metadata": {"name": name}, "spec": spec})).await?;
            scene.said(Kind::Connector, name, &checked()).await?;
        }
        Ok(())
    }
    .boxed()
}

/// Somebody makes a Pipeline, and sees that it is ready.
pub(crate) async fn pipeline(scene: &Scene, more: &Value) -> Result<(), String> {
    let mut spec = json!({
        "sources": [{"name": "rows", "connector": "in", "stream": "*.csv", "sync": {"mode": "Incremental"}}],
        "sinks": [{"name": "kept", "from": "rows", "connector": "out", "stream": "rows/"}],
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    scene.create(Kind::Pipeline, json!({"metadata": {"name": PIPELINE}, "spec": spec})).await?;
    let ready = scene.until("a Pipeline that is ready, and its first version", |inside| {
        let pipeline = inside.get("Pipeline", PIPELINE)?;
        condition(pipeline, "Ready").filter(|ready| ready["status"] == "True")?;
        inside.get("ControllerRevision", "move-1").map(drop)
    });
    ready.await
}

async fn run(scene: &Scene, execution: Value) -> Result<(), String> {
    pipeline(scene, &json!({"execution": execution})).await?;
    let spec = json!({"pipelineRef": {"name": PIPELINE}});
    scene.create(Kind::PipelineRun, json!({"metadata": {"name": "first"}, "spec": spec})).await.map(drop)
}

pub(crate) fn plain(scene: &Scene) -> Step<'_> {
    async move {
        run(scene, json!({})).await?;
        scene.ends("first").await
    }
    .boxed()
}

pub(crate) fn retried(scene: &Scene) -> Step<'_> {
    async move {
        run(scene, json!({"retry": {"limit": 2, "backoff": {"initial": "1s"}}})).await?;
        scene.ends("first").await
    }
    .boxed()
}

pub(crate) fn shared(scene: &Scene) -> Step<'_> {
    async move {
        run(scene, json!({"shards": 2})).await?;
        scene.ends("first").await
    }
    .boxed()
}

pub(crate) fn cancelled(scene: &Scene) -> Step<'_> {
    async move {
        run(scene, json!({})).await?;
        let runs = |run: &kube::api::DynamicObject| run.data["status"]["phase"] == "Running";
        scene.shows(Kind::PipelineRun, "first", "a worker at work", runs).await?;
        scene.edit(Kind::PipelineRun, "first", &json!({"spec": {"cancel": "Immediate"}})).await?;
        scene.ends("first").await
    }
    .boxed()
}
