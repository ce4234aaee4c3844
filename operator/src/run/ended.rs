//! How an attempt ended.

use aggregator_crds::Reason;
use aggregator_crds::run::{AttemptOutcome, AttemptResult};
use k8s_openapi::api::core::v1::Pod;

use crate::conditions::known;
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
            Ended { outcome: None, reason: death.reason, message: death.message, retryable: death.retryable }
        },
        Ended::of,
    ))
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
        Self { reason, message, retryable, outcome: Some(outcome) }
    }

    /// Whether everything was committed.
    #[must_use]
    pub(super) fn succeeded(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.result == AttemptResult::Succeeded)
    }
}
