//! The Pod's status, from what has become of its containers.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, HostIP,
    Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::Life;
use super::container::{Container, Ended, Role, State};

/// The name of a container's run, as its status and the runner's folder have it.
pub(crate) fn id(uid: &str, container: &str, start: u32) -> String {
    format!("process://{uid}/{container}/{start}")
}

/// What a status says beside the containers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) pod: &'a Pod,
    /// The conditions as they were, which keep their times while they stay.
    pub(crate) before: &'a [PodCondition],
    pub(crate) address: IpAddr,
    /// When a node first saw the Pod.
    pub(crate) started: Timestamp,
    pub(crate) now: Timestamp,
}

/// The change of a Pod that gives it the status, if it still is the same Pod: a strategic merge patch.
///
/// # Errors
/// None in practice: a status is plain data.
pub(crate) fn patch(pod: &Pod, status: &PodStatus) -> serde_json::Result<Value> {
    let mut status = serde_json::to_value(status)?;
    // Conditions are merged one by one: what is left out of one would stay.
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        for field in ["reason", "message"] {
            if condition[field].is_null() {
                condition[field] = Value::Null;
            }
        }
    }
    Ok(json!({"metadata": {"uid": pod.metadata.uid}, "status": status}))
}

impl Life {
    /// The status of the Pod. What is left out is not the runner's to say.
    pub(crate) fn status(&self, scene: Scene<'_>) -> PodStatus {
        let Scene { pod, address, started, .. } = scene;
        let phase = self.phase();
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let statuses = |mains: bool| -> Vec<ContainerStatus> {
            let wanted = self.containers.iter().filter(|container| (container.role == Role::Main) == mains);
            wanted.map(|container| status(container, uid)).collect()
        };
        let address = address.to_string();
        PodStatus {
            phase: Some(phase.to_owned()),
            reason: self.failed.as_ref().filter(|_| phase == "Failed").map(|(reason, _)| reason.clone()),
            message: self.failed.as_ref().filter(|_| phase == "Failed").map(|(_, message)| message.clone()),
            start_time: Some(Time(started)),
            observed_generation: pod.metadata.generation,
            host_ip: Some(address.clone()),
            host_ips: Some(vec![HostIP { ip: address.clone() }]),
            pod_ip: Some(address.clone()),
            pod_ips: Some(vec![PodIP { ip: address }]),
            conditions: Some(self.conditions(scene, phase)),
            init_container_statuses: Some(statuses(false)).filter(|statuses| !statuses.is_empty()),
            container_statuses: Some(statuses(true)),
            ..PodStatus::default()
        }
    }

    fn conditions(&self, scene: Scene<'_>, phase: &str) -> Vec<PodCondition> {
        let over = matches!(phase, "Succeeded" | "Failed");
        let past = |container: &Container| match container.role {
            Role::First => container.done().is_some_and(|end| end.code == 0),
            Role::Helper => over || container.is_running(),
            Role::Main => true,
        };
        let initialized = self.containers.iter().all(past);
        let mains = || self.containers.iter().filter(|container| container.role == Role::Main);
        let ready = !over && initialized && mains().all(Container::is_running);
        let unready = match phase {
            "Succeeded" => "PodCompleted",
            "Failed" => "PodFailed",
            _ => "ContainersNotReady",
        };
        let names: Vec<&str> = mains().filter(|main| !main.is_running()).map(|main| main.name.as_str()).collect();
        let message = format!("containers with unready status: [{}]", names.join(" "));
        let begun = self.containers.iter().any(|container| container.starts > 0);
        let condition = |kind: &str, holds: bool, reason: &str, message: &str| {
            let before = scene.before.iter().find(|old| old.type_ == kind);
            let status = if holds { "True" } else { "False" };
            let since = before.filter(|old| old.status == status).and_then(|old| old.last_transition_time.clone());
            let said = |text: &str| (!holds && !text.is_empty()).then(|| text.to_owned());
            PodCondition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: said(reason),
                message: said(message),
                last_transition_time: Some(since.unwrap_or(Time(scene.now))),
                observed_generation: scene.pod.metadata.generation,
                ..PodCondition::default()
            }
        };
        let said = if over { "" } else { &message };
        vec![
            condition("PodReadyToStartContainers", begun && !over, "", ""),
            condition("Initialized", initialized, "ContainersNotInitialized", ""),
            condition("Ready", ready, unready, said),
            condition("ContainersReady", ready, unready, said),
        ]
    }
}

fn status(container: &Container, uid: &str) -> ContainerStatus {
    let running = container.is_running();
    let done = container.role == Role::First && container.done().is_some_and(|end| end.code == 0);
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone(),
        image_id: String::new(),
        ready: running || done,
        started: Some(running),
        restart_count: i32::try_from(container.restarts()).unwrap_or(i32::MAX),
        container_id: (container.starts > 0).then(|| id(uid, &container.name, container.starts)),
        state: Some(match &container.state {
            State::Waiting { reason, message } => ContainerState {
                waiting: Some(ContainerStateWaiting { reason: Some(reason.clone()), message: message.clone() }),
                ..ContainerState::default()
            },
            State::Running { since } => ContainerState {
                running: Some(ContainerStateRunning { started_at: Some(Time(*since)) }),
                ..ContainerState::default()
            },
            State::Ended(ended) => terminated(ended),
        }),
        last_state: container.last.as_ref().map(terminated),
        ..ContainerStatus::default()
    }
}

fn terminated(ended: &Ended) -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: ended.code,
            // The exit code says it, as with a kubelet.
            signal: None,
            reason: Some(ended.reason.clone()),
            message: ended.message.clone(),
            started_at: ended.started.map(Time),
            finished_at: Some(Time(ended.finished)),
            container_id: ended.id.clone(),
        }),
        ..ContainerState::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, ended, life, pod};
    use super::*;

    fn status(life: &Life, pod: &Pod) -> Value {
        let before: &[PodCondition] =
            pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        let status = life.status(Scene { pod, before, address, started: at(0), now: at(7) });
        patch(pod, &status).unwrap()["status"].take()
    }

    fn conditions(status: &Value) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let conditions = status["conditions"].as_array().unwrap().iter();
        conditions.map(|condition| (text(&condition["type"]), text(&condition["status"]))).collect()
    }

    #[test]
    fn a_status_says_what_each_container_does() {
        let mut life = life("Never");
        life.containers[0].state = State::Ended(ended(0, 1));
        life.containers[0].starts = 1;
        for place in [1, 2, 3] {
            life.containers[place].start(at(2));
        }
        let running = status(&life, &pod("Never"));
        assert_eq!(running["phase"], "Running");
        assert_eq!(running["containerStatuses"][0]["state"], json!({"running": {"startedAt": "1970-01-01T00:00:02Z"}}));
        assert_eq!(running["containerStatuses"][0]["containerID"], "process://u/a/1");
        assert_eq!(running["initContainerStatuses"][0]["state"]["terminated"]["reason"], "Completed");
        assert!(conditions(&running)[1..].iter().all(|(_, status)| status == "True"), "{running}");

        life.containers[2].state = State::Ended(ended(3, 4));
        life.containers[3].state = State::Ended(ended(0, 4));
        life.containers[1].state = State::Ended(ended(143, 5));
        let over = status(&life, &pod("Never"));
        assert_eq!(over["phase"], "Failed");
        let end = json!({"exitCode": 3, "reason": "Error", "startedAt": "1970-01-01T00:00:03Z", "finishedAt": "1970-01-01T00:00:04Z"});
        assert_eq!(over["containerStatuses"][0]["state"]["terminated"], end);
        assert_eq!(over["conditions"][2]["reason"], "PodFailed");
    }

    #[test]
    fn a_condition_keeps_its_time_while_it_holds() {
        let life = life("Never");
        let mut pod = pod("Never");
        pod.status = Some(
            serde_json::from_value(json!({"conditions": [
                {"type": "Ready", "status": "False", "lastTransitionTime": "1970-01-01T00:00:01Z"},
                {"type": "Initialized", "status": "True", "lastTransitionTime": "1970-01-01T00:00:01Z"},
            ]}))
            .unwrap(),
        );
        let status = status(&life, &pod);
        assert_eq!(status["conditions"][2]["lastTransitionTime"], "1970-01-01T00:00:01Z");
        assert_eq!(status["conditions"][1]["lastTransitionTime"], "1970-01-01T00:00:07Z");
    }

    #[test]
    fn a_pod_that_somebody_has_ended_is_not_ready_and_keeps_its_reason() {
        let mut pod = pod("Always");
        pod.spec.as_mut().unwrap().init_containers = None;
        let mut life = Life::of(&pod, at(0));
        life.containers[0].start(at(1));
        life.containers[1].start(at(1));
        assert_eq!(status(&life, &pod)["conditions"][2]["status"], "True");
        life.settled = Some("Failed");
        let ending = status(&life, &pod);
        assert_eq!((&ending["phase"], &ending["reason"]), (&json!("Failed"), &Value::Null));
        assert_eq!(
            (&ending["conditions"][2]["status"], &ending["conditions"][2]["reason"]),
            (&json!("False"), &json!("PodFailed"))
        );
        assert!(ending["containerStatuses"][0]["state"]["running"].is_object(), "{ending}");
    }

    #[test]
    fn a_pod_that_was_late_says_so_when_it_is_over() {
        let mut life = life("Never");
        life.containers[0].start(at(1));
        life.failed = Some(("DeadlineExceeded".into(), "late".into()));
        life.halted = true;
        assert_eq!(status(&life, &pod("Never"))["reason"], Value::Null);
        life.containers[0].state = State::Ended(ended(143, 2));
        let over = status(&life, &pod("Never"));
        assert_eq!(
            (&over["phase"], &over["reason"], &over["message"]),
            (&json!("Failed"), &json!("DeadlineExceeded"), &json!("late"))
        );
    }
}
