//! PipelineRuns in the model: one run of a Pipeline, its Jobs and Pods, workers that are killed, put to sleep and cut off, a sink,
//! and what users do to all of them.
//!
//! The number of attempts follows from how often the clock moves, since each failure has its pause.
//!
//! What is assumed:
//! - The clock moves at any moment, whoever is behind, but by ten seconds, and three times at most: a watch that is silent for
//!   longer, and what an operator waits minutes for, is in no walk. Recovery waits as long as the operator does.
//! - A worker works for itself alone: there are no shards, no previews, and no other run of the Pipeline.
//! - What a worker does in the Checkpoint, in the sink, or with the run's status, happens whole or not at all, and is answered.
//! - A Pod starts whether the plan that it mounts is there or not.

mod laws;
mod objects;
pub(super) mod scenes;
mod worker;

use std::time::Duration;

use serde_json::json;
use stateright::Property;

use self::laws::Seen;
pub(super) use self::laws::{FENCED, FOR_EVER, ONCE, ONE_JOB, OWN_JOB, PLANNED, TRUE};
use self::objects::{PIPELINE, PLAN, RUN};
use self::worker::{At, Record, Sink, Worker};
use super::jobs::{self, End, JobStep};
use super::object::{NAMESPACE, Object, Place, Stored};
use super::server::Meant;
use super::stage::Stage;
use super::subject::{Bounds, Looked, Scene, Subject};
use super::system::System;
use crate::action::{Kind, Plan};
use crate::errand::Why;
use crate::routes::Key;
use crate::run as shipped;
use crate::settings::Settings;

/// A run in the model, and what may happen to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs {
    /// What it is about, in a few words.
    pub(super) name: &'static str,
    /// How much may go wrong with the operators.
    pub(super) bounds: Bounds,
    /// How much may go wrong with workers.
    pub(super) spare: Spare,
    /// `execution` of the Pipeline, as JSON.
    pub(super) execution: &'static str,
    /// What users do, each once, at any moment.
    pub(super) edits: &'static [Edit],
    /// Whether workers tell how far they are before they have the sink.
    pub(super) reports: bool,
    /// Whether something holds the run back when it is deleted.
    pub(super) held: bool,
    /// How many seconds a run that has ended stays.
    pub(super) ttl: u64,
    /// What is wrong with workers or the sink.
    pub(super) wrong: Wrong,
}

/// How much may go wrong with workers; and, in a state, how much is left of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Spare {
    /// How many are killed.
    pub(super) kills: u8,
    /// How many are put to sleep, with the node they are on.
    pub(super) sleeps: u8,
    /// How many meet a system that does not answer, once.
    pub(super) failures: u8,
    /// How many meet one that never will.
    pub(super) mistakes: u8,
    /// How many Pods that have ended are removed before anybody has looked at them.
    pub(super) removals: u8,
    /// Which edits were not done yet, as bits.
    pub(super) edits: u8,
}

impl Spare {
    /// Nothing goes wrong.
    pub(super) const NONE: Self = Self { kills: 0, sleeps: 0, failures: 0, mistakes: 0, removals: 0, edits: 0 };
}

/// What users do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// The run is cancelled at once.
    Cancel,
    /// It is to end well and early.
    WindDown,
    /// The run is deleted.
    Delete,
    /// One of that name is made when it is gone.
    Recreate,
    /// The Job of the first attempt is deleted.
    DeleteJob,
    /// The run's plan is deleted.
    DeletePlan,
    /// The Pipeline is edited, and its controller keeps the new version.
    ChangePipeline,
}

/// What is wrong with workers or the sink, in a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// All is right.
    None,
    /// The sink commits for whoever asks.
    ChecksNoEpoch,
    /// Workers commit without asking the run.
    AsksNobody,
    /// A worker that has committed, and was overtaken then, says that it has failed.
    HidesCommits,
    /// Workers do not look whether the run is committed already.
    LooksForNothing,
}

/// What is around a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Around {
    workers: Vec<Worker>,
    record: Record,
    sink: Sink,
    spare: Spare,
    seen: Seen,
}

/// What others than the operator do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A controller of Kubernetes.
    Job(JobStep),
    /// The kubelet starts a Pod's worker.
    Start(Place),
    /// A worker does its next act.
    Act(u8),
    /// It tells how far it is.
    Report(u8),
    /// A system does not answer it; another attempt may help, or not.
    Fail { worker: u8, retryable: bool },
    /// It is asked to stop, and does.
    Interrupt(u8),
    /// It is killed; or its Pod is taken from its node, and it with it.
    Kill(u8, End),
    /// Its node does nothing any more.
    Sleep(u8),
    /// Its node goes on.
    Wake(u8),
    /// The cluster gives up a Pod whose node does nothing.
    GiveUp(u8),
    /// A Pod that has ended is removed.
    Remove(Place),
    /// A user.
    Edit(Edit),
}

impl Runs {
    fn execution(&self) -> serde_json::Value {
        serde_json::from_str(self.execution).expect("JSON")
    }

    fn of_worker(&self, stage: &Stage<Around>, index: u8, steps: &mut Vec<Step>) {
        let own = &stage.around.workers[usize::from(index)];
        let spare = stage.around.spare;
        if own.sleeps {
            steps.push(Step::Wake(index));
            if !own.cut_off {
                steps.push(Step::GiveUp(index));
            }
            return;
        }
        steps.push(Step::Act(index));
        if self.reports && own.can_report() {
            steps.push(Step::Report(index));
        }
        if own.can_be_interrupted() {
            if spare.failures > 0 {
                steps.push(Step::Fail { worker: index, retryable: true });
            }
            if spare.mistakes > 0 {
                steps.push(Step::Fail { worker: index, retryable: false });
            }
            if is_to_stop(stage, own) {
                steps.push(Step::Interrupt(index));
            }
        }
        // Who is asked to stop has his time, and no longer.
        let late = worker::pod(stage, own).is_some_and(Object::is_going);
        if spare.kills > 0 || late {
            steps.push(Step::Kill(index, End::Killed));
        }
        if spare.kills > 0 && !own.cut_off {
            steps.push(Step::Kill(index, End::Disrupted));
        }
        if spare.sleeps > 0 && !matches!(own.at, At::Tell(_) | At::Exit(_)) {
            steps.push(Step::Sleep(index));
        }
    }

    fn edit(&self, stage: &mut Stage<Around>, edit: Edit) -> bool {
        let server = &mut stage.server;
        let (run, job) = (Place::of(Kind::PipelineRun, RUN), Place::of(Kind::Job, RUN));
        match edit {
            Edit::Cancel | Edit::WindDown => {
                let how = if edit == Edit::Cancel { "Immediate" } else { "Graceful" };
                let patch = json!({"spec": {"cancel": how}});
                server.merge(run, &patch, Meant::default(), None, false).is_ok()
            }
            Edit::Delete => {
                stage.around.seen.user = true;
                server.delete(run, Meant::default(), false).is_ok()
            }
            Edit::Recreate => server.create(&objects::run(self.held), None).is_ok(),
            Edit::DeleteJob => {
                stage.around.seen.user = true;
                server.delete(job, Meant::default(), false).is_ok()
            }
            Edit::DeletePlan => server.delete(Place::of(Kind::ConfigMap, PLAN), Meant::default(), false).is_ok(),
            Edit::ChangePipeline => {
                let mut execution = self.execution();
                execution["timeout"] = "2h".into();
                let kept = objects::kept(&execution, 2);
                server.edit(Kind::Pipeline, PIPELINE, "edit", 0, |pipeline| pipeline["spec"]["execution"] = execution)
                    && server.edit(Kind::Pipeline, PIPELINE, "note", 0, |it| it["status"] = objects::valid(2))
                    && server.create(&kept, None).is_ok()
            }
        }
    }

    /// Whether an edit can be done, and makes a difference.
    fn is_possible(stage: &Stage<Around>, edit: Edit) -> bool {
        let run = stage.server.get(Kind::PipelineRun, RUN);
        let goes_on = run.is_some_and(|run| !laws::is_over(run));
        match edit {
            Edit::Cancel | Edit::WindDown | Edit::ChangePipeline => goes_on,
            Edit::Delete => run.is_some_and(|run| !run.is_going()),
            Edit::Recreate => run.is_none(),
            Edit::DeleteJob => goes_on && stage.server.get(Kind::Job, RUN).is_some(),
            Edit::DeletePlan => goes_on && stage.server.get(Kind::ConfigMap, PLAN).is_some(),
        }
    }
}

/// Whether a worker is asked to stop: its Pod is to go, or the run says so when it is told how far it is.
fn is_to_stop(stage: &Stage<Around>, own: &Worker) -> bool {
    let going = worker::pod(stage, own).is_some_and(Object::is_going);
    let run = stage.server.get(Kind::PipelineRun, RUN);
    going || run.is_none_or(|run| run.text("/spec/cancel") == "Immediate")
}

/// A Pod that waits for its kubelet.
fn waits(pod: Object) -> bool {
    pod.text("/status/phase").is_empty()
}

/// A Pod whose worker can be started: one whose Job is gone is about to go itself.
fn is_ready(stage: &Stage<Around>, pod: Object) -> bool {
    waits(pod) && !pod.is_going() && Worker::of(&stage.server, pod).is_some()
}

/// A Pod that is to go, and that nobody works in.
fn is_left(pod: Object) -> bool {
    pod.is_going() && (jobs::has_ended(pod) || waits(pod))
}

impl Subject for Runs {
    type Around = Around;
    type Step = Step;

    const NAME: &'static str = "PipelineRun";

    fn scene(&self) -> &'static str {
        self.name
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn settings(&self) -> Settings {
        Settings { run_ttl: Duration::from_secs(self.ttl), ..Settings::of_tests() }
    }

    fn objects(&self) -> Vec<serde_json::Value> {
        objects::all(&self.execution(), self.held, &self.settings())
    }

    fn around(&self) -> Around {
        let bits = (0..self.edits.len()).fold(0, |bits, at| bits | 1 << at);
        let spare = Spare { edits: bits, ..self.spare };
        Around { workers: Vec::new(), record: Record::default(), sink: Sink::default(), spare, seen: Seen::default() }
    }

    fn keys(&self) -> Vec<Key> {
        vec![Key { kind: Kind::PipelineRun, namespace: NAMESPACE.into(), name: RUN.into() }]
    }

    fn look(&self, scene: &Scene<'_>) -> Option<Looked> {
        let run = scene.world.runs.get(&scene.key.namespace, &scene.key.name)?;
        let mut view = shipped::observe(scene.world, &run, scene.settings);
        // The caches are made anew for each look: what is gone is remembered by the operators of the model.
        view.plan_is_gone = view.plan.is_none() && scene.plan_is_gone;
        let plan = shipped::plan(&view, scene.settings, scene.now);
        Some(Looked { awaited: shipped::awaited(&plan), plan })
    }

    fn blocked(&self, scene: &Scene<'_>, why: &Why) -> Plan {
        let run = scene.world.runs.get(&scene.key.namespace, &scene.key.name);
        run.map_or_else(Plan::nothing, |run| {
            shipped::blocked(&shipped::observe(scene.world, &run, scene.settings), why, scene.now)
        })
    }

    fn steps(&self, stage: &Stage<Around>, steps: &mut Vec<Step>) {
        let mut of_jobs = Vec::new();
        jobs::steps(&stage.server, &mut of_jobs);
        steps.extend(of_jobs.into_iter().map(Step::Job));
        let spare = stage.around.spare;
        for pod in stage.server.all(Stored::Pod) {
            if is_ready(stage, pod) {
                steps.push(Step::Start(pod.place()));
            }
            if is_left(pod) || (spare.removals > 0 && jobs::has_ended(pod) && is_known(stage, pod)) {
                steps.push(Step::Remove(pod.place()));
            }
        }
        for index in 0..stage.around.workers.len() {
            self.of_worker(stage, u8::try_from(index).expect("few workers"), steps);
        }
        let left = self.edits.iter().enumerate().filter(|(at, _)| spare.edits & (1 << *at) != 0);
        steps.extend(left.map(|(_, edit)| *edit).filter(|edit| Self::is_possible(stage, *edit)).map(Step::Edit));
    }

    fn take(&self, stage: &mut Stage<Around>, step: Step) -> bool {
        match step {
            Step::Job(step) => return jobs::take(&mut stage.server, step),
            Step::Start(place) => {
                let pod = stage.server.at(place);
                // One whose Job is gone is about to go itself.
                let Some(worker) = pod.and_then(|pod| Worker::of(&stage.server, pod)) else { return false };
                jobs::start(&mut stage.server, place.name());
                stage.around.workers.push(worker);
            }
            Step::Act(index) => worker::act(self, stage, usize::from(index)),
            Step::Report(index) => worker::report(stage, usize::from(index)),
            Step::Fail { worker, retryable } => {
                let spare = &mut stage.around.spare;
                let left = if retryable { &mut spare.failures } else { &mut spare.mistakes };
                *left -= 1;
                stage.around.workers[usize::from(worker)].at = At::Tell(worker::Words::Failed { retryable });
            }
            Step::Interrupt(index) => {
                stage.around.workers[usize::from(index)].at = At::Tell(worker::Words::Interrupted);
            }
            Step::Kill(index, how) => {
                // Who is late is killed for nothing.
                stage.around.spare.kills = stage.around.spare.kills.saturating_sub(1);
                worker::kill(stage, usize::from(index), how);
            }
            Step::Sleep(index) => {
                stage.around.spare.sleeps -= 1;
                stage.around.workers[usize::from(index)].sleeps = true;
            }
            Step::Wake(index) => stage.around.workers[usize::from(index)].sleeps = false,
            Step::GiveUp(index) => {
                let own = &mut stage.around.workers[usize::from(index)];
                own.cut_off = true;
                let pod = own.pod.name();
                jobs::end(&mut stage.server, pod, End::Disrupted, None);
            }
            Step::Remove(place) => {
                let left = stage.server.at(place).is_some_and(is_left);
                stage.around.spare.removals -= u8::from(!left);
                return jobs::remove(&mut stage.server, place.name());
            }
            Step::Edit(edit) => {
                let at = self.edits.iter().position(|other| *other == edit).unwrap_or_default();
                stage.around.spare.edits &= !(1 << at);
                return self.edit(stage, edit);
            }
        }
        true
    }

    fn onward(&self, stage: &Stage<Around>) -> Option<Step> {
        let index = |at: usize| u8::try_from(at).expect("few workers");
        let workers = &stage.around.workers;
        if let Some(asleep) = workers.iter().position(|worker| worker.sleeps) {
            return Some(Step::Wake(index(asleep)));
        }
        let mut of_jobs = Vec::new();
        jobs::steps(&stage.server, &mut of_jobs);
        if let Some(step) = of_jobs.first() {
            return Some(Step::Job(*step));
        }
        if let Some(pod) = stage.server.all(Stored::Pod).find(|pod| is_ready(stage, *pod)) {
            return Some(Step::Start(pod.place()));
        }
        if let Some(first) = workers.first() {
            let stops = first.can_be_interrupted() && is_to_stop(stage, first);
            return Some(if stops { Step::Interrupt(0) } else { Step::Act(0) });
        }
        stage.server.all(Stored::Pod).find(|pod| is_left(*pod)).map(|pod| Step::Remove(pod.place()))
    }

    fn moments(&self, stage: &Stage<Around>) -> Vec<u32> {
        vec![stage.clock() + 10]
    }

    fn saw(&self, before: &Stage<Around>, after: &mut Stage<Around>) {
        laws::saw(before, after);
    }

    fn settled(&self, stage: &Stage<Around>) -> bool {
        let server = &stage.server;
        let own = [Kind::Job.into(), Kind::ConfigMap.into(), Stored::Pod];
        let ended = match server.get(Kind::PipelineRun, RUN) {
            Some(run) => laws::is_over(run) && server.all(Stored::Pod).all(jobs::has_ended),
            None => own.into_iter().all(|kind| server.all(kind).next().is_none()),
        };
        ended && stage.around.workers.is_empty()
    }

    fn laws(&self) -> Vec<Property<System<Self>>> {
        laws::laws(self)
    }
}

/// Whether the Job's status counts a Pod that has ended, or no Job will.
fn is_known(stage: &Stage<Around>, pod: Object) -> bool {
    let job = stage.server.all(Kind::Job).find(|job| Some(job.uid()) == pod.controller());
    job.is_none_or(jobs::is_counted)
}
