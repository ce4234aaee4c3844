//! The runner itself ends, or is killed: no process outlives it, and no Pod is said to run that does not.

use std::collections::BTreeSet;
use std::sync::Arc;

use aggregator_tests::control_plane::{ControlPlane, Node};
use aggregator_tests::wait::eventually;
use serde_json::json;

use super::{end, get, phase, pod, settings};

/// The processes that carry the node's mark: its supervisors, their programs, and whatever these have started.
fn processes(node: &Node) -> BTreeSet<String> {
    let owner = std::fs::read_to_string(node.data().join("owner")).unwrap();
    let mark = format!("EMBEDDED_KUBE_OWNER={owner}");
    let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let marked = |process: &String| {
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    entries.filter(marked).collect()
}

#[test]
fn a_runner_that_is_killed_leaves_nothing_and_says_so_in_its_next_life() {
    let plane = ControlPlane::shared();
    let mut node = plane.node("mortal", &settings());
    let namespace = plane.namespace();
    // A program with a child that has left its group, its parent, and does not listen.
    let script =
        "trap '' TERM; (setsid sleep 600 </dev/null >/dev/null 2>&1 &); echo up; while true; do sleep 0.1; done";
    namespace.apply(&pod("once", node.name(), script, &json!({})).to_string());
    namespace.apply(&pod("again", node.name(), script, &json!({"restartPolicy": "OnFailure"})).to_string());
    namespace.apply(&pod("deleted", node.name(), script, &json!({"terminationGracePeriodSeconds": 1})).to_string());
    namespace.apply(&pod("evicted", node.name(), script, &json!({"restartPolicy": "Always"})).to_string());
    for name in ["once", "again", "deleted", "evicted"] {
        phase(&namespace, name, "Running");
        eventually("output", || (namespace.kubectl(["logs", name]) == "up\n").then_some(()));
    }
    // Of each Pod: a supervisor, the shell, and the child; and now and then what the shell runs.
    assert!(processes(&node).len() >= 12, "{:?}", processes(&node));

    node.kill();
    eventually("the end of all processes", || processes(&node).is_empty().then_some(()));
    assert_eq!(get(&namespace, "pod", "once")["status"]["phase"], "Running");
    namespace.kubectl(["delete", "pod", "deleted", "--wait=false"]);
    let patch = r#"--patch={"status":{"phase":"Failed","reason":"Evicted"}}"#;
    namespace.kubectl(["patch", "pod", "evicted", "--subresource=status", "--type=merge", patch]);

    node.restart();
    let failed = phase(&namespace, "once", "Failed");
    assert_eq!(end(&failed, 0)["reason"], "ContainerStatusUnknown");
    assert_eq!(end(&failed, 0)["exitCode"], 137);
    // The log is still there.
    assert_eq!(namespace.kubectl(["logs", "once"]), "up\n");
    let evicted = eventually("the end of what was given up meanwhile", || {
        Some(get(&namespace, "pod", "evicted")).filter(|pod| end(pod, 0).is_object())
    });
    assert_eq!((&evicted["status"]["phase"], &evicted["status"]["reason"]), (&json!("Failed"), &json!("Evicted")));
    assert_eq!(end(&evicted, 0)["reason"], "ContainerStatusUnknown");
    assert_eq!(evicted["status"]["containerStatuses"][0]["restartCount"], 0);
    let again = eventually("a new start", || {
        let pod = get(&namespace, "pod", "again");
        (pod["status"]["containerStatuses"][0]["restartCount"] == 1).then_some(pod)
    });
    let status = &again["status"]["containerStatuses"][0];
    assert_eq!(status["lastState"]["terminated"]["reason"], "ContainerStatusUnknown");
    assert!(status["state"]["running"].is_object(), "{status}");
    namespace.kubectl(["wait", "pod/deleted", "--for=delete", "--timeout=60s"]);
    namespace.kubectl(["delete", "pod", "again", "--grace-period=1"]);
    eventually("the end of all processes", || processes(&node).is_empty().then_some(()));
}

#[test]
fn a_runner_that_is_stopped_ends_its_containers_and_reports_them() {
    let plane = ControlPlane::shared();
    let mut node = plane.node("leaving", &settings());
    let namespace = plane.namespace();
    // The shell would say that its own child was asked to end, too.
    let script = "exec 2>/dev/null; trap 'echo bye; exit 6' TERM; echo up; while true; do sleep 0.05; done";
    namespace.apply(&pod("worker", node.name(), script, &json!({})).to_string());
    phase(&namespace, "worker", "Running");
    eventually("output", || (namespace.kubectl(["logs", "worker"]) == "up\n").then_some(()));
    node.stop();
    assert!(processes(&node).is_empty());
    let failed = get(&namespace, "pod", "worker");
    assert_eq!((&failed["status"]["phase"], &end(&failed, 0)["exitCode"]), (&json!("Failed"), &json!(6)));
    let ready = r#"--output=jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
    assert_eq!(plane.kubectl(["get", "node", "leaving", ready]), "False");
    node.restart();
    assert_eq!(namespace.kubectl(["logs", "worker"]), "up\nbye\n");
}

/// Sends a signal to a process that the node has started.
fn signal(name: &str, process: &str) {
    assert!(std::process::Command::new("kill").args([name, process]).status().unwrap().success());
}

/// The supervisor among the node's processes.
fn supervisor(node: &Node) -> String {
    eventually("a supervisor", || {
        processes(node).into_iter().find(|process| {
            let arguments = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
            arguments.contains("embedded-kube-supervise")
        })
    })
}

#[test]
fn a_killed_supervisor_takes_its_container_with_it() {
    let plane = ControlPlane::shared();
    let node = plane.node("headless", &settings());
    let namespace = plane.namespace();
    namespace.apply(&pod("worker", node.name(), "echo up; exec sleep 600", &json!({})).to_string());
    phase(&namespace, "worker", "Running");
    signal("-KILL", &supervisor(&node));
    let failed = phase(&namespace, "worker", "Failed");
    assert_eq!(end(&failed, 0)["exitCode"], 137);
    eventually("the end of all processes", || processes(&node).is_empty().then_some(()));
}

#[test]
fn what_is_left_when_all_is_killed_is_swept_at_the_next_start() {
    let plane = ControlPlane::shared();
    let mut node = plane.node("swept", &settings());
    let namespace = plane.namespace();
    let script = "(setsid sleep 600 </dev/null >/dev/null 2>&1 &); echo up; exec sleep 600";
    namespace.apply(&pod("worker", node.name(), script, &json!({})).to_string());
    phase(&namespace, "worker", "Running");
    eventually("output", || (namespace.kubectl(["logs", "worker"]) == "up\n").then_some(()));
    // The runner cannot act when the supervisor goes, and then it is killed too.
    signal("-STOP", &node.process().to_string());
    signal("-KILL", &supervisor(&node));
    let left = eventually("only the child that has left", || Some(processes(&node)).filter(|left| left.len() == 1));
    node.kill();
    node.restart();
    assert!(processes(&node).is_disjoint(&left));
    let failed = phase(&namespace, "worker", "Failed");
    assert_eq!(end(&failed, 0)["reason"], "ContainerStatusUnknown");
}

#[test]
fn what_happens_while_the_api_server_does_not_answer_is_told_later() {
    // One of its own: other tests need an answer.
    let plane = Arc::new(ControlPlane::start());
    let node = plane.node("patient", &settings());
    let namespace = plane.namespace();
    let go_on = node.shared().join("go-on");
    let script = format!("while [ ! -e {} ]; do sleep 0.05; done; exit 4", go_on.display());
    namespace.apply(&pod("worker", node.name(), &script, &json!({})).to_string());
    phase(&namespace, "worker", "Running");
    let api_server = plane.api_server().id().to_string();
    signal("-STOP", &api_server);
    std::fs::write(go_on, "").unwrap();
    eventually("the end of the container", || processes(&node).is_empty().then_some(()));
    signal("-CONT", &api_server);
    let failed = phase(&namespace, "worker", "Failed");
    assert_eq!((&end(&failed, 0)["exitCode"], &end(&failed, 0)["reason"]), (&json!(4), &json!("Error")));
}

#[test]
fn a_node_that_was_removed_registers_again() {
    let plane = ControlPlane::shared();
    let node = plane.node("removed", &settings());
    let uid = || plane.ask(["get", "node", node.name(), "--output=jsonpath={.metadata.uid}"]).ok();
    let before = uid().unwrap();
    plane.kubectl(["delete", "node", node.name()]);
    eventually("a new Node", || uid().filter(|uid| *uid != before));
    let ready = r#"--output=jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
    eventually("a ready node", || (plane.kubectl(["get", "node", node.name(), ready]) == "True").then_some(()));
}
