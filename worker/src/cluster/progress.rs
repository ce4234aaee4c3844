//! How far a run is, told to the run's status: as it goes on, and when it has ended.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aggregator_crds::PipelineRun;
use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::run::{AttemptOutcome, CancelMode, NodeCounters, RunProgress, ShardProgress, ShardState};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::patience::{in_time, patiently};
use super::{FIELD_MANAGER, counters};
use crate::checkpoint::Shard;
use crate::run::Progress;

/// The time between two reports. Of more shards than that, each tells less often, so that all together do not tell more.
const EVERY: Duration = Duration::from_secs(5);
const MOST_SHARDS: u32 = 50;
/// The most nodes of a report.
const NODES: usize = 100;
/// The most nodes, and about the most bytes of outcomes, of all shards together: they share one object.
const NODES_OF_SHARDS: usize = 400;
const BYTES_OF_SHARDS: usize = 512 * 1024;

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

/// Tells how far a run is, or one of the processes that share it.
#[derive(Clone)]
pub struct Reporter {
    runs: Api<PipelineRun>,
    run: RunName,
    shard: Option<Shard>,
    told: Arc<Mutex<Told>>,
}

/// What every report says again, because a report is all that the worker says of the run.
#[derive(Clone, Debug, Default)]
struct Told {
    nodes: Vec<NodeCounters>,
    committing: bool,
}

impl Reporter {
    /// A reporter for that run.
    #[must_use]
    pub fn new(client: &Client, run: RunName, shard: Option<Shard>) -> Self {
        Self { runs: Api::namespaced(client.clone(), &run.namespace), run, shard, told: Arc::default() }
    }

    /// The run that it reports on.
    #[must_use]
    pub fn run(&self) -> &RunName {
        &self.run
    }

    /// Which of the processes that share the run it is, if several do.
    #[must_use]
    pub fn shard(&self) -> Option<Shard> {
        self.shard
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells that the attempt may have committed from now on, once, and gives back whether the run still counts on it.
    ///
    /// The run's status is one object: if its end was written before this report, the answer has it; and who writes it
    /// later has seen this report, or is refused, because every report makes another version of the object.
    ///
    /// # Errors
    /// When the API server cannot be reached for minutes.
    pub(super) async fn commits(&self) -> Result<bool, kube::Error> {
        let before = self.told().clone();
        if before.committing {
            return Ok(true);
        }
        let committing = Told { committing: true, ..before };
        match patiently("let the run commit", || self.say(committing.clone(), None)).await {
            Ok(run) if counts_on(&run, self.run.attempt) => {
                self.told().committing = true;
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tells every few seconds how far the run is, until it has ended, and stops it when its object asks for that or is
    /// gone. A report that does not arrive is left out: the next one says more.
    pub async fn follow(&self, progress: Progress, asked: Asked, ended: CancellationToken) {
        let every = EVERY * self.shard.map_or(1, |shard| shard.of.div_ceil(MOST_SHARDS));
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            let nodes = progress.nodes();
            let nodes = nodes.iter().take(room(self.shard)).map(|node| counters(&node.entry)).collect();
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
        let told = {
            let mut told = self.told();
            told.nodes = nodes;
            told.clone()
        };
        match outcome {
            Some(_) => patiently("take the outcome", || self.say(told.clone(), outcome)).await,
            None => in_time(self.say(told, None)).await,
        }
    }

    /// One report. Gives the run back as it is then.
    async fn say(&self, told: Told, outcome: Option<&AttemptOutcome>) -> Result<PipelineRun, kube::Error> {
        let status = json!({
            "apiVersion": "aggregator.dev/v1alpha1",
            "kind": "PipelineRun",
            "metadata": {"name": self.run.name, "uid": self.run.uid},
            "status": said(self.shard, self.run.attempt, told, outcome.cloned()),
        });
        // Each shard has an entry of its own, and is its only owner.
        let manager =
            self.shard.map_or_else(|| FIELD_MANAGER.into(), |shard| format!("{FIELD_MANAGER}-{}", shard.index));
        let params = PatchParams::apply(&manager).force();
        let run = self.runs.patch_status(&self.run.name, &params, &Patch::Apply(status)).await?;
        if run.uid().as_deref() == Some(&self.run.uid) { Ok(run) } else { Err(gone()) }
    }
}

/// Whether what an attempt commits now is taken for the run's: the run has no end yet, and no later attempt.
fn counts_on(run: &PipelineRun, attempt: u32) -> bool {
    let status = run.status.as_ref();
    let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
    let over = conditions.any(|condition| {
        condition.condition_type == ConditionType::Succeeded.as_str() && condition.status != ConditionStatus::Unknown
    });
    !over && status.and_then(|status| status.attempt).is_none_or(|newest| newest <= attempt)
}

/// How many nodes a report has room for.
fn room(shard: Option<Shard>) -> usize {
    shard.map_or(NODES, |shard| NODES.min(NODES_OF_SHARDS / (shard.of as usize).max(1)))
}

/// What is said of a run's status.
fn said(shard: Option<Shard>, attempt: u32, told: Told, outcome: Option<AttemptOutcome>) -> Value {
    let time = jiff::Timestamp::now();
    let Told { mut nodes, committing } = told;
    let Some(Shard { index, of }) = shard else {
        return json!({"progress": RunProgress { attempt, time, nodes, committing, outcome }});
    };
    nodes.truncate(room(shard));
    let outcome = outcome.map(|outcome| match outcome.shard {
        // It is the run's.
        Some(ShardState::Completing) => outcome,
        _ => AttemptOutcome { nodes: Vec::new(), ..outcome }.within(BYTES_OF_SHARDS / (of as usize).max(1)),
    });
    json!({"shards": [ShardProgress { index, attempt, time, nodes, committing, outcome }]})
}

/// Another run has the name now.
fn gone() -> kube::Error {
    kube::Error::Api(Box::new(kube::core::Status::failure("the run was replaced", "NotFound").with_code(404)))
}

#[cfg(test)]
mod tests {
    use aggregator_crds::run::AttemptResult;

    use super::*;

    fn run(status: serde_json::Value) -> PipelineRun {
        let run = json!({"metadata": {"name": "first"}, "spec": {"pipelineRef": {"name": "move"}}, "status": status});
        serde_json::from_value(run).expect("a run")
    }

    #[test]
    fn a_run_counts_on_its_newest_attempt_until_it_has_its_end() {
        let end = |status: &str| json!([{"type": "Succeeded", "status": status, "reason": "X", "message": ""}]);
        assert!(counts_on(&run(json!({})), 1));
        assert!(counts_on(&run(json!({"attempt": 2, "conditions": end("Unknown")})), 2));
        assert!(!counts_on(&run(json!({"attempt": 3, "conditions": end("Unknown")})), 2), "a later one");
        assert!(!counts_on(&run(json!({"attempt": 2, "conditions": end("False")})), 2), "it has failed");
        assert!(!counts_on(&run(json!({"attempt": 2, "conditions": end("True")})), 2), "it has succeeded without it");
    }

    fn told(nodes: Vec<NodeCounters>) -> Told {
        Told { nodes, committing: false }
    }

    fn outcome(state: ShardState) -> AttemptOutcome {
        AttemptOutcome {
            shard: Some(state),
            message: Some("x".repeat(100_000)),
            nodes: vec![NodeCounters { name: "n".into(), ..NodeCounters::default() }; NODES],
            ..AttemptOutcome::new(AttemptResult::Succeeded)
        }
    }

    #[test]
    fn all_shards_together_have_room_in_one_object() {
        let alone = said(None, 1, told(outcome(ShardState::Waiting).nodes), None);
        assert_eq!(alone["progress"]["nodes"].as_array().map(Vec::len), Some(NODES));
        for of in [2, 4, 1000] {
            let told = said(Some(Shard { index: 1, of }), 3, told(outcome(ShardState::Waiting).nodes), None);
            let entry = &told["shards"][0];
            assert_eq!((&entry["index"], &entry["attempt"]), (&json!(1), &json!(3)), "{told}");
            let nodes = entry["nodes"].as_array().map_or(0, Vec::len);
            assert_eq!(nodes, NODES.min(400 / of as usize), "{of} shards");
        }
        let bytes = |state| {
            let shard = Some(Shard { index: 1, of: 1000 });
            said(shard, 3, told(Vec::new()), Some(outcome(state))).to_string().len()
        };
        assert!(bytes(ShardState::Waiting) < 1000, "{}", bytes(ShardState::Waiting));
        assert!(bytes(ShardState::Completing) > 100_000, "what the run comes to is told as a whole");
    }
}
