//! What a kubelet does for the Pods of a scene, as far as the API server can tell: it says that they run, that they have ended
//! and how, and lets those go that are deleted.
//!
//! It is a mock, for speed: no process is started. That it tells the truth is shown by the tests of `cli/tests/cluster`, whose
//! Pods are processes of real workers on a real node runner.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::road::Road;
use crate::scene::Scene;
use crate::seen::{Inside, pods};
use crate::worker::{Ended, Fares, Sink, Task, work};

/// Nothing that a kubelet waits for takes so long.
const FOREVER: Duration = Duration::from_secs(3600);

/// The kubelet of a scene.
pub(crate) struct Kubelet {
    pub(crate) scene: Arc<Scene>,
    pub(crate) road: Arc<Road>,
    pub(crate) sink: Arc<Sink>,
    /// How the worker of a task fares.
    pub(crate) fares: fn(&Task) -> Fares,
    /// What it could not do.
    pub(crate) troubles: Mutex<Vec<String>>,
}

/// A Pod, and which of all that ever had its name.
#[derive(Clone)]
struct Own {
    name: String,
    uid: String,
}

/// What is asked of a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// To run.
    Go,
    /// To end.
    Stop,
    /// It is gone.
    Nothing,
}

impl Own {
    fn of<'a>(&self, inside: &'a Inside) -> Option<&'a DynamicObject> {
        inside.get("Pod", &self.name).filter(|pod| pod.metadata.uid.as_ref() == Some(&self.uid))
    }

    /// What is asked of it, once it has a node.
    fn asked(&self, inside: &Inside) -> Option<Asked> {
        match self.of(inside) {
            None => Some(Asked::Nothing),
            Some(pod) if pod.metadata.deletion_timestamp.is_some() => Some(Asked::Stop),
            Some(pod) => pod.data["spec"]["nodeName"].is_string().then_some(Asked::Go),
        }
    }
}

impl Kubelet {
    /// Does so until nobody is interested any more.
    pub(crate) async fn runs(self: Arc<Self>) {
        let mut known = BTreeSet::new();
        let mut lives = JoinSet::new();
        let mut changes = self.scene.place.changes();
        loop {
            changes.mark_unchanged();
            let there: Vec<Own> = {
                let inside = self.scene.place.inside();
                let own = |pod: &Arc<DynamicObject>| Own { name: pod.name_any(), uid: pod.uid().unwrap_or_default() };
                inside.all("Pod").map(own).collect()
            };
            for pod in there {
                if known.insert(pod.uid.clone()) {
                    let kubelet = Arc::clone(&self);
                    lives.spawn(async move {
                        if let Err(error) = kubelet.life(&pod).await {
                            let trouble = format!("the Pod {}: {error}", pod.name);
                            kubelet.troubles.lock().unwrap_or_else(PoisonError::into_inner).push(trouble);
                        }
                    });
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// The life of a Pod.
    async fn life(&self, pod: &Own) -> Result<(), String> {
        let node = self.waits(pod, |inside| pod.asked(inside)).await?;
        let begun = Timestamp::now();
        if node == Asked::Nothing {
            return Ok(());
        }
        if node == Asked::Go {
            self.road.rests().await;
            self.says(pod, &running(begun)).await?;
            self.road.rests().await;
        }
        let task = {
            let inside = self.scene.place.inside();
            pod.of(&inside).and_then(Task::of)
        };
        let Some(task) = task else { return Err("nobody knows what its worker is for, or it is gone".to_owned()) };
        let fares = (self.fares)(&task);
        let asked = if fares == Fares::Lasts {
            self.waits(pod, |inside| pod.asked(inside).filter(|asked| *asked != Asked::Go)).await?
        } else {
            let inside = self.scene.place.inside();
            pod.asked(&inside).unwrap_or(Asked::Go)
        };
        let ended = work(&self.scene, &self.sink, &task, fares, asked != Asked::Go).await;
        let ended = ended.map_err(|error| error.to_string())?;
        self.says(pod, &over(begun, &ended)).await?;
        let gone = self.waits(pod, |inside| pod.asked(inside).filter(|asked| *asked != Asked::Go)).await?;
        if gone == Asked::Stop {
            self.lets_go(pod).await?;
        }
        Ok(())
    }

    async fn waits(&self, pod: &Own, answer: impl Fn(&Inside) -> Option<Asked> + Send + Sync) -> Result<Asked, String> {
        self.scene.place.until(&pod.name, Instant::now() + FOREVER, answer).await
    }

    fn pods(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.scene.stage.client.clone(), &self.scene.namespace, &pods())
    }

    /// Says how a Pod is. One that is gone needs no more words.
    async fn says(&self, pod: &Own, status: &Value) -> Result<(), String> {
        let patch = json!({"metadata": {"uid": pod.uid}, "status": status});
        match self.pods().patch_status(&pod.name, &PatchParams::default(), &Patch::Merge(&patch)).await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            said => said.map(drop).map_err(|error| error.to_string()),
        }
    }

    /// Lets a Pod go whose worker has ended.
    async fn lets_go(&self, pod: &Own) -> Result<(), String> {
        let preconditions = Preconditions { uid: Some(pod.uid.clone()), resource_version: None };
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        match self.pods().delete(&pod.name, &params).await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            done => done.map(drop).map_err(|error| error.to_string()),
        }
    }
}

fn conditions(ready: bool) -> Value {
    let ready = if ready { "True" } else { "False" };
    json!([
        {"type": "PodScheduled", "status": "True"},
        {"type": "Initialized", "status": "True"},
        {"type": "ContainersReady", "status": ready},
        {"type": "Ready", "status": ready},
    ])
}

fn container(ready: bool, state: &Value) -> Value {
    json!([{
        "name": "worker", "image": "aggregator", "imageID": "", "ready": ready, "started": ready, "restartCount": 0,
        "state": state,
    }])
}

fn running(begun: Timestamp) -> Value {
    json!({
        "phase": "Running", "startTime": seconds(begun), "conditions": conditions(true),
        "containerStatuses": container(true, &json!({"running": {"startedAt": seconds(begun)}})),
    })
}

fn over(begun: Timestamp, ended: &Ended) -> Value {
    let (phase, reason) = if ended.code == 0 { ("Succeeded", "Completed") } else { ("Failed", "Error") };
    let state = json!({"terminated": {
        "exitCode": ended.code, "reason": reason, "message": ended.words,
        "startedAt": seconds(begun), "finishedAt": seconds(Timestamp::now()),
    }});
    json!({"phase": phase, "conditions": conditions(false), "containerStatuses": container(false, &state)})
}

/// Kubernetes' times have whole seconds.
fn seconds(time: Timestamp) -> String {
    aggregator_operator::conditions::seconds(time).to_string()
}
