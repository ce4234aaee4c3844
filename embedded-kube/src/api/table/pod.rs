//! Pods: how many of their containers are ready, and what the one that matters is about.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age;
use super::cell::{self, flag, integer, list, text, text_or};
use super::column::Head;

const SPEC: &str = "io.k8s.api.core.v1.PodSpec";
const STATUS: &str = "io.k8s.api.core.v1.PodStatus";

pub(super) const HEADS: [Head; 9] = [
    Head::NAME,
    Head::new("Ready", "The aggregate readiness state of this pod for accepting traffic."),
    Head::new("Status", "The aggregate status of the containers in this pod."),
    Head::new(
        "Restarts",
        "The number of times the containers in this pod have been restarted and when the last container in this pod has \
         restarted.",
    ),
    Head::AGE,
    Head::of("IP", STATUS, "podIP").wide(),
    Head::of("Node", SPEC, "nodeName").wide(),
    Head::of("Nominated Node", STATUS, "nominatedNodeName").wide(),
    Head::of("Readiness Gates", SPEC, "readinessGates").wide(),
];

pub(super) fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let view = View::of(pod);
    let ip = text_or(pod, "/status/podIPs/0/ip", "<none>");
    let node = text_or(pod, "/spec/nodeName", "<none>");
    let nominated = text_or(pod, "/status/nominatedNodeName", "<none>");
    vec![
        json!(cell::name(pod)),
        json!(format!("{}/{}", view.ready, view.containers)),
        json!(view.reason),
        json!(view.restarts.shown(now)),
        json!(cell::age(pod, now)),
        json!(ip),
        json!(node),
        json!(nominated),
        json!(gates(pod)),
    ]
}

/// The conditions of a Pod's row: whether it is over.
pub(super) fn conditions(pod: &Value) -> Option<Value> {
    let (reason, message) = match text(pod, "/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

fn gates(pod: &Value) -> String {
    let gates = list(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let open = gates.iter().filter(|gate| cell::condition(pod, text(gate, "/conditionType")) == Some(true));
    format!("{}/{}", open.count(), gates.len())
}

/// How often containers have been started again, and when last.
#[derive(Clone, Copy, Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += integer(status, "/restartCount");
        let ended = age::timestamp(status.pointer("/lastState/terminated/finishedAt"));
        self.last = self.last.max(ended);
    }

    fn shown(self, now: Timestamp) -> String {
        match self.last {
            Some(last) if self.count != 0 => {
                format!("{} ({} ago)", self.count, age::human(now.duration_since(last)))
            }
            _ => self.count.to_string(),
        }
    }
}

/// What is shown of a Pod.
struct View {
    containers: usize,
    ready: usize,
    reason: String,
    restarts: Restarts,
}

impl View {
    fn of(pod: &Value) -> Self {
        let phase = text(pod, "/status/phase");
        let mut reason = text_or(pod, "/status/reason", phase).to_owned();
        let gated = |condition: &Value| condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated";
        if list(pod, "/status/conditions").iter().any(gated) {
            reason = "SchedulingGated".to_owned();
        }
        let helpers = list(pod, "/spec/initContainers").iter().filter(|container| is_helper(container));
        let containers = list(pod, "/spec/containers").len() + helpers.count();
        let mut view = Self { containers, ready: 0, reason, restarts: Restarts::default() };
        let (initializing, of_helpers) = view.look_at_init_containers(pod);
        if !initializing || cell::condition(pod, "Initialized") == Some(true) {
            view.restarts = of_helpers;
            view.look_at_containers(pod);
        }
        if cell::deleted(pod) {
            if text(pod, "/status/reason") == "NodeLost" {
                view.reason = "Unknown".to_owned();
            } else if !matches!(phase, "Succeeded" | "Failed") {
                view.reason = "Terminating".to_owned();
            }
        }
        view
    }

    /// Whether the Pod is not yet initialized, and the restarts of the helpers among its init containers.
    fn look_at_init_containers(&mut self, pod: &Value) -> (bool, Restarts) {
        let specs = list(pod, "/spec/initContainers");
        let mut of_helpers = Restarts::default();
        for (index, status) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
            let helper = specs.iter().find(|spec| spec["name"] == status["name"]).is_some_and(is_helper);
            self.restarts.add(status);
            if helper {
                of_helpers.add(status);
            }
            let terminated = status.pointer("/state/terminated");
            if terminated.is_some_and(|end| integer(end, "/exitCode") == 0) {
                continue;
            }
            if helper && flag(status, "/started") {
                self.ready += usize::from(flag(status, "/ready"));
                continue;
            }
            let what = match (terminated, text(status, "/state/waiting/reason")) {
                (Some(end), _) => ending(end),
                (None, reason) if !matches!(reason, "" | "PodInitializing") => reason.to_owned(),
                _ => format!("{index}/{}", specs.len()),
            };
            self.reason = format!("Init:{what}");
            return (true, of_helpers);
        }
        (false, of_helpers)
    }

    fn look_at_containers(&mut self, pod: &Value) {
        let mut running = false;
        let mut failure = None;
        for status in list(pod, "/status/containerStatuses").iter().rev() {
            self.restarts.add(status);
            let waiting = text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if let Some(end) = status.pointer("/state/terminated") {
                self.reason = ending(end);
                if integer(end, "/exitCode") != 0 {
                    failure = Some(self.reason.clone());
                }
            } else if flag(status, "/ready") && status.pointer("/state/running").is_some() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" {
            if running && cell::condition(pod, "Ready") == Some(true) {
                self.reason = "Running".to_owned();
            } else if let Some(failure) = failure {
                self.reason = failure;
            } else if running {
                self.reason = "NotReady".to_owned();
            }
        }
    }
}

/// An init container that runs beside the others.
fn is_helper(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

/// How a container has ended.
fn ending(end: &Value) -> String {
    match (text(end, "/reason"), integer(end, "/signal")) {
        ("", 0) => format!("ExitCode:{}", integer(end, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// READY, STATUS and RESTARTS.
    fn shown(pod: &Value) -> [String; 3] {
        let cells = cells(pod, "2026-01-01T01:00:00Z".parse().unwrap());
        [1, 2, 3].map(|index| cells[index].as_str().unwrap().to_owned())
    }

    fn pod(inits: Value, status: Value) -> Value {
        json!({"spec": {"initContainers": inits, "containers": [{"name": "a"}, {"name": "b"}]}, "status": status})
    }

    #[test]
    fn a_pod_is_what_its_containers_are() {
        let running = json!({"ready": true, "state": {"running": {}}});
        let done = json!({"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        let failed = json!({"state": {"terminated": {"exitCode": 2, "reason": "Error"}}});
        let crashed = json!({
            "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"finishedAt": "2026-01-01T00:58:00Z"}},
        });
        let ready = json!([{"type": "Ready", "status": "True"}]);
        for (statuses, conditions, expected) in [
            (json!([]), json!([]), ["0/2", "Running", "0"]),
            (json!([running, running]), ready.clone(), ["2/2", "Running", "0"]),
            (json!([running, crashed]), json!([]), ["1/2", "CrashLoopBackOff", "3 (2m ago)"]),
            (json!([done, done]), json!([]), ["0/2", "Completed", "0"]),
            (json!([done, failed]), json!([]), ["0/2", "Error", "0"]),
            (json!([done, running]), json!([]), ["1/2", "NotReady", "0"]),
            (json!([done, running]), ready, ["1/2", "Running", "0"]),
            (json!([{"state": {"terminated": {"exitCode": 3}}}]), json!([]), ["0/2", "ExitCode:3", "0"]),
            (json!([{"state": {"terminated": {"signal": 9}}}]), json!([]), ["0/2", "Signal:9", "0"]),
        ] {
            let status = json!({"phase": "Running", "containerStatuses": statuses, "conditions": conditions});
            assert_eq!(shown(&pod(json!([]), status)), expected);
        }
    }

    #[test]
    fn init_containers_come_first() {
        let inits = json!([{"name": "i"}, {"name": "h", "restartPolicy": "Always"}]);
        let done = json!({"name": "i", "state": {"terminated": {"exitCode": 0}}, "restartCount": 1});
        let helps = json!({"name": "h", "started": true, "ready": true, "state": {"running": {}}, "restartCount": 2});
        for (statuses, expected) in [
            (json!([{"name": "i", "state": {"waiting": {"reason": "PodInitializing"}}}]), ["0/3", "Init:0/2", "0"]),
            (
                json!([{"name": "i", "state": {"waiting": {"reason": "ErrImagePull"}}}]),
                ["0/3", "Init:ErrImagePull", "0"],
            ),
            (json!([{"name": "i", "state": {"terminated": {"exitCode": 4}}}]), ["0/3", "Init:ExitCode:4", "0"]),
            (json!([done, {"name": "h", "state": {"running": {}}}]), ["0/3", "Init:1/2", "1"]),
            (json!([done, helps]), ["1/3", "Pending", "2"]),
        ] {
            let status = json!({"phase": "Pending", "initContainerStatuses": statuses});
            assert_eq!(shown(&pod(inits.clone(), status)), expected);
        }
    }

    #[test]
    fn a_pod_that_is_deleted_is_terminating_unless_it_is_over() {
        let mut pod = pod(json!([]), json!({"phase": "Running"}));
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(shown(&pod)[1], "Terminating");
        pod["status"]["reason"] = json!("NodeLost");
        assert_eq!(shown(&pod)[1], "Unknown");
        pod["status"] = json!({"phase": "Failed", "reason": "Evicted"});
        assert_eq!(shown(&pod)[1], "Evicted");
        assert_eq!(conditions(&pod).unwrap()[0]["reason"], "Failed");
    }
}
