//! How far a run is, told to the run's status: as it goes on, and when it has ended.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aggregator_crds::PipelineRun;
use aggregator_crds::run::{AttemptOutcome, CancelMode, NodeCounters, RunProgress};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::patience::{in_time, patiently};
use super::{FIELD_MANAGER, counters};
use crate::run::Progress;

/// The time between two reports.
const EVERY: Duration = Duration::from_secs(5);
/// The most nodes of a report.
const NODES: usize = 100;

/// The run that the worker works for.
#[derive(Clone, Debug)]
pub struct RunName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which of all runs that ever had this name.
    pub uid: String,
    /// The attempt, from 1.
    pub attempt: u32,
}

/// What a run is asked by its object.
#[derive(Clone, Debug)]
pub struct Asked {
    /// To end at once.
    pub stop: CancellationToken,
    /// To end well and early: to begin no other stream.
    pub wind_down: CancellationToken,
}

/// Tells how far a run is.
#[derive(Clone)]
pub struct Reporter {
    runs: Api<PipelineRun>,
    run: RunName,
}

impl Reporter {
    /// A reporter for that run.
    #[must_use]
    pub fn new(client: &Client, run: RunName) -> Self {
        Self { runs: Api::namespaced(client.clone(), &run.namespace), run }
    }

    /// Tells every few seconds how far the run is, until it has ended, and stops it when its object asks for that or is
    /// gone. A report that does not arrive is left out: the next one says more.
    pub async fn follow(&self, progress: Progress, asked: Asked, ended: CancellationToken) {
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let nodes = progress.nodes();
            let nodes = nodes.iter().take(NODES).map(|node| counters(&node.entry)).collect();
            // An API server that does not answer must not keep the process when the run has ended.
            let told = tokio::select! {
                () = ended.cancelled() => return,
                told = self.tell(nodes, None) => told,
            };
            match told {
                Ok(run) => match run.spec.cancel {
                    Some(CancelMode::Immediate) => asked.stop.cancel(),
                    Some(CancelMode::Graceful) => asked.wind_down.cancel(),
                    None => {}
                },
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                    tracing::warn!(run = self.run.name, "the run is gone: the worker stops");
                    asked.stop.cancel();
                }
                Err(error) => tracing::warn!(%error, "the progress was not told"),
            }
        }
    }

    /// Tells how the attempt ended: into the termination message, which the kubelet keeps, and into the run's status.
    ///
    /// # Errors
    /// When neither could be written.
    pub async fn finish(&self, outcome: &AttemptOutcome, message: &Path) -> Result<(), std::io::Error> {
        let written = std::fs::write(message, outcome.termination_message());
        if let Err(error) = &written {
            tracing::warn!(%error, path = %message.display(), "the termination message was not written");
        }
        match self.tell(outcome.nodes.clone(), Some(outcome)).await {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "the outcome was not told to the run's status");
                written
            }
        }
    }

    async fn tell(
        &self,
        nodes: Vec<NodeCounters>,
        outcome: Option<&AttemptOutcome>,
    ) -> Result<PipelineRun, kube::Error> {
        let progress =
            RunProgress { attempt: self.run.attempt, time: jiff::Timestamp::now(), nodes, outcome: outcome.cloned() };
        let status = json!({
            "apiVersion": "aggregator.dev/v1alpha1",
            "kind": "PipelineRun",
            "metadata": {"name": self.run.name, "uid": self.run.uid},
            "status": {"progress": progress},
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Arc::new(Patch::Apply(status));
        let tell = || {
            let (runs, params, patch) = (self.runs.clone(), params.clone(), Arc::clone(&patch));
            async move { runs.patch_status(&self.run.name, &params, &*patch).await }
        };
        let told = match outcome {
            Some(_) => patiently("take the outcome", tell).await?,
            None => in_time(tell()).await?,
        };
        if told.uid().as_deref() == Some(&self.run.uid) { Ok(told) } else { Err(gone()) }
    }
}

/// Another run has the name now.
fn gone() -> kube::Error {
    kube::Error::Api(Box::new(kube::core::Status::failure("the run was replaced", "NotFound").with_code(404)))
}
