//! Parts of objects that go their own ways: status, generation, finalizers, owners.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{boat, config, idle_pod, object, suspended_job, with};
use crate::request::Request;

pub(super) fn cases() -> Vec<Case> {
    [statuses(), generations(), finalizers()].into_iter().flatten().collect()
}

fn statuses() -> Vec<Case> {
    let status = json!({"phase": "Afloat", "conditions": [{"type": "Ready", "status": "True"}]});
    vec![
        case("status-of-a-new-object")
            .post("{boats}", with(boat("a", &json!({})), &json!({"status": {"phase": "Sunk"}})))
            .post("{core}/pods", with(idle_pod("p"), &json!({"status": {"phase": "Running"}})))
            .get("{boats}/a/status"),
        case("status-that-is-put")
            .create([boat("a", &json!({}))])
            .replace("{boats}/a/status", |it| {
                it["status"] = json!({"phase": "Afloat"});
                it["spec"]["color"] = json!("red");
                it["metadata"]["labels"] = json!({"a": "b"});
                it["metadata"]["annotations"] = json!({"a": "b"});
            })
            .get("{boats}/a"),
        case("status-that-is-not-put")
            .create([boat("a", &json!({}))])
            .merge("{boats}/a/status", json!({"status": status}))
            .replace("{boats}/a", |it| {
                it["status"] = json!({"phase": "Sunk"});
                it["spec"]["color"] = json!("red");
            })
            .merge("{boats}/a", json!({"status": null}))
            .get("{boats}/a"),
        case("status-that-is-patched")
            .create([boat("a", &json!({}))])
            .merge("{boats}/a/status", json!({"status": status, "spec": {"color": "red"}}))
            .json_patch("{boats}/a/status", json!([{"op": "replace", "path": "/status/phase", "value": "Sunk"}]))
            .strategic("{boats}/a/status", json!({"status": {"phase": "x"}}))
            .merge("{boats}/a/status", json!({"status": {"phase": 1}}))
            .merge("{boats}/a/status", json!({"status": {"typo": 1}}))
            .get("{boats}/a"),
        case("status-of-a-kind-without")
            .create([config("a"), object("example.com/v1", "Buoy", "{ns}", &json!({}))])
            .get("{core}/configmaps/a/status")
            .merge("{core}/configmaps/a/status", json!({}))
            .put("{core}/configmaps/a/status", config("a"))
            .get("/apis/example.com/v1/buoys/{ns}/status")
            .get("{core}/configmaps/a/scale")
            .get("{boats}/a/scale"),
        case("status-of-what-is-not-there").get("{boats}/none/status").merge("{boats}/none/status", json!({"status": {}})),
        case("status-of-a-pod")
            .create([idle_pod("p")])
            .strategic("{core}/pods/p/status", json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "message": "m"}}))
            .strategic("{core}/pods/p/status", json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "No"}]}}))
            .merge("{core}/pods/p/status", json!({"spec": {"activeDeadlineSeconds": 5}, "metadata": {"labels": {"a": "b"}}}))
            .merge("{core}/pods/p/status", json!({"status": {"phase": "Nonsense"}}))
            .get("{core}/pods/p"),
        case("status-of-a-job")
            .create([suspended_job("j")])
            .until_job("j", "Suspended")
            .merge("{batch}/jobs/j/status", json!({"status": {"active": -1}}))
            .merge("{batch}/jobs/j/status", json!({"status": {"conditions": [{"type": "Complete", "status": "True"}]}}))
            .merge("{batch}/jobs/j/status", json!({"status": {"completionTime": "2001-02-03T04:05:06Z"}})),
        case("status-of-a-quota")
            .create([object("v1", "ResourceQuota", "a", &json!({"spec": {"hard": {"count/boats.example.com": "5"}}}))])
            .merge("{core}/resourcequotas/a/status", json!({"status": {"hard": {"pods": "1.5"}}})),
    ]
}

/// The generation of an object, and whether something else of its metadata is there.
fn generation(answer: Value) -> Value {
    json!([answer["status"], answer["body"]["metadata"]["generation"]])
}

fn generations() -> Vec<Case> {
    let generations = |case: Case, path: &str, patches: &[Value]| {
        patches.iter().fold(case, |case, patch| case.merge(path, patch.clone()).seen(generation))
    };
    vec![
        generations(
            case("generation-of-a-custom-object").create([boat("a", &json!({}))]),
            "{boats}/a",
            &[
                json!({"metadata": {"labels": {"a": "b"}}}),
                json!({"spec": {"color": "red"}}),
                json!({"spec": {"color": "red"}}),
                json!({"status": {"phase": "x"}}),
                json!({"metadata": {"generation": 40}}),
                json!({"metadata": {"generation": 40}, "spec": {"crew": 3}}),
            ],
        )
        .merge("{boats}/a/status", json!({"status": {"phase": "x"}}))
        .seen(generation),
        generations(
            case("generation-of-a-kind-without-status").create([object(
                "example.com/v1",
                "Buoy",
                "{ns}",
                &json!({"spec": {"a": 1}}),
            )]),
            "/apis/example.com/v1/buoys/{ns}",
            &[
                json!({"spec": {"a": 2}}),
                json!({"other": "x"}),
                json!({"status": {"phase": "x"}}),
                json!({"metadata": {"labels": {"a": "b"}}}),
            ],
        ),
        generations(
            case("generation-of-a-job").create([suspended_job("j")]),
            "{batch}/jobs/j",
            &[
                json!({"spec": {"parallelism": 2}}),
                json!({"metadata": {"labels": {"a": "b"}}}),
                json!({"spec": {"backoffLimit": 2}}),
            ],
        ),
        generations(
            case("generation-of-other-kinds").create([config("a"), idle_pod("p")]),
            "{core}/configmaps/a",
            &[json!({"data": {"size": "2"}})],
        )
        .merge("{core}/pods/p", json!({"spec": {"activeDeadlineSeconds": 5}}))
        .seen(generation)
        .post(
            "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
            object("networking.k8s.io/v1", "NetworkPolicy", "a", &json!({"spec": {"podSelector": {}}})),
        )
        .seen(generation)
        .post("/api/v1/nodes", object("v1", "Node", "{ns}", &json!({})))
        .seen(generation),
    ]
}

fn finalizers() -> Vec<Case> {
    let held = |name: &str| with(boat(name, &json!({})), &json!({"metadata": {"finalizers": ["example.com/hold"]}}));
    let path = "{boats}/a";
    vec![
        case("finalizer-that-holds")
            .create([held("a")])
            .delete(path, Value::Null)
            .get(path)
            .delete(path, Value::Null)
            .merge(path, json!({"spec": {"color": "red"}}))
            .merge(path, json!({"metadata": {"finalizers": null}}))
            .get(path),
        case("finalizer-that-comes-too-late")
            .create([held("a")])
            .delete(path, Value::Null)
            .merge(path, json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}))
            .merge(path, json!({"metadata": {"finalizers": ["example.com/hold"], "deletionTimestamp": null}}))
            .apply("{boats}/a?fieldManager=me", with(boat("a", &json!({})), &json!({"metadata": {"finalizers": ["example.com/more"]}})))
            .replace(path, |it| it["metadata"]["finalizers"] = json!([]))
            .get(path),
        case("finalizer-and-a-name")
            .create([held("a")])
            .delete(path, Value::Null)
            .post("{boats}", boat("a", &json!({})))
            .kubectl("delete boat a --wait=false")
            .kubectl("get boat a -o jsonpath={.metadata.finalizers}")
            .merge("{boats}/a/status", json!({"status": {"phase": "Sinking"}}))
            .json_patch(path, json!([{"op": "remove", "path": "/metadata/finalizers/0"}]))
            .post("{boats}", boat("a", &json!({}))),
        case("finalizer-of-a-configmap")
            .create([with(config("a"), &json!({"metadata": {"finalizers": ["example.com/hold"]}}))])
            .ask(Request::new("DELETE", "{core}/configmaps/a"))
            .merge("{core}/configmaps/a", json!({"metadata": {"finalizers": []}}))
            .get("{core}/configmaps/a"),
        case("owner-that-is-set")
            .create([config("owner")])
            .code("an object that is owned", |stage| {
                Box::pin(async move {
                    let owner = stage.get("{core}/configmaps/owner").await;
                    let uid = &owner["body"]["metadata"]["uid"];
                    let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "blockOwnerDeletion": true});
                    let owned = with(config("owned"), &json!({"metadata": {"ownerReferences": [reference]}}));
                    stage.ask(Request::new("POST", "{core}/configmaps").json(&owned)).await
                })
            })
            .merge("{core}/configmaps/owned", json!({"metadata": {"ownerReferences": null}})),
    ]
}
