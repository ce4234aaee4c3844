//! How soon an object's status says what has happened.

use std::time::{Duration, Instant};

use aggregator_crds::Pipeline;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::Outcome;
use crate::objects::Objects;
use crate::ready::{events, holds, told};

/// How long one may take.
const LONGEST: Duration = Duration::from_secs(30);
const GROUP: &str = aggregator_crds::GROUP;

/// How long it takes, after each edit of a Pipeline, until its conditions are of the new version.
pub(crate) async fn edits(client: &Client, objects: &Objects, count: usize) -> Outcome<Vec<Duration>> {
    let mut watch = events(client, GROUP, "v1alpha1", "Pipeline").await?;
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let name = format!("pipeline-{number}");
        let patch = json!({"spec": {"description": "It was edited"}});
        let begun = Instant::now();
        let api = objects.api::<Pipeline>(client, number);
        let edited = api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        let said = async {
            loop {
                let object = told(watch.next().await.ok_or("a watch has ended")?)?;
                let own = object.filter(|object| object.name_any() == name);
                if own.is_some_and(|it| {
                    it.metadata.generation == edited.metadata.generation && holds(&it, "Ready", "True")
                }) {
                    return Outcome::Ok(begun.elapsed());
                }
            }
        };
        times.push(tokio::time::timeout(LONGEST, said).await??);
    }
    Ok(times)
}

/// How long it takes, after the Pod of a run has begun, until the run's phase says so. The runs are `namespace/name`.
pub(crate) async fn begins(client: &Client, runs: &[String], count: usize) -> Outcome<Vec<Duration>> {
    let mut watch = events(client, GROUP, "v1alpha1", "PipelineRun").await?;
    let mut times = Vec::with_capacity(count);
    for run in runs.iter().take(count) {
        let (namespace, name) = run.split_once('/').ok_or("a run without a namespace")?;
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let own = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"));
        // The Job controller may be behind.
        let until = Instant::now() + LONGEST;
        let pod = loop {
            match pods.list(&own).await?.items.into_iter().next() {
                Some(pod) => break pod,
                None if Instant::now() > until => return Err(format!("the Job {run} has no Pod").into()),
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        let bound = json!([{"type": "PodScheduled", "status": "True"}]);
        let status = json!({"status": {"phase": "Running", "conditions": bound, "containerStatuses": [{
            "name": "worker", "image": "", "imageID": "", "ready": true, "started": true, "restartCount": 0,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }]}});
        let begun = Instant::now();
        pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
        let said = async {
            loop {
                let object = told(watch.next().await.ok_or("a watch has ended")?)?;
                if object.is_some_and(|it| it.name_any() == name && it.data["status"]["phase"] == "Running") {
                    return Outcome::Ok(begun.elapsed());
                }
            }
        };
        times.push(tokio::time::timeout(LONGEST, said).await??);
    }
    Ok(times)
}
