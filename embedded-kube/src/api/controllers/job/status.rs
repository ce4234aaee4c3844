//! A Job's status.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{JobCondition, JobStatus, UncountedTerminatedPods};
use k8s_openapi::api::core::v1::Pod;

use super::count::{Count, index, is_failed, is_tracked, uid, uncounted, whole};
use super::end::{End, condition};
use super::indexes::Indexes;
use super::policy::failure;
use crate::api::controllers::{pod, time};

/// How many Pods are counted at a time: their UIDs are in the status meanwhile.
const AT_A_TIME: usize = 500;

/// The status without what says nothing, as the API server keeps it.
pub(super) fn tidy(mut status: JobStatus) -> JobStatus {
    for number in [&mut status.active, &mut status.succeeded, &mut status.failed] {
        *number = number.filter(|number| *number != 0);
    }
    status.completed_indexes = status.completed_indexes.filter(|text| !text.is_empty());
    status.conditions = status.conditions.filter(|conditions| !conditions.is_empty());
    let uncounted = status.uncounted_terminated_pods.get_or_insert_default();
    for uids in [&mut uncounted.succeeded, &mut uncounted.failed] {
        *uids = uids.take().filter(|uids| !uids.is_empty());
    }
    status
}

/// Adds the Pods to the numbers whose finalizer is gone: they were being counted, and are.
pub(super) fn settle(status: &mut JobStatus, tracked: &BTreeSet<&str>) {
    let Some(UncountedTerminatedPods { succeeded, failed }) = &mut status.uncounted_terminated_pods else { return };
    for (uids, number) in [(succeeded, &mut status.succeeded), (failed, &mut status.failed)] {
        let Some(uids) = uids else { continue };
        let before = uids.len();
        uids.retain(|uid| tracked.contains(uid.as_str()));
        *number = Some(number.unwrap_or(0) + whole(before - uids.len()));
    }
}

/// What is counted now.
pub(super) struct Counting<'a> {
    /// The Pods that are: they lose their finalizer when the status has them.
    pub(super) pods: Vec<&'a Arc<Pod>>,
    /// Whether some are left for the next time.
    pub(super) more: bool,
}

/// Puts the Pods that have ended into the status.
pub(super) fn count<'a>(count: &Count<'a>, status: &mut JobStatus, end: Option<&End>) -> Counting<'a> {
    let going = count.job.metadata.deletion_timestamp.is_some();
    let (succeeding, failing) = uncounted(status);
    let owned = |uids: BTreeSet<&str>| -> Vec<String> { uids.into_iter().map(str::to_owned).collect() };
    let (known_succeeding, known_failing) = (owned(succeeding), owned(failing));
    let uncounted = status.uncounted_terminated_pods.get_or_insert_default();
    let (succeeded, failed) = (uncounted.succeeded.get_or_insert_default(), uncounted.failed.get_or_insert_default());
    let mut counting = Counting { pods: Vec::new(), more: false };
    let mut new = Vec::new();
    for &pod in count.pods.iter().filter(|pod| is_tracked(pod)) {
        let has_failed = is_failed(pod, count.spec);
        let has_succeeded = pod::phase(pod) == "Succeeded";
        let index = index(pod);
        let waits = || {
            let waiting = count.indexed.as_ref().and_then(|indexed| indexed.waiting.get(&index?));
            waiting.is_some_and(|waiting| uid(waiting) == uid(pod))
        };
        if !(going || end.is_some() || has_succeeded || has_failed && !waits()) {
            continue;
        }
        counting.pods.push(pod);
        let known = |uids: &[String]| uids.iter().any(|known| known == uid(pod));
        let limit = count.indexed.as_ref().map(|indexed| indexed.completions);
        let valid = index.filter(|index| limit.is_some_and(|limit| *index < limit));
        if has_succeeded && !known(&known_failing) {
            match (&count.indexed, valid) {
                (Some(indexed), Some(index)) if !indexed.before.has(index) => new.push(index),
                (None, _) if !known(&known_succeeding) => succeeded.push(uid(pod).to_owned()),
                _ => {}
            }
        } else if (has_failed || end.is_some_and(End::fails))
            && !known(&known_failing)
            && (limit.is_none() || valid.is_some())
            && failure(count.job, pod).counts()
        {
            failed.push(uid(pod).to_owned());
        }
        if new.len() + succeeded.len() + failed.len() >= AT_A_TIME {
            counting.more = true;
            break;
        }
    }
    if let Some(indexed) = &count.indexed {
        let completed = indexed.succeeded.and(&Indexes::of(new));
        status.succeeded = Some(completed.total());
        status.completed_indexes = Some(completed.to_string());
        status.failed_indexes = indexed.failed.as_ref().map(ToString::to_string);
    }
    counting
}

/// Says that the Job is over: the condition that says why becomes the last one.
pub(super) fn finish(status: &mut JobStatus, end: &End, now: Timestamp) {
    let condition_type = if end.fails() { "Failed" } else { "Complete" };
    ensure(status, condition(condition_type, "True", &end.reason, &end.message, now));
    if !end.fails() {
        status.completion_time = Some(time(now));
    }
}

/// Says something, and gives back whether it is news. That something does not hold that nobody said is none.
pub(super) fn ensure(status: &mut JobStatus, new: JobCondition) -> bool {
    let conditions = status.conditions.get_or_insert_default();
    match conditions.iter_mut().find(|old| old.type_ == new.type_) {
        Some(old) if (&old.status, &old.reason, &old.message) == (&new.status, &new.reason, &new.message) => false,
        Some(old) => {
            *old = new;
            true
        }
        None if new.status == "False" => false,
        None => {
            conditions.push(new);
            true
        }
    }
}
