//! What can be told from a Pod.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};

/// Where a Pod is in its life; `Pending` when it does not say.
#[must_use]
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

/// Whether it has ended, well or not.
#[must_use]
pub fn is_over(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether it is to be deleted.
#[must_use]
pub fn is_deleted(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Whether it runs, or will.
#[must_use]
pub fn is_active(pod: &Pod) -> bool {
    !is_over(pod) && !is_deleted(pod)
}

/// Whether it is to be deleted and has not ended yet.
#[must_use]
pub fn is_terminating(pod: &Pod) -> bool {
    !is_over(pod) && is_deleted(pod)
}

/// The node it is bound to; empty for none.
#[must_use]
pub fn node(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default()
}

/// Its conditions.
#[must_use]
pub fn conditions(pod: &Pod) -> &[PodCondition] {
    pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
}

/// One of its conditions.
#[must_use]
pub fn condition<'a>(pod: &'a Pod, condition_type: &str) -> Option<&'a PodCondition> {
    conditions(pod).iter().find(|condition| condition.type_ == condition_type)
}

/// Whether it is ready.
#[must_use]
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

/// The states of its main containers.
#[must_use]
pub fn containers(pod: &Pod) -> &[ContainerStatus] {
    pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default()
}

/// The states of its first containers and helpers.
#[must_use]
pub fn init_containers(pod: &Pod) -> &[ContainerStatus] {
    pod.status.as_ref().and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default()
}

/// When it ended: the end of its last container; else since when it is not ready; else when it was deleted; else when it
/// was made.
#[must_use]
pub fn finished(pod: &Pod) -> Timestamp {
    let ended =
        |status: &ContainerStatus| status.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref().map(|at| at.0);
    let helpers = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    let helpers: Vec<&str> = helpers
        .filter(|container| container.restart_policy.as_deref() == Some("Always"))
        .map(|container| container.name.as_str())
        .collect();
    let of_helpers = init_containers(pod).iter().filter(|status| helpers.contains(&status.name.as_str()));
    let ends: Option<Vec<Timestamp>> = containers(pod).iter().chain(of_helpers).map(ended).collect();
    let last = ends.and_then(|ends| ends.into_iter().max());
    let unready = condition(pod, "Ready").filter(|ready| ready.status == "False");
    let unready = || unready.and_then(|ready| Some(ready.last_transition_time.as_ref()?.0));
    let deleted = || {
        let at = pod.metadata.deletion_timestamp.as_ref()?.0;
        let grace = SignedDuration::from_secs(pod.metadata.deletion_grace_period_seconds.unwrap_or(0));
        at.checked_sub(grace).ok()
    };
    let made = || pod.metadata.creation_timestamp.as_ref().map(|at| at.0);
    last.or_else(unready).or_else(deleted).or_else(made).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A condition that holds from now on, among those that the Pod has.
#[must_use]
pub fn with_condition(pod: &Pod, mut new: PodCondition, now: Timestamp) -> Vec<PodCondition> {
    let mut all = conditions(pod).to_vec();
    new.observed_generation = pod.metadata.generation;
    let old = all.iter_mut().find(|old| old.type_ == new.type_);
    let since = old.as_ref().filter(|old| old.status == new.status).and_then(|old| old.last_transition_time.clone());
    new.last_transition_time = Some(since.unwrap_or_else(|| super::time(now)));
    match old {
        Some(old) => *old = new,
        None => all.push(new),
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: Value, more: Value) -> Pod {
        let mut pod = json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}, "status": status, "spec": {
            "containers": [], "initContainers": [{"name": "helper", "restartPolicy": "Always"}, {"name": "first"}],
        }});
        for (key, value) in more.as_object().unwrap() {
            pod["metadata"][key] = value.clone();
        }
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn the_end_of_a_pod_is_told_from_what_there_is() {
        let ended = |name: &str, second: u32| {
            json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": 0, "finishedAt": format!("2026-01-01T00:00:{second:02}Z")}}})
        };
        let running = json!({"name": "b", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}});
        let unready = json!([{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:20Z"}]);
        let deleted = json!({"deletionTimestamp": "2026-01-01T00:01:00Z", "deletionGracePeriodSeconds": 30});
        for (status, more, second) in [
            (json!({"containerStatuses": [ended("a", 5), ended("b", 7)]}), json!({}), 7),
            (
                json!({"containerStatuses": [ended("a", 5)], "initContainerStatuses": [ended("helper", 9), ended("first", 11)]}),
                json!({}),
                9,
            ),
            (json!({"containerStatuses": [ended("a", 5), running], "conditions": unready}), deleted.clone(), 20),
            (json!({"containerStatuses": [running]}), deleted, 30),
            (json!({}), json!({}), 0),
        ] {
            let finished = finished(&pod(status, more));
            assert_eq!(finished.to_string(), format!("2026-01-01T00:00:{second:02}Z"));
        }
    }

    #[test]
    fn a_condition_keeps_its_time_while_its_status_stays() {
        let since = "2026-01-01T00:00:20Z";
        let pod = pod(
            json!({"conditions": [
                {"type": "Ready", "status": "False", "lastTransitionTime": since},
                {"type": "PodScheduled", "status": "False", "lastTransitionTime": since, "message": "old"},
            ]}),
            json!({"generation": 3}),
        );
        let new = |status: &str| PodCondition {
            type_: "PodScheduled".into(),
            status: status.into(),
            message: Some("new".into()),
            ..PodCondition::default()
        };
        let now = "2026-01-01T00:00:30.5Z".parse().unwrap();
        let times = |all: &[PodCondition]| -> Vec<String> {
            all.iter().map(|condition| condition.last_transition_time.as_ref().unwrap().0.to_string()).collect()
        };
        let same = with_condition(&pod, new("False"), now);
        assert_eq!((same[1].message.as_deref(), same[1].observed_generation), (Some("new"), Some(3)));
        assert_eq!(times(&same), [since, since]);
        assert_eq!(times(&with_condition(&pod, new("True"), now)), [since, "2026-01-01T00:00:30Z"]);
    }
}
