//! A namespace in which a workload is played: what people do in it, and what is waited for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aggregator_operator::action::Kind;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::Value;
use tokio::time::Instant;

use crate::names::Names;
use crate::seen::{Inside, Place};
use crate::stage::Stage;

/// How long what comes before a play may take.
const SETTING: Duration = Duration::from_secs(60);

/// A namespace in which a workload is played.
pub(crate) struct Scene {
    pub(crate) stage: Arc<Stage>,
    pub(crate) namespace: String,
    pub(crate) place: Arc<Place>,
    pub(crate) names: Names,
    deadline: OnceLock<Instant>,
}

impl Scene {
    /// A new one, with nothing in it.
    pub(crate) async fn set(stage: &Arc<Stage>) -> Result<Self, String> {
        let (namespace, place) = stage.namespace().await?;
        let (stage, names) = (Arc::clone(stage), Names::default());
        Ok(Self { stage, namespace, place, names, deadline: OnceLock::new() })
    }

    /// The play begins, and may take so long.
    pub(crate) fn begins(&self, longest: Duration) {
        self.deadline.get_or_init(|| Instant::now() + longest);
    }

    fn deadline(&self) -> Instant {
        self.deadline.get().copied().unwrap_or_else(|| Instant::now() + SETTING)
    }

    /// Objects of a kind in the namespace.
    pub(crate) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.stage.client.clone(), &self.namespace, &kind.resource())
    }

    /// Somebody makes an object. Gives its UID.
    pub(crate) async fn create(&self, kind: Kind, mut object: Value) -> Result<String, String> {
        let resource = kind.resource();
        object["apiVersion"] = resource.api_version.into();
        object["kind"] = resource.kind.into();
        let object: DynamicObject = serde_json::from_value(object).map_err(|error| error.to_string())?;
        let made = self.api(kind).create(&PostParams::default(), &object).await;
        let made = made.map_err(|error| format!("{kind:?} was not made: {error}"))?;
        Ok(made.metadata.uid.unwrap_or_default())
    }

    /// Somebody edits an object.
    pub(crate) async fn edit(&self, kind: Kind, name: &str, patch: &Value) -> Result<(), String> {
        let done = self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        done.map(drop).map_err(|error| format!("{kind:?} {name} was not edited: {error}"))
    }

    /// What an object's status says from before the play.
    pub(crate) async fn said(&self, kind: Kind, name: &str, status: &Value) -> Result<(), String> {
        let patch = serde_json::json!({"status": status});
        let done = self.api(kind).patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        done.map(drop).map_err(|error| format!("the status of {kind:?} {name} was not written: {error}"))
    }

    /// Waits until there is an answer.
    pub(crate) async fn until<T: Send>(
        &self,
        what: &str,
        answer: impl Fn(&Inside) -> Option<T> + Send + Sync,
    ) -> Result<T, String> {
        self.place.until(what, self.deadline(), answer).await
    }

    /// Waits until an object is as it should be.
    pub(crate) async fn shows(
        &self,
        kind: Kind,
        name: &str,
        what: &str,
        holds: impl Fn(&DynamicObject) -> bool + Send + Sync,
    ) -> Result<(), String> {
        let all = format!("{what}, of {kind:?} {name}");
        self.until(&all, |inside| inside.get(kind.name(), name).filter(|object| holds(object)).map(drop)).await
    }

    /// Waits until a run has its end.
    pub(crate) async fn ends(&self, run: &str) -> Result<(), String> {
        self.shows(Kind::PipelineRun, run, "an end", is_over).await
    }
}

/// Whether a run has its end.
pub(crate) fn is_over(run: &DynamicObject) -> bool {
    condition(run, "Succeeded").is_some_and(|it| it["status"] != "Unknown")
}

/// A condition of an object.
pub(crate) fn condition<'a>(object: &'a DynamicObject, name: &str) -> Option<&'a Value> {
    object.data["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == name)
}
