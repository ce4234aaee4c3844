//! The control plane that tests start is a real one, or does what a real one does.

use aggregator_tests::control_plane::{ControlPlane, Plane, Release};
use aggregator_tests::wait::eventually;
use serde_json::Value;

const OBJECTS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting}
data: {text: "Grüß Gott"}
---
apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: work, image: registry.invalid/work}]
"#;

#[test]
fn a_job_has_a_pod_that_goes_with_it() {
    let plane = ControlPlane::shared();
    let version = plane.kubectl(["version"]);
    let (server, log) = match Plane::chosen() {
        Plane::Real => (Release::chosen(), "kube-scheduler"),
        Plane::Embedded => (Release::newest(), "embedded-kube"),
    };
    for (part, release) in [("Client", Release::chosen()), ("Server", server)] {
        let told = format!("{part} Version: v{}.", release.minor());
        assert!(version.contains(&told), "{told} is not in:\n{version}");
    }

    let namespace = plane.namespace();
    namespace.apply(OBJECTS);
    assert_eq!(namespace.kubectl(["get", "configmap", "greeting", "--output=jsonpath={.data.text}"]), "Grüß Gott");

    // There is no node, which the scheduler says of each Pod.
    let pod = eventually("a Pod that the scheduler has looked at", || {
        let pods = namespace.kubectl(["get", "pods", "--output=json"]);
        let mut pods: Value = serde_json::from_str(&pods).unwrap();
        let pod = pods["items"][0].take();
        (pod["status"]["conditions"][0]["reason"] == "Unschedulable").then_some(pod)
    });
    assert_eq!(pod["status"]["phase"], "Pending");
    let job = namespace.kubectl(["get", "job", "work", "--output=jsonpath={.metadata.uid} {.status.active}"]);
    let owner = &pod["metadata"]["ownerReferences"][0];
    assert_eq!(format!("{} 1", owner["uid"].as_str().unwrap()), job);

    namespace.kubectl(["delete", "job", "work"]);
    eventually("no Pod", || namespace.kubectl(["get", "pods", "--output=name"]).is_empty().then_some(()));
    // The rest of the namespace is still there, and what a failing test prints has it.
    let dump = namespace.dump();
    let log = format!("== the log of {log}");
    for part in ["text: Grüß Gott", "FailedScheduling", "SuccessfulCreate", &log] {
        assert!(dump.contains(part), "{part} is not in:\n{dump}");
    }
}
