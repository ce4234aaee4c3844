//! `kubectl describe`, of every kind.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{binding, boat, config, idle_pod, job, object, pod, reader, secret, suspended_job, user, with};
use crate::stage::Stage;

/// Objects, and what is said of one of them.
fn described(name: &'static str, what: &str, objects: impl IntoIterator<Item = Value>) -> Case {
    case(name).create(objects).kubectl(&format!("describe {what}"))
}

pub(super) fn cases() -> Vec<Case> {
    [kinds(), running()].into_iter().flatten().collect()
}

fn kinds() -> Vec<Case> {
    let rules = json!({"rules": [
        {"apiGroups": ["", "batch"], "resources": ["pods", "jobs"], "verbs": ["get", "list"]},
        {"apiGroups": ["example.com"], "resources": ["boats"], "resourceNames": ["a"], "verbs": ["*"]},
    ]});
    let policy = json!({"spec": {
        "podSelector": {"matchLabels": {"a": "b"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}], "ports": [{"port": 80, "protocol": "TCP"}]}],
    }});
    vec![
        described(
            "describe-a-configmap",
            "configmap a",
            [with(
                config("a"),
                &json!({"binaryData": {"x": "AAEC"}, "data": {"lines": "one\ntwo\n"}, "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}),
            )],
        ),
        described("describe-a-secret", "secret a", [secret("a")]),
        described(
            "describe-an-account",
            "serviceaccount a",
            [object("v1", "ServiceAccount", "a", &json!({"imagePullSecrets": [{"name": "x"}]}))],
        ),
        described("describe-a-role", "role a", [object("rbac.authorization.k8s.io/v1", "Role", "a", &rules)]),
        described(
            "describe-a-binding",
            "rolebinding b",
            [reader("Role", "a", &["pods"]), binding("b", "a", &user("u"))],
        ),
        described(
            "describe-a-cluster-role",
            "clusterrole {ns}",
            [object(
                "rbac.authorization.k8s.io/v1",
                "ClusterRole",
                "{ns}",
                &json!({"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]}),
            )],
        ),
        described(
            "describe-a-cluster-binding",
            "clusterrolebinding {ns}",
            [object(
                "rbac.authorization.k8s.io/v1",
                "ClusterRoleBinding",
                "{ns}",
                &json!({"roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [user("u")]}),
            )],
        ),
        described(
            "describe-a-policy",
            "networkpolicy a",
            [object("networking.k8s.io/v1", "NetworkPolicy", "a", &policy)],
        ),
        described(
            "describe-limits",
            "limitrange a",
            [object(
                "v1",
                "LimitRange",
                "a",
                &json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}, "max": {"cpu": "2"}}]}}),
            )],
        ),
        described("describe-a-quota", "resourcequota a", [object("v1", "ResourceQuota", "a", &json!({"spec": {}}))]),
        described(
            "describe-a-lease",
            "lease a",
            [object(
                "coordination.k8s.io/v1",
                "Lease",
                "a",
                &json!({"spec": {"holderIdentity": "h", "leaseDurationSeconds": 5}}),
            )],
        ),
        described(
            "describe-a-revision",
            "controllerrevision a",
            [object("apps/v1", "ControllerRevision", "a", &json!({"revision": 3, "data": {"x": {"y": 1}}}))],
        ),
        described(
            "describe-a-namespace",
            "namespace {ns}",
            [object(
                "v1",
                "LimitRange",
                "a",
                &json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}}),
            )],
        ),
        described("describe-a-definition", "crd buoys.example.com", []),
        described(
            "describe-a-boat",
            "boat a",
            [boat("a", &json!({"sails": [{"name": "main"}], "extra": {"x": [1, {"y": "z"}]}}))],
        )
        .merge("{boats}/a/status", json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}))
        .kubectl("describe boats")
        .kubectl("describe bo/a --show-events=false"),
        described("describe-a-buoy", "buoy {ns}", [object("example.com/v1", "Buoy", "{ns}", &json!({"any": "thing"}))]),
        described(
            "describe-a-pod-that-waits",
            "pod p",
            [with(
                idle_pod("p"),
                &json!({"spec": {
                    "containers": [{
                        "name": "main", "image": "tests/shell",
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                        "envFrom": [{"configMapRef": {"name": "c", "optional": true}}],
                        "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Mi"}},
                        "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": true}],
                    }],
                    "volumes": [{"name": "v", "configMap": {"name": "c"}}, {"name": "e", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "s"}}],
                    "tolerations": [{"key": "k", "operator": "Exists"}],
                }}),
            )],
        ),
        described(
            "describe-a-job-that-waits",
            "job j",
            [with(suspended_job("j"), &json!({"spec": {"completions": 3, "activeDeadlineSeconds": 60}}))],
        )
        .seen(|_| Value::Null)
        .until_job("j", "Suspended")
        .until_that("{core}/events", "tell that it is suspended", |events| {
            events.to_string().contains(r#""reason":"Suspended""#)
        })
        .kubectl("describe job j"),
        case("describe-a-node")
            .create([object(
                "v1",
                "Node",
                "{ns}",
                &json!({"spec": {"unschedulable": true}, "metadata": {"labels": {"a": "b"}}}),
            )])
            .code("until it is known how long it may keep what it has read", |stage| Box::pin(annotated(stage)))
            .kubectl("describe node {ns}")
            .seen(|mut answer| {
                // Its other controller may or may not have come by.
                let text = answer["out"]["text"].as_str().unwrap_or_default();
                let known = text.lines().take_while(|line| !line.starts_with("Events:"));
                let known: Vec<&str> = known
                    .filter(|line| !line.starts_with("Taints:") && !line.starts_with("  node.kubernetes.io/"))
                    .collect();
                answer["out"] = json!({"text": known.join("\n")});
                answer
            }),
        case("describe-nothing")
            .kubectl("describe pod none")
            .kubectl("describe boats")
            .kubectl("describe nothing")
            .kubectl("describe configmap -l none"),
        case("describe-by-beginning").create([config("abc"), config("abd")]).kubectl("describe configmap ab"),
    ]
}

/// Waits for the annotation of a node's controller, which only the real control plane has.
async fn annotated(stage: Stage) -> Value {
    if stage.plane.name != "real" {
        return json!("so");
    }
    let annotations =
        |answer: &Value| answer["body"]["metadata"]["annotations"]["node.alpha.kubernetes.io/ttl"].is_string();
    match stage.until("/api/v1/nodes/{ns}", annotations).await {
        Ok(()) => json!("so"),
        Err(answer) => json!({"not so": answer}),
    }
}

/// What is said of a Pod, with the events at its end in any order: the scheduler and the node tell them at the same time.
fn events_in_any_order(mut answer: Value) -> Value {
    let text = answer["out"]["text"].as_str().unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().collect();
    if let Some(first) = lines.iter().position(|line| line.starts_with("Events:")) {
        lines[first..].sort_unstable();
    }
    answer["out"] = json!({"text": lines.join("\n")});
    answer
}

fn running() -> Vec<Case> {
    let path = "{core}/pods/p";
    vec![
        case("describe-a-pod-that-runs")
            .create([pod("p", "exec sleep 600")])
            .until(path, "/status/phase", "Running")
            .until_started()
            .kubectl("describe pod p")
            .seen(events_in_any_order),
        case("describe-a-pod-that-failed")
            .create([pod("p", "echo 'what went wrong' > /dev/termination-log; exit 3")])
            .until(path, "/status/phase", "Failed")
            .until_started()
            .kubectl("describe pod p")
            .seen(events_in_any_order),
        case("describe-a-pod-that-fits-nowhere")
            .create([with(pod("p", "exit 0"), &json!({"spec": {"nodeSelector": {"kubernetes.io/hostname": "none"}}}))])
            .until(path, "/status/conditions/0/reason", "Unschedulable")
            .until_that("{core}/events", "tell that it was not placed", |events| {
                events.to_string().contains("FailedScheduling")
            })
            .get(path)
            .seen(|answer| {
                // Which nodes there are, the message says: other cases make some.
                let condition = &answer["body"]["status"]["conditions"][0];
                json!([answer["body"]["status"]["phase"], condition["type"], condition["status"], condition["reason"]])
            }),
        case("describe-a-job-that-is-done")
            .create([job("j", "exit 0", &json!({}))])
            .until_job("j", "Complete")
            .until_that("{core}/events", "tell that it is done", |events| {
                events.to_string().contains(r#""reason":"Completed""#)
            })
            .kubectl("describe job j"),
        case("describe-a-job-that-failed")
            .create([job("j", "exit 3", &json!({"backoffLimit": 0}))])
            .until_job("j", "Failed")
            .until_that("{core}/events", "tell that it failed", |events| {
                events.to_string().contains("BackoffLimitExceeded")
            })
            .kubectl("describe job j"),
    ]
}
