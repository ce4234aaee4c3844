//! What is to be done for a run now: a pure decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::run::{CancelMode, PipelineRunStatus, RetryState, ShardProgress};
use aggregator_crds::validation::parse_duration;
use aggregator_crds::{Pipeline, PipelineRun, Reason, Validate};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use serde_json::json;

use super::ended::{Ended, ended, of_all};
use super::job::{TERMS, Terms, job_name, job_of, plan_of, shards_of, who};
use super::material::{Around, Unresolved, resolve};
use super::retry::{pause, settle};
use super::shards::{self, Shards};
use super::status::{Phase, status};
use super::view::{View, is_over, writes};
use crate::action::{Action, Kind, Plan, Target};
use crate::conditions::{self, known};
use crate::errand::Why;
use crate::identity;
use crate::labels;
use crate::pipeline::revision;
use crate::settings::Settings;
use crate::worker;

/// The most attempts of a run whose Jobs are told apart.
pub(super) const MOST_ATTEMPTS: u32 = 10_000;
/// How long a new run waits for what it names and is not there: each kind has a watch of its own, and what was made before the
/// run may be seen after it.
const SETTLE: SignedDuration = SignedDuration::from_secs(3);
/// How long a Job may be without a Pod before somebody should look.
const NO_POD: SignedDuration = SignedDuration::from_secs(10);
/// How long after its Job a plan may be seen: it was made before that, and a watch that has died in silence is noticed after
/// 235 s.
const UNSEEN: SignedDuration = SignedDuration::from_secs(5 * 60);
/// What is said at the end of a run of which a commit may still arrive, or has arrived unheard.
const MAYBE: &str = "; it was about to commit, and may have: the next run finds that out, and reads nothing twice";

/// The write of a run's status, if it does not stand there already.
fn write(run: &PipelineRun, said: &PipelineRunStatus) -> Plan {
    let before = run.status.clone().unwrap_or_default();
    // The workers' part of the status is their own.
    let before = PipelineRunStatus { progress: None, shards: Vec::new(), commits: BTreeMap::new(), ..before };
    if before == *said {
        return Plan::nothing();
    }
    Plan::nothing().then(Action::status(Target::of(Kind::PipelineRun, &run.metadata), said))
}

/// How a Job stands.
enum Stands {
    Going,
    Complete,
    Failed { reason: String, message: String },
}

/// What is to be done for a run now.
#[must_use]
pub fn plan(view: &View, settings: &Settings, now: Timestamp) -> Plan {
    let run = &view.run;
    if is_over(run) {
        return if view.deleted() { Plan::nothing() } else { after_the_end(view, settings, now) };
    }
    let plan = match view.jobs.last() {
        None => begin(view, settings, now),
        Some(job) => go_on(view, job, settings, now),
    };
    if view.plan.is_none() || view.identity || view.deleted() {
        return plan;
    }
    // Somebody has taken it from workers that are at work, or about to begin.
    let namespace = run.namespace().unwrap_or_default();
    Plan { actions: identity::all(&namespace, who(run), settings), again: None }.and(plan)
}

/// How many of a plan's writes somebody waits for: those up to a Job. What is said of a Job that was just made is no hurry, and
/// may be something else a moment later.
#[must_use]
pub fn awaited(plan: &Plan) -> usize {
    let job = plan.actions.iter().rposition(|action| matches!(action, Action::Create { kind: Kind::Job, .. }));
    job.map_or(plan.actions.len(), |job| job + 1)
}

/// What is said of a run when a write that it needs is refused again and again. One that has its end keeps it.
#[must_use]
pub fn blocked(view: &View, why: &Why, now: Timestamp) -> Plan {
    if is_over(&view.run) {
        return Plan::nothing();
    }
    let phase = Phase::waits(why.reason, why.message.clone());
    match view.jobs.last() {
        Some(job) => view.says(phase.at(number(&view.run, job), job.metadata.name.clone()), now),
        None => view.says(phase, now),
    }
}

/// A run that no Schedule keeps goes some time after its end.
fn after_the_end(view: &View, settings: &Settings, now: Timestamp) -> Plan {
    let run = &view.run;
    let ended = run.status.as_ref().and_then(|status| status.completion_time);
    let (None, Some(ended)) = (labels::controller(run.as_ref()), ended) else { return Plan::nothing() };
    let age = now.duration_since(ended);
    match Duration::try_from(SignedDuration::try_from(settings.run_ttl).unwrap_or(SignedDuration::MAX) - age) {
        Ok(left) if !left.is_zero() => Plan::nothing().again_in(left),
        _ => {
            let target = Target::of(Kind::PipelineRun, &run.metadata);
            Plan::nothing().then(Action::Delete { target, foreground: false })
        }
    }
}

fn begin(view: &View, settings: &Settings, now: Timestamp) -> Plan {
    let run = &view.run;
    if let Some((attempt, ended)) = view.reported().filter(|(_, ended)| ended.succeeded()) {
        // Its Job is gone, or not seen yet, and its work is done.
        if let Some(left) = view.plan_may_be_seen(now) {
            return Plan::nothing().again_in(left);
        }
        return view.says(Phase::succeeded(&ended).at(attempt, Some(job_name(run, attempt))), now);
    }
    if let Some(cut) = view.ended_early() {
        let begun = run.status.as_ref().is_some_and(|status| status.attempt.is_some()) || view.may_have_committed();
        let when = if begun { "when its Job was gone" } else { "before it began" };
        return view.says(Phase::cancelled(format!("the run was {} {when}", cut.done())), now);
    }
    if let Some(violation) = run.validate().first() {
        return view.says(Phase::failed(Reason::Invalid, violation.to_string()), now);
    }
    let name = &run.spec.pipeline_ref.name;
    let Some(pipeline) = &view.pipeline else {
        return view.lacks(Reason::PipelineMissing, format!("there is no Pipeline `{name}`"), now);
    };
    if pipeline.spec.draft && writes(run) {
        let message =
            format!("the Pipeline `{name}` is a draft: publish it with `draft: false`, or use DryRun or Preview");
        return view.says(Phase::failed(Reason::PipelineIsDraft, message), now);
    }
    if let Some(ahead) = &view.ahead {
        let message = format!("the run `{ahead}` of the same Pipeline goes before it");
        return view.says(Phase::waits(Reason::WaitingForRun, message), now);
    }
    if view.plan.is_some() {
        return attempt(view, 1, settings, now);
    }
    let kept = match chosen(view, pipeline) {
        Ok(kept) => kept,
        Err(phase) => return view.says(*phase, now),
    };
    let number = revision::number(kept);
    let Some(spec) = revision::spec(kept) else {
        return view
            .says(Phase::failed(Reason::RevisionUnreadable, format!("the revision {number} cannot be read")), now);
    };
    let namespace = run.namespace().unwrap_or_default();
    let around = Around {
        namespace: &namespace,
        connectors: &view.connectors,
        transformations: &view.transformations,
        settings,
    };
    match resolve(&around, name, &spec, &run.spec.params) {
        Ok(_) if !view.identity => Plan { actions: identity::all(&namespace, who(run), settings), again: None },
        Ok(material) => {
            let plan = plan_of(run, material, Some(number), pipeline.uid());
            // The plan first: there is no Job without one. Whoever is stopped in between finds it, and makes the Job from it.
            let made = Plan::nothing().then(Action::create(Kind::ConfigMap, &plan));
            let seen = View { plan: Some(Arc::new(plan)), ..view.clone() };
            made.and(attempt(&seen, 1, settings, now))
        }
        Err(error @ (Unresolved::ConnectorMissing(_) | Unresolved::TransformationMissing(_))) => {
            view.lacks(error.reason(), error.to_string(), now)
        }
        Err(error) => view.says(Phase::failed(error.reason(), error.to_string()), now),
    }
}

/// The revision that is run: the one that the run names, or the newest valid one of the Pipeline as it stands now.
fn chosen<'a>(view: &'a View, pipeline: &Pipeline) -> Result<&'a ControllerRevision, Box<Phase>> {
    let reference = &view.run.spec.pipeline_ref;
    let newest = revision::asked(&view.revisions, reference);
    if let Some(number) = reference.revision {
        let message = || format!("the Pipeline `{}` has no revision {number}", reference.name);
        return newest.ok_or_else(|| Box::new(Phase::failed(Reason::RevisionMissing, message())));
    }
    // An edit that its own controller has not looked at yet may become the newest revision, or be none.
    let looked_at = pipeline.status.as_ref().filter(|it| it.observed_generation == pipeline.metadata.generation);
    let valid = looked_at.and_then(|status| conditions::find(&status.conditions, ConditionType::Valid));
    match (valid, newest) {
        // One that could not be looked through, because a Connector was not there, was kept, and is no version to run.
        (Some(valid), Some(newest)) if valid.status == ConditionStatus::False => {
            let is_it = |kept: &ControllerRevision| revision::spec(kept).as_ref() == Some(&pipeline.spec);
            Ok(view.revisions.iter().map(AsRef::as_ref).find(|kept| !is_it(kept)).unwrap_or(newest))
        }
        (Some(valid), None) if valid.status == ConditionStatus::False => {
            let (reason, message) = known(&valid.reason, valid.message.clone());
            Err(Box::new(Phase::failed(reason, message)))
        }
        (Some(_), Some(newest)) if revision::spec(newest).as_ref() == Some(&pipeline.spec) => Ok(newest),
        _ => {
            Err(Box::new(Phase::waits(Reason::WaitingForRevision, "the Pipeline's newest version is about to be kept")))
        }
    }
}

/// Makes an attempt's Job.
fn attempt(view: &View, number: u32, settings: &Settings, now: Timestamp) -> Plan {
    let Some(terms) = view.terms() else { return view.says(plan_missing(), now) };
    let begun = view.run.status.as_ref().and_then(|status| status.start_time).unwrap_or(now);
    let timeout = terms.execution.timeout.as_ref().and_then(|text| parse_duration(text).ok());
    let left = timeout
        .map(|timeout| i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX) - (now.duration_since(begun)).as_secs());
    if left.is_some_and(|left| left <= 0) {
        return view.says(view.timed_out(), now);
    }
    let job = job_of(&view.run, number, &terms, left, settings);
    let made = Action::create(Kind::Job, &job);
    let phase = Phase::waits(Reason::PodStarting, "the worker starts").at(number, job.metadata.name);
    Plan { actions: std::iter::once(made).chain(view.says(phase, now).actions).collect(), again: None }
}

/// Which attempt a Job is of, by its name: labels can be edited.
fn number(run: &PipelineRun, job: &Job) -> u32 {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    (1..=MOST_ATTEMPTS).find(|attempt| job_name(run, *attempt) == name).unwrap_or(1)
}

fn plan_missing() -> Phase {
    Phase::failed(Reason::PlanMissing, "the ConfigMap with the run's plan is gone, or cannot be read; start a new run")
}

fn stands(job: &Job) -> Stands {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut held = conditions.filter(|condition| condition.status == "True");
    let ended = held.find(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed"));
    match ended {
        Some(condition) if condition.type_ == "Complete" => Stands::Complete,
        Some(condition) => Stands::Failed {
            reason: condition.reason.clone().unwrap_or_default(),
            message: condition.message.clone().unwrap_or_default(),
        },
        None => Stands::Going,
    }
}

fn go_on(view: &View, job: &Job, settings: &Settings, now: Timestamp) -> Plan {
    let number = number(&view.run, job);
    let here = |phase: Phase| phase.at(number, job.metadata.name.clone());
    match stands(job) {
        Stands::Going => match view.cut(job, now) {
            Some(cut) => stop(view, job, number, cut, now),
            None if is_unplanned(job) && view.plan.is_some() => {
                // A plan of that run was seen to go, and the Job was made from another one, which is seen only now.
                let target = Target::of(Kind::Job, &job.metadata).any_version();
                let mut patch = json!({"metadata": {"annotations": {labels::UNPLANNED: null}}});
                if is_suspended(job) {
                    patch["spec"] = json!({"suspend": false});
                }
                Plan::nothing().then(Action::Merge { target, patch })
            }
            // By the operator itself, which does not know any more that the plan is gone.
            None if is_unplanned(job) && is_suspended(job) => {
                view.with_plan(view.says(here(stopping()), now), job, now)
            }
            None if is_suspended(job) => {
                let name = job.name_any();
                let message =
                    format!("somebody has suspended the Job `{name}`: set its `suspend` to false, or cancel the run");
                view.with_plan(view.says(here(Phase::waits(Reason::JobSuspended, message)), now), job, now)
            }
            None => {
                let begun = job.creation_timestamp().map_or(now, |time| time.0);
                let left = Duration::try_from(NO_POD - now.duration_since(begun)).unwrap_or_default();
                let said = view.says(here(view.going(job, left.is_zero())), now);
                // Nothing tells the operator that there is still no Pod.
                let waits = view.pods.is_empty() && !left.is_zero() && job.creation_timestamp().is_some();
                view.with_plan(if waits { said.again_in(left) } else { said }, job, now)
            }
        },
        Stands::Complete => match (view.ended(number).filter(Ended::succeeded), view.shards()) {
            (Some(ended), _) => view.says(here(Phase::succeeded(&ended)), now),
            // A worker that works alone ends with code 0 when everything is committed, and not otherwise.
            (None, None) => view.says(here(Phase::succeeded(&Ended::unheard())), now),
            // One of several does so as well when others have something left.
            (None, Some(_)) => {
                let lost = view.ended(number).unwrap_or_else(Ended::lost);
                failed(view, number, &lost, settings, now)
            }
        },
        Stands::Failed { reason, .. } if reason == "DeadlineExceeded" => view.says(here(view.timed_out()), now),
        Stands::Failed { reason, message } => {
            let ended = view.ended(number).unwrap_or_else(|| {
                Ended::silent(Reason::WorkerFailed, format!("the Job failed ({reason}): {message}"), true)
            });
            if ended.succeeded() {
                // Everything was committed before the Pod was taken away.
                return view.says(here(Phase::succeeded(&ended)), now);
            }
            failed(view, number, &ended, settings, now)
        }
    }
}

/// An attempt has failed: the next one, when there is one.
fn failed(view: &View, number: u32, ended: &Ended, settings: &Settings, now: Timestamp) -> Plan {
    let run = &view.run;
    let job = view.jobs.last().and_then(|job| job.metadata.name.clone());
    let here = |phase: Phase| phase.at(number, job.clone());
    if let Some(cut) = view.ended_early() {
        let message = format!("the run was {}; its worker said: {}", cut.done(), ended.message);
        return view.says(here(Phase::cancelled(message).of(ended)), now);
    }
    if let Some(left) = view.jobs.last().and_then(|job| view.plan_may_come(job, now)) {
        // Whether another attempt follows is known then.
        return Plan::nothing().again_in(left);
    }
    let Some(terms) = view.terms() else { return view.says(here(plan_missing().of(ended)), now) };
    let before = run.status.as_ref().and_then(|status| status.retry.as_ref());
    let noted = before.filter(|retry| retry.attempt == number);
    let retry = match noted {
        Some(retry) => Some(retry.clone()),
        None => {
            let progressed = ended.outcome.as_ref().is_some_and(|outcome| outcome.progressed);
            let failures = if progressed { 1 } else { before.map_or(0, |retry| retry.failures) + 1 };
            let policy = terms.execution.retry.as_ref();
            let pause = pause(policy, failures).filter(|_| ended.retryable);
            // Only another attempt can say what has become of its commit.
            let pause = pause.or_else(|| settle(policy, failures).filter(|_| view.may_have_committed()));
            pause.map(|pause| RetryState {
                attempt: number,
                failures,
                next: now
                    .saturating_add(SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX))
                    .unwrap_or(Timestamp::MAX),
                reason: ended.reason.to_string(),
                message: ended.message.clone(),
            })
        }
    };
    let Some(retry) = retry else {
        let message = ended.at_last(job.as_deref().unwrap_or_default());
        return view.says(here(Phase::failed(ended.reason, message).of(ended)), now);
    };
    if retry.next <= now {
        return attempt(view, number + 1, settings, now);
    }
    let message =
        format!("attempt {number} failed ({}): {}; attempt {} follows", ended.reason, ended.message, number + 1);
    let left = Duration::try_from(retry.next.duration_since(now)).unwrap_or_default();
    view.says(here(Phase::waits(Reason::WaitingToRetry, message).again(retry)), now).again_in(left)
}

fn is_suspended(job: &Job) -> bool {
    // Without any parallelism it has no Pods either.
    job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true) || spec.parallelism == Some(0))
}

/// Whether the operator has suspended it for want of its plan.
fn is_unplanned(job: &Job) -> bool {
    job.annotations().contains_key(labels::UNPLANNED)
}

/// What is said of an attempt that is ended at once.
fn stopping() -> Phase {
    Phase::runs(Reason::Cancelling, "the worker is asked to stop")
}

/// Why an attempt is ended at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Cancelled,
    Deleted,
    PlanMissing,
}

impl Cut {
    /// What was done to the run, in a word.
    fn done(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Deleted => "deleted",
            Self::PlanMissing => "left without its plan",
        }
    }

    /// What is said when it has ended.
    fn end(self, may_have_committed: bool) -> Phase {
        match self {
            Self::PlanMissing => plan_missing(),
            Self::Cancelled | Self::Deleted if may_have_committed => {
                Phase::cancelled(format!("the run was {}", self.done()))
            }
            Self::Cancelled | Self::Deleted => {
                Phase::cancelled(format!("the run was {}; nothing more was committed", self.done()))
            }
        }
    }
}

/// Ends an attempt at once: the Job is suspended, so that its Pod is asked to stop and its end is still seen.
fn stop(view: &View, job: &Job, number: u32, cut: Cut, now: Timestamp) -> Plan {
    let name = job.metadata.name.clone();
    if job.metadata.deletion_timestamp.is_some() {
        // Its Pod goes with it.
        return Plan::nothing();
    }
    if !is_suspended(job) {
        let target = Target::of(Kind::Job, &job.metadata).any_version();
        let mut patch = json!({"spec": {"suspend": true}});
        if cut == Cut::PlanMissing {
            patch["metadata"] = json!({"annotations": {labels::UNPLANNED: "true"}});
        }
        let phase = stopping().at(number, name);
        let mut plan = Plan::nothing().then(Action::Merge { target, patch });
        plan.actions.extend(view.says(phase, now).actions);
        return plan;
    }
    let still =
        job.status.as_ref().is_some_and(|status| status.active.unwrap_or(0) > 0 || status.terminating.unwrap_or(0) > 0);
    if still || view.pods.iter().any(|pod| ended(pod).is_none()) {
        return Plan::nothing();
    }
    let phase = match view.ended(number) {
        Some(ended) if ended.succeeded() => Phase::succeeded(&ended),
        Some(ended) => cut.end(view.may_have_committed()).of(&ended),
        None => cut.end(view.may_have_committed()),
    };
    view.says(phase.at(number, name), now)
}

impl View {
    fn deleted(&self) -> bool {
        self.run.metadata.deletion_timestamp.is_some()
    }

    /// Whether no other attempt is made, and none begins, because of what was done to the run.
    fn ended_early(&self) -> Option<Cut> {
        match self.run.spec.cancel {
            Some(_) => Some(Cut::Cancelled),
            None => self.deleted().then_some(Cut::Deleted),
        }
    }

    /// Whether an attempt is ended at once whose Job has not ended.
    fn cut(&self, job: &Job, now: Timestamp) -> Option<Cut> {
        // What has not begun has nothing to end well, and without the plan it never will begin.
        let idle = is_suspended(job) || !self.has_begun();
        match self.run.spec.cancel {
            Some(CancelMode::Immediate) => Some(Cut::Cancelled),
            Some(CancelMode::Graceful) if idle => Some(Cut::Cancelled),
            _ if self.deleted() => Some(Cut::Deleted),
            _ if self.plan.is_some() || self.plan_may_come(job, now).is_some() => None,
            _ => idle.then_some(Cut::PlanMissing),
        }
    }

    /// What is to be done now, and a look as soon as the run's plan must have been seen.
    fn with_plan(&self, done: Plan, job: &Job, now: Timestamp) -> Plan {
        match self.plan_may_come(job, now) {
            Some(left) => done.again_in(left),
            None => done,
        }
    }

    /// How long to wait for the plan that a Job was made from, where it is not seen and not known to be gone.
    fn plan_may_come(&self, job: &Job, now: Timestamp) -> Option<Duration> {
        let made = job.creation_timestamp().filter(|_| self.plan.is_none() && !self.plan_is_gone)?;
        let left = Duration::try_from(UNSEEN - now.duration_since(made.0)).ok()?;
        (!left.is_zero()).then_some(left)
    }

    /// Something that the run names is not there: that is its end, unless it was made just now.
    fn lacks(&self, reason: Reason, message: String, now: Timestamp) -> Plan {
        let age = self.run.creation_timestamp().map_or(SETTLE, |made| now.duration_since(made.0));
        match Duration::try_from(SETTLE - age) {
            Ok(left) if !left.is_zero() => {
                let message = format!("{message}; it may have been made just now, and be seen in a moment");
                self.says(Phase::waits(Reason::WaitingForRevision, message), now).again_in(left)
            }
            _ => self.says(Phase::failed(reason, message), now),
        }
    }

    /// The status that says so, if it does not stand there already. No end says more than is known.
    fn says(&self, phase: Phase, now: Timestamp) -> Plan {
        let phase = if self.may_have_committed() { phase.doubted(MAYBE) } else { phase };
        write(&self.run, &status(&self.run, phase, self.terms().and_then(|terms| terms.revision), now))
    }

    /// What the plan says to the operator.
    fn terms(&self) -> Option<Terms> {
        serde_json::from_str(self.plan.as_ref()?.data.as_ref()?.get(TERMS)?).ok()
    }

    /// How long the plan of a run may be unseen whose worker has told something just now: without it, the end would not say which
    /// revision was run.
    fn plan_may_be_seen(&self, now: Timestamp) -> Option<Duration> {
        let status = self.run.status.as_ref().filter(|status| status.revision.is_none() && self.plan.is_none())?;
        let shards = self.own_shards().into_iter().map(|shard| shard.time);
        let told = status.progress.iter().map(|progress| progress.time).chain(shards).max()?;
        // Its clock may be another one.
        let age = Some(now.duration_since(told)).filter(|age| !age.is_negative())?;
        Duration::try_from(SETTLE - age).ok().filter(|left| !left.is_zero())
    }

    /// How many Pods share the last attempt, or the first, if several do.
    fn shards(&self) -> Option<u32> {
        let Some(job) = self.jobs.last() else { return shards_of(&self.run, &self.terms()?) };
        let spec = job.spec.as_ref().filter(|spec| spec.completion_mode.as_deref() == Some("Indexed"))?;
        u32::try_from(spec.completions?).ok()
    }

    /// Whether something in the status is said of this run, and not of an earlier one of its name, whose worker has outlived it.
    /// Releases that said nothing of that left it empty.
    fn is_meant(&self, uid: &str) -> bool {
        uid.is_empty() || self.run.metadata.uid.as_deref() == Some(uid)
    }

    /// What shards have told of this run.
    fn own_shards(&self) -> Vec<&ShardProgress> {
        let told = self.run.status.iter().flat_map(|status| &status.shards);
        told.filter(|shard| self.is_meant(&shard.run)).collect()
    }

    /// How an attempt ended, by its worker's own report in the run's status; of shards, only one that has committed.
    fn reported(&self) -> Option<(u32, Ended)> {
        if let Some(of) = self.shards() {
            let told = self.own_shards();
            let attempts: BTreeSet<u32> = told.iter().map(|shard| shard.attempt).collect();
            let together = |attempt| Some((attempt, Shards::new(of, attempt, &[], &told).together()?));
            return attempts.into_iter().rev().filter_map(together).find(|(_, ended)| ended.succeeded());
        }
        let progress = self.run.status.as_ref()?.progress.as_ref().filter(|progress| self.is_meant(&progress.run))?;
        Some((progress.attempt, Ended::of(progress.outcome.clone()?)))
    }

    /// How the attempt ended, by its Pods or, when these are gone, by what the worker reported itself. What an earlier attempt
    /// has committed, and lived to report, is the run's as well.
    fn ended(&self, attempt: u32) -> Option<Ended> {
        let reported =
            self.reported().filter(|(of, ended)| *of == attempt || ended.succeeded()).map(|(_, ended)| ended);
        if let Some(of) = self.shards() {
            let ended = Shards::new(of, attempt, &self.pods, &self.own_shards()).together();
            return ended.clone().filter(Ended::succeeded).or(reported).or(ended);
        }
        let ended: Vec<Ended> = self.pods.iter().filter_map(|pod| ended(pod)).collect();
        of_all(&ended, reported)
    }

    /// Whether a worker of the run, of whatever attempt, was let commit, and has not said that it did not. One that was not let
    /// commit will not do so once the run has its end: it asks the run before.
    fn may_have_committed(&self) -> bool {
        let uid = self.run.metadata.uid.as_deref();
        let mut commits = self.run.status.iter().flat_map(|status| status.commits.values());
        commits.any(|note| uid == Some(note.run.as_str()))
    }

    /// Whether a worker of the last attempt has begun.
    fn has_begun(&self) -> bool {
        self.pods.iter().any(|pod| worker::running(pod) || worker::has_ended(pod))
    }

    /// What an attempt does whose Job has not ended; and whether that should have a Pod by now.
    fn going(&self, job: &Job, late: bool) -> Phase {
        if let Some(phase) = self.shards().and_then(|of| shards::going(&self.pods, of, self.run.spec.cancel.is_some()))
        {
            return phase;
        }
        if let Some(waiting) = self.pods.iter().find_map(|pod| worker::waiting(pod)) {
            return Phase::waits(waiting.reason, waiting.message);
        }
        match self.pods.iter().find(|pod| worker::running(pod)) {
            Some(pod) if self.run.spec.cancel.is_some() => {
                let text =
                    format!("the Pod {} commits the streams that it has begun, and begins no other", pod.name_any());
                Phase::runs(Reason::Cancelling, text)
            }
            Some(pod) => Phase::runs(Reason::Running, format!("the Pod {} moves rows", pod.name_any())),
            None => match self.pods.iter().find(|pod| worker::has_ended(pod)) {
                Some(pod) => Phase::runs(Reason::Running, format!("the Pod {} has ended", pod.name_any())),
                None if late && self.pods.is_empty() => {
                    let seconds = NO_POD.as_secs();
                    let text = format!(
                        "the Job {0} has made no Pod in {seconds} s: `kubectl describe job {0}` says why",
                        job.name_any()
                    );
                    Phase::waits(Reason::NoPod, text)
                }
                None => Phase::waits(Reason::PodStarting, "the worker starts"),
            },
        }
    }

    fn timed_out(&self) -> Phase {
        let number = self.jobs.last().map_or(0, |job| number(&self.run, job));
        let text = "the run took longer than execution.timeout allows; the next run goes on where it stopped";
        let phase = Phase::failed(Reason::TimedOut, text);
        match self.ended(number) {
            Some(ended) if ended.succeeded() => Phase::succeeded(&ended),
            Some(ended) => phase.of(&ended),
            None => phase,
        }
    }
}
