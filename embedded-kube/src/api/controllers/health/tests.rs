use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Patience, View, plan};
use crate::api::controllers::action::{Action, Plan};

const SINCE: &str = "2026-01-01T00:00:00Z";

fn now() -> Timestamp {
    "2026-01-01T00:01:40Z".parse().unwrap()
}

fn ready(status: &str) -> Value {
    json!([{"type": "Ready", "status": status}])
}

/// Everything that is said of a node that is lost.
fn unknown() -> Value {
    let types = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
    types.iter().map(|condition| json!({"type": condition, "status": "Unknown"})).collect()
}

fn node(conditions: Value, spec: Value, silent: u64, pods: Vec<Value>) -> View {
    let node = json!({
        "metadata": {"name": "n", "uid": "u", "resourceVersion": "7", "creationTimestamp": SINCE},
        "spec": spec,
        "status": {"conditions": conditions},
    });
    View {
        node: Arc::new(serde_json::from_value(node).unwrap()),
        silent: Duration::from_secs(silent),
        pods: pods.into_iter().map(|pod| Arc::new(serde_json::from_value(pod).unwrap())).collect(),
        patience: Patience::default(),
    }
}

fn pod(tolerations: Value) -> Value {
    json!({
        "metadata": {"name": "p", "namespace": "ns", "uid": "p", "resourceVersion": "9"},
        "spec": {"containers": [], "nodeName": "n", "tolerations": tolerations},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "reason": "r"}]},
    })
}

fn tolerates(key: &str, seconds: Value) -> Value {
    json!([{"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}])
}

fn merged(plan: &Plan) -> &Value {
    let [Action::Merge { patch, target, .. }] = plan.actions.as_slice() else { panic!("{plan}") };
    assert_eq!(target.resource_version.as_deref(), Some("7"));
    patch
}

fn lost() -> Value {
    json!({"taints": [
        {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule", "timeAdded": SINCE},
        {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": SINCE},
    ]})
}

#[test]
fn a_node_that_says_nothing_for_long_is_lost() {
    let plan = plan(&node(ready("True"), json!({}), 51, vec![]), now());
    let conditions = merged(&plan)["status"]["conditions"].as_array().unwrap();
    let types: Vec<&Value> = conditions.iter().map(|condition| &condition["type"]).collect();
    assert_eq!(types, ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"]);
    assert!(conditions.iter().all(|condition| condition["status"] == "Unknown"));
    assert_eq!(
        (&conditions[0]["reason"], &conditions[0]["message"]),
        (&json!("NodeStatusUnknown"), &json!("Kubelet stopped posting node status."))
    );
    assert_eq!(
        (&conditions[1]["reason"], &conditions[1]["lastHeartbeatTime"]),
        (&json!("NodeStatusNeverUpdated"), &json!(SINCE))
    );
}

#[test]
fn a_node_that_lives_is_looked_at_again_when_its_time_would_be_over() {
    let plan = plan(&node(ready("True"), json!({}), 20, vec![pod(json!([]))]), now());
    assert_eq!(plan, Plan::nothing().again_in(Duration::from_millis(30_001)));
}

#[test]
fn taints_say_what_conditions_say() {
    let keys = |conditions: Value, spec: Value| -> Vec<String> {
        let plan = plan(&node(conditions, spec, 0, vec![]), now());
        let taints = merged(&plan)["spec"]["taints"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().trim_start_matches("node.kubernetes.io/").to_owned();
        taints.iter().map(|taint| format!("{}:{}", text(&taint["key"]), text(&taint["effect"]))).collect()
    };
    assert_eq!(keys(ready("False"), json!({})), ["not-ready:NoSchedule", "not-ready:NoExecute"]);
    assert_eq!(keys(ready("Unknown"), json!({})), ["unreachable:NoSchedule", "unreachable:NoExecute"]);
    assert_eq!(keys(ready("True"), json!({"unschedulable": true})), ["unschedulable:NoSchedule"]);
    assert_eq!(keys(json!([{"type": "DiskPressure", "status": "True"}]), json!({})), ["disk-pressure:NoSchedule"]);
    // A node that is ready again loses ours, and keeps those of others.
    let mut spec = lost();
    spec["taints"].as_array_mut().unwrap().push(json!({"key": "mine", "effect": "NoExecute"}));
    assert_eq!(keys(ready("True"), spec.clone()), ["mine:NoExecute"]);
    assert_eq!(keys(ready("False"), spec), ["mine:NoExecute", "not-ready:NoSchedule", "not-ready:NoExecute"]);
    let plan = plan(&node(ready("Unknown"), lost(), 0, vec![]), now());
    assert!(plan.actions.is_empty(), "{plan}");
}

#[test]
fn pods_of_a_node_that_is_not_ready_are_not_ready() {
    // It is said of one that is to leave, too, and before it does.
    let mut running = pod(json!([]));
    running["status"]["conditions"][0]["status"] = "True".into();
    let plan = plan(&node(unknown(), lost(), 100, vec![running]), now());
    let [Action::Merge { patch, part: Some("status"), .. }, Action::Tell(note)] = plan.actions.as_slice() else {
        panic!("{plan}")
    };
    let condition = &patch["status"]["conditions"][0];
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("False"), &json!("r")));
    assert_eq!((note.reason, note.message.as_str(), note.warning), ("NodeNotReady", "Node is not ready", true));
}

#[test]
fn a_pod_stays_as_long_as_it_tolerates_its_node() {
    let stays = |tolerations: Value, eviction: Option<u64>| {
        let mut view = node(unknown(), lost(), 100, vec![pod(tolerations)]);
        view.patience.eviction = eviction.map(Duration::from_secs);
        let plan = plan(&view, now());
        match plan.actions.as_slice() {
            [Action::Merge { .. }, Action::Delete { .. }, Action::Tell(_)] => None,
            _ => Some(plan.again.map(|again| again.as_secs())),
        }
    };
    let key = "node.kubernetes.io/unreachable";
    // The node is lost for 100 seconds.
    assert_eq!(stays(json!([]), None), None);
    assert_eq!(stays(tolerates(key, json!(300)), None), Some(Some(200)));
    assert_eq!(stays(tolerates(key, json!(100)), None), None);
    assert_eq!(stays(tolerates("node.kubernetes.io/not-ready", json!(300)), None), None);
    assert_eq!(stays(tolerates(key, json!(300)), Some(120)), Some(Some(20)));
    assert_eq!(stays(tolerates(key, json!(300)), Some(60)), None);
    assert_eq!(stays(tolerates(key, Value::Null), Some(60)), Some(None));
}

#[test]
fn a_pod_that_is_sent_away_is_told_why() {
    let plan = plan(&node(unknown(), lost(), 100, vec![pod(json!([]))]), now());
    let [Action::Merge { patch, .. }, Action::Delete { target, grace: None, .. }, Action::Tell(note)] =
        plan.actions.as_slice()
    else {
        panic!("{plan}")
    };
    let condition = &patch["status"]["conditions"][1];
    assert_eq!(
        (&condition["type"], &condition["reason"], &condition["message"]),
        (
            &json!("DisruptionTarget"),
            &json!("DeletionByTaintManager"),
            &json!("Taint manager: deleting due to NoExecute taint")
        )
    );
    assert_eq!((target.name.as_str(), target.resource_version.as_deref()), ("p", None));
    assert_eq!((note.reason, note.message.as_str()), ("TaintManagerEviction", "Marking for deletion Pod ns/p"));
}

#[test]
fn a_pod_of_a_lost_node_is_not_waited_for_where_that_is_asked_for() {
    let given_up = |deadline: &str, eviction: Option<u64>| {
        let mut going = pod(json!([]));
        going["metadata"]["deletionTimestamp"] = deadline.into();
        let mut view = node(unknown(), lost(), 100, vec![going]);
        view.patience.eviction = eviction.map(Duration::from_secs);
        plan(&view, now())
    };
    let waits = given_up("2026-01-01T00:01:50Z", Some(5));
    assert_eq!(waits, Plan::nothing().again_in(Duration::from_secs(10)));
    let plan = given_up("2026-01-01T00:01:40Z", Some(5));
    let [Action::Merge { patch, .. }, Action::Delete { grace: Some(0), .. }] = plan.actions.as_slice() else {
        panic!("{plan}")
    };
    assert_eq!(patch["status"]["phase"], "Failed");
    assert_eq!(given_up("2026-01-01T00:01:40Z", None), Plan::nothing());
}

#[test]
fn pods_that_are_over_or_going_are_left_alone() {
    let mut over = pod(json!([]));
    over["status"]["phase"] = "Failed".into();
    let mut going = pod(json!([]));
    going["metadata"]["deletionTimestamp"] = SINCE.into();
    going["status"]["conditions"] = json!([]);
    let plan = plan(&node(unknown(), lost(), 100, vec![over, going]), now());
    assert_eq!(plan.actions, []);
}
