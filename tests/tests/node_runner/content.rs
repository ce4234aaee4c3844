//! What containers find: variables, files, and the identity of their Pod.

use std::path::Path;

use aggregator_tests::control_plane::{ControlPlane, Node};
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use super::{node, phase, pod, settings};

const OBJECTS: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {user: ada, password: "s3cr3t with $(USER)"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: fast, text: "Grüß\nGott"}
"#;

#[test]
fn variables_come_from_everywhere() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    namespace.apply(OBJECTS);
    let container = json!({
        "command": ["sh", "-c", "env; echo \"$0|$1\"", "$(POD)/$(NODE)", "$$(POD) $(NONE)"],
        "resources": {"limits": {"memory": "64Mi", "cpu": "500m"}},
        "envFrom": [{"configMapRef": {"name": "settings"}}, {"prefix": "LOGIN_", "secretRef": {"name": "login"}}],
        "env": [
            {"name": "mode", "value": "slow"},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "BOTH", "value": "$(POD) on $(NODE)"},
        ],
    });
    namespace.apply(&pod("variables", node.name(), "", &json!({"containers": [container]})).to_string());
    phase(&namespace, "variables", "Succeeded");
    let log = namespace.kubectl(["logs", "variables"]);
    let lines: Vec<&str> = log.lines().collect();
    for line in [
        "mode=slow",
        "text=Grüß",
        "LOGIN_user=ada",
        "LOGIN_password=s3cr3t with $(USER)",
        "PASSWORD=s3cr3t with $(USER)",
        "POD=variables",
        "ADDRESS=127.0.0.1",
        "MEMORY=64",
        "CPU=1",
        "BOTH=variables on shared",
        "FROM_NODE=yes",
        "HOSTNAME=variables",
        "KUBERNETES_SERVICE_HOST=127.0.0.1",
        "variables/shared|$(POD) $(NONE)",
    ] {
        assert!(lines.contains(&line), "{line} is not in:\n{log}");
    }
    // Nothing of the runner's own environment gets through.
    assert!(!lines.iter().any(|line| line.starts_with("CARGO")), "{log}");
}

/// Volumes of each kind, and where they are.
fn volumes(shared: &Path) -> (Value, Value) {
    let volumes = json!([
        {"name": "secret", "secret": {"secretName": "login", "defaultMode": 0o400}},
        {"name": "config", "configMap": {"name": "settings", "items": [{"key": "text", "path": "deep/file", "mode": 0o640}]}},
        {"name": "empty", "emptyDir": {}},
        {"name": "about", "downwardAPI": {"items": [
            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "memory", "resourceFieldRef": {"containerName": "main", "resource": "limits.memory"}},
        ]}},
        {"name": "host", "hostPath": {"path": shared.join("host"), "type": "DirectoryOrCreate"}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "kept"}},
    ]);
    let mounts = json!([
        {"name": "secret", "mountPath": "/etc/embedded-kube-login", "readOnly": true},
        {"name": "config", "mountPath": "/opt/settings"},
        {"name": "config", "mountPath": "/opt/text", "subPath": "deep/file"},
        {"name": "empty", "mountPath": "/scratch"},
        {"name": "about", "mountPath": "/about"},
        {"name": "host", "mountPath": "/host"},
        {"name": "claim", "mountPath": "/var/lib/kept"},
    ]);
    (volumes, mounts)
}

#[test]
fn volumes_are_at_their_mount_paths() {
    let node = node();
    // On a machine that forbids mounts, the node has found that out.
    let mounts = !node.log().contains("mount paths are rewritten");
    find_volumes(&node, mounts);
}

#[test]
fn volumes_are_found_where_nothing_can_be_mounted() {
    let mut settings = settings();
    settings["view"] = "rewrite".into();
    find_volumes(&ControlPlane::shared().node("folders", &settings), false);
}

/// `mounts`: a volume can be read-only.
fn find_volumes(node: &Node, mounts: bool) {
    let namespace = ControlPlane::shared().namespace();
    namespace.apply(OBJECTS);
    let (volumes, places) = volumes(&node.shared());
    let script = "
        cat /etc/embedded-kube-login/user; echo
        stat -c %a /etc/embedded-kube-login /etc/embedded-kube-login/user /opt/settings/deep/file
        cat /opt/text; echo
        touch /etc/embedded-kube-login/x 2>/dev/null || echo read-only
        cat /about/labels; echo; cat /about/memory; echo
        echo from the pod >/host/file; cat /scratch/greeting
        echo $(pwd | grep -c /work$); cat /var/lib/kept/file 2>/dev/null || echo first >/var/lib/kept/file
        echo last words >/dev/termination-log";
    let resources = json!({"limits": {"memory": "64Mi"}});
    let main = json!({"volumeMounts": places, "resources": resources});
    let writer = json!({
        "name": "writer", "image": "tests/shell", "args": ["-c", "echo hello >/scratch/greeting"],
        "volumeMounts": [{"name": "empty", "mountPath": "/scratch"}],
    });
    let spec = json!({"containers": [main], "initContainers": [writer], "volumes": volumes});
    let read_only = if mounts { "read-only\n" } else { "" };
    for (name, last) in [("one", ""), ("two", "first\n")] {
        let mut pod = pod(name, node.name(), script, &spec);
        pod["metadata"]["labels"] = json!({"app": "x", "b": "y"});
        namespace.apply(&pod.to_string());
        let done = phase(&namespace, name, "Succeeded");
        assert_eq!(super::end(&done, 0)["message"], "last words\n");
        let expected =
            format!("ada\n700\n400\n640\nGrüß\nGott\n{read_only}app=\"x\"\nb=\"y\"\n67108864\nhello\n1\n{last}");
        assert_eq!(namespace.kubectl(["logs", name, "--container=main"]), expected);
        let own = node.data().join("pods").join(done["metadata"]["uid"].as_str().unwrap());
        eventually("no volume of a Pod that is over", || (!own.join("volumes").exists()).then_some(()));
    }
    let file = node.shared().join("host/file");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "from the pod\n");
    for path in ["/scratch", "/opt/settings", "/etc/embedded-kube-login", "/dev/termination-log"] {
        assert!(!Path::new(path).exists(), "{path}");
    }
}

#[test]
fn a_pod_has_the_identity_of_its_service_account() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    namespace.kubectl(["create", "serviceaccount", "worker"]);
    let script = "cd /var/run/secrets/kubernetes.io/serviceaccount && cat token && echo && cat namespace && echo &&
        grep -c BEGIN ca.crt && stat -L -c %a token";
    let spec = json!({"serviceAccountName": "worker"});
    namespace.apply(&pod("identity", node.name(), script, &spec).to_string());
    phase(&namespace, "identity", "Succeeded");
    let log = namespace.kubectl(["logs", "identity"]);
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[1..], [namespace.name(), "1", "600"]);
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": lines[0]},
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), review.to_string()).unwrap();
    let path = format!("--filename={}", file.path().display());
    let answer = plane.kubectl(["create", &path, "--output=json"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let user = format!("system:serviceaccount:{}:worker", namespace.name());
    assert_eq!(answer["status"]["user"]["username"], user.as_str());
    assert_eq!(answer["status"]["user"]["extra"]["authentication.kubernetes.io/pod-name"], json!(["identity"]));
}

#[test]
fn mount_paths_are_rewritten_where_nothing_can_be_mounted() {
    let plane = ControlPlane::shared();
    let mut settings = settings();
    settings["view"] = "rewrite".into();
    let node = plane.node("rewriting", &settings);
    let namespace = plane.namespace();
    namespace.apply(OBJECTS);
    let script = "cat /opt/settings/mode; echo; cat $FILE; echo; echo said >/dev/termination-log
        head -c 2 $EMBEDDED_KUBE_SERVICE_ACCOUNT/token";
    let container = json!({
        "env": [{"name": "FILE", "value": "/opt/settings/text"}],
        "volumeMounts": [{"name": "config", "mountPath": "/opt/settings"}],
    });
    let spec = json!({"containers": [container], "volumes": [{"name": "config", "configMap": {"name": "settings"}}]});
    namespace.apply(&pod("rewritten", node.name(), script, &spec).to_string());
    let done = phase(&namespace, "rewritten", "Succeeded");
    assert_eq!(namespace.kubectl(["logs", "rewritten"]), "fast\nGrüß\nGott\ney");
    assert_eq!(super::end(&done, 0)["message"], "said\n");
}
