//! What the Pods of an attempt say of it.

use aggregator_crds::run::{AttemptOutcome, AttemptResult};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStateWaiting, Pod};
use kube::ResourceExt;

use super::job::CONTAINER;

/// What an attempt is doing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Waiting {
    /// Why it has not begun, in a word.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
}

/// How an attempt ended, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    /// The worker's own words, if they have arrived.
    pub outcome: Option<AttemptOutcome>,
    /// Why, in a word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// Whether another attempt may help.
    pub retryable: bool,
}

/// What keeps a Pod from beginning; None when it runs or has ended.
#[must_use]
pub(super) fn waiting(pod: &Pod) -> Option<Waiting> {
    let status = pod.status.as_ref()?;
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unscheduled {
        let message =
            format!("no node takes the Pod {}: {}", pod.name_any(), condition.message.clone().unwrap_or_default());
        return Some(Waiting { reason: "Unschedulable", message });
    }
    let state = status.container_statuses.iter().flatten().find_map(|container| container.state.as_ref());
    let ContainerStateWaiting { reason, message } = state?.waiting.as_ref()?;
    let message = message.clone().unwrap_or_default();
    let (reason, message) = match reason.as_deref()? {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
            ("ImagePullFailed", format!("the worker's image cannot be had: {message}"))
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            ("ContainerFailed", format!("the worker's container cannot be made: {message}"))
        }
        _ => ("PodStarting", format!("the Pod {} starts", pod.name_any())),
    };
    Some(Waiting { reason, message })
}

/// Whether the worker runs.
#[must_use]
pub(super) fn running(pod: &Pod) -> bool {
    pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"))
}

fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let statuses = pod.status.as_ref()?.container_statuses.iter().flatten();
    statuses.filter(|status| status.name == CONTAINER).find_map(|status| status.state.as_ref()?.terminated.as_ref())
}

/// How the worker of a Pod ended; None when it has not.
#[must_use]
pub(super) fn ended(pod: &Pod) -> Option<Ended> {
    let status = pod.status.as_ref()?;
    let over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let terminated = terminated(pod);
    if !over && terminated.is_none() {
        return None;
    }
    let outcome = terminated.and_then(|state| serde_json::from_str::<AttemptOutcome>(state.message.as_deref()?).ok());
    if let Some(outcome) = outcome {
        return Some(Ended::of(outcome));
    }
    let name = pod.name_any();
    let disrupted = status.conditions.iter().flatten().find(|it| it.type_ == "DisruptionTarget" && it.status == "True");
    let (reason, message, retryable) = if let Some(condition) = disrupted {
        let why = condition.message.clone().or(status.message.clone()).unwrap_or_default();
        ("Evicted", format!("the Pod {name} was taken from its node: {why}"), true)
    } else if status.reason.as_deref() == Some("Evicted") {
        let why = status.message.clone().unwrap_or_default();
        ("Evicted", format!("the Pod {name} was evicted: {why}"), true)
    } else {
        match terminated {
            Some(state) if state.reason.as_deref() == Some("OOMKilled") => {
                ("OutOfMemory", format!("the Pod {name} used more memory than execution.resources allows"), false)
            }
            Some(state) if matches!(state.exit_code, 137 | 143) => {
                ("Killed", format!("the worker in the Pod {name} was killed (exit code {})", state.exit_code), true)
            }
            Some(state) if state.exit_code != 0 => {
                let why = state.message.clone().unwrap_or_default();
                let text = format!("the worker in the Pod {name} ended with exit code {}: {why}", state.exit_code);
                ("WorkerFailed", text, true)
            }
            _ => ("OutcomeLost", format!("the Pod {name} has ended without saying how"), true),
        }
    };
    Some(Ended {
        outcome: None,
        reason: reason.into(),
        message: message.trim_end_matches([':', ' ']).into(),
        retryable,
    })
}

impl Ended {
    /// How an attempt ended, in its worker's words.
    #[must_use]
    pub(super) fn of(outcome: AttemptOutcome) -> Self {
        let reason = outcome.reason.clone().unwrap_or_else(|| match outcome.result {
            AttemptResult::Succeeded => "LedgerBalanced".to_owned(),
            AttemptResult::Failed => "WorkerFailed".to_owned(),
            AttemptResult::Interrupted => "Interrupted".to_owned(),
        });
        let help = outcome.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        let message = format!("{}{help}", outcome.message.clone().unwrap_or_default());
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
