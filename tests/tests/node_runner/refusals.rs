//! What the node does not run, and what it waits for.

use aggregator_tests::control_plane::{ControlPlane, Namespace};
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use super::{end, get, node, phase, pod};

/// Why the Pod's container waits, once it does for that reason.
fn waits(namespace: &Namespace, name: &str, reason: &str) -> String {
    eventually(reason, || {
        let waiting = get(namespace, "pod", name)["status"]["containerStatuses"][0]["state"]["waiting"].take();
        (waiting["reason"] == reason).then(|| waiting["message"].as_str().unwrap_or_default().to_owned())
    })
}

#[test]
fn what_is_not_on_the_list_is_not_run() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let apply = |name: &str, container: Value| {
        namespace.apply(&pod(name, node.name(), "echo no", &json!({"containers": [container]})).to_string());
    };
    apply("image", json!({"image": "tests/other:1"}));
    let message = waits(&namespace, "image", "ImagePullBackOff");
    assert_eq!(message, "this node has no image \"tests/other:1\"; it has: tests/shell");
    assert_eq!(get(&namespace, "pod", "image")["status"]["phase"], "Pending");
    let error = namespace.ask(["logs", "image"]).unwrap_err();
    assert!(error.contains("is waiting to start: trying and failing to pull image"), "{error}");
    assert!(namespace.kubectl(["events"]).contains("this node has no image"));

    apply("command", json!({"command": ["/bin/ls"]}));
    let message = waits(&namespace, "command", "CreateContainerError");
    assert_eq!(message, "this node does not run the command \"/bin/ls\"; with this image it runs: sh, /bin/sh");

    let host = json!({"volumes": [{"name": "host", "hostPath": {"path": "/etc"}}]});
    namespace.apply(&pod("host", node.name(), "echo no", &host).to_string());
    let message = waits(&namespace, "host", "CreateContainerConfigError");
    assert!(message.starts_with("the hostPath /etc is not allowed; allowed: "), "{message}");

    // An edit is looked at.
    namespace.kubectl(["set", "image", "pod/image", "main=tests/shell:2"]);
    phase(&namespace, "image", "Succeeded");
    assert_eq!(namespace.kubectl(["logs", "image"]), "no\n");
}

#[test]
fn what_is_missing_is_waited_for() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let variable = json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "later", "key": "a"}}}]});
    namespace.apply(&pod("variable", node.name(), "echo $A", &json!({"containers": [variable]})).to_string());
    let volume = json!({
        "containers": [{"volumeMounts": [{"name": "later", "mountPath": "/later"}]}],
        "volumes": [{"name": "later", "secret": {"secretName": "later"}}],
    });
    namespace.apply(&pod("volume", node.name(), "cat /later/a", &volume).to_string());
    let message = waits(&namespace, "variable", "CreateContainerConfigError");
    assert_eq!(message, "there is no Secret \"later\", or this node may not read it");
    waits(&namespace, "volume", "ContainerCreating");
    namespace.kubectl(["create", "secret", "generic", "later", "--from-literal=a=here"]);
    for (name, log) in [("variable", "here\n"), ("volume", "here")] {
        phase(&namespace, name, "Succeeded");
        assert_eq!(namespace.kubectl(["logs", name]), log);
    }
}

#[test]
fn what_cannot_be_started_has_failed() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let container = json!({"workingDir": "/none/such"});
    namespace.apply(&pod("nowhere", node.name(), "echo no", &json!({"containers": [container]})).to_string());
    let failed = phase(&namespace, "nowhere", "Failed");
    let end = end(&failed, 0);
    assert_eq!((&end["reason"], &end["exitCode"]), (&json!("StartError"), &json!(128)));
    assert!(end["message"].as_str().unwrap().contains("No such file or directory"), "{end}");
}
