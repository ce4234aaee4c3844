//! The API in one process, as our programs use it: by a client that does not know the difference.

use std::sync::Arc;

use aggregator_embedded_kube::api::serve::{Api as Served, Parts, in_process};
use aggregator_embedded_kube::api::store::Store;
use aggregator_tests::folder;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::runtime::{WatchStreamExt, watcher};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

async fn client() -> Client {
    let parts = Parts::over(Store::open(None).expect("a store")).expect("a key");
    let api = Served::open(parts).await.expect("an API");
    Client::new(in_process(api), "demo")
}

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object")
}

async fn demo(client: &Client) {
    let namespace: Namespace = object(json!({"metadata": {"name": "demo"}}));
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.expect("a namespace");
}

fn code(error: &kube::Error) -> (u16, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.message.clone()),
        other => unreachable!("the API answers: {other}"),
    }
}

#[tokio::test]
async fn objects_come_change_and_go() {
    let client = client().await;
    demo(&client).await;
    let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let made = object(json!({"metadata": {"name": "a", "labels": {"color": "red"}}, "data": {"k": "v"}}));
    let made = api.create(&PostParams::default(), &made).await.expect("it is new");
    assert!(made.metadata.uid.is_some() && made.metadata.creation_timestamp.is_some(), "{made:?}");
    let again = api.create(&PostParams::default(), &object(json!({"metadata": {"name": "a"}}))).await;
    assert_eq!(code(&again.expect_err("it is there")), (409, "configmaps \"a\" already exists".into()));
    let elsewhere: Api<ConfigMap> = Api::namespaced(client.clone(), "nowhere");
    let lost = elsewhere.create(&PostParams::default(), &object(json!({"metadata": {"name": "a"}}))).await;
    assert_eq!(code(&lost.expect_err("there is no such namespace")), (404, "namespaces \"nowhere\" not found".into()));

    let patch = Patch::Merge(json!({"data": {"k": "w"}}));
    let patched = api.patch("a", &PatchParams::default(), &patch).await.expect("it is there");
    assert_eq!(patched.data.expect("data")["k"], "w");
    assert!(patched.metadata.resource_version > made.metadata.resource_version);
    let mut stale = made.clone();
    stale.data = Some([("k".to_owned(), "x".to_owned())].into());
    let stale = api.replace("a", &PostParams::default(), &stale).await.expect_err("it has changed");
    assert_eq!(code(&stale).0, 409);

    let red = api.list(&ListParams::default().labels("color=red")).await.expect("a list");
    let blue = api.list(&ListParams::default().labels("color in (blue)")).await.expect("a list");
    assert_eq!((red.items.len(), blue.items.len()), (1, 0));
    api.delete("a", &DeleteParams::default()).await.expect("it is there");
    let gone = api.get("a").await.expect_err("it is gone");
    assert_eq!(code(&gone), (404, "configmaps \"a\" not found".into()));
}

#[tokio::test]
async fn who_applies_owns_and_conflicts_are_told() {
    let client = client().await;
    demo(&client).await;
    let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let body =
        |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}});
    let one = PatchParams::apply("one");
    api.patch("a", &one, &Patch::Apply(body("1"))).await.expect("it is made");
    let other =
        api.patch("a", &PatchParams::apply("other"), &Patch::Apply(body("2"))).await.expect_err("it is another's");
    let (status, message) = code(&other);
    assert_eq!(status, 409);
    assert!(message.starts_with("Apply failed with 1 conflict: conflict with \"one\": .data.k"), "{message}");
    let forced = PatchParams::apply("other").force();
    let taken = api.patch("a", &forced, &Patch::Apply(body("2"))).await.expect("it is taken over");
    assert_eq!(taken.data.expect("data")["k"], "2");
}

#[tokio::test]
async fn kinds_of_definitions_are_served_and_watched() {
    let client = client().await;
    demo(&client).await;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for entry in std::fs::read_dir(folder::workspace().join("crds/generated")).expect("a folder") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("text");
        let definition: CustomResourceDefinition = serde_saphyr::from_str(&text).expect("a definition");
        definitions.create(&PostParams::default(), &definition).await.expect("it is new");
    }
    let kind = GroupVersionKind::gvk("aggregator.dev", "v1alpha1", "Schedule");
    let api: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &ApiResource::from_gvk(&kind));
    let seen = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    let watching = tokio::spawn({
        let (api, seen) = (api.clone(), Arc::clone(&seen));
        async move {
            let mut events = watcher(api, watcher::Config::default()).applied_objects().boxed();
            while let Some(object) = events.try_next().await.expect("an event") {
                let name = object.metadata.name.clone().unwrap_or_default();
                seen.lock().await.push(name.clone());
                if name == "last" {
                    return;
                }
            }
        }
    });
    let schedule = |name: &str, every: Value| -> DynamicObject {
        object(json!({
            "apiVersion": "aggregator.dev/v1alpha1", "kind": "Schedule", "metadata": {"name": name},
            "spec": {"pipelineRef": {"name": "p"}, "interval": {"every": every}},
        }))
    };
    let made = api.create(&PostParams::default(), &schedule("first", json!("1h"))).await.expect("it is new");
    assert_eq!(made.data["spec"]["concurrencyPolicy"], "Forbid", "its default");
    assert_eq!(made.metadata.generation, Some(1));
    let wrong = api.create(&PostParams::default(), &schedule("wrong", json!(5))).await.expect_err("it is no text");
    let (status, message) = code(&wrong);
    assert_eq!(status, 422);
    assert!(message.contains("spec.interval.every: Invalid value"), "{message}");
    let status = Patch::Merge(json!({"status": {"trigger": "every 1h"}, "spec": {"suspend": true}}));
    let said = api.patch_status("first", &PatchParams::default(), &status).await.expect("it is there");
    assert_eq!((&said.data["status"]["trigger"], &said.data["spec"]["suspend"]), (&json!("every 1h"), &json!(false)));
    api.create(&PostParams::default(), &schedule("last", json!("1h"))).await.expect("it is new");
    tokio::time::timeout(std::time::Duration::from_secs(30), watching).await.expect("in time").expect("no panic");
    let seen = seen.lock().await;
    assert!(seen.contains(&"first".to_owned()) && !seen.contains(&"wrong".to_owned()), "{seen:?}");
}
