//! What is counted of a Job's Pods.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::batch::v1::{Job, JobSpec, JobStatus};
use k8s_openapi::api::core::v1::Pod;

use super::indexes::Indexes;
use super::policy::{Failure, failure};
use super::view::View;
use super::{FAILURES, IGNORED_FAILURES, INDEX, TRACKING};
use crate::api::controllers::{owner, pod};

/// The numbers of a Job, as its status and its Pods together have them.
pub(super) struct Count<'a> {
    pub(super) job: &'a Job,
    pub(super) spec: &'a JobSpec,
    /// The Pods; those of an indexed Job by index.
    pub(super) pods: Vec<&'a Arc<Pod>>,
    /// Those that run, or will.
    pub(super) active: Vec<&'a Arc<Pod>>,
    /// How many of these are ready.
    pub(super) ready: i32,
    /// How many are to be deleted, and have not ended.
    pub(super) terminating: i32,
    /// How many have succeeded, or indexes.
    pub(super) succeeded: i32,
    /// How many failures count.
    pub(super) failed: i32,
    /// What an indexed Job has beside.
    pub(super) indexed: Option<Indexed<'a>>,
}

/// What an indexed Job has beside.
pub(super) struct Indexed<'a> {
    /// How many indexes there are.
    pub(super) completions: i32,
    /// Those that had succeeded before.
    pub(super) before: Indexes,
    /// Those that have succeeded.
    pub(super) succeeded: Indexes,
    /// Those that have failed for good, when each index has a limit of its own.
    pub(super) failed: Option<Indexes>,
    /// The failed Pod of each index that is to be replaced: the next Pod takes its number of failures over, so it stays
    /// until then.
    pub(super) waiting: BTreeMap<i32, &'a Arc<Pod>>,
}

/// A Pod's index.
pub(super) fn index(pod: &Pod) -> Option<i32> {
    number(pod, INDEX)
}

fn number(pod: &Pod, annotation: &str) -> Option<i32> {
    let text = pod.metadata.annotations.as_ref()?.get(annotation)?;
    text.parse().ok().filter(|number| *number >= 0)
}

/// How often a Pod's index has failed before, and how often that did not count.
pub(super) fn failures(pod: &Pod) -> (i32, i32) {
    (number(pod, FAILURES).unwrap_or(0), number(pod, IGNORED_FAILURES).unwrap_or(0))
}

/// Whether a Pod is not counted yet.
pub(super) fn is_tracked(pod: &Pod) -> bool {
    owner::has_finalizer(&pod.metadata, TRACKING)
}

/// Whether a Pod is only replaced when it has ended.
pub(super) fn replaces_failed_only(spec: &JobSpec) -> bool {
    spec.pod_replacement_policy.as_deref() == Some("Failed")
}

/// Whether a Pod has failed. One that is to be deleted has, unless the Job waits for its end.
pub(super) fn is_failed(pod: &Pod, spec: &JobSpec) -> bool {
    pod::phase(pod) == "Failed" || !replaces_failed_only(spec) && pod::is_deleted(pod) && pod::phase(pod) != "Succeeded"
}

/// Whether a Job is suspended.
pub(super) fn is_suspended(spec: &JobSpec) -> bool {
    spec.suspend == Some(true)
}

/// The UIDs that are being counted, in a status: of Pods that succeeded, and of others.
pub(super) fn uncounted(status: &JobStatus) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let uncounted = status.uncounted_terminated_pods.as_ref();
    let succeeded = uncounted.and_then(|uncounted| uncounted.succeeded.as_ref());
    let failed = uncounted.and_then(|uncounted| uncounted.failed.as_ref());
    (
        succeeded.into_iter().flatten().map(String::as_str).collect(),
        failed.into_iter().flatten().map(String::as_str).collect(),
    )
}

pub(super) fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

pub(super) fn whole(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

impl<'a> Count<'a> {
    /// Counts.
    pub(super) fn of(view: &'a View, spec: &'a JobSpec, status: &JobStatus) -> Self {
        let job = view.job.as_ref();
        let completions =
            (spec.completion_mode.as_deref() == Some("Indexed")).then(|| spec.completions.unwrap_or_default());
        let mut pods: Vec<&Arc<Pod>> = view.pods.iter().collect();
        pods.sort_by_key(|pod| (completions.and(index(pod)), pod.metadata.name.clone()));
        let active: Vec<&Arc<Pod>> = pods.iter().copied().filter(|pod| pod::is_active(pod)).collect();
        let (succeeding, failing) = uncounted(status);
        // What is in the status already is not counted from the Pod once more.
        let valid = |pod: &Pod| completions.is_none_or(|limit| index(pod).is_some_and(|index| index < limit));
        let new = |done: &BTreeSet<&str>, holds: &dyn Fn(&Pod) -> bool| {
            let new = pods.iter().filter(|pod| is_tracked(pod) && !done.contains(uid(pod)) && valid(pod) && holds(pod));
            whole(new.count())
        };
        let succeeded = status.succeeded.unwrap_or(0)
            + new(&succeeding, &|pod| pod::phase(pod) == "Succeeded")
            + whole(succeeding.len());
        let failed = status.failed.unwrap_or(0)
            + new(&failing, &|pod| is_failed(pod, spec) && failure(job, pod).counts())
            + whole(failing.len());
        let mut count = Self {
            job,
            spec,
            ready: whole(active.iter().filter(|pod| pod::is_ready(pod)).count()),
            terminating: whole(pods.iter().filter(|pod| pod::is_terminating(pod)).count()),
            pods,
            active,
            succeeded,
            failed,
            indexed: None,
        };
        if let Some(completions) = completions {
            let indexed = count.indexes(status, completions);
            count.succeeded = indexed.succeeded.total();
            count.indexed = Some(indexed);
        }
        count
    }

    fn indexes(&self, status: &JobStatus, completions: i32) -> Indexed<'a> {
        let tracked = || {
            let tracked = self.pods.iter().copied().filter(|pod| is_tracked(pod));
            tracked.filter_map(move |pod| Some((index(pod).filter(|index| *index < completions)?, pod)))
        };
        let before = Indexes::parse(status.completed_indexes.as_deref().unwrap_or_default(), completions);
        let new = tracked().filter(|(_, pod)| pod::phase(pod) == "Succeeded").map(|(index, _)| index);
        let succeeded = before.and(&Indexes::of(new));
        let Some(limit) = self.spec.backoff_limit_per_index else {
            return Indexed { completions, before, succeeded, failed: None, waiting: BTreeMap::new() };
        };
        let has_failed = |pod: &Pod| {
            is_failed(pod, self.spec)
                && match failure(self.job, pod) {
                    Failure::FailsIndex => true,
                    other => other.counts() && failures(pod).0 >= limit,
                }
        };
        // One that is being counted was, with its index; or it was ended with its Job, and its index has not failed.
        let (_, counted) = uncounted(status);
        let new = tracked().filter(|(_, pod)| has_failed(pod) && !counted.contains(uid(pod))).map(|(index, _)| index);
        let failed = Indexes::parse(status.failed_indexes.as_deref().unwrap_or_default(), completions);
        let failed = failed.and(&Indexes::of(new));
        let active: BTreeSet<i32> = self.active.iter().filter_map(|pod| index(pod)).collect();
        let mut waiting: BTreeMap<i32, &'a Arc<Pod>> = BTreeMap::new();
        for (index, pod) in tracked().filter(|(_, pod)| is_failed(pod, self.spec)) {
            if succeeded.has(index) || failed.has(index) || active.contains(&index) {
                continue;
            }
            let rank = |pod: &Pod| {
                let (counted, ignored) = failures(pod);
                (counted + ignored, pod::finished(pod))
            };
            let last = waiting.entry(index).or_insert(pod);
            if rank(pod) > rank(last) {
                *last = pod;
            }
        }
        Indexed { completions, before, succeeded, failed: Some(failed), waiting }
    }
}
