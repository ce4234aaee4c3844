//! Pods whose logs are read.

use aggregator_operator::labels;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;

/// The number of a Pod among those that share a Job, from 0.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Where a Pod stands among others: by its attempt, its number, and its name.
pub(super) fn place(pod: &Pod) -> (u32, u32, String) {
    (attempt(pod), number(pod, INDEX), pod.name_any())
}

/// The attempt that a Pod makes; 0 for one that makes none.
pub(super) fn attempt(pod: &Pod) -> u32 {
    number(pod, labels::ATTEMPT)
}

fn number(pod: &Pod, label: &str) -> u32 {
    labels::label(pod, label).parse().unwrap_or(0)
}

/// The containers that are meant: one, or all.
fn containers<'a>(pod: &'a Pod, name: Option<&'a str>) -> impl Iterator<Item = &'a ContainerStatus> {
    let all = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    all.into_iter().flatten().filter(move |container| name.is_none_or(|name| container.name == name))
}

/// Whether there is a log.
pub(super) fn has_begun(pod: &Pod, container: Option<&str>) -> bool {
    containers(pod, container).any(|container| {
        container.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    })
}

/// Whether no more comes to its log.
pub(super) fn is_over(pod: &Pod, container: Option<&str>) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let ended = |container: &ContainerStatus| container.state.as_ref().is_some_and(|state| state.terminated.is_some());
    // One that starts again has a next log, and restarts never end.
    let never = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) == Some("Never");
    matches!(phase, Some("Succeeded" | "Failed"))
        || (never && has_begun(pod, container) && containers(pod, container).all(ended))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(phase: &str, states: &[Value]) -> Pod {
        let statuses = states.iter().enumerate().map(|(index, state)| {
            json!({"name": format!("c{index}"), "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state})
        });
        let attempt = labels::ATTEMPT;
        serde_json::from_value(json!({
            "metadata": {"name": "p", "labels": {attempt: "2", INDEX: "1"}},
            "spec": {"restartPolicy": "Never", "containers": []},
            "status": {"phase": phase, "containerStatuses": statuses.collect::<Vec<_>>()},
        }))
        .expect("a Pod")
    }

    #[test]
    fn a_log_begins_and_ends_with_its_container() {
        let (waits, runs) = (json!({"waiting": {}}), json!({"running": {}}));
        let ended = json!({"terminated": {"exitCode": 0}});
        let state = |pod: &Pod, name| (has_begun(pod, name), is_over(pod, name));
        assert_eq!(state(&pod("Pending", &[]), None), (false, false));
        assert_eq!(state(&pod("Pending", std::slice::from_ref(&waits)), None), (false, false));
        assert_eq!(state(&pod("Running", std::slice::from_ref(&runs)), None), (true, false));
        assert_eq!(state(&pod("Running", &[ended.clone(), runs]), None), (true, false));
        assert_eq!(state(&pod("Running", &[ended.clone(), waits]), Some("c0")), (true, true));
        assert_eq!(state(&pod("Succeeded", &[ended]), None), (true, true));
        assert_eq!(place(&pod("Failed", &[])), (2, 1, "p".into()));
    }
}
