//! `kubectl wait`.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{boat, config, job, pod, with};

/// A Pod that takes a while to go, so that there is something to wait for.
fn stubborn(name: &str) -> Value {
    with(
        pod(name, "trap '' TERM; while true; do sleep 0.1; done"),
        &json!({"spec": {"terminationGracePeriodSeconds": 8}}),
    )
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("wait-for-a-job")
            .create([job("j", "exit 0", &json!({}))])
            .kubectl("wait --for=condition=Complete job/j --timeout=60s")
            .kubectl("wait --for=condition=Complete job/j"),
        case("wait-for-a-pod")
            .create([pod("p", "exec sleep 600")])
            .kubectl("wait --for=condition=Ready pod/p --timeout=60s")
            .kubectl("wait --for=jsonpath={.status.phase}=Running pod/p --timeout=60s")
            .kubectl("wait --for=jsonpath={.status.podIP} pod --all --timeout=60s"),
        case("wait-for-what-comes")
            .start("wait --for=jsonpath={.status.phase}=Afloat boat/a --timeout=60s")
            .finish()
            .create([boat("a", &json!({}))])
            .start("wait --for=jsonpath={.status.phase}=Afloat boat/a --timeout=60s")
            .merge("{boats}/a/status", json!({"status": {"phase": "Afloat"}}))
            .finish(),
        case("wait-for-creation")
            .start("wait --for=create configmap/a --timeout=60s")
            .create([config("a")])
            .finish()
            .kubectl("wait --for=create configmap/none --timeout=1s"),
        case("wait-for-a-condition-of-a-boat")
            .create([boat("a", &json!({})), boat("b", &json!({}))])
            .start("wait --for=condition=Ready boats --all --timeout=60s")
            .merge("{boats}/a/status", json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}))
            .lines(1)
            .merge("{boats}/b/status", json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}))
            .finish()
            .kubectl("wait --for=condition=Ready=False boat/a --timeout=1s"),
        case("wait-for-the-end")
            .create([stubborn("p")])
            .until("{core}/pods/p", "/status/phase", "Running")
            .kubectl("delete pod p --wait=false")
            .kubectl("wait --for=delete pod/p --timeout=60s")
            .kubectl("wait --for=delete pod/p --timeout=60s"),
        case("wait-for-the-end-of-several")
            .create([stubborn("p"), stubborn("q")])
            .until("{core}/pods/p", "/status/phase", "Running")
            .until("{core}/pods/q", "/status/phase", "Running")
            .kubectl("delete pods --all --wait=false")
            .kubectl("wait --for=delete pods --all --timeout=60s"),
        case("wait-in-vain")
            .create([config("a")])
            .kubectl("wait --for=condition=Ready configmap/a --timeout=1s")
            .kubectl("wait --for=delete configmap/a --timeout=1s")
            .kubectl("wait --for=jsonpath={.data.color}=blue configmap/a --timeout=1s")
            .kubectl("wait --for=jsonpath={.data.color}=red configmap/a --timeout=1s"),
        case("wait-for-nothing")
            .kubectl("wait --for=condition=Ready pod/none --timeout=1s")
            .kubectl("wait --for=condition=Ready boats --all --timeout=1s")
            .kubectl("wait --for=nonsense pod/p --timeout=1s")
            .kubectl("wait --for=delete boats --all --timeout=1s"),
    ]
}
