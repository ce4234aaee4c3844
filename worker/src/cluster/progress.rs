//! How far a run is, told to the run's status: as it goes on, before it commits, and when it has ended.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aggregator_crds::PipelineRun;
use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::run::{
    AttemptOutcome, AttemptResult, CancelMode, CommitNote, NodeCounters, POD_VARIABLE, RunProgress, ShardProgress,
    ShardState,
};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
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
    /// Its Pod.
    pod: String,
    commits: Arc<Mutex<Commits>>,
}

/// What is known of the commits of this worker: one, or one for each of many streams.
#[derive(Debug, Default)]
struct Commits {
    /// Whether the run may say that it was let commit.
    noted: bool,
    /// Whether it was let commit: it is asked for once.
    allowed: bool,
    /// What may have been committed without the checkpoint knowing of it, by the identity of the Pipeline or stream.
    unsettled: BTreeSet<String>,
}

impl Reporter {
    /// A reporter for that run.
    #[must_use]
    pub fn new(client: &Client, run: RunName, shard: Option<Shard>) -> Self {
        let runs = Api::namespaced(client.clone(), &run.namespace);
        Self { runs, run, shard, pod: own_pod(), commits: Arc::default() }
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

    fn known(&self) -> MutexGuard<'_, Commits> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this worker may have committed from now on, once, and gives back whether the run still counts on it.
    ///
    /// The run's status is one object: if its end was written before this note, the answer has it; and who writes it
    /// later has seen this note, or is refused, because every note makes another version of the object.
    ///
    /// # Errors
    /// When the API server cannot be reached for minutes.
    pub(super) async fn commits(&self, pipeline: &str) -> Result<bool, kube::Error> {
        let allowed = {
            let mut known = self.known();
            known.noted = true;
            known.allowed
        };
        if !allowed {
            match patiently("let the run commit", || self.note(true)).await {
                Ok(run) if counts_on(&run, self.run.attempt) => {}
                Ok(_) => return Ok(false),
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        let mut known = self.known();
        known.allowed = true;
        known.unsettled.insert(pipeline.to_owned());
        Ok(true)
    }

    /// What was about to be committed is known to be, or not to be.
    pub(super) fn settled(&self, pipeline: &str) {
        self.known().unsettled.remove(pipeline);
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
            Ok(_) => {
                self.take_back(outcome).await;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "the outcome was not told to the run's status");
                written
            }
        }
    }

    /// Nobody has to wait for a commit of a worker that has ended without one.
    async fn take_back(&self, outcome: &AttemptOutcome) {
        let stands = {
            let known = self.known();
            !known.noted || stays(outcome, &known.unsettled)
        };
        if stands {
            return;
        }
        if let Err(error) = patiently("take back what was noted", || self.note(false)).await {
            tracing::warn!(%error, "the run goes on to say that this worker may have committed");
        }
    }

    async fn tell(
        &self,
        nodes: Vec<NodeCounters>,
        outcome: Option<&AttemptOutcome>,
    ) -> Result<PipelineRun, kube::Error> {
        match outcome {
            Some(_) => patiently("take the outcome", || self.say(nodes.clone(), outcome)).await,
            None => in_time(self.say(nodes, None)).await,
        }
    }

    /// One report.
    async fn say(
        &self,
        nodes: Vec<NodeCounters>,
        outcome: Option<&AttemptOutcome>,
    ) -> Result<PipelineRun, kube::Error> {
        // Each shard has an entry of its own, and is its only owner.
        let manager =
            self.shard.map_or_else(|| FIELD_MANAGER.into(), |shard| format!("{FIELD_MANAGER}-{}", shard.index));
        self.apply(&manager, Some(said(self.shard, &self.run, nodes, outcome.cloned()))).await
    }

    /// Notes that this worker was let commit, or no more.
    async fn note(&self, commits: bool) -> Result<PipelineRun, kube::Error> {
        let own = CommitNote { run: self.run.uid.clone(), attempt: self.run.attempt };
        // What its only owner says no more is gone.
        let status = commits.then(|| json!({"commits": {(self.pod.as_str()): own}}));
        self.apply(&notes_of(&self.pod), status).await
    }

    /// Applies the fields of the run's status that are the manager's. Gives the run back as it is then.
    ///
    /// The API server takes a status whatever UID it is for: what is said has to name the run that it is about.
    async fn apply(&self, manager: &str, status: Option<Value>) -> Result<PipelineRun, kube::Error> {
        let mut body = json!({
            "apiVersion": "aggregator.dev/v1alpha1",
            "kind": "PipelineRun",
            "metadata": {"name": self.run.name, "uid": self.run.uid},
        });
        if let Some(status) = status {
            body["status"] = status;
        }
        let params = PatchParams::apply(manager).force();
        let run = self.runs.patch_status(&self.run.name, &params, &Patch::Apply(body)).await?;
        if run.uid().as_deref() == Some(&self.run.uid) { Ok(run) } else { Err(gone()) }
    }
}

/// The Pod of this process; what runs in none has a name that nobody else has.
fn own_pod() -> String {
    std::env::var(POD_VARIABLE).unwrap_or_else(|_| format!("process-{}", uuid::Uuid::now_v7()))
}

/// Who owns what a Pod notes of its commits: somebody else for each Pod, so that none takes back what another one has noted.
/// Names of owners have at most 128 characters, those of Pods 253.
fn notes_of(pod: &str) -> String {
    let digest: String = Sha256::digest(pod).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{FIELD_MANAGER}-commits-{digest}")
}

/// Whether the run has to know for longer that a worker was let commit which has ended so.
fn stays(outcome: &AttemptOutcome, unsettled: &BTreeSet<String>) -> bool {
    match outcome.result {
        // What one shard has committed of many streams is not the run's success.
        AttemptResult::Succeeded => outcome.shard != Some(ShardState::Streams),
        AttemptResult::Failed | AttemptResult::Interrupted => !unsettled.is_empty(),
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
fn said(shard: Option<Shard>, run: &RunName, mut nodes: Vec<NodeCounters>, outcome: Option<AttemptOutcome>) -> Value {
    let (time, attempt, run) = (jiff::Timestamp::now(), run.attempt, run.uid.clone());
    let Some(Shard { index, of }) = shard else {
        return json!({"progress": RunProgress { run, attempt, time, nodes, outcome }});
    };
    nodes.truncate(room(shard));
    let outcome = outcome.map(|outcome| match outcome.shard {
        // It is the run's.
        Some(ShardState::Completing) => outcome,
        _ => AttemptOutcome { nodes: Vec::new(), ..outcome }.within(BYTES_OF_SHARDS / (of as usize).max(1)),
    });
    json!({"shards": [ShardProgress { index, run, attempt, time, nodes, outcome }]})
}

/// Another run has the name now.
fn gone() -> kube::Error {
    kube::Error::Api(Box::new(kube::core::Status::failure("the run was replaced", "NotFound").with_code(404)))
}

#[cfg(test)]
mod tests {
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

    fn name(attempt: u32) -> RunName {
        RunName { namespace: "demo".into(), name: "first".into(), uid: "uid".into(), attempt }
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
        let alone = said(None, &name(1), outcome(ShardState::Waiting).nodes, None);
        assert_eq!(alone["progress"]["nodes"].as_array().map(Vec::len), Some(NODES));
        assert_eq!((&alone["progress"]["run"], &alone["progress"]["attempt"]), (&json!("uid"), &json!(1)));
        for of in [2, 4, 1000] {
            let told = said(Some(Shard { index: 1, of }), &name(3), outcome(ShardState::Waiting).nodes, None);
            let entry = &told["shards"][0];
            let whose = (&entry["index"], &entry["run"], &entry["attempt"]);
            assert_eq!(whose, (&json!(1), &json!("uid"), &json!(3)), "{told}");
            let nodes = entry["nodes"].as_array().map_or(0, Vec::len);
            assert_eq!(nodes, NODES.min(400 / of as usize), "{of} shards");
        }
        let bytes = |state| {
            let shard = Some(Shard { index: 1, of: 1000 });
            said(shard, &name(3), Vec::new(), Some(outcome(state))).to_string().len()
        };
        assert!(bytes(ShardState::Waiting) < 1000, "{}", bytes(ShardState::Waiting));
        assert!(bytes(ShardState::Completing) > 100_000, "what the run comes to is told as a whole");
    }

    #[test]
    fn each_pod_notes_its_commits_by_itself() {
        let [one, other, long] = ["first-x", "first-y", &"p".repeat(253)].map(notes_of);
        assert!(one != other && one.starts_with("aggregator-worker-commits-"), "{one}, {other}");
        assert!(long.len() <= 128, "{long}");
    }

    #[test]
    fn a_note_stays_as_long_as_something_may_have_been_committed() {
        let (nothing, something) = (BTreeSet::new(), BTreeSet::from(["demo/move".to_owned()]));
        let whole = |result| AttemptOutcome::new(result);
        for result in [AttemptResult::Failed, AttemptResult::Interrupted] {
            assert!(!stays(&whole(result), &nothing), "{result:?}: it was refused, or had not come to it");
            assert!(
                stays(&whole(result), &something),
                "{result:?}: the sink did not say, or the checkpoint has it not"
            );
        }
        assert!(
            stays(&whole(AttemptResult::Succeeded), &nothing),
            "another one's report may take the place of its own"
        );
        assert!(stays(&outcome(ShardState::Completing), &nothing));
        assert!(!stays(&outcome(ShardState::Streams), &nothing), "its streams are not the run");
    }
}
