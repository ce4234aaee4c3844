//! What is to be done for a Job now: a pure decision.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobSpec, JobStatus};
use k8s_openapi::api::core::v1::Pod;

use super::count::{Count, is_suspended, is_tracked, uid, uncounted, whole};
use super::end::{End, condition, deadline, end};
use super::finished::is_finished;
use super::pods::{Pods, pods};
use super::status::{count, ensure, finish, settle, tidy};
use super::template::{New, pod as from_template, prefix, suffix};
use super::view::View;
use super::{BY, TRACKING};
use crate::api::controllers::action::{Action, Note, Plan, Target};
use crate::api::controllers::resource::{JOB, POD};
use crate::api::controllers::{owner, pod, time};

/// The controller that a Job names when it is ours.
const OURS: &str = "kubernetes.io/job-controller";
/// Why a Job can fail.
const FAILURES: [&str; 5] =
    ["BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", "FailedIndexes", "MaxFailedIndexesExceeded"];

/// What is to be done for a Job now.
///
/// In this order: Pods that are too many go; the status says what is seen, and which Pods are being counted; these lose
/// their finalizer; and Pods that are missing are made. What has become of that is seen the next time.
#[must_use]
pub fn plan(view: &View, now: Timestamp) -> Plan {
    let job = view.job.as_ref();
    let Some(spec) = job.spec.as_ref().filter(|spec| !managed_elsewhere(spec)) else { return Plan::nothing() };
    if is_finished(job) {
        return Plan::nothing();
    }
    let mut status = job.status.clone().unwrap_or_default();
    let tracked: BTreeSet<&str> = view.pods.iter().filter(|pod| is_tracked(pod)).map(|pod| uid(pod)).collect();
    settle(&mut status, &tracked);
    let numbers = Count::of(view, spec, &status);
    if status.start_time.is_none() && !is_suspended(spec) {
        status.start_time = Some(time(now));
    }

    let mut ending = end(&numbers, &status, now);
    let (mut change, mut told, mut again) = (Pods::default(), Vec::new(), None);
    // The Pods of a Job that fails are counted as they go; others that have to go are not.
    let counted = ending.as_ref().is_some_and(End::fails);
    let going = job.metadata.deletion_timestamp.is_some();
    if ending.is_some() {
        change.deleted.clone_from(&numbers.active);
    } else {
        let left = deadline(&numbers, &status).map(|deadline| deadline.duration_since(now));
        again = left.and_then(|left| Duration::try_from(left).ok());
        if !going {
            change = pods(&numbers, view.pauses, now);
        }
        let active = whole(numbers.active.len() + change.made.len() - change.deleted.len());
        let done = match spec.completions {
            Some(completions) => numbers.succeeded >= completions,
            None => numbers.succeeded > 0,
        };
        if done && active == 0 {
            ending = Some(End::reached());
        } else if !going {
            told.extend(suspension(job, &mut status, is_suspended(spec), now));
        }
    }

    let deleted: BTreeSet<&str> = change.deleted.iter().map(|pod| uid(pod)).collect();
    let ready = change.deleted.iter().filter(|pod| pod::is_ready(pod)).count();
    status.active = Some(whole(numbers.active.len() - deleted.len()));
    status.terminating = Some(numbers.terminating + whole(deleted.len()));
    status.ready = Some(numbers.ready - whole(ready));
    let counting = count(&numbers, &mut status, ending.as_ref());
    if let Some(end) = &ending {
        let (succeeding, failing) = uncounted(&status);
        let settled = counting.pods.is_empty() && !counting.more && succeeding.is_empty() && failing.is_empty();
        if !end.told {
            let new = condition(end.condition_type, "True", &end.reason, &end.message, now);
            status.conditions.get_or_insert_default().push(new);
        } else if settled && status.terminating == Some(0) {
            finish(&mut status, end, now);
            told.extend(farewell(job, &status, end));
        }
    }

    let mut plan = Plan { actions: Vec::new(), again: again.into_iter().chain(change.again).min() };
    for pod in &change.deleted {
        plan = delete(plan, job, pod, counted);
    }
    let status = tidy(status);
    if Some(&status) != job.status.clone().map(kept).as_ref() {
        let mut object = job.clone();
        object.status = Some(status.clone());
        let object = serde_json::to_value(object).unwrap_or_default();
        plan = plan.then(Action::Replace { target: Target::of(&JOB, &job.metadata), part: "status", object });
    }
    // One that is being deleted by this very plan is another version then: it loses its finalizer the next time.
    for pod in counting.pods.iter().filter(|pod| !deleted.contains(uid(pod))) {
        let target = Target::of(&POD, &pod.metadata);
        plan = plan.then(Action::without_finalizer(target, owner::finalizers(&pod.metadata), TRACKING));
    }
    plan = told.into_iter().fold(plan, |plan, note| plan.then(Action::Tell(note)));
    make(plan, view, &status, &change.made)
}

/// A status as it is there, but for zeros: nobody writes these.
fn kept(status: JobStatus) -> JobStatus {
    let uncounted = status.uncounted_terminated_pods.is_some();
    let mut status = tidy(status);
    status.uncounted_terminated_pods = status.uncounted_terminated_pods.filter(|_| uncounted);
    status
}

fn managed_elsewhere(spec: &JobSpec) -> bool {
    spec.managed_by.as_deref().is_some_and(|by| by != OURS)
}

fn note(job: &Job, warning: bool, reason: &'static str, message: impl Into<String>) -> Note {
    Note { about: Target::of(&JOB, &job.metadata), warning, reason, message: message.into(), by: BY }
}

/// Says whether the Job is suspended, and what is told of that.
fn suspension(job: &Job, status: &mut JobStatus, suspended: bool, now: Timestamp) -> Option<Note> {
    let (holds, reason, message, told) = if suspended {
        ("True", "JobSuspended", "Job suspended", "Suspended")
    } else {
        ("False", "JobResumed", "Job resumed", "Resumed")
    };
    let news = ensure(status, condition("Suspended", holds, reason, message, now));
    if news {
        // The time of a Job's deadline is the time that it was not suspended.
        status.start_time = (!suspended).then(|| time(now));
    }
    news.then(|| note(job, false, told, message))
}

/// What is told of a Job that is over.
fn farewell(job: &Job, status: &JobStatus, end: &End) -> Vec<Note> {
    if end.fails() {
        let reason = FAILURES.iter().find(|reason| **reason == end.reason).copied().unwrap_or("Failed");
        return vec![note(job, true, reason, &end.message)];
    }
    let wanted = job.spec.as_ref().and_then(|spec| spec.completions);
    let mut notes = Vec::new();
    if wanted.is_some_and(|wanted| status.succeeded.unwrap_or(0) > wanted) {
        let message = "Too many succeeded pods running after completion count reached";
        notes.push(note(job, true, "TooManySucceededPods", message));
    }
    notes.push(note(job, false, "Completed", "Job completed"));
    notes
}

/// Deletes a Pod; one that is not to be counted loses its finalizer first.
fn delete(mut plan: Plan, job: &Job, pod: &Pod, counted: bool) -> Plan {
    let target = Target::of(&POD, &pod.metadata);
    if !counted && is_tracked(pod) {
        plan = plan.then(Action::without_finalizer(target.clone(), owner::finalizers(&pod.metadata), TRACKING));
    }
    let message = format!("Deleted pod: {}", target.name);
    plan.then(Action::delete(target.any_version())).then(Action::Tell(note(job, false, "SuccessfulDelete", message)))
}

/// Makes the Pods that are missing.
fn make(mut plan: Plan, view: &View, status: &JobStatus, made: &[New]) -> Plan {
    let job = view.job.as_ref();
    let (name, uid) =
        (job.metadata.name.as_deref().unwrap_or_default(), job.metadata.uid.as_deref().unwrap_or_default());
    let mut taken = view.taken.clone();
    // Those that are over have had their numbers; so a name rarely comes back.
    let over = status.succeeded.unwrap_or(0).saturating_add(status.failed.unwrap_or(0));
    let over = u64::try_from(over).unwrap_or(0);
    for new in made {
        let mut number = over;
        let name = loop {
            let name = format!("{}{}", prefix(name, new.index), suffix(uid, number));
            number += 1;
            if taken.insert(name.clone()) {
                break name;
            }
        };
        let told = Action::Tell(note(job, false, "SuccessfulCreate", format!("Created pod: {name}")));
        let refused = Box::new(note(job, true, "FailedCreate", "Error creating: "));
        let object = from_template(job, name, *new);
        plan = plan.then(Action::Create { resource: POD, object, refused: Some(refused) }).then(told);
    }
    plan
}
