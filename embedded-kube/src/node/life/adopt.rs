//! The containers of a Pod that the runner sees for the first time, perhaps not the first runner.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{self, ContainerState, ContainerStateTerminated, ContainerStatus, Pod};

use super::Life;
use super::container::{Container, Ended, Policy, Role, State};

/// The reasons of a container that waits for its Pod: as the first, and where others come before.
const CREATING: &str = "ContainerCreating";
const INITIALIZING: &str = "PodInitializing";
/// The reason of a container whose process is gone and whose end nobody has seen.
pub(crate) const UNKNOWN: &str = "ContainerStatusUnknown";

impl Life {
    /// The Pod's containers as its status knows them. Those that ran have ended: no process outlives its runner.
    pub(crate) fn of(pod: &Pod, now: Timestamp) -> Self {
        let mut containers = Vec::new();
        if let Some(spec) = &pod.spec {
            let status = pod.status.as_ref();
            let statuses = |init: bool| {
                let list = status.and_then(|status| {
                    if init { status.init_container_statuses.as_ref() } else { status.container_statuses.as_ref() }
                });
                list.into_iter().flatten()
            };
            let known = |init, name: &str| statuses(init).find(|status| status.name == name);
            let alone = spec.init_containers.as_ref().is_none_or(Vec::is_empty);
            let waits = if alone { CREATING } else { INITIALIZING };
            for container in spec.init_containers.iter().flatten() {
                let helps = container.restart_policy.as_deref() == Some("Always");
                let role = if helps { Role::Helper } else { Role::First };
                let policy = Policy::of(role, container, spec);
                let status = known(true, &container.name);
                containers.push(Container::of(container, role, policy, waits, status, now));
            }
            for container in &spec.containers {
                let policy = Policy::of(Role::Main, container, spec);
                let status = known(false, &container.name);
                containers.push(Container::of(container, Role::Main, policy, waits, status, now));
            }
        }
        let mut life = Self { containers, halted: false, failed: None, settled: None };
        life.settle(pod);
        life
    }

    /// Takes from the Pod what the API server says that has become of it: whoever has said so, it is over, and nothing of it
    /// is started any more.
    pub(crate) fn settle(&mut self, pod: &Pod) {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        self.settled = match phase {
            Some("Succeeded") => Some("Succeeded"),
            Some("Failed") => Some("Failed"),
            // There is no way back.
            _ => return,
        };
        self.halted = true;
    }
}

/// Whether the Pod's status has a container run.
pub(crate) fn has_one_run(pod: &Pod) -> bool {
    let lists = pod.status.iter().flat_map(|status| [&status.init_container_statuses, &status.container_statuses]);
    let mut states = lists.flatten().flatten().filter_map(|status| status.state.as_ref());
    states.any(|state| state.running.is_some())
}

impl Container {
    fn of(
        spec: &v1::Container,
        role: Role,
        policy: Policy,
        waits: &str,
        status: Option<&ContainerStatus>,
        now: Timestamp,
    ) -> Self {
        let mut container = Self {
            name: spec.name.clone(),
            image: spec.image.clone().unwrap_or_default(),
            role,
            policy,
            state: State::Waiting { reason: waits.to_owned(), message: None },
            last: None,
            starts: 0,
            failures: 0,
            not_before: None,
            blocked: false,
        };
        let Some(status) = status else { return container };
        container.last =
            status.last_state.as_ref().and_then(|state| state.terminated.as_ref()).map(|end| of_end(end, now));
        let restarts = u32::try_from(status.restart_count).unwrap_or_default();
        match &status.state {
            Some(ContainerState { running: Some(running), .. }) => {
                let started = running.started_at.as_ref().map(|time| time.0);
                let ended = Ended {
                    code: 137,
                    signal: None,
                    reason: UNKNOWN.to_owned(),
                    message: Some("The node runner was started anew, and the container's process is gone.".to_owned()),
                    started,
                    finished: now,
                    id: status.container_id.clone(),
                };
                container.starts = restarts + 1;
                container.failures = 1;
                container.state = State::Ended(ended);
            }
            Some(ContainerState { terminated: Some(end), .. }) => {
                container.starts = restarts + 1;
                container.failures = 1;
                container.state = State::Ended(of_end(end, now));
            }
            _ if container.last.is_some() => {
                container.starts = restarts + 1;
                container.failures = restarts;
            }
            _ => {}
        }
        container
    }
}

fn of_end(end: &ContainerStateTerminated, now: Timestamp) -> Ended {
    Ended {
        code: end.exit_code,
        signal: end.signal,
        reason: end.reason.clone().unwrap_or_default(),
        message: end.message.clone(),
        started: end.started_at.as_ref().map(|time| time.0),
        finished: end.finished_at.as_ref().map_or(now, |time| time.0),
        id: end.container_id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{at, pod};
    use super::*;

    #[test]
    fn a_new_pod_waits() {
        let life = Life::of(&pod("Never"), at(5));
        let roles: Vec<_> = life.containers.iter().map(|container| (container.name.as_str(), container.role)).collect();
        assert_eq!(roles, [("first", Role::First), ("help", Role::Helper), ("a", Role::Main), ("b", Role::Main)]);
        assert!(life.containers.iter().all(|container| container.starts == 0 && !container.is_running()));
    }

    #[test]
    fn what_a_container_waits_for_depends_on_others() {
        let reason = |pod: &Pod| match &Life::of(pod, at(5)).containers.last().unwrap().state {
            State::Waiting { reason, .. } => reason.clone(),
            other => panic!("{other:?}"),
        };
        let mut pod = pod("Never");
        assert_eq!(reason(&pod), "PodInitializing");
        pod.spec.as_mut().unwrap().init_containers = None;
        assert_eq!(reason(&pod), "ContainerCreating");
    }

    #[test]
    fn a_pod_that_is_over_for_the_api_server_is_over() {
        let mut pod = pod("Always");
        assert!(!has_one_run(&pod));
        pod.status = serde_json::from_value(json!({
            "phase": "Failed", "reason": "Evicted",
            "containerStatuses": [{"name": "a", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {"startedAt": "1970-01-01T00:00:03Z"}}}],
        }))
        .unwrap();
        assert!(has_one_run(&pod));
        let life = Life::of(&pod, at(9));
        assert_eq!((life.settled, life.phase(), life.over()), (Some("Failed"), "Failed", true));
        assert!(matches!(&life.containers[2].state, State::Ended(ended) if ended.reason == UNKNOWN));
        assert!(life.next(at(9)).start.is_empty());
    }

    #[test]
    fn what_ran_in_another_life_has_ended_and_what_had_ended_is_kept() {
        let mut pod = pod("Never");
        pod.status = serde_json::from_value(json!({
            "initContainerStatuses": [{"name": "first", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": "1970-01-01T00:00:02Z"}}}],
            "containerStatuses": [
                {"name": "a", "image": "i", "imageID": "", "ready": true, "restartCount": 2, "containerID": "x://1",
                    "state": {"running": {"startedAt": "1970-01-01T00:00:03Z"}}},
                {"name": "b", "image": "i", "imageID": "", "ready": true, "restartCount": 1,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 4, "finishedAt": "1970-01-01T00:00:04Z"}}},
            ],
        }))
        .unwrap();
        let life = Life::of(&pod, at(9));
        let [first, _, a, b] = life.containers.as_slice() else { panic!("{life:?}") };
        assert!(matches!(&first.state, State::Ended(ended) if ended.code == 0 && ended.finished == at(2)));
        let State::Ended(ended) = &a.state else { panic!("{a:?}") };
        assert_eq!(
            (ended.code, ended.reason.as_str(), ended.started, ended.finished),
            (137, UNKNOWN, Some(at(3)), at(9))
        );
        assert_eq!((a.restarts(), b.restarts()), (2, 1));
        assert_eq!(b.last.as_ref().map(|last| last.code), Some(4));
    }
}
