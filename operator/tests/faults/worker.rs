//! What a worker does, as far as the operator can tell: what it writes into the status of its run, what it keeps, and its last
//! words.
//!
//! It moves no rows. That real workers write and say just that is shown by the tests of `cli/tests/cluster`, which have them;
//! here they would take the time in which a hundred other faults can be tried.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aggregator_crds::connector::{CATALOGUE, ProbeOutcome, StreamSummary};
use aggregator_crds::run::{
    AttemptOutcome, AttemptResult, CommitNote, LedgerVerdict, RunCost, RunProgress, RunTotals, ShardProgress,
    ShardState,
};
use aggregator_crds::transformation::TestsOutcome;
use aggregator_crds::{API_VERSION, Reason};
use aggregator_operator::action::Kind;
use aggregator_operator::labels;
use jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::{Scene, is_over};

/// Who writes what workers write.
const FIELD_MANAGER: &str = "aggregator-worker";

/// What a worker was started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// An attempt at a run, or a shard of one.
    Run {
        run: String,
        uid: String,
        /// Its Pod.
        pod: String,
        attempt: u32,
        /// Which shard of how many.
        shard: Option<(u32, u32)>,
    },
    /// A check of a Connector.
    Probe { connector: String, uid: String, catalogue: String },
    /// The tests of a Transformation.
    Tests,
}

impl Task {
    /// What a Pod's worker was started for, by its arguments.
    pub(crate) fn of(pod: &DynamicObject) -> Option<Self> {
        let arguments: Vec<&str> =
            pod.data["spec"]["containers"][0]["args"].as_array()?.iter().filter_map(Value::as_str).collect();
        let option = |name: &str| {
            let place = arguments.iter().position(|argument| argument.strip_prefix("--") == Some(name))?;
            arguments.get(place + 1).map(|value| (*value).to_owned())
        };
        match *arguments.get(1)? {
            "run" => {
                let index = index(pod).and_then(|index| index.parse().ok());
                let of = option("shard").and_then(|shard| shard.rsplit_once('/')?.1.parse().ok());
                let attempt = option("attempt")?.parse().ok()?;
                let (run, uid, pod) = (option("run")?, option("run-uid")?, pod.metadata.name.clone()?);
                Some(Self::Run { run, uid, pod, attempt, shard: index.zip(of) })
            }
            "probe" => Some(Self::Probe {
                connector: option("connector")?,
                uid: option("connector-uid")?,
                catalogue: option("catalogue")?,
            }),
            "test" => Some(Self::Tests),
            _ => None,
        }
    }
}

/// The number of a Pod among those of a Job that share its work.
pub(crate) fn index(pod: &DynamicObject) -> Option<&str> {
    let index = pod.metadata.annotations.as_ref()?.get("batch.kubernetes.io/job-completion-index")?;
    Some(index)
}

/// How a worker fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fares {
    /// It does everything that it was asked for.
    Well,
    /// It fails.
    Badly { reason: Reason, retryable: bool },
    /// It goes on until it is asked to stop.
    Lasts,
}

/// What was committed: the sink of all runs of a scene.
#[derive(Debug, Default)]
pub(crate) struct Sink(Mutex<BTreeMap<String, Vec<u32>>>);

impl Sink {
    /// An attempt commits. A sink knows a run that has committed, and takes nothing of it again.
    fn commit(&self, run: &str, attempt: u32) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_run = all.entry(run.to_owned()).or_default();
        if of_run.is_empty() {
            of_run.push(attempt);
        }
    }

    /// How many runs have committed.
    pub(crate) fn commits(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum()
    }
}

/// How a worker's process ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) words: String,
}

/// Does what a worker was started for; `asked` says whether it was asked to stop.
pub(crate) async fn work(
    scene: &Scene,
    sink: &Sink,
    task: &Task,
    fares: Fares,
    asked: bool,
) -> Result<Ended, kube::Error> {
    match task {
        Task::Run { run, uid, pod, attempt, shard } => {
            let told = Told { scene, run, uid, pod, attempt: *attempt, shard: *shard };
            let outcome = told.attempt(sink, fares, asked).await?;
            let code = match outcome.result {
                AttemptResult::Succeeded => 0,
                AttemptResult::Failed => 1,
                AttemptResult::Interrupted => 130,
            };
            Ok(Ended { code, words: outcome.termination_message() })
        }
        Task::Probe { connector, uid, catalogue } => {
            keep(scene, connector, uid, catalogue).await?;
            let streams = Some(StreamSummary { count: 1, names: vec!["a.csv".to_owned()] });
            let (system, latency) = (Some("a folder".to_owned()), Some("1ms".to_owned()));
            let outcome = ProbeOutcome { failure: None, system, latency, streams };
            Ok(Ended { code: 0, words: serde_json::to_string(&outcome).unwrap_or_default() })
        }
        Task::Tests => {
            let outcome = TestsOutcome { passed: 1, failed: 0, first: None };
            Ok(Ended { code: 0, words: serde_json::to_string(&outcome).unwrap_or_default() })
        }
    }
}

/// Keeps what was found at a Connector.
async fn keep(scene: &Scene, connector: &str, uid: &str, name: &str) -> Result<(), kube::Error> {
    let owner = json!({
        "apiVersion": API_VERSION, "kind": "Connector", "name": connector, "uid": uid,
        "controller": true, "blockOwnerDeletion": false,
    });
    let found = json!({"streams": [{"name": "a.csv", "columns": []}]}).to_string();
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": name, "ownerReferences": [owner], "labels": labels::labels([(labels::CONNECTOR, connector)]),
        },
        "data": {CATALOGUE: found},
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    scene.api(Kind::ConfigMap).patch(name, &params, &Patch::Apply(&object)).await.map(drop)
}

/// What is told to the status of a run.
struct Told<'a> {
    scene: &'a Scene,
    run: &'a str,
    uid: &'a str,
    pod: &'a str,
    attempt: u32,
    shard: Option<(u32, u32)>,
}

impl Told<'_> {
    async fn attempt(&self, sink: &Sink, fares: Fares, asked: bool) -> Result<AttemptOutcome, kube::Error> {
        let outcome = match fares {
            _ if asked => self.failed(AttemptResult::Interrupted, Reason::Interrupted, false),
            Fares::Well => self.commit(sink).await?,
            Fares::Badly { reason, retryable } => self.failed(AttemptResult::Failed, reason, retryable),
            // Nobody has asked it to stop: it has nothing to do.
            Fares::Lasts => self.failed(AttemptResult::Failed, Reason::WorkerFailed, false),
        };
        self.say(outcome.clone()).await?;
        // What never asked has noted nothing.
        if fares == Fares::Well && !asked && outcome.result != AttemptResult::Succeeded {
            self.note(false).await?;
        }
        Ok(outcome)
    }

    fn failed(&self, result: AttemptResult, reason: Reason, retryable: bool) -> AttemptOutcome {
        AttemptOutcome {
            reason: Some(reason.to_string()),
            message: Some("as the test has it".to_owned()),
            retryable,
            shard: self.shard.map(|_| ShardState::Working),
            ..AttemptOutcome::new(result)
        }
    }

    /// Commits, if the run counts on this attempt. Of shards, the first does so for all.
    async fn commit(&self, sink: &Sink) -> Result<AttemptOutcome, kube::Error> {
        let state = self.shard.map(|(index, _)| if index == 0 { ShardState::Completing } else { ShardState::Waiting });
        if state != Some(ShardState::Waiting) {
            match self.note(true).await? {
                Some(run) if counts_on(&run, self.attempt) => sink.commit(self.uid, self.attempt),
                _ => return Ok(self.failed(AttemptResult::Failed, Reason::Fenced, false)),
            }
        }
        Ok(AttemptOutcome {
            shard: state,
            totals: RunTotals { read: 3, written: 3, rejected: 0 },
            ledger: LedgerVerdict { balanced: true, mismatches: Vec::new() },
            cost: RunCost {
                cpu_seconds: Some("0.1".to_owned()),
                peak_memory: Some("10Mi".to_owned()),
                duration: Some("0.1s".to_owned()),
                bytes_read: Some(30),
                bytes_written: Some(30),
            },
            ..AttemptOutcome::new(AttemptResult::Succeeded)
        })
    }

    /// Tells how the attempt has ended.
    async fn say(&self, outcome: AttemptOutcome) -> Result<(), kube::Error> {
        let (time, attempt, run, outcome) = (Timestamp::now(), self.attempt, self.uid.to_owned(), Some(outcome));
        let (manager, status) = match self.shard {
            None => {
                let progress = RunProgress { run, attempt, time, nodes: Vec::new(), outcome };
                (FIELD_MANAGER.to_owned(), json!({"progress": progress}))
            }
            Some((index, _)) => {
                let own = ShardProgress { index, run, attempt, time, nodes: Vec::new(), outcome };
                (format!("{FIELD_MANAGER}-{index}"), json!({"shards": [own]}))
            }
        };
        self.apply(&manager, Some(status)).await.map(drop)
    }

    /// Notes that this worker was let commit, or no more. Gives the run back as it is then; None when it is gone.
    async fn note(&self, commits: bool) -> Result<Option<DynamicObject>, kube::Error> {
        let own = CommitNote { run: self.uid.to_owned(), attempt: self.attempt };
        let status = commits.then(|| json!({"commits": {(self.pod): own}}));
        self.apply(&format!("{FIELD_MANAGER}-commits-{}", self.pod), status).await
    }

    async fn apply(&self, manager: &str, status: Option<Value>) -> Result<Option<DynamicObject>, kube::Error> {
        let mut object = json!({
            "apiVersion": API_VERSION, "kind": "PipelineRun", "metadata": {"name": self.run, "uid": self.uid},
        });
        if let Some(status) = status {
            object["status"] = status;
        }
        let params = PatchParams::apply(manager).force();
        let told = self.scene.api(Kind::PipelineRun).patch_status(self.run, &params, &Patch::Apply(&object)).await;
        match told {
            Ok(run) => Ok(Some(run).filter(|run| run.metadata.uid.as_deref() == Some(self.uid))),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether what an attempt commits now is taken for the run's: the run has no end yet, and no later attempt.
fn counts_on(run: &DynamicObject, attempt: u32) -> bool {
    let newest = run.data["status"]["attempt"].as_u64().unwrap_or(0);
    !is_over(run) && newest <= u64::from(attempt)
}
