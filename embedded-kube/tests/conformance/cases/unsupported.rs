//! What the embedded API has not, so that nobody is surprised: each of these is a known difference, and told to be one.

use serde_json::json;

use crate::case::{Case, case};
use crate::manifests::{idle_pod, object, pod, with};

pub(super) fn cases() -> Vec<Case> {
    let service = object("v1", "Service", "s", &json!({"spec": {"ports": [{"port": 80}]}}));
    let pod_path = "{core}/pods/p";
    let restricted = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    vec![
        case("unsupported-kinds")
            .kubectl("get services")
            .kubectl("get deployments.apps")
            .kubectl("create deployment d --image=none")
            .kubectl("get cronjobs")
            .kubectl_with("apply -f -", service)
            .kubectl("explain deployments"),
        case("unsupported-rollouts")
            .kubectl("rollout status deployment/d")
            .kubectl("rollout restart deployment/d")
            .kubectl("scale deployment/d --replicas=2"),
        case("unsupported-ways-into-pods")
            .create([pod("p", "exec sleep 600")])
            .until(pod_path, "/status/phase", "Running")
            .post(&format!("{pod_path}/exec?command=true&container=main&stdout=true"), json!({}))
            .post(&format!("{pod_path}/attach?container=main&stdout=true"), json!({}))
            .post(&format!("{pod_path}/portforward"), json!({})),
        case("unsupported-quotas")
            .create([object(
                "v1",
                "ResourceQuota",
                "q",
                &json!({"spec": {"hard": {"requests.cpu": "1m", "pods": "5"}}}),
            )])
            // Who admits Pods hears late of what is kept to.
            .until("{core}/resourcequotas/q", "/status/used/pods", "0")
            .post("{core}/pods", idle_pod("p"))
            .seen(|answer| answer["status"].clone()),
        case("unsupported-counts")
            .create([object("v1", "ResourceQuota", "q", &json!({"spec": {"hard": {"pods": "5"}}}))])
            .until("{core}/resourcequotas/q", "/status/used/pods", "0")
            .create([idle_pod("p")])
            .get("{core}/resourcequotas/q")
            .seen(|answer| answer["body"]["status"]["used"].clone()),
        case("unsupported-priorities")
            .post("{core}/pods", with(idle_pod("p"), &json!({"spec": {"priorityClassName": "none"}})))
            .seen(|answer| answer["status"].clone()),
        case("unsupported-watch-paths")
            .get("/api/v1/watch/namespaces/{ns}/configmaps?timeoutSeconds=1")
            .seen(|answer| answer["status"].clone()),
        case("unsupported-security")
            // It is asked for from the beginning: who keeps to it hears late of what changes.
            .create([object("v1", "Namespace", "{ns}-b", &restricted)])
            .until("/api/v1/namespaces/{ns}-b/serviceaccounts/default", "/metadata/name", "default")
            .post("/api/v1/namespaces/{ns}-b/pods", with(idle_pod("p"), &json!({"spec": {"hostNetwork": true}})))
            .seen(|answer| answer["status"].clone()),
    ]
}
