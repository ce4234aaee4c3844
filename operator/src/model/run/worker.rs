//! What a worker does for a run, one act at a time: `worker/src/run/execute.rs` and `worker/src/cluster/progress.rs`, with the
//! Checkpoint's record and the sink's as a few numbers. Whatever comes between two acts may happen there.

use serde_json::{Value, json};

use super::super::jobs::{self, End, attempt};
use super::super::object::{Object, Place, life, time, uid};
use super::super::server::{Meant, Server};
use super::super::stage::Stage;
use super::objects::RUN;
use super::{Around, Runs, Wrong};
use crate::action::Kind;

/// Who tells how far a run is: the worker's own name, as it writes.
const MANAGER: &str = "aggregator-worker";

/// What a Pipeline remembers (`worker/src/checkpoint/record.rs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Record {
    /// The epoch of the last attempt that has begun.
    epoch: u8,
    /// The run that it is of: not the object, but what is moved and committed once.
    run: u8,
    /// Which of all objects of the run's name has asked for it last.
    by: u8,
    /// Whether it has succeeded.
    done: bool,
    /// What each of all objects of the run's name has asked for last: remembered for the laws alone.
    of: [u8; 4],
}

impl Record {
    /// Whether what the object of that life has asked for is committed.
    pub(super) fn is_committed(&self, by: u8, sink: &Sink) -> bool {
        let of = self.of.get(usize::from(by));
        of.is_some_and(|of| sink.commits.iter().any(|commit| commit.run == *of))
    }
}

/// A commit in the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Commit {
    /// Of what.
    pub(super) run: u8,
    /// By which attempt.
    pub(super) epoch: u8,
    /// For which of all objects of the run's name.
    pub(super) by: u8,
}

/// The sink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sink {
    /// The epoch that owns it.
    pub(super) owner: u8,
    /// What was committed.
    pub(super) commits: Vec<Commit>,
}

/// A worker's last words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Words {
    /// All is committed.
    Succeeded,
    /// A newer attempt has the sink, or the run does not count on this one.
    Fenced,
    /// It was asked to stop.
    Interrupted,
    /// A system did not answer.
    Failed { retryable: bool },
}

impl Words {
    fn json(self) -> Value {
        match self {
            Self::Succeeded => json!({"result": "Succeeded"}),
            Self::Fenced => json!({"result": "Failed", "reason": "Fenced", "message": "it was overtaken"}),
            Self::Interrupted => json!({"result": "Interrupted"}),
            Self::Failed { retryable } => {
                json!({"result": "Failed", "reason": "Unreachable", "message": "no answer", "retryable": retryable})
            }
        }
    }
}

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// It begins an attempt, in the Checkpoint.
    Begin,
    /// It takes the sink over, and looks whether that has the run already.
    Fence,
    /// It asks whether the run counts on it, and notes that it may have committed from then on.
    Ask,
    /// It commits.
    Commit,
    /// It notes in the Checkpoint that the run has succeeded: by what it has committed itself, or has found in the sink.
    Note { found: bool },
    /// It tells the run how it ended.
    Tell(Words),
    /// Its process ends.
    Exit(Words),
}

/// A worker: a process, which may outlive what the cluster knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Worker {
    /// Its Pod.
    pub(super) pod: Place,
    /// The number of its attempt.
    attempt: u8,
    /// Which of all objects of the run's name it works for.
    pub(super) by: u8,
    /// What it does next.
    pub(super) at: At,
    /// The epoch of its attempt, and what that is of.
    epoch: u8,
    run: u8,
    /// Whether it has told how far it is.
    reported: bool,
    /// Whether it has asked to be let commit.
    pub(super) asked: bool,
    /// Whether its node does nothing at the moment.
    pub(super) sleeps: bool,
    /// Whether its Pod is taken for ended, or is gone.
    pub(super) cut_off: bool,
}

impl Worker {
    /// The worker of a Pod that is started.
    pub(super) fn of(server: &Server, pod: Object) -> Option<Self> {
        let job = server.all(Kind::Job).find(|job| Some(job.uid()) == pod.controller())?;
        Some(Self {
            pod: pod.place(),
            attempt: attempt(pod),
            by: life(job.controller()?),
            at: At::Begin,
            epoch: 0,
            run: 0,
            reported: false,
            asked: false,
            sleeps: false,
            cut_off: false,
        })
    }

    /// Whether it stops when it is asked to: not once it commits.
    pub(super) fn can_be_interrupted(&self) -> bool {
        !self.sleeps && matches!(self.at, At::Begin | At::Fence | At::Ask)
    }

    /// Whether it may tell how far it is, once, before it has the sink: later reports say the same.
    pub(super) fn can_report(&self) -> bool {
        !self.sleeps && !self.reported && self.at == At::Fence
    }

    /// What its process leaves for its Pod, whatever ends it.
    fn said(&self) -> Option<Words> {
        match self.at {
            At::Tell(words) | At::Exit(words) => Some(words),
            _ => None,
        }
    }

    /// The UID of the run that it works for.
    fn run_uid(&self) -> String {
        uid(Kind::PipelineRun, RUN, self.by)
    }

    /// Applies fields of the status of the run of that name; gives it as it is then, if it is the worker's own. The API server
    /// takes a status whatever UID it is for, so what is said names the run that it is about.
    fn apply(&self, server: &mut Server, manager: &'static str, status: &Value) -> Option<Object> {
        let uid = self.run_uid();
        let (place, fields) = (Place::of(Kind::PipelineRun, RUN), json!({ "status": status }));
        let meant = Meant { uid: Some(&uid), version: None };
        let run = server.apply(place, &fields, meant, manager, true).ok()?;
        (run.uid() == uid).then_some(run)
    }

    /// Tells how far it is, or how it ended.
    fn tell(&self, server: &mut Server, words: Option<Words>) {
        let mut progress = json!({"run": self.run_uid(), "attempt": self.attempt, "time": time(0).to_string()});
        if let Some(words) = words {
            progress["outcome"] = words.json();
        }
        self.apply(server, MANAGER, &json!({ "progress": progress }));
    }

    /// Asks whether what it commits now is taken for the run's. That it may have is noted by a manager of its own, so that no
    /// other worker's report takes that back.
    fn ask(&mut self, server: &mut Server) -> bool {
        self.asked = true;
        let note = json!({"run": self.run_uid(), "attempt": self.attempt});
        let noted = self.apply(server, self.pod.name(), &json!({"commits": {(self.pod.name()): note}}));
        noted.is_some_and(|run| counts_on(run, self.attempt))
    }

    /// It has not committed, and will not: nobody has to wait for that any more.
    fn takes_back(&self, server: &mut Server) {
        if self.asked {
            self.apply(server, self.pod.name(), &Value::Null);
        }
    }
}

/// Whether a run counts on an attempt: it has no end yet, and no later attempt (`counts_on` of the worker).
fn counts_on(run: Object, attempt: u8) -> bool {
    let mut conditions = run.at("/status/conditions").as_array().into_iter().flatten();
    let over = conditions.any(|it| it["type"] == "Succeeded" && it["status"] != "Unknown");
    !over && run.at("/status/attempt").as_u64().is_none_or(|newest| newest <= u64::from(attempt))
}

/// A worker's next act.
pub(super) fn act(subject: &Runs, stage: &mut Stage<Around>, index: usize) {
    let Stage { server, around, .. } = stage;
    let Around { record, sink, workers, .. } = around;
    let own = &mut workers[index];
    own.at = match own.at {
        At::Begin => {
            // As `Record::begin`: what was not ended well goes on, and what the same object has asked for is not made again.
            let goes_on = record.epoch > 0 && (!record.done || record.by == own.by);
            let run = if goes_on { record.run } else { record.run + 1 };
            let epoch = record.epoch.max(sink.owner) + 1;
            *record = Record { epoch, run, by: own.by, done: false, ..*record };
            if let Some(of) = record.of.get_mut(usize::from(own.by)) {
                *of = run;
            }
            (own.epoch, own.run) = (epoch, run);
            At::Fence
        }
        At::Fence if sink.owner >= own.epoch => At::Tell(Words::Fenced),
        At::Fence => {
            sink.owner = own.epoch;
            let found = sink.commits.iter().any(|commit| commit.run == own.run);
            if found && subject.wrong != Wrong::LooksForNothing { At::Note { found } } else { At::Ask }
        }
        At::Ask if subject.wrong == Wrong::AsksNobody => At::Commit,
        At::Ask => {
            let counts = own.ask(server);
            if counts { At::Commit } else { At::Tell(Words::Fenced) }
        }
        At::Commit if sink.owner != own.epoch && subject.wrong != Wrong::ChecksNoEpoch => At::Tell(Words::Fenced),
        At::Commit => {
            sink.commits.push(Commit { run: own.run, epoch: own.epoch, by: own.by });
            At::Note { found: false }
        }
        At::Note { found } => {
            let newest = record.epoch == own.epoch;
            record.done |= newest;
            // One that was overtaken has committed all the same: the newer one finds that. What it has only found may be
            // of another run's object.
            let hides = !newest && (found || subject.wrong == Wrong::HidesCommits);
            At::Tell(if hides { Words::Fenced } else { Words::Succeeded })
        }
        At::Tell(words) => {
            own.tell(server, Some(words));
            if words != Words::Succeeded {
                own.takes_back(server);
            }
            At::Exit(words)
        }
        At::Exit(words) => {
            leave(server, own, None, words);
            workers.remove(index);
            return;
        }
    };
}

/// Tells how far it is.
pub(super) fn report(stage: &mut Stage<Around>, index: usize) {
    let own = &mut stage.around.workers[index];
    own.reported = true;
    own.tell(&mut stage.server, None);
}

/// Its process has ended, and its kubelet says so, if it can.
fn leave(server: &mut Server, own: &Worker, killed: Option<End>, words: Words) {
    let how = killed.unwrap_or(if words == Words::Succeeded { End::Well } else { End::Badly });
    if !own.cut_off {
        jobs::end(server, own.pod.name(), how, Some(&words.json().to_string()));
    }
}

/// It is killed.
pub(super) fn kill(stage: &mut Stage<Around>, index: usize, how: End) {
    let own = stage.around.workers.remove(index);
    match own.said() {
        Some(words) => leave(&mut stage.server, &own, Some(how), words),
        None if own.cut_off => {}
        None => {
            jobs::end(&mut stage.server, own.pod.name(), how, None);
        }
    }
}

/// The Pod of a worker.
pub(super) fn pod(stage: &Stage<Around>, worker: &Worker) -> Option<Object> {
    stage.server.at(worker.pod)
}
