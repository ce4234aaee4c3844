use http::Method;
use serde_json::{Value, json};

use super::super::Api;
use super::super::testing::{api, ask};
use crate::api::store::{Key, Resource, Scope};

const PODS: &str = "/api/v1/namespaces/n/pods";

fn pod(metadata: &Value, account: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"serviceAccountName": account, "containers": [{"name": "c", "image": "i"}]},
    })
}

async fn add_account(api: &Api, name: &str) {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    let (status, told) = ask(api, Method::POST, "/api/v1/namespaces/n/serviceaccounts", &account).await;
    assert_eq!(status, 201, "{told}");
}

#[tokio::test]
async fn a_pod_has_a_service_account_and_its_token() {
    let api = api(Vec::new()).await;
    for (metadata, called) in [(json!({"name": "a"}), "a"), (json!({"generateName": "a-"}), "a-")] {
        let (status, told) = ask(&api, Method::POST, PODS, &pod(&metadata, "worker")).await;
        let why = "error looking up service account n/worker: serviceaccount \"worker\" not found";
        assert_eq!((status, &told["reason"]), (403, &json!("Forbidden")));
        assert_eq!(told["message"], format!("pods \"{called}\" is forbidden: {why}"));
        assert_eq!(told["details"], json!({"name": called, "kind": "pods"}));
    }
    add_account(&api, "worker").await;
    let wanted = pod(&json!({"name": "a"}), "worker");
    let (status, dry) = ask(&api, Method::POST, &format!("{PODS}?dryRun=All"), &wanted).await;
    assert_eq!((status, dry["spec"]["volumes"].as_array().map(Vec::len)), (201, Some(1)), "{dry}");
    assert_eq!(ask(&api, Method::GET, &format!("{PODS}/a"), &Value::Null).await.0, 404);
    let (status, made) = ask(&api, Method::POST, PODS, &wanted).await;
    assert_eq!(status, 201, "{made}");
    let spec = &made["spec"];
    let volume = spec["volumes"][0]["name"].as_str().unwrap_or_default();
    assert!(volume.strip_prefix("kube-api-access-").is_some_and(|end| end.len() == 5), "{volume}");
    assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], volume);
    assert_eq!((&spec["serviceAccount"], &spec["priority"]), (&json!("worker"), &json!(0)));
    assert_eq!(spec["tolerations"].as_array().map(Vec::len), Some(2));
    // What nobody has sent is nobody's.
    let owned = &made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"];
    assert!(owned.get("f:containers").is_some() && owned.get("f:volumes").is_none(), "{owned}");
}

#[tokio::test]
async fn the_service_account_of_a_new_namespace_is_waited_for() {
    let api = api(Vec::new()).await;
    let wanted = pod(&json!({"name": "a"}), "");
    let ((status, made), ()) = tokio::join!(ask(&api, Method::POST, PODS, &wanted), add_account(&api, "default"));
    assert_eq!((status, &made["spec"]["serviceAccountName"]), (201, &json!("default")), "{made}");
}

#[tokio::test]
async fn what_is_never_replaced_blindly_needs_a_version() {
    let api = api(Vec::new()).await;
    let path = "/apis/coordination.k8s.io/v1/namespaces/n/leases/l";
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}});
    assert_eq!(ask(&api, Method::PUT, path, &lease).await.0, 201, "a replaced Lease need not be there");
    let (status, told) = ask(&api, Method::PUT, path, &lease).await;
    let what = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
    assert_eq!((status, &told["details"]["kind"]), (422, &json!("leases")));
    assert_eq!(told["message"], format!("leases.coordination.k8s.io \"l\" is invalid: {what}"));

    let path = "/api/v1/namespaces/n/configmaps/m";
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "v"}});
    assert_eq!(ask(&api, Method::PUT, path, &map).await.0, 404);
    ask(&api, Method::POST, "/api/v1/namespaces/n/configmaps", &map).await;
    let (status, told) = ask(&api, Method::PUT, path, &map).await;
    assert_eq!((status, &told["data"]["k"]), (200, &json!("v")));
}

#[tokio::test]
async fn a_definition_goes_after_everything_of_its_kind() {
    let api = api(Vec::new()).await;
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "deprecated": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    let (status, made) = ask(&api, Method::POST, definitions, &definition).await;
    assert_eq!((status, &made["status"]["conditions"]), (201, &Value::Null), "it is accepted after that");
    let path = "/apis/example.com/v1/namespaces/n/things";
    let thing = |name: &str| {
        let metadata = json!({"name": name, "finalizers": ["example.com/hold"]});
        json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": metadata})
    };
    assert_eq!(ask(&api, Method::POST, path, &thing("a")).await.0, 201, "it is served when the answer is there");
    let resource = |group: &str, plural: &str| Resource { group: group.into(), plural: plural.into() };
    let own = Key { resource: resource("example.com", "things"), namespace: "n".into(), name: "a".into() };
    let (_, mut things) = api.0.store.list_and_watch(&own.resource, &Scope::default());

    let of_definition = format!("{definitions}/things.example.com");
    let (status, told) = ask(&api, Method::DELETE, &of_definition, &Value::Null).await;
    assert_eq!((status, &told["status"]["conditions"][2]["reason"]), (200, &json!("InstanceDeletionPending")));
    assert_eq!(told["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    let (status, told) = ask(&api, Method::POST, path, &thing("b")).await;
    let why = "create not allowed while custom resource definition is terminating";
    assert_eq!(status, 403);
    assert_eq!(told["message"], format!("things.example.com \"b\" is forbidden: {why}"));

    things.next().await.expect("it was not slow").expect("the store is open");
    let mut there = api.0.store.get(&own).expect("a finalizer keeps it").object.clone();
    assert!(there["metadata"]["deletionTimestamp"].is_string(), "{there}");
    there["metadata"]["finalizers"] = json!([]);
    let definition = resource("apiextensions.k8s.io", "customresourcedefinitions");
    let (_, mut watch) = api.0.store.list_and_watch(&definition, &Scope::default());
    assert_eq!(ask(&api, Method::PUT, &format!("{path}/a"), &there).await.0, 200);
    let key = Key { resource: definition, namespace: String::new(), name: "things.example.com".into() };
    while api.0.store.get(&key).is_some() {
        watch.next().await.expect("it was not slow").expect("the store is open");
    }
    assert_eq!(ask(&api, Method::GET, &of_definition, &Value::Null).await.0, 404);
}
