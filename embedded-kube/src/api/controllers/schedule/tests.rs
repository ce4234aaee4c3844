use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};

use super::{View, plan};
use crate::api::controllers::action::{Action, Plan};

fn node(name: &str, spec: Value) -> Arc<Node> {
    let node = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "size": "7"}},
        "spec": spec,
        "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "3"}},
    });
    Arc::new(serde_json::from_value(node).unwrap())
}

fn pod(name: &str, more: Value) -> Arc<Pod> {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "7", "generation": 1},
        "spec": {"containers": [{"name": "m"}]},
    });
    for (key, value) in more.as_object().unwrap() {
        pod["spec"][key] = value.clone();
    }
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn asks(cpu: &str) -> Value {
    json!({"containers": [{"name": "m", "resources": {"requests": {"cpu": cpu}}}]})
}

fn on(mut pod: Arc<Pod>, node: &str) -> Arc<Pod> {
    Arc::make_mut(&mut pod).spec.as_mut().unwrap().node_name = Some(node.to_owned());
    pod
}

fn planned(nodes: Vec<Arc<Node>>, placed: Vec<Arc<Pod>>, waiting: Vec<Arc<Pod>>) -> Plan {
    plan(&View { nodes, placed, waiting }, Timestamp::UNIX_EPOCH)
}

/// Who is bound where, and what is said of the others.
fn outcome(plan: &Plan) -> Vec<(String, String)> {
    let told = plan.actions.iter().filter_map(|action| match action {
        Action::Bind { target, node } => Some((target.name.clone(), node.clone())),
        Action::Merge { target, part: Some("status"), patch } => {
            let condition = &patch["status"]["conditions"][0];
            assert_eq!((&condition["reason"], &condition["status"]), (&json!("Unschedulable"), &json!("False")));
            Some((target.name.clone(), condition["message"].as_str().unwrap().to_owned()))
        }
        _ => None,
    });
    told.collect()
}

fn reason(nodes: Vec<Arc<Node>>, more: Value) -> String {
    outcome(&planned(nodes, vec![], vec![pod("p", more)])).remove(0).1
}

#[test]
fn a_pod_goes_where_the_fewest_are() {
    let nodes = vec![node("a", json!({})), node("b", json!({}))];
    let plan = planned(nodes, vec![on(pod("old", json!({})), "a")], vec![pod("p", json!({}))]);
    assert_eq!(outcome(&plan), [("p".to_owned(), "b".to_owned())]);
    let Action::Tell(note) = &plan.actions[1] else { panic!("{plan}") };
    assert_eq!((note.reason, note.message.as_str()), ("Scheduled", "Successfully assigned ns/p to b"));
}

#[test]
fn no_two_pods_get_the_same_room() {
    let placed = vec![on(pod("old", asks("500m")), "a")];
    let waiting = ["p", "q", "r"].map(|name| pod(name, asks("1000m"))).to_vec();
    let full = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    let outcome = outcome(&planned(vec![node("a", json!({}))], placed, waiting));
    assert_eq!(
        outcome,
        [("p".to_owned(), "a".to_owned()), ("q".to_owned(), full.to_owned()), ("r".to_owned(), full.to_owned())]
    );
}

#[test]
fn what_is_in_the_way_is_said_in_the_schedulers_words() {
    let never = |count, reason: &str| {
        format!(
            "0/{count} nodes are available: {count} {reason}. preemption: 0/{count} nodes are available: {count} Preemption is not helpful for scheduling."
        )
    };
    let tainted = |effect: &str| json!({"taints": [{"key": "k", "effect": effect}]});
    assert_eq!(reason(vec![], json!({})), "no nodes available to schedule pods");
    assert_eq!(
        reason(vec![node("a", json!({"unschedulable": true}))], json!({})),
        never(1, "node(s) were unschedulable")
    );
    let both = vec![node("a", tainted("NoSchedule")), node("b", tainted("NoExecute"))];
    assert_eq!(reason(both, json!({})), never(2, "node(s) had untolerated taint(s)"));
    let other = json!({"nodeSelector": {"kubernetes.io/hostname": "z"}});
    assert_eq!(
        reason(vec![node("a", json!({}))], other),
        never(1, "node(s) didn't match Pod's node affinity/selector")
    );
    assert_eq!(
        reason(vec![node("a", json!({})), node("b", tainted("NoSchedule"))], asks("9")),
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    );
    let mut never_others = asks("9");
    never_others["preemptionPolicy"] = "Never".into();
    assert_eq!(
        reason(vec![node("a", json!({}))], never_others),
        "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
    );
}

#[test]
fn a_taint_that_is_tolerated_or_mild_is_in_nobodys_way() {
    let tolerant = json!({"tolerations": [{"operator": "Exists"}]});
    let bad = json!({"unschedulable": true, "taints": [{"key": "k", "effect": "NoSchedule"}]});
    assert_eq!(reason(vec![node("a", bad)], tolerant), "a");
    assert_eq!(
        reason(vec![node("a", json!({"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}))], json!({})),
        "a"
    );
}

#[test]
fn affinity_is_of_labels_and_of_the_name() {
    let wants = |term: Value| {
        let required = json!({"nodeSelectorTerms": [term]});
        let affinity =
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}});
        reason(vec![node("a", json!({}))], affinity) == "a"
    };
    let expression = |key: &str, operator: &str, values: Value| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
    assert!(wants(expression("size", "In", json!(["6", "7"]))) && !wants(expression("size", "NotIn", json!(["7"]))));
    assert!(wants(expression("size", "Exists", json!([]))) && !wants(expression("size", "DoesNotExist", json!([]))));
    assert!(wants(expression("none", "DoesNotExist", json!([]))) && wants(expression("none", "NotIn", json!(["7"]))));
    assert!(wants(expression("size", "Gt", json!(["6"]))) && !wants(expression("size", "Lt", json!(["7"]))));
    assert!(wants(json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]})));
    assert!(!wants(json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]})));
    assert!(!wants(json!({})));
}

#[test]
fn first_containers_and_helpers_ask_for_room_too() {
    let container = |cpu: &str, policy: Value| json!({"name": "c", "restartPolicy": policy, "resources": {"requests": {"cpu": cpu}}});
    let spec =
        |first: Value, main: &str| json!({"initContainers": first, "containers": [container(main, Value::Null)]});
    let fits = |more: Value| reason(vec![node("a", json!({}))], more) == "a";
    assert!(fits(spec(json!([container("2", Value::Null)]), "2")));
    assert!(!fits(spec(json!([container("1", json!("Always"))]), "1.5")));
    assert!(!fits(spec(json!([container("1", json!("Always")), container("1.5", Value::Null)]), "1")));
    assert!(fits(spec(json!([container("2", Value::Null), container("1", json!("Always"))]), "1")));
    assert!(!fits(json!({"containers": [{"name": "m", "resources": {"limits": {"example.com/gpu": "1"}}}]})));
}

#[test]
fn a_pod_that_is_not_ours_or_not_waiting_is_left_alone() {
    for more in
        [json!({"schedulerName": "other"}), json!({"schedulingGates": [{"name": "x"}]}), json!({"nodeName": "a"})]
    {
        assert_eq!(planned(vec![node("a", json!({}))], vec![], vec![pod("p", more)]), Plan::nothing());
    }
    let mut gone = pod("p", json!({}));
    Arc::make_mut(&mut gone).metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
    assert_eq!(planned(vec![node("a", json!({}))], vec![], vec![gone]), Plan::nothing());
}

#[test]
fn what_was_said_is_not_said_again() {
    let first = planned(vec![], vec![], vec![pod("p", json!({}))]);
    let Action::Merge { patch, .. } = &first.actions[0] else { panic!("{first}") };
    let mut told = pod("p", json!({}));
    Arc::make_mut(&mut told).status = serde_json::from_value(patch["status"].clone()).unwrap();
    assert_eq!(planned(vec![], vec![], vec![told.clone()]), Plan::nothing());
    assert_eq!(outcome(&planned(vec![node("a", json!({}))], vec![], vec![told])), [("p".to_owned(), "a".to_owned())]);
}

#[test]
fn a_node_has_no_more_pods_than_it_says() {
    let placed = ["x", "y", "z"].map(|name| on(pod(name, json!({})), "a")).to_vec();
    let told = outcome(&planned(vec![node("a", json!({}))], placed, vec![pod("p", json!({}))]));
    assert!(told[0].1.starts_with("0/1 nodes are available: 1 Too many pods. preemption:"), "{told:?}");
}
