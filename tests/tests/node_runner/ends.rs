//! How Pods end: by themselves, by request, by time, and how they are started again.

use std::time::{Duration, Instant};

use aggregator_tests::control_plane::ControlPlane;
use aggregator_tests::wait::eventually;
use serde_json::json;

use super::{end, get, node, phase, pod, settings};

#[test]
fn a_deleted_pod_may_end_gently_and_has_to_end() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let file = node.shared().join("farewell");
    let gentle = format!(
        "trap 'sleep 0.3; echo bye >{}; exit 0' TERM; echo ready; while true; do sleep 0.05; done",
        file.display()
    );
    namespace.apply(&pod("gentle", node.name(), &gentle, &json!({"restartPolicy": "Always"})).to_string());
    let stubborn = "trap '' TERM; echo ready; while true; do sleep 0.05; done";
    let spec = json!({"terminationGracePeriodSeconds": 1});
    namespace.apply(&pod("stubborn", node.name(), stubborn, &spec).to_string());
    for name in ["gentle", "stubborn"] {
        phase(&namespace, name, "Running");
        // Before that, the shell has no trap yet.
        eventually("a trap", || (namespace.kubectl(["logs", name]) == "ready\n").then_some(()));
    }
    namespace.kubectl(["delete", "pod", "gentle", "--timeout=20s"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "bye\n");
    let started = Instant::now();
    namespace.kubectl(["delete", "pod", "stubborn", "--timeout=60s"]);
    assert!(started.elapsed().as_secs_f32() >= 0.9, "{:?}", started.elapsed());
    let events = namespace.kubectl(["events"]);
    assert!(events.contains("Stopping container main"), "{events}");
    eventually("no folder of a Pod that is gone", || {
        let uids = plane.kubectl(["get", "pods", "--all-namespaces", "--output=jsonpath={.items[*].metadata.uid}"]);
        let mut folders = std::fs::read_dir(node.data().join("pods")).unwrap();
        folders.all(|folder| uids.contains(folder.unwrap().file_name().to_str().unwrap())).then_some(())
    });
}

#[test]
fn a_pod_that_is_gone_leaves_no_process() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let script = "trap '' TERM; echo $$$$; while true; do sleep 0.05; done";
    namespace.apply(&pod("gone", node.name(), script, &json!({})).to_string());
    phase(&namespace, "gone", "Running");
    let process = eventually("output", || Some(namespace.kubectl(["logs", "gone"])).filter(|log| !log.is_empty()));
    let path = std::path::PathBuf::from(format!("/proc/{}", process.trim()));
    assert!(path.exists());
    namespace.kubectl(["delete", "pod", "gone", "--force", "--grace-period=0"]);
    eventually("the end of its process", || (!path.exists()).then_some(()));
    // Another of that name is another Pod.
    namespace.apply(&pod("gone", node.name(), "echo new", &json!({})).to_string());
    phase(&namespace, "gone", "Succeeded");
    assert_eq!(namespace.kubectl(["logs", "gone"]), "new\n");
}

#[test]
fn a_pod_that_is_late_fails() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let spec = json!({"activeDeadlineSeconds": 1, "restartPolicy": "Always"});
    namespace.apply(&pod("late", node.name(), "exec sleep 600", &spec).to_string());
    let failed = phase(&namespace, "late", "Failed");
    assert_eq!(failed["status"]["reason"], "DeadlineExceeded");
    assert_eq!(failed["status"]["message"], "Pod was active on the node longer than the specified deadline");
    assert_eq!(end(&failed, 0)["exitCode"], 143);
}

#[test]
fn a_pod_that_somebody_has_failed_is_ended_and_not_started_again() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let script = "trap 'exit 0' TERM; echo up; while true; do sleep 0.05; done";
    namespace.apply(&pod("evicted", node.name(), script, &json!({"restartPolicy": "Always"})).to_string());
    phase(&namespace, "evicted", "Running");
    eventually("a trap", || (namespace.kubectl(["logs", "evicted"]) == "up\n").then_some(()));
    let patch = r#"--patch={"status":{"phase":"Failed","reason":"Evicted","message":"no room"}}"#;
    namespace.kubectl(["patch", "pod", "evicted", "--subresource=status", "--type=merge", patch]);
    let ended = eventually("the end of its container", || {
        Some(get(&namespace, "pod", "evicted")).filter(|pod| end(pod, 0).is_object())
    });
    let status = &ended["status"];
    assert_eq!(
        (&status["phase"], &status["reason"], &status["message"]),
        (&json!("Failed"), &json!("Evicted"), &json!("no room"))
    );
    assert_eq!((&end(&ended, 0)["exitCode"], &end(&ended, 0)["reason"]), (&json!(0), &json!("Completed")));
    assert_eq!(status["containerStatuses"][0]["restartCount"], 0);
    let ready = status["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == "Ready").unwrap();
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("PodFailed")));
    // The shell may say of a program of its own that this was ended, too.
    let log = namespace.kubectl(["logs", "evicted"]);
    assert_eq!(log.matches("up").count(), 1, "{log}");
    // Another one has come and gone by then.
    namespace.apply(&pod("after", node.name(), "true", &json!({})).to_string());
    phase(&namespace, "after", "Succeeded");
    assert_eq!(get(&namespace, "pod", "evicted")["status"], ended["status"]);
    namespace.kubectl(["delete", "pod", "evicted", "--timeout=20s"]);
}

#[test]
fn a_pod_that_is_over_costs_nothing_more() {
    let plane = ControlPlane::shared();
    let node = plane.node("idle", &settings());
    let namespace = plane.namespace();
    let spec = json!({"activeDeadlineSeconds": 1});
    namespace.apply(&pod("early", node.name(), "true", &spec).to_string());
    let done = phase(&namespace, "early", "Succeeded");
    let started = Instant::now();
    // How often it has woken up by itself.
    let wakes = || -> u64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", node.process())).unwrap();
        let status = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap());
        let count = |status: String| {
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
            line.trim().parse::<u64>().unwrap()
        };
        status.map(count).sum()
    };
    // The deadline passes, after which nothing is to be done.
    eventually("a passed deadline", || (started.elapsed() > Duration::from_secs(2)).then_some(()));
    let before = wakes();
    std::thread::sleep(Duration::from_secs(2));
    let woken = wakes() - before;
    assert!(woken < 200, "{woken} times");
    assert_eq!(get(&namespace, "pod", "early")["status"], done["status"]);
}

#[test]
fn a_failing_container_is_started_again_until_it_succeeds() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let script = "echo x >>/count/file; lines=$(wc -l </count/file); echo run $lines; [ $lines -ge 3 ] || exit 7";
    let spec = json!({
        "restartPolicy": "OnFailure",
        "containers": [{"volumeMounts": [{"name": "count", "mountPath": "/count"}]}],
        "volumes": [{"name": "count", "emptyDir": {}}],
    });
    namespace.apply(&pod("again", node.name(), script, &spec).to_string());
    // The second time, it waits before it is started again.
    let waiting = eventually("a container that waits", || {
        let pod = get(&namespace, "pod", "again");
        (pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff").then_some(pod)
    });
    assert_eq!(waiting["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 7);
    assert_eq!(waiting["status"]["phase"], "Running");
    let done = phase(&namespace, "again", "Succeeded");
    let status = &done["status"]["containerStatuses"][0];
    assert_eq!((&status["restartCount"], &status["lastState"]["terminated"]["exitCode"]), (&json!(2), &json!(7)));
    assert_eq!(end(&done, 0)["reason"], "Completed");
    assert_eq!(namespace.kubectl(["logs", "again"]), "run 3\n");
    assert_eq!(namespace.kubectl(["logs", "again", "--previous"]), "run 2\n");
    assert!(namespace.kubectl(["events"]).contains("Back-off restarting failed container main"));
}

#[test]
fn containers_run_in_order_and_beside_each_other() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let mount = json!([{"name": "all", "mountPath": "/all"}]);
    let container = |name: &str, script: &str| json!({"name": name, "image": "tests/shell", "command": ["sh", "-c", script], "volumeMounts": mount});
    let mut helper = container(
        "helper",
        "exec 2>/dev/null; trap 'echo helped; exit 0' TERM; echo up >>/all/log; while true; do sleep 0.05; done",
    );
    helper["restartPolicy"] = "Always".into();
    // Each of the two waits for the other.
    let meet = |own: &str, other: &str, code: u8| {
        format!("echo here >/all/{own}; while [ ! -s /all/{other} ]; do sleep 0.05; done; cat /all/log; exit {code}")
    };
    let spec = json!({
        "initContainers": [container("first", "sleep 0.2; echo first >>/all/log"), helper, container("second",
            "while [ $(wc -l </all/log) -lt 2 ]; do sleep 0.05; done; echo second >>/all/log")],
        "containers": [container("main", &meet("a", "b", 0)), container("other", &meet("b", "a", 4))],
        "volumes": [{"name": "all", "emptyDir": {}}],
    });
    namespace.apply(&pod("several", node.name(), "", &spec).to_string());
    let failed = phase(&namespace, "several", "Failed");
    assert_eq!((&end(&failed, 0)["exitCode"], &end(&failed, 1)["exitCode"]), (&json!(0), &json!(4)));
    for (container, text) in
        [("main", "first\nup\nsecond\n"), ("other", "first\nup\nsecond\n"), ("helper", "helped\n"), ("first", "")]
    {
        let container = format!("--container={container}");
        assert_eq!(namespace.kubectl(["logs", "several", &container]), text);
    }
    let init = failed["status"]["initContainerStatuses"].as_array().unwrap();
    let codes: Vec<_> = init.iter().map(|status| status["state"]["terminated"]["exitCode"].as_i64()).collect();
    assert_eq!(codes, [Some(0), Some(0), Some(0)]);
}

#[test]
fn a_container_that_takes_too_much_memory_is_killed_for_it() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let spec = json!({"containers": [{"resources": {"limits": {"memory": "64Mi"}}}]});
    let script = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); sleep 600";
    namespace.apply(&pod("greedy", node.name(), script, &spec).to_string());
    let failed = phase(&namespace, "greedy", "Failed");
    assert_eq!((&end(&failed, 0)["reason"], &end(&failed, 0)["exitCode"]), (&json!("OOMKilled"), &json!(137)));
}
