//! Tables of objects in many states.

use aggregator_embedded_kube::api::Kind;
use aggregator_embedded_kube::api::discovery::MetaVersion;
use aggregator_embedded_kube::api::table::{Include, Options, Printer, metadata, metadata_list};
use aggregator_tests::random::Random;
use axum::http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds;
use crate::real::Real;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// The objects of a table that has them.
fn objects(table: &Value) -> Vec<Value> {
    table["rows"].as_array().into_iter().flatten().map(|row| row["object"].clone()).collect()
}

/// Compares a table of the API server's with ours of its objects; gives the number of its rows.
fn compare(real: &Real, kind: &Kind, place: &str) -> usize {
    let printer = Printer::new(kind);
    let mut difference = None;
    // A second may pass in between, in which every age grows.
    for _ in 0..5 {
        let theirs = real.accepting(place, &format!("{TABLE},application/json"));
        assert_eq!(theirs.code, 200, "{theirs:?}");
        let now = Timestamp::now();
        let theirs = theirs.json();
        let list = json!({"metadata": theirs["metadata"], "items": objects(&theirs)});
        let options = Options { include: Include::Object, headers: true, version: MetaVersion::V1 };
        let ours = printer.list(&list, options, now);
        if ours == theirs {
            return list["items"].as_array().unwrap().len();
        }
        difference = Some((ours, theirs));
    }
    let (ours, theirs) = difference.unwrap();
    assert_eq!(ours["columnDefinitions"], theirs["columnDefinitions"], "{place}");
    for (ours, theirs) in
        ours["rows"].as_array().into_iter().flatten().zip(theirs["rows"].as_array().into_iter().flatten())
    {
        assert_eq!(ours["cells"], theirs["cells"], "{place}: {}", theirs["object"]);
        assert_eq!(ours, theirs, "{place}");
    }
    panic!("{place}: {ours}\n{theirs}");
}

fn compare_all(real: &Real, kind: &Kind, namespace: &str) -> usize {
    compare(real, kind, &format!("{}?includeObject=Object", kinds::place(kind, namespace)))
}

fn seconds_ago(seconds: i64) -> String {
    let time = Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The status of a container, in any state that a kubelet could report.
fn container(name: &str, random: &mut Random) -> Value {
    let ended = seconds_ago(random.below(400_000) as i64);
    let code = [0, 0, 1, 137][random.below(4)];
    let reason = random.pick(&[json!("Completed"), json!("Error"), json!(""), json!("OOMKilled")]).clone();
    let terminated = json!({
        "exitCode": code, "reason": reason, "finishedAt": ended, "startedAt": ended,
        "signal": if code == 137 { 9 } else { 0 },
    });
    let waiting = random
        .pick(&[json!("CrashLoopBackOff"), json!("ContainerCreating"), json!("PodInitializing"), json!("")])
        .clone();
    let state = match random.below(4) {
        0 => json!({"waiting": {"reason": waiting}}),
        1 => json!({"terminated": terminated}),
        2 => json!({"running": {"startedAt": ended}}),
        _ => json!({}),
    };
    let mut status = json!({
        "name": name, "image": "i", "imageID": "", "restartCount": random.below(3), "ready": random.below(2) == 0,
        "started": random.below(2) == 0, "state": state,
    });
    if random.below(2) == 0 {
        status["lastState"] = json!({"terminated": terminated});
    }
    status
}

fn pod(number: usize, random: &mut Random) -> Value {
    let inits = random.below(3);
    let init = |number: usize, random: &mut Random| {
        let mut init = json!({"name": format!("i{number}"), "image": "i"});
        if random.below(2) == 0 {
            init["restartPolicy"] = json!("Always");
        }
        init
    };
    let inits: Vec<Value> = (0..inits).map(|number| init(number, random)).collect();
    let containers: Vec<Value> =
        (0..=random.below(2)).map(|number| json!({"name": format!("c{number}"), "image": "i"})).collect();
    let statuses = |specs: &[Value], random: &mut Random| -> Vec<Value> {
        specs.iter().map(|spec| container(spec["name"].as_str().unwrap(), random)).collect()
    };
    let words = [json!("True"), json!("False"), json!("Unknown")];
    let mut conditions = Vec::new();
    for kind in ["Ready", "Initialized", "PodScheduled", "example.com/gate"] {
        if random.below(2) == 0 {
            let reason = if kind == "PodScheduled" && random.below(3) == 0 { "SchedulingGated" } else { "" };
            conditions.push(json!({"type": kind, "status": random.pick(&words), "reason": reason}));
        }
    }
    let phases = ["Pending", "Running", "Succeeded", "Failed", "Unknown"].map(Value::from);
    let mut status = json!({
        "phase": random.pick(&phases),
        "reason": random.pick(&[json!(""), json!(""), json!("Evicted"), json!("NodeLost")]),
        "conditions": conditions,
        "nominatedNodeName": random.pick(&[json!(""), json!("later")]),
    });
    if random.below(4) > 0 {
        status["initContainerStatuses"] = statuses(&inits, random).into();
        status["containerStatuses"] = statuses(&containers, random).into();
    }
    if random.below(2) == 0 {
        status["podIPs"] = json!([{"ip": "10.0.0.1"}]);
    }
    let mut pod = json!({
        "metadata": {"name": format!("p{number:03}")},
        // Nobody schedules it.
        "spec": {"schedulerName": "none", "containers": containers, "initContainers": inits},
        "status": status,
    });
    if random.below(3) == 0 {
        pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    }
    if random.below(3) == 0 {
        pod["spec"]["readinessGates"] =
            json!([{"conditionType": "example.com/gate"}, {"conditionType": "example.com/x"}]);
    }
    pod
}

#[test]
fn pods_look_the_same_in_any_state() {
    let real = Real::start();
    let namespace = real.plane.namespace();
    let kind = kinds::named("", "pods");
    let place = kinds::place(&kind, namespace.name());
    let mut random = Random::seeded("pods_look_the_same_in_any_state");
    for number in 0..150 {
        let pod = pod(number, &mut random);
        real.create(&place, &pod);
        if pod["metadata"].get("finalizers").is_some() {
            let answer = real.send(Method::DELETE, &format!("{place}/p{number:03}"), &json!({"gracePeriodSeconds": 0}));
            assert_eq!(answer.code, 200, "{answer:?}");
        }
    }
    assert_eq!(compare_all(&real, &kind, namespace.name()), 150);
    let one = format!("{place}/p000");
    let partial = real.accepting(&one, "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io").json();
    assert_eq!(metadata(&real.get(&one).json(), MetaVersion::V1), partial);
    let few = format!("{place}?limit=3");
    let partial = real.accepting(&few, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").json();
    let mut ours = metadata_list(&real.get(&few).json(), MetaVersion::V1);
    // It has the moment of the list in it.
    ours["metadata"]["continue"] = partial["metadata"]["continue"].clone();
    assert_eq!(ours, partial);
    assert_eq!(compare(&real, &kind, &format!("{place}?includeObject=Object&limit=3")), 3);
}

#[test]
fn jobs_look_the_same_in_any_state() {
    let real = Real::start();
    let namespace = real.plane.namespace();
    let kind = kinds::named("batch", "jobs");
    let place = kinds::place(&kind, namespace.name());
    let start = seconds_ago(4000);
    let is = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": start, "reason": "R", "message": "m"});
    for (number, (spec, status)) in [
        (json!({}), None),
        (json!({"completions": 3, "parallelism": 2}), Some(json!({"startTime": start, "active": 2, "succeeded": 1, "ready": 0, "terminating": 0}))),
        (json!({"parallelism": 4, "completions": null}), Some(json!({"startTime": start, "active": 1}))),
        (json!({"suspend": true}), Some(json!({"conditions": [is("Suspended")]}))),
        (json!({}), Some(json!({
            "startTime": start, "completionTime": seconds_ago(100), "succeeded": 1, "active": 0, "ready": 0, "terminating": 0,
            "conditions": [is("SuccessCriteriaMet"), is("Complete")],
        }))),
        (json!({"backoffLimit": 0}), Some(json!({
            "startTime": start, "failed": 1, "conditions": [is("FailureTarget"), is("Failed")],
        }))),
        (json!({}), Some(json!({"startTime": start, "active": 1, "conditions": [is("FailureTarget")]}))),
        (json!({}), Some(json!({"startTime": start, "active": 1, "conditions": [is("SuccessCriteriaMet")]}))),
    ]
    .into_iter()
    .enumerate()
    {
        let template = json!({"spec": {
            "restartPolicy": "Never",
            "schedulerName": "none",
            "containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y"}],
        }});
        let mut job = json!({"metadata": {"name": format!("j{number}")}, "spec": spec});
        job["spec"]["template"] = template;
        // Nobody but the test cares for it.
        job["spec"]["managedBy"] = json!("example.com/test");
        if let Some(status) = status {
            job["status"] = status;
        }
        real.create(&place, &job);
    }
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}, "spec": {
        "managedBy": "example.com/test", "manualSelector": true,
        "selector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["y", "x"]}]},
        "template": {"metadata": {"labels": {"a": "b", "c": "x"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "x"}]}},
    }});
    real.create(&place, &held);
    assert_eq!(real.send(Method::DELETE, &format!("{place}/held"), &json!({})).code, 200);
    assert_eq!(compare_all(&real, &kind, namespace.name()), 9);
}

#[test]
fn objects_of_definitions_look_the_same() {
    let real = Real::start();
    let namespace = real.plane.namespace();
    let kind = kinds::named("wear.example.com", "shirts");
    let place = kinds::place(&kind, namespace.name());
    let mut random = Random::seeded("objects_of_definitions_look_the_same");
    let colors = ["red", "blue", "green", "", "white"].map(Value::from);
    let since = [
        json!(seconds_ago(50)),
        json!(seconds_ago(-3600)),
        json!(seconds_ago(1_000_000)),
        json!("soon"),
        json!(""),
        json!("null"),
        json!("2020-02-30T00:00:00Z"),
        json!("2020-02-03"),
        json!("2020-02-03T04:05:06+07:00"),
        json!("2020-02-03T04:05:06.789Z"),
    ];
    let prices =
        [json!(1), json!(1.5), json!(0.1), json!(1e-7), json!(123_456_789.5), json!(1e21), json!(2.0), json!(-3)];
    let any = [
        json!({"b": 1, "a": [1.5, true, null, "<&>"]}),
        json!("text"),
        json!(3),
        json!(2.5),
        json!(false),
        json!([]),
        json!({}),
        json!("a\nb"),
        json!([{"z": 1, "y": 2.0}]),
        json!("ä\u{2028}"),
        json!(["ä\u{2028}"]),
    ];
    let tags = [json!([]), json!(["a"]), json!(["a b", "<c>"])];
    let status = ["True", "False", "Unknown"].map(Value::from);
    for number in 0..80 {
        let mut shirt = json!({
            "apiVersion": "wear.example.com/v1",
            "kind": "Shirt",
            "metadata": {"name": format!("s{number:02}")},
            "spec": {"color": random.pick(&colors)},
        });
        let spec = &mut shirt["spec"];
        for (field, values) in [
            ("size", &[json!(1), json!(2_000_000_000)][..]),
            ("price", &prices),
            ("washed", &[json!(true), json!(false)]),
            ("since", &since),
            ("tags", &tags),
            ("any", &any),
            ("maybe", &[json!("x"), Value::Null]),
        ] {
            if random.below(3) > 0 {
                spec[field] = random.pick(values).clone();
            }
        }
        if random.below(2) == 0 {
            shirt["metadata"]["labels"] = json!({"example.com/team": "a", "b": ""});
        }
        if random.below(3) > 0 {
            let condition =
                json!({"type": "Ready", "status": random.pick(&status), "lastTransitionTime": seconds_ago(200)});
            shirt["status"] = json!({"conditions": [{"type": "Other", "status": "True"}, condition]});
        }
        real.create(&place, &shirt);
    }
    assert_eq!(compare_all(&real, &kind, namespace.name()), 80);
    let old = kinds::all().into_iter().find(|kind| kind.version == "v1beta1").unwrap();
    assert_eq!(compare_all(&real, &old, namespace.name()), 80);
    let caps = kinds::named("wear.example.com", "caps");
    let cap = json!({"apiVersion": "wear.example.com/v1", "kind": "Cap", "metadata": {"generateName": "cap-"}});
    real.create(&kinds::place(&caps, ""), &cap);
    assert!(compare_all(&real, &caps, "") > 0);
}

#[test]
fn all_other_kinds_look_the_same() {
    let real = Real::start();
    let namespace = real.plane.namespace();
    let name = namespace.name();
    let owner = |controller: bool, api_version: &str| json!([{"apiVersion": api_version, "kind": "Shirt", "name": "s", "uid": "u", "controller": controller}]);
    let subjects = json!([
        {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "u"},
        {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "g"},
        {"kind": "ServiceAccount", "namespace": name, "name": "s"},
        {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "v"},
    ]);
    let role = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "view"});
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let pod = json!({"kind": "Pod", "namespace": name, "name": "p", "fieldPath": "spec.containers{c}"});
    let micro = format!("{}.000000Z", seconds_ago(30).trim_end_matches('Z'));
    for (group, plural, own) in [
        ("", "configmaps", vec![json!({"data": {"a": "b"}, "binaryData": {"c": "AA=="}}), json!({})]),
        ("", "secrets", vec![json!({"stringData": {"a": "b"}, "type": "example.com/x"}), json!({})]),
        ("", "serviceaccounts", vec![json!({})]),
        (
            "",
            "events",
            vec![
                json!({"involvedObject": pod, "reason": "A", "type": "Normal", "message": " m\n", "count": 3,
                    "firstTimestamp": seconds_ago(500), "lastTimestamp": seconds_ago(3), "source": {"component": "c", "host": "h"}}),
                json!({"involvedObject": pod, "reason": "B", "message": "m", "reportingComponent": "example.com/c",
                    "reportingInstance": "i", "type": "Warning", "eventTime": micro, "action": "x"}),
                json!({"involvedObject": {"kind": "Node", "namespace": name}, "message": "m", "series": {"count": 4, "lastObservedTime": micro},
                    "firstTimestamp": seconds_ago(500)}),
                json!({"involvedObject": {"namespace": name}}),
            ],
        ),
        (
            "",
            "resourcequotas",
            vec![json!({"spec": {"hard": {"pods": "10", "limits.cpu": "2", "requests.cpu": "1500m"}}}), json!({})],
        ),
        ("", "limitranges", vec![json!({"spec": {"limits": []}})]),
        (
            "apps",
            "controllerrevisions",
            vec![
                json!({"revision": 3, "data": {"a": 1}, "metadata": {"ownerReferences": owner(true, "wear.example.com/v1")}}),
                json!({"revision": 4, "data": {"a": 1}, "metadata": {"ownerReferences": owner(true, "v1")}}),
                json!({"revision": 5, "data": {"a": 1}, "metadata": {"ownerReferences": owner(false, "v1")}}),
                json!({"revision": 6, "data": {"a": 1}}),
            ],
        ),
        ("coordination.k8s.io", "leases", vec![json!({"spec": {"holderIdentity": "h"}}), json!({})]),
        (
            "networking.k8s.io",
            "networkpolicies",
            vec![
                json!({"spec": {}}),
                json!({"spec": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["c", "b"]}], "matchLabels": {"z": "y", "b": "1"}}}}),
            ],
        ),
        ("rbac.authorization.k8s.io", "roles", vec![json!({"rules": rules})]),
        ("rbac.authorization.k8s.io", "clusterroles", vec![json!({"rules": rules})]),
        (
            "rbac.authorization.k8s.io",
            "rolebindings",
            vec![json!({"roleRef": role("Role"), "subjects": subjects}), json!({"roleRef": role("ClusterRole")})],
        ),
        (
            "rbac.authorization.k8s.io",
            "clusterrolebindings",
            vec![json!({"roleRef": role("ClusterRole"), "subjects": subjects})],
        ),
        ("", "namespaces", vec![json!({"metadata": {"finalizers": ["example.com/hold"]}})]),
        (
            "",
            "nodes",
            vec![
                json!({}),
                json!({"spec": {"unschedulable": true}, "metadata": {"labels": {"node-role.kubernetes.io/b": "", "node-role.kubernetes.io/a": "", "kubernetes.io/role": "c"}},
                    "status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "ExternalIP", "address": "10.0.0.2"}]}}),
                json!({"status": {"conditions": [{"type": "Ready", "status": "False"}], "nodeInfo": {"kubeletVersion": "v1", "osImage": "o", "kernelVersion": "k",
                    "architecture": "amd64", "containerRuntimeVersion": "r", "machineID": "", "systemUUID": "", "bootID": "", "kubeProxyVersion": "", "operatingSystem": ""}}}),
            ],
        ),
        ("apiextensions.k8s.io", "customresourcedefinitions", vec![]),
    ] {
        let kind = kinds::named(group, plural);
        let empty = real.plane.namespace();
        if kind.namespaced && !matches!(plural, "configmaps" | "serviceaccounts") {
            assert_eq!(compare_all(&real, &kind, empty.name()), 0, "{plural}");
            let place = kinds::place(&kind, empty.name());
            let list = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
            let mut theirs = real.accepting(&place, list).json();
            theirs["metadata"]["resourceVersion"] = json!("1");
            let ours = json!({"metadata": {"resourceVersion": "1"}, "items": []});
            assert_eq!(metadata_list(&ours, MetaVersion::V1), theirs, "{plural}");
        }
        let place = kinds::place(&kind, name);
        for (number, mut object) in own.into_iter().enumerate() {
            object["apiVersion"] = kind.api_version().into();
            object["kind"] = kind.kind.clone().into();
            object["metadata"]["name"] = format!("{name}-{number}").into();
            let object = real.create(&place, &object);
            if plural == "namespaces" {
                let answer = real.send(Method::DELETE, &format!("{place}/{name}-{number}"), &json!({}));
                assert_eq!(answer.code, 200, "{answer:?} {object}");
            }
        }
        assert!(compare_all(&real, &kind, name) > 0, "{plural}");
        if plural == "events" {
            let other = kinds::named("events.k8s.io", "events");
            assert_eq!(compare_all(&real, &other, name), 4);
        }
    }
}
