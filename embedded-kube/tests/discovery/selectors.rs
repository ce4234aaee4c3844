//! Selectors: what they mean, and what is said of those that mean nothing.

use aggregator_embedded_kube::api::selector::{FieldSelector, LabelSelector};
use axum::http::Method;
use serde_json::{Value, json};

use crate::kinds;
use crate::real::Real;

const LABELS: [&str; 104] = [
    "",
    " ",
    "a",
    "!a",
    "! a",
    "a=b",
    "a==b",
    "a!=b",
    "a = b",
    "a=",
    "a==",
    "a!=",
    "a,b",
    "a,!b",
    "a, b",
    "a ,b",
    "a,",
    ",a",
    ",",
    "a,,b",
    "!",
    "!!a",
    "!a=b",
    "!a,b",
    "a b",
    "a b c",
    "=",
    "==",
    "=a",
    "a=b=c",
    "a===b",
    "a=!b",
    "a=b c",
    "a in (b)",
    "a in (b,c)",
    "a in (c,b)",
    "a in ( b , c )",
    "a in(b)",
    "a in ()",
    "a in (,)",
    "a in (b,)",
    "a in (,b)",
    "a in (b,,c)",
    "a in",
    "a in b",
    "a in (",
    "a in (b",
    "a in (b,",
    "a in (b c)",
    "a in (b=c)",
    "a in (b),c",
    "a in (b) c",
    "a in )",
    "a in ((b))",
    "a notin (b)",
    "a notin ()",
    "a notin",
    "a notin (b,c),d",
    "in",
    "notin",
    "in in (in)",
    "in in (in,notin)",
    "a=in",
    "a=notin",
    "in=a",
    "a in (in",
    "a>1",
    "a<1",
    "a>",
    "a>x",
    "a>1.5",
    "a<-1",
    "a>1,b<2",
    "a>=1",
    "a><1",
    "a in (1)>2",
    "(a)",
    "a)",
    "a=(b)",
    "-a",
    "a-",
    "a_b.c",
    "a/b",
    "a/b=c",
    "A/b",
    "/b",
    "a/",
    "a/b/c",
    "example.com/a in (b)",
    "a=-",
    "a=b-",
    "a=ä",
    "ä",
    "a=b\tc",
    "a\t=\tb",
    "a\nin\n(b)",
    "a=\"b\"",
    "a='b'",
    "a=b;c",
    "a=b|c",
    "a,a",
    "a=b,a=c",
    "b,a",
    "a==b,c!=d,!e,f in (g,h)",
];

/// The text within an address.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn label_selectors_are_read_as_by_the_api_server() {
    let real = Real::start();
    let namespace = real.plane.namespace();
    let objects: Vec<Value> = [
        json!({}),
        json!({"a": "b"}),
        json!({"a": "c"}),
        json!({"a": ""}),
        json!({"a": "1", "b": "1"}),
        json!({"a": "2", "b": "x", "in": "in"}),
        json!({"a": "b", "c": "x", "f": "g", "a/b": "c", "example.com/a": "b", "in": "a"}),
        json!({"b": "b", "notin": "a", "a_b.c": ""}),
        json!({"a": "in"}),
        json!({"a": "7"}),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, labels)| json!({"metadata": {"name": format!("m{number}"), "labels": labels}}))
    .collect();
    let place = format!("/api/v1/namespaces/{}/configmaps", namespace.name());
    for object in &objects {
        real.create(&place, object);
    }
    let long = format!("{}=x", "k".repeat(64));
    let far = format!("{}/x", "k".repeat(254));
    let much = format!("a={}", "v".repeat(64));
    let several = format!("a in (-,{},b.)", "v".repeat(64));
    let (mut selections, mut refusals) = (0, 0);
    for text in LABELS.into_iter().chain([long.as_str(), far.as_str(), much.as_str(), several.as_str()]) {
        let answer = real.get(&format!("{place}?labelSelector={}", encoded(text)));
        match LabelSelector::parse(text) {
            Ok(selector) => {
                assert_eq!(answer.code, 200, "{text:?}: {}", answer.body);
                let theirs: Vec<Value> = answer.json()["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item["metadata"]["name"].clone())
                    // It comes by itself.
                    .filter(|name| name != "kube-root-ca.crt")
                    .collect();
                let ours: Vec<Value> = objects
                    .iter()
                    .filter(|object| selector.matches(object))
                    .map(|object| object["metadata"]["name"].clone())
                    .collect();
                assert_eq!(ours, theirs, "{text:?}");
                selections += 1;
            }
            Err(refusal) => {
                assert_eq!(refusal.status(), answer.json(), "{text:?}");
                refusals += 1;
            }
        }
    }
    assert!(selections > 40 && refusals > 40, "{selections} selections, {refusals} refusals");
}

#[test]
fn field_selectors_are_read_as_by_the_api_server() {
    let real = Real::start();
    let namespace = real.plane.namespace();
    let name = namespace.name();
    let pods = format!("/api/v1/namespaces/{name}/pods");
    for (number, (spec, status)) in [
        (json!({"schedulerName": "none"}), json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]})),
        (json!({"schedulerName": "none", "restartPolicy": "Never"}), json!({"phase": "Failed"})),
        (json!({"schedulerName": "none", "hostNetwork": true}), json!({"nominatedNodeName": "n"})),
    ]
    .into_iter()
    .enumerate()
    {
        let mut pod = json!({"metadata": {"name": format!("p{number}")}, "spec": spec, "status": status});
        pod["spec"]["containers"] = json!([{"name": "c", "image": "i"}]);
        real.create(&pods, &pod);
    }
    for kind in ["Opaque", "example.com/kind"] {
        let secret = json!({"metadata": {"generateName": "s-"}, "type": kind});
        real.create(&format!("/api/v1/namespaces/{name}/secrets"), &secret);
    }
    let event = json!({
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "namespace": name, "name": "p0", "uid": "u", "apiVersion": "v1", "fieldPath": "spec"},
        "reason": "Begun", "type": "Normal", "source": {"component": "c"}, "reportingComponent": "r", "message": "m",
    });
    real.create(&format!("/api/v1/namespaces/{name}/events"), &event);
    for (number, spec) in
        [json!({"color": "red", "size": 3}), json!({"color": "blue", "washed": true}), json!({"color": ""})]
            .into_iter()
            .enumerate()
    {
        let shirt = json!({
            "apiVersion": "wear.example.com/v1", "kind": "Shirt",
            "metadata": {"name": format!("s{number}")}, "spec": spec,
        });
        real.create(&format!("/apis/wear.example.com/v1/namespaces/{name}/shirts"), &shirt);
    }
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let job = json!({"metadata": {"name": "j"}, "spec": {"suspend": true, "template": template}});
    real.create(&format!("/apis/batch/v1/namespaces/{name}/jobs"), &job);
    real.create("/api/v1/nodes", &json!({"metadata": {"generateName": "n-"}}));
    let cap = json!({"apiVersion": "wear.example.com/v1", "kind": "Cap", "metadata": {"generateName": "c-"}});
    real.create("/apis/wear.example.com/v1/caps", &cap);
    let selectable = ["spec.color", "spec.size", "spec.washed"].map(str::to_owned);
    let everywhere = [
        "metadata.name=p0",
        "metadata.namespace=default",
        "metadata.name!=p0,metadata.namespace!=x",
        "metadata.uid=1",
        "a",
        "a=\\x",
        "a=b=c",
        "a=b,c",
        "=",
        "!=x",
        "metadata.name=p\\,0",
        "metadata.name=x\\",
        "spec.color=red",
    ];
    let (mut selections, mut refusals) = (0, 0);
    for (group, plural, own) in [
        (
            "",
            "pods",
            &[
                "spec.nodeName=",
                "spec.host=",
                "spec.nodeName!=x",
                "spec.restartPolicy=Never",
                "spec.schedulerName=none",
                "spec.serviceAccountName=default",
                "spec.hostNetwork=true",
                "spec.hostNetwork=false",
                "status.phase=Running",
                "status.phase!=Running,spec.restartPolicy=Always",
                "status.podIP=10.0.0.1",
                "status.podIPs=10.0.0.1",
                "status.podIPs=",
                "status.nominatedNodeName=n",
                "status.reason=x",
            ][..],
        ),
        ("", "secrets", &["type=Opaque", "type!=Opaque", "type==example.com/kind", "data=x"]),
        ("", "namespaces", &["status.phase=Active", "status.phase=Terminating", "name=default", "spec.x="]),
        ("", "nodes", &["spec.unschedulable=false", "spec.unschedulable=", "spec.podCIDR=x"]),
        (
            "",
            "events",
            &[
                "involvedObject.kind=Pod",
                "involvedObject.name=p0,involvedObject.uid=u",
                "involvedObject.fieldPath=spec",
                "involvedObject.resourceVersion=",
                "involvedObject.apiVersion=v1",
                "reason=Begun",
                "reason!=Begun",
                "reportingComponent=r",
                "source=c",
                "type=Normal",
                "regarding.name=p0",
                "note=m",
            ],
        ),
        (
            "events.k8s.io",
            "events",
            &[
                "regarding.kind=Pod",
                "regarding.name=p0,regarding.uid=u",
                "reportingController=r",
                "reason=Begun",
                "type=Normal",
                "involvedObject.name=p0",
                "source=c",
            ],
        ),
        ("batch", "jobs", &["status.successful=0", "status.active=1"]),
        ("", "configmaps", &["data=x", "immutable=true"]),
        ("rbac.authorization.k8s.io", "clusterroles", &["rules=x"]),
        ("apiextensions.k8s.io", "customresourcedefinitions", &["spec.group=x"]),
        (
            "wear.example.com",
            "shirts",
            &[
                "spec.color=red",
                "spec.color!=red",
                "spec.color=",
                "spec.size=3",
                "spec.size=4",
                "spec.washed=true",
                "spec.washed=",
                "spec.price=1",
                "status.x=",
            ],
        ),
        ("wear.example.com", "caps", &["spec.color=red", "metadata.namespace=x"]),
    ] {
        let kind = kinds::named(group, plural);
        let place = kinds::place(&kind, name);
        for text in everywhere.iter().chain(own) {
            // Others may come, go and change meanwhile, but not in the namespace of the test.
            let before = real.get(&place).json();
            let answer = real.get(&format!("{place}?fieldSelector={}", encoded(text)));
            let after = real.get(&place).json();
            let selectable: &[String] = if plural == "shirts" { &selectable } else { &[] };
            match FieldSelector::parse(text, &kind, selectable) {
                Ok(selector) => {
                    assert_eq!(answer.code, 200, "{text} of {plural}: {}", answer.body);
                    let items = |list: &Value| list["items"].as_array().cloned().unwrap_or_default();
                    let mut still = items(&after);
                    still.retain(|item| items(&before).contains(item));
                    assert!(!still.is_empty(), "{place} is empty");
                    let mut theirs = items(&answer.json());
                    theirs.retain(|item| still.contains(item));
                    let mut ours = still;
                    ours.retain(|item| selector.matches(&kind, item));
                    assert_eq!(ours, theirs, "{text} of {plural}");
                    selections += 1;
                }
                Err(refusal) => {
                    assert_eq!(refusal.status(), answer.json(), "{text} of {plural}");
                    refusals += 1;
                }
            }
        }
    }
    assert!(selections > 60 && refusals > 60, "{selections} selections, {refusals} refusals");
    real.send(Method::DELETE, &pods, &json!({}));
}
