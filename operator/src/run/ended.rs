//! How an attempt ended.

use aggregator_crds::reason::{Reason, Topic};
use aggregator_crds::run::{AttemptOutcome, AttemptResult};
use k8s_openapi::api::core::v1::Pod;

use crate::conditions::{known, with_remedy};
use crate::worker;

/// How an attempt ended, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    /// The worker's own words, if they have arrived.
    pub outcome: Option<AttemptOutcome>,
    /// Why, in a word.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// Whether that says what to do.
    pub advises: bool,
    /// Whether another attempt may help.
    pub retryable: bool,
}

/// How the worker of a Pod ended; None when it has not.
#[must_use]
pub(super) fn ended(pod: &Pod) -> Option<Ended> {
    if !worker::has_ended(pod) {
        return None;
    }
    let outcome = worker::message(pod).and_then(|message| serde_json::from_str::<AttemptOutcome>(message).ok());
    Some(outcome.map_or_else(
        || {
            let death = worker::death(pod);
            Ended::silent(death.reason, death.message, death.retryable)
        },
        Ended::of,
    ))
}

/// What counts of all that is known of how a worker ended: from its Pods, of which there are several where one was taken from
/// its node, and from the run's status.
#[must_use]
pub(super) fn of_all(pods: &[Ended], reported: Option<Ended>) -> Option<Ended> {
    // What is committed is committed, whatever came later. The status has room for more than a Pod.
    let committed = reported.iter().chain(pods).find(|ended| ended.succeeded()).cloned();
    // Otherwise the worker's words tell more than the kubelet's.
    let told = || pods.iter().find(|ended| ended.outcome.is_some()).cloned();
    committed.or_else(told).or(reported).or_else(|| pods.first().cloned())
}

impl Ended {
    /// How an attempt ended, in its worker's words.
    #[must_use]
    pub(super) fn of(outcome: AttemptOutcome) -> Self {
        let help = outcome.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        let message = format!("{}{help}", outcome.message.clone().unwrap_or_default());
        let (reason, message) = match (&outcome.reason, outcome.result) {
            (Some(word), _) => known(word, message),
            (None, AttemptResult::Succeeded) => (Reason::LedgerBalanced, message),
            (None, AttemptResult::Failed) => (Reason::WorkerFailed, message),
            (None, AttemptResult::Interrupted) => (Reason::Interrupted, message),
        };
        // A worker that was asked to stop stopped because its Pod was: the next one goes on.
        let retryable = outcome.retryable || outcome.result == AttemptResult::Interrupted;
        Self { reason, message, advises: outcome.remedy.is_some(), retryable, outcome: Some(outcome) }
    }

    /// How an attempt ended of which nobody has the worker's words.
    #[must_use]
    pub(super) fn silent(reason: Reason, message: impl Into<String>, retryable: bool) -> Self {
        Self { outcome: None, reason, message: message.into(), advises: false, retryable }
    }

    /// An attempt that has committed everything, and whose worker's words are lost.
    #[must_use]
    pub(super) fn unheard() -> Self {
        let message = "every row is accounted for; the counters went with the Pod";
        Self::silent(Reason::LedgerBalanced, message, false)
    }

    /// An attempt of which nobody says whether it has committed anything. The next one finds out.
    #[must_use]
    pub(super) fn lost() -> Self {
        Self::silent(Reason::OutcomeLost, "all shards have ended, and none says that the run is committed", true)
    }

    /// What is said of it when no other attempt follows. What has become of a Pod does not say what to do about it.
    #[must_use]
    pub(super) fn at_last(&self, job: &str) -> String {
        if self.advises || self.reason.topic() != Topic::Pod {
            return self.message.clone();
        }
        with_remedy(self.reason, &self.message, job)
    }

    /// Whether everything was committed.
    #[must_use]
    pub(super) fn succeeded(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.result == AttemptResult::Succeeded)
    }
}
