//! What a worker's Pod says of it.

use aggregator_crds::Reason;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStateWaiting, Pod};
use kube::ResourceExt;

use super::pod::CONTAINER;
use crate::conditions::with_remedy;

/// What an attempt is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Why it has not begun, in a word.
    pub reason: Reason,
    /// Why, for people, and what to do.
    pub message: String,
}

/// How a worker ended that could not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Why, in a word.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// Whether another one may do better.
    pub retryable: bool,
}

/// What keeps a Pod from beginning; None when it runs or has ended.
#[must_use]
pub fn waiting(pod: &Pod) -> Option<Waiting> {
    let status = pod.status.as_ref()?;
    let held = |reason, message: &str| Some(Waiting { reason, message: with_remedy(reason, message, &pod.name_any()) });
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unscheduled {
        let why = condition.message.clone().unwrap_or_default();
        return held(Reason::Unschedulable, &format!("no node takes the Pod {}: {why}", pod.name_any()));
    }
    let state = status.container_statuses.iter().flatten().find_map(|container| container.state.as_ref());
    let ContainerStateWaiting { reason, message } = state?.waiting.as_ref()?;
    let message = message.clone().unwrap_or_default();
    match reason.as_deref()? {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
            held(Reason::ImagePullFailed, &format!("the worker's image cannot be had: {message}"))
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            held(Reason::ContainerFailed, &format!("the worker's container cannot be made: {message}"))
        }
        _ => Some(Waiting { reason: Reason::PodStarting, message: format!("the Pod {} starts", pod.name_any()) }),
    }
}

/// The number of a Pod among those of a Job that share its work.
#[must_use]
pub fn index(pod: &Pod) -> Option<u32> {
    pod.annotations().get("batch.kubernetes.io/job-completion-index")?.parse().ok()
}

/// Whether the worker runs.
#[must_use]
pub fn running(pod: &Pod) -> bool {
    pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"))
}

fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let statuses = pod.status.as_ref()?.container_statuses.iter().flatten();
    statuses.filter(|status| status.name == CONTAINER).find_map(|status| status.state.as_ref()?.terminated.as_ref())
}

/// Whether the worker of a Pod has ended.
#[must_use]
pub fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed")) || terminated(pod).is_some()
}

/// What the worker of a Pod said when it ended.
#[must_use]
pub fn message(pod: &Pod) -> Option<&str> {
    terminated(pod)?.message.as_deref()
}

/// How a worker ended that could not say it.
#[must_use]
pub fn death(pod: &Pod) -> Death {
    let terminated = terminated(pod);
    let name = pod.name_any();
    let status = pod.status.clone().unwrap_or_default();
    let disrupted = status.conditions.iter().flatten().find(|it| it.type_ == "DisruptionTarget" && it.status == "True");
    let (reason, message, retryable) = if let Some(condition) = disrupted {
        let why = condition.message.clone().or(status.message.clone()).unwrap_or_default();
        (Reason::Evicted, format!("the Pod {name} was taken from its node: {why}"), true)
    } else if status.reason.as_deref() == Some("Evicted") {
        let why = status.message.clone().unwrap_or_default();
        (Reason::Evicted, format!("the Pod {name} was evicted: {why}"), true)
    } else {
        match terminated {
            Some(state) if state.reason.as_deref() == Some("OOMKilled") => {
                (Reason::OutOfMemory, format!("the Pod {name} used more memory than it may"), false)
            }
            Some(state) if matches!(state.exit_code, 137 | 143) => {
                let text = format!("the worker in the Pod {name} was killed (exit code {})", state.exit_code);
                (Reason::Killed, text, true)
            }
            Some(state) if state.exit_code != 0 => {
                let why = state.message.clone().unwrap_or_default();
                let text = format!("the worker in the Pod {name} ended with exit code {}: {why}", state.exit_code);
                (Reason::WorkerFailed, text, true)
            }
            _ => (Reason::OutcomeLost, format!("the Pod {name} has ended without saying how"), true),
        }
    };
    Death { reason, message: message.trim_end_matches([':', ' ']).into(), retryable }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::object;

    #[test]
    fn what_keeps_a_pod_from_beginning_is_said_with_what_to_do() {
        let held = |status: Value| {
            let pod = object(json!({"metadata": {"name": "first-x"}, "status": status}));
            let Waiting { reason, message } = waiting(&pod).expect("it waits");
            (reason, message)
        };
        let container = |reason: &str, message: &str| {
            let state = json!({"waiting": {"reason": reason, "message": message}});
            json!({"containerStatuses": [{"name": "worker", "image": "", "imageID": "", "ready": false,
                                          "restartCount": 0, "state": state}]})
        };
        let unscheduled = json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes."}]});
        for (status, reason, message) in [
            (unscheduled, Reason::Unschedulable, "no node takes the Pod first-x: 0/1 nodes"),
            (container("ErrImagePull", ""), Reason::ImagePullFailed, "the worker's image cannot be had"),
            (
                container("CreateContainerConfigError", "no key `password`"),
                Reason::ContainerFailed,
                "the worker's container cannot be made: no key `password`",
            ),
        ] {
            assert_eq!(held(status), (reason, format!("{message}; {}", reason.remedy())));
        }
        let starts = held(container("ContainerCreating", ""));
        assert_eq!(starts, (Reason::PodStarting, "the Pod first-x starts".to_owned()));
    }
}
