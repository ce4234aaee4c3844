//! The kinds of this project, which the embedded API knows by their definitions only, and the documented lines of kubectl.

use serde_json::{Value, json};

use crate::case::{Case, case, without_managers};
use crate::manifests::{object, with};

fn schedule(name: &str, spec: &Value) -> Value {
    let own = json!({"spec": {"pipelineRef": {"name": "flights"}}});
    with(object("aggregator.dev/v1alpha1", "Schedule", name, &own), &json!({"spec": spec}))
}

fn connector(name: &str, spec: &Value) -> Value {
    object("aggregator.dev/v1alpha1", "Connector", name, &json!({"spec": spec}))
}

pub(super) fn cases() -> Vec<Case> {
    let place = "/apis/aggregator.dev/v1alpha1/namespaces/{ns}/schedules";
    let hourly = json!({"interval": {"every": "1h"}});
    vec![
        case("our-schedules")
            .kubectl_with("apply -f -", schedule("a", &hourly))
            .kubectl("get schedules")
            .kubectl("get asched -o wide")
            .kubectl("get schedule a -o yaml")
            .kubectl("describe schedule a")
            .kubectl_with("apply -f -", schedule("a", &json!({"interval": {"every": "2h"}, "suspend": true})))
            .kubectl("get schedule a -o jsonpath={.metadata.generation}")
            .kubectl("delete schedule a"),
        case("our-schedules-that-are-wrong")
            .post(place, schedule("a", &json!({})))
            .post(place, schedule("a", &json!({"interval": {"every": "1h"}, "cron": {"expressions": ["0 * * * *"]}})))
            .post(place, schedule("a", &json!({"interval": {"every": 5}})))
            .post(place, schedule("a", &json!({"interval": {"every": "soon"}})))
            .post(place, schedule("a", &json!({"interval": {"every": "1h"}, "concurrencyPolicy": "Never"})))
            .post(place, schedule("a", &json!({"interval": {"every": "1h"}, "failedRunsHistoryLimit": 1001})))
            .post(place, schedule(&"a".repeat(42), &hourly))
            .post(place, schedule("a", &json!({"cron": {"expressions": []}})))
            .post(place, schedule("a", &json!({"cron": {"expressions": ["0 * * * *"]}, "backfill": {"from": "2001-02-03T00:00:00Z", "to": "2001-02-02T00:00:00Z"}}))),
        case("our-schedules-by-kubectl-that-are-wrong")
            .kubectl_with("apply -f -", schedule("a", &json!({})))
            .kubectl_with("apply -f -", schedule("a", &json!({"interval": {"every": "1h", "typo": 1}})))
            .kubectl_with("apply --server-side -f -", schedule("a", &json!({"interval": {"every": 5}}))),
        case("our-statuses")
            .create([schedule("a", &hourly)])
            .merge(&format!("{place}/a/status"), json!({"status": {
                "trigger": "every 1h", "next": ["2001-02-03T04:05:06Z"], "counts": {"active": 1},
                "conditions": [{"type": "Ready", "status": "True", "reason": "Valid", "message": "it is", "lastTransitionTime": "2001-02-03T04:05:06Z"}],
            }}))
            .kubectl("get schedules")
            .kubectl("get schedules -o wide")
            .kubectl("wait --for=condition=Ready schedule/a --timeout=10s")
            .merge(&format!("{place}/a/status"), json!({"status": {"conditions": [{"type": "Ready"}]}})),
        case("our-connectors")
            .kubectl_with("apply -f -", connector("a", &json!({"file": {"root": "/tmp", "format": {"csv": {"header": true}}}})))
            .kubectl_with("apply -f -", connector("b", &json!({"file": {"root": "/tmp"}, "sqlite": {"path": "/tmp/x"}})))
            .kubectl_with("apply -f -", connector("c", &json!({})))
            .kubectl("get connectors")
            .kubectl("get aconn a -o yaml")
            .kubectl("get aggregator"),
        case("our-samples")
            .kubectl("apply --dry-run=server -f {project}/config/samples/00-namespace.yaml")
            .kubectl_with("apply --server-side -f -", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}))
            .kubectl("apply -f {project}/config/samples/ -n demo")
            .kubectl("get connectors,pipelines,schedules -n demo -o name")
            .kubectl("get pipelines -n demo -o yaml")
            .kubectl("diff -f {project}/config/samples/ -n demo")
            .kubectl("delete -f {project}/config/samples/schedules.yaml -n demo"),
        case("our-definitions")
            .kubectl("get crds -l none")
            .get("{crds}/schedules.aggregator.dev")
            .seen(without_managers)
            .kubectl("apply --server-side --force-conflicts --dry-run=server -f {project}/crds/generated")
            .kubectl("get crds schedules.aggregator.dev pipelines.aggregator.dev -o name"),
    ]
}
