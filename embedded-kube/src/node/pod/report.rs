//! What the API server is told of a Pod: its status, and that it may go.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use tokio::time::timeout;

use super::super::context::PATIENCE;
use super::super::life::State;
use super::super::life::container::Delays;
use super::super::life::status::{Scene, patch};
use super::Runner;

/// How long to wait after the API server could not be told something.
const RETRIES: Delays =
    Delays { first: jiff::SignedDuration::from_millis(250), most: jiff::SignedDuration::from_secs(10) };

impl Runner {
    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.context.client.clone(), self.place().0)
    }

    /// Writes the status, if there is anything new in it, and says whether the API server knows it.
    pub(super) async fn report(&mut self, now: Timestamp) -> bool {
        for container in &self.life.containers {
            if let State::Waiting { reason, .. } = &container.state {
                self.context.logs.waits(self.place(), &container.name, reason);
            }
        }
        if self.gone || self.said.as_ref().is_some_and(serde_json::Value::is_null) {
            return true;
        }
        let pod = &self.pod;
        let (before, address, started) = (self.conditions.as_slice(), self.context.address(), self.started);
        let status = self.life.status(Scene { pod, before, address, started, now });
        let conditions = status.conditions.clone().unwrap_or_default();
        let patch = match patch(pod, &status) {
            Ok(patch) if self.said.as_ref() == Some(&patch) => {
                self.report_again = None;
                return true;
            }
            Ok(patch) => patch,
            Err(error) => {
                tracing::error!(%error, "a status cannot be written");
                return true;
            }
        };
        if self.report_again.is_some_and(|again| again > now) {
            return false;
        }
        let (api, params) = (self.api(), PatchParams::default());
        let change = Patch::Strategic(&patch);
        let answer = timeout(PATIENCE, api.patch_status(self.place().1, &params, &change)).await;
        match answer {
            Ok(Ok(_)) => {
                self.said = Some(patch);
                self.conditions = conditions;
                (self.failures, self.report_again) = (0, None);
                true
            }
            Ok(Err(error)) => {
                self.report_again = self.failed(&error, now);
                false
            }
            Err(_) => {
                self.report_again = self.failed(&"no answer in time", now);
                false
            }
        }
    }

    /// Tells the API server that none of the Pod's processes is left, and the Pod may go.
    pub(super) async fn delete(&mut self, now: Timestamp) {
        if self.delete_again.is_some_and(|again| again > now) {
            return;
        }
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions { uid: Some(self.uid().to_owned()), resource_version: None }),
            ..DeleteParams::default()
        };
        self.delete_again = match timeout(PATIENCE, self.api().delete(self.place().1, &params)).await {
            // It is gone when we see that it is, which finalizers may put off: then it need not be asked for again.
            Ok(Ok(_)) => Some(Timestamp::MAX),
            Ok(Err(error)) => self.failed(&error, now),
            Err(_) => self.failed(&"no answer in time", now),
        };
    }

    /// When to try again.
    fn failed(&mut self, error: &dyn std::fmt::Display, now: Timestamp) -> Option<Timestamp> {
        let (namespace, name) = self.place();
        tracing::debug!(%error, namespace, name, "the API server was not told about a Pod");
        self.failures += 1;
        now.checked_add(RETRIES.after(self.failures + 1)).ok()
    }
}
