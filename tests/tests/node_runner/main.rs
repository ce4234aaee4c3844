//! The node runner is to a control plane what a kubelet is.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod content;
mod ends;
mod logs;
mod refusals;
mod restarts;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use aggregator_tests::control_plane::{ControlPlane, Namespace, Node};
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

/// The node that the tests share.
fn node() -> Arc<Node> {
    static SHARED: Mutex<Weak<Node>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let node = Arc::new(ControlPlane::shared().node("shared", &settings()));
        *shared = Arc::downgrade(&node);
        node
    })
}

/// The settings of a node that runs shells.
fn settings() -> Value {
    json!({
        "programs": {"images": {"tests/shell": "/bin/sh"}},
        "environment": {"FROM_NODE": "yes"},
        "restartDelay": "1s",
    })
}

/// A Pod of one container with a script, bound to the node. `more` is merged into its spec.
fn pod(name: &str, node: &str, script: &str, more: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "tests/shell:1", "command": ["sh", "-c", script]}],
        },
    });
    merge(&mut pod["spec"], more);
    pod
}

/// Puts what is in one value into another; lists by their places.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => {
            for (place, value) in from.iter().enumerate() {
                match into.get_mut(place) {
                    Some(old) => merge(old, value),
                    None => into.push(value.clone()),
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn get(namespace: &Namespace, what: &str, name: &str) -> Value {
    namespace.get(what, name)
}

/// The Pod, once it has the phase.
fn phase(namespace: &Namespace, name: &str, phase: &str) -> Value {
    eventually(phase, || Some(get(namespace, "pod", name)).filter(|pod| pod["status"]["phase"] == phase))
}

/// How the container ended, by its place.
fn end(pod: &Value, place: usize) -> &Value {
    &pod["status"]["containerStatuses"][place]["state"]["terminated"]
}

#[test]
fn a_job_is_scheduled_runs_and_completes_and_another_fails_with_its_code() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    for (name, script) in [("good", "echo to out; echo to err >&2"), ("bad", "echo $0 $1; exit 3")] {
        let container = json!({
            "name": "main", "image": "tests/shell:1", "command": ["/bin/sh", "-c", script, "zero"], "args": ["one"],
        });
        let job = json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"spec": {
                "restartPolicy": "Never",
                // Other tests have nodes too, which they kill.
                "nodeSelector": {"kubernetes.io/hostname": node.name()},
                "containers": [container],
            }}},
        });
        namespace.apply(&job.to_string());
    }
    namespace.kubectl(["wait", "job/good", "--for=condition=Complete", "--timeout=120s"]);
    // What comes by two ways may come in another order.
    let mut log: Vec<String> = namespace.kubectl(["logs", "job/good"]).lines().map(str::to_owned).collect();
    log.sort();
    assert_eq!(log, ["to err", "to out"]);
    namespace.kubectl(["wait", "job/bad", "--for=condition=Failed", "--timeout=120s"]);
    assert_eq!(namespace.kubectl(["logs", "job/bad"]), "zero one\n");
    let pods: Value =
        serde_json::from_str(&namespace.kubectl(["get", "pods", "--selector=job-name=bad", "--output=json"])).unwrap();
    let pod = &pods["items"][0];
    assert_eq!(pod["status"]["phase"], "Failed");
    assert_eq!((&end(pod, 0)["exitCode"], &end(pod, 0)["reason"]), (&json!(3), &json!("Error")));
    assert_eq!(pod["spec"]["nodeName"], "shared");
}
