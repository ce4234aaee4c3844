//! Which Pods of a Job are made and deleted.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::backoff;
use super::count::{Count, failures, index, is_failed, is_suspended, is_tracked, replaces_failed_only, whole};
use super::policy::failure;
use super::template::New;
use super::view::Pauses;
use crate::api::controllers::pod;

/// How many Pods are made or deleted at a time.
const AT_A_TIME: usize = 500;

/// What is done about the number of Pods.
#[derive(Debug, Default)]
pub(super) struct Pods<'a> {
    /// The Pods that are too many.
    pub(super) deleted: Vec<&'a Arc<Pod>>,
    /// Those that are missing.
    pub(super) made: Vec<New>,
    /// When those that have to wait can be made.
    pub(super) again: Option<Duration>,
}

/// What is to be done about the number of Pods: some are deleted, or some are made.
pub(super) fn pods<'a>(count: &Count<'a>, pauses: Pauses, now: Timestamp) -> Pods<'a> {
    let active = whole(count.active.len());
    if is_suspended(count.spec) {
        return Pods { deleted: too_many(count, count.active.len()), ..Pods::default() };
    }
    let parallelism = count.spec.parallelism.unwrap_or(1);
    let wanted = match count.spec.completions {
        Some(completions) => (completions - count.succeeded).min(parallelism).max(0),
        // The first that succeeds says that there is nothing left to do: nobody follows, and the others may end.
        None if count.succeeded > 0 => active,
        None => parallelism,
    };
    let mut deleted = too_many(count, usize::try_from(active - wanted).unwrap_or(0));
    if !deleted.is_empty() {
        deleted.truncate(AT_A_TIME);
        return Pods { deleted, ..Pods::default() };
    }
    let ending = if replaces_failed_only(count.spec) { count.terminating } else { 0 };
    let missing = usize::try_from(wanted - ending - active).unwrap_or(0).min(AT_A_TIME);
    if missing == 0 {
        return Pods::default();
    }
    let per_index = count.spec.backoff_limit_per_index.is_some();
    if !per_index {
        // A Pod that was deleted and is counted is on its way out, and is nobody's failure any more.
        let fails = |pod: &Pod| is_failed(pod, count.spec) && (is_tracked(pod) || !pod::is_deleted(pod));
        let (failures, last) = backoff::failures(count.pods.iter().copied(), fails);
        let wait = backoff::remaining(pauses, failures, last, now);
        if !wait.is_zero() {
            return Pods { again: Some(wait), ..Pods::default() };
        }
    }
    if count.indexed.is_none() {
        return Pods { made: vec![New::default(); missing], ..Pods::default() };
    }
    let (mut made, mut again) = (Vec::new(), None::<Duration>);
    for new in missing_indexes(count, missing) {
        let wait = if per_index { pause(count, new, pauses, now) } else { Duration::ZERO };
        if wait.is_zero() {
            made.push(new);
        } else {
            again = Some(again.map_or(wait, |before| before.min(wait)));
        }
    }
    Pods { deleted: Vec::new(), made, again }
}

/// How long an index has to wait for its next Pod.
fn pause(count: &Count<'_>, new: New, pauses: Pauses, now: Timestamp) -> Duration {
    let last = count.indexed.as_ref().and_then(|indexed| indexed.waiting.get(&new.index?));
    last.map_or(Duration::ZERO, |last| {
        let (counted, ignored) = failures(last);
        backoff::remaining(pauses, usize::try_from(counted + ignored + 1).unwrap_or(1), pod::finished(last), now)
    })
}

fn missing_indexes(count: &Count<'_>, missing: usize) -> Vec<New> {
    let Some(indexed) = &count.indexed else { return Vec::new() };
    let taken = count
        .pods
        .iter()
        .filter(|pod| pod::is_active(pod) || replaces_failed_only(count.spec) && pod::is_terminating(pod));
    let mut taken = indexed.succeeded.and(&super::indexes::Indexes::of(taken.filter_map(|pod| index(pod))));
    if let Some(failed) = &indexed.failed {
        taken = taken.and(failed);
    }
    let indexes = taken.missing(indexed.completions, missing).into_iter();
    let per_index = indexed.failed.is_some();
    let new = indexes.map(|index| {
        let before = indexed.waiting.get(&index).map(|last| {
            let (counted, ignored) = failures(last);
            if failure(count.job, last).counts() { (counted + 1, ignored) } else { (counted, ignored + 1) }
        });
        New { index: Some(index), failures: per_index.then(|| before.unwrap_or_default()) }
    });
    new.collect()
}

/// At least so many Pods that are too many: those without a right index, all but one of each index, and then those that
/// have done the least.
fn too_many<'a>(count: &Count<'a>, at_least: usize) -> Vec<&'a Arc<Pod>> {
    let mut left = count.active.clone();
    left.sort_by_key(|pod| progress(pod));
    let mut deleted = Vec::new();
    if let Some(indexed) = &count.indexed {
        let mut of_index: BTreeMap<i32, usize> = BTreeMap::new();
        for pod in &left {
            *of_index.entry(index(pod).unwrap_or(-1)).or_default() += 1;
        }
        left.retain(|pod| {
            let index = index(pod).unwrap_or(-1);
            let others = of_index.get_mut(&index);
            let superfluous = others.is_some_and(|others| {
                *others -= 1;
                *others > 0
            });
            let stays = (0..indexed.completions).contains(&index) && !superfluous;
            if !stays {
                deleted.push(*pod);
            }
            stays
        });
    }
    let more = at_least.saturating_sub(deleted.len());
    deleted.extend(left.into_iter().take(more));
    deleted
}

/// How far a Pod has come; the one that has come the least far goes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Progress {
    has_node: bool,
    phase: u8,
    is_ready: bool,
    ready_since: Reverse<Option<Timestamp>>,
    restarts: Reverse<i32>,
    made: Reverse<Option<Timestamp>>,
}

fn progress(pod: &Pod) -> Progress {
    let phase = match pod::phase(pod) {
        "Pending" => 0,
        "Running" => 2,
        _ => 1,
    };
    let ready = pod::condition(pod, "Ready").filter(|ready| ready.status == "True");
    let since = ready.and_then(|ready| ready.last_transition_time.as_ref()).map(|time| time.0);
    let restarts = |status: &ContainerStatus| status.restart_count;
    let restarts = pod::containers(pod).iter().map(restarts).max().unwrap_or(0);
    let made = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    Progress {
        has_node: !pod::node(pod).is_empty(),
        phase,
        is_ready: ready.is_some(),
        ready_since: Reverse(since),
        restarts: Reverse(restarts),
        made: Reverse(made),
    }
}
