//! Pods from their beginning to their end, as clients see them: the API, the scheduler and the node together.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{NODE, config, idle_pod, object, pod, secret, with};

/// The status of a Pod without what each run has differently, such as when it was looked at.
fn status(mut answer: Value) -> Value {
    let mut status = answer["body"]["status"].take();
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.sort_by_key(|condition| condition["type"].to_string());
        conditions.iter_mut().for_each(|condition| condition["lastProbeTime"] = Value::Null);
    }
    json!({"status": answer["status"], "node": answer["body"]["spec"]["nodeName"], "of the Pod": status})
}

/// A Pod that comes to a phase, and its status then.
fn ends(name: &'static str, pod: Value, phase: &'static str) -> Case {
    case(name).create([pod]).until("{core}/pods/p", "/status/phase", phase).get("{core}/pods/p").seen(status)
}

pub(super) fn cases() -> Vec<Case> {
    let path = "{core}/pods/p";
    let eviction = |name: &str| object("policy/v1", "Eviction", name, &json!({}));
    let more = |script: &str, spec: &Value| with(pod("p", script), &json!({"spec": spec}));
    vec![
        ends("pod-that-is-done", pod("p", "echo well > /dev/termination-log"), "Succeeded"),
        ends("pod-that-fails", pod("p", "echo why > /dev/termination-log; exit 3"), "Failed"),
        ends("pod-that-is-killed", pod("p", "sh -c 'kill -KILL $PPID'"), "Failed"),
        ends("pod-that-takes-too-long", more("exec sleep 600", &json!({"activeDeadlineSeconds": 1})), "Failed"),
        ends("pod-that-runs", pod("p", "exec sleep 600"), "Running"),
        ends(
            "pod-with-a-beginning",
            more("exit 0", &json!({"initContainers": [{"name": "first", "image": "tests/shell", "command": ["sh", "-c", "exit 0"]}]})),
            "Succeeded",
        ),
        ends(
            "pod-whose-beginning-fails",
            more("exit 0", &json!({"initContainers": [{"name": "first", "image": "tests/shell", "command": ["sh", "-c", "exit 4"]}]})),
            "Failed",
        ),
        ends("pod-on-a-node-that-is-named", more("exit 0", &json!({"nodeName": NODE, "nodeSelector": null})), "Succeeded"),
        case("pod-with-volumes-and-variables")
            .create([config("c"), secret("s"), object("v1", "ServiceAccount", "a", &json!({}))])
            .create([more("", &json!({
                "serviceAccountName": "a",
                "containers": [{
                    "name": "main", "image": "tests/shell",
                    "command": ["sh", "-c", "cat /c/color /s/password; echo; echo $COLOR $PASSWORD $NAME; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace"],
                    "env": [
                        {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "color"}}},
                        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
                        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    ],
                    "volumeMounts": [{"name": "c", "mountPath": "/c"}, {"name": "s", "mountPath": "/s"}],
                }],
                "volumes": [{"name": "c", "configMap": {"name": "c"}}, {"name": "s", "secret": {"secretName": "s"}}],
            }))])
            .until(path, "/status/phase", "Succeeded")
            .kubectl("logs p")
            .get(path)
            .seen(|answer| answer["body"]["spec"].clone()),
        case("pod-that-asks-the-api")
            .create([object("v1", "ServiceAccount", "a", &json!({}))])
            .create([more(
                "",
                &json!({"serviceAccountName": "a", "containers": [{"name": "main", "image": "tests/shell", "command": ["sh", "-c",
                    "test -s /var/run/secrets/kubernetes.io/serviceaccount/token && head -n 1 /var/run/secrets/kubernetes.io/serviceaccount/ca.crt"]}]}),
            )])
            .until(path, "/status/phase", "Succeeded")
            .kubectl("logs p"),
        case("pod-that-waits-for-a-secret")
            .create([more("exit 0", &json!({"containers": [{
                "name": "main", "image": "tests/shell", "command": ["sh", "-c", "exit 0"],
                "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "later", "key": "password"}}}],
            }]}))])
            .until(path, "/status/containerStatuses/0/state/waiting/reason", "CreateContainerConfigError")
            .create([secret("later")])
            .until(path, "/status/phase", "Succeeded"),
        case("pod-that-is-gated")
            .create([more("exit 0", &json!({"schedulingGates": [{"name": "example.com/gate"}]}))])
            .until(path, "/status/conditions/0/reason", "SchedulingGated")
            .kubectl("get pod p")
            .merge(path, json!({"spec": {"schedulingGates": []}}))
            .until(path, "/status/phase", "Succeeded"),
        case("pod-that-is-restarted")
            .create([more("[ -e {home}/twice ] && exit 0; [ -e {home}/once ] && touch {home}/twice; touch {home}/once; exit 1", &json!({"restartPolicy": "OnFailure"}))])
            .until(path, "/status/phase", "Succeeded")
            .get(path)
            .seen(|answer| json!([answer["body"]["status"]["phase"], answer["body"]["status"]["containerStatuses"][0]["restartCount"]])),
        case("pod-that-is-evicted")
            .create([pod("p", "exec sleep 600")])
            .until(path, "/status/phase", "Running")
            .post("{core}/pods/p/eviction", eviction("other"))
            .post("{core}/pods/none/eviction", eviction("none"))
            .post("{core}/pods/p/eviction", eviction("p"))
            .until_gone(path),
        case("pod-that-nobody-runs").create([idle_pod("p")]).get(path).seen(status),
        // The API server fills a new Pod's limits in, and refuses Pods beyond a quota.
        case("pod-in-a-namespace-with-limits")
            .create([object("v1", "LimitRange", "l", &json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "500m"}, "max": {"cpu": "1"}}]}}))])
            .post("{core}/pods", idle_pod("p"))
            .seen(|answer| json!([answer["status"], answer["body"]["spec"]["containers"][0]["resources"]])),
    ]
}
