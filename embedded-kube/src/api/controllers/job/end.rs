//! Whether a Job ends now, and why.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{JobCondition, JobStatus};

use super::count::{Count, is_failed, is_suspended};
use super::policy::{Failure, failure, success};
use crate::api::controllers::{pod, time};

/// That it will have failed when all is counted.
pub(super) const FAILURE: &str = "FailureTarget";
/// That it will have succeeded.
pub(super) const SUCCESS: &str = "SuccessCriteriaMet";

/// Why a Job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// [`FAILURE`] or [`SUCCESS`].
    pub(super) condition_type: &'static str,
    pub(super) reason: String,
    pub(super) message: String,
    /// Whether its status says so already.
    pub(super) told: bool,
}

impl End {
    fn new(condition_type: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self { condition_type, reason: reason.to_owned(), message: message.into(), told: false }
    }

    /// All that was wanted is done.
    pub(super) fn reached() -> Self {
        Self::new(SUCCESS, "CompletionsReached", "Reached expected number of succeeded pods")
    }

    /// Whether it is a failure.
    pub(super) fn fails(&self) -> bool {
        self.condition_type == FAILURE
    }
}

/// A condition that holds from now on.
pub(super) fn condition(
    condition_type: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> JobCondition {
    JobCondition {
        type_: condition_type.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_probe_time: Some(time(now)),
        last_transition_time: Some(time(now)),
    }
}

fn told(status: &JobStatus, condition_type: &'static str) -> Option<End> {
    let mut conditions = status.conditions.iter().flatten();
    let found = conditions.find(|it| it.type_ == condition_type && it.status == "True")?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(End { condition_type, reason: text(&found.reason), message: text(&found.message), told: true })
}

/// When the Job's time is over, if it has a limit.
pub(super) fn deadline(count: &Count<'_>, status: &JobStatus) -> Option<Timestamp> {
    let seconds = count.spec.active_deadline_seconds.filter(|_| !is_suspended(count.spec))?;
    status.start_time.as_ref()?.0.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// Why the Job ends now, if it does, but for the number of Pods that succeeded. What was told before holds.
pub(super) fn end(count: &Count<'_>, status: &JobStatus, now: Timestamp) -> Option<End> {
    told(status, SUCCESS)
        .or_else(|| told(status, FAILURE))
        .or_else(|| by_policy(count))
        .or_else(|| by_limit(count))
        .or_else(|| {
            let late = deadline(count, status).is_some_and(|deadline| deadline <= now);
            late.then(|| End::new(FAILURE, "DeadlineExceeded", "Job was active longer than specified deadline"))
        })
        .or_else(|| by_indexes(count))
}

fn by_policy(count: &Count<'_>) -> Option<End> {
    let failed = count.pods.iter().filter(|pod| is_failed(pod, count.spec));
    let mut failures = failed.map(|pod| failure(count.job, pod));
    failures.find_map(|failure| match failure {
        Failure::FailsJob(message) => Some(End::new(FAILURE, "PodFailurePolicy", message)),
        _ => None,
    })
}

fn by_limit(count: &Count<'_>) -> Option<End> {
    let limit = count.spec.backoff_limit.unwrap_or(6);
    let policy = count.spec.template.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
    let restarts = || -> i32 {
        let alive = count.pods.iter().filter(|pod| matches!(pod::phase(pod), "Running" | "Pending"));
        alive
            .flat_map(|pod| pod::containers(pod).iter().chain(pod::init_containers(pod)))
            .map(|it| it.restart_count)
            .sum()
    };
    // A container that is started again has failed before.
    let restarted = policy == Some("OnFailure") && restarts() >= limit.max(1);
    let exceeded = count.failed > limit || restarted;
    exceeded.then(|| End::new(FAILURE, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
}

fn by_indexes(count: &Count<'_>) -> Option<End> {
    let indexed = count.indexed.as_ref()?;
    if let Some(failed) = &indexed.failed {
        let (failed, succeeded) = (failed.total(), indexed.succeeded.total());
        if count.spec.max_failed_indexes.is_some_and(|limit| failed > limit) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return Some(End::new(FAILURE, "MaxFailedIndexesExceeded", message));
        }
        if failed > 0 && failed + succeeded >= indexed.completions {
            return Some(End::new(FAILURE, "FailedIndexes", "Job has failed indexes"));
        }
    }
    let met = success(count.spec.success_policy.as_ref(), indexed.completions, &indexed.succeeded)?;
    Some(End::new(SUCCESS, "SuccessPolicy", met))
}
