//! The life of a namespace.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{boat, config, pod, with};
use crate::request::Request;

/// Another namespace than that of the case.
const OTHER: &str = "/api/v1/namespaces/{ns}-b";

fn other(more: &Value) -> Value {
    with(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "{ns}-b"}}), more)
}

/// Conditions without the order in which they are.
fn conditions(mut answer: Value) -> Value {
    if let Some(all) = answer.pointer_mut("/body/status/conditions").and_then(Value::as_array_mut) {
        all.sort_by_key(|condition| condition["type"].to_string());
    }
    answer
}

/// Whether a namespace says that something is held, and nothing else: kinds that other cases define and remove in the meantime
/// may be in the way at first.
fn says_what_is_left(namespace: &Value) -> bool {
    let says = |kind: &str, status: &str| {
        let all = namespace["status"]["conditions"].as_array();
        all.is_some_and(|all| all.iter().any(|one| one["type"] == kind && one["status"] == status))
    };
    let failures = ["DiscoveryFailure", "GroupVersionParsingFailure", "ContentFailure"];
    says("NamespaceFinalizersRemaining", "True")
        && failures.iter().all(|failure| says(&format!("NamespaceDeletion{failure}"), "False"))
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("namespace-that-comes")
            .post("/api/v1/namespaces", other(&json!({"metadata": {"labels": {"a": "b"}}})))
            .until(&format!("{OTHER}/serviceaccounts/default"), "/metadata/name", "default")
            .get(&format!("{OTHER}/serviceaccounts/default"))
            .until(&format!("{OTHER}/configmaps/kube-root-ca.crt"), "/metadata/name", "kube-root-ca.crt")
            .get(&format!("{OTHER}/configmaps/kube-root-ca.crt"))
            .merge(OTHER, json!({"metadata": {"labels": {"kubernetes.io/metadata.name": "x"}}}))
            .get(OTHER),
        case("namespace-whose-parts-come-back")
            .delete("{core}/configmaps/kube-root-ca.crt", Value::Null)
            .until("{core}/configmaps/kube-root-ca.crt", "/metadata/name", "kube-root-ca.crt")
            .delete("{core}/serviceaccounts/default", Value::Null)
            .until("{core}/serviceaccounts/default", "/metadata/name", "default"),
        case("namespace-that-goes")
            .create([other(&json!({}))])
            .ask(Request::new("POST", &format!("{OTHER}/configmaps")).json(&config("a")))
            .ask(Request::new("POST", "/apis/example.com/v1/namespaces/{ns}-b/boats").json(&boat("a", &json!({}))))
            .delete(OTHER, Value::Null)
            .until_gone(OTHER)
            .get("/apis/example.com/v1/namespaces/{ns}-b/boats")
            .get(&format!("{OTHER}/configmaps")),
        case("namespace-that-is-held")
            .create([other(&json!({}))])
            .ask(
                Request::new("POST", "/apis/example.com/v1/namespaces/{ns}-b/boats")
                    .json(&with(boat("a", &json!({})), &json!({"metadata": {"finalizers": ["example.com/hold"]}}))),
            )
            .delete(OTHER, Value::Null)
            .until_that(OTHER, "says what is left", says_what_is_left)
            .get(OTHER)
            .seen(conditions)
            .kubectl("get namespace {ns}-b")
            .ask(Request::new("POST", &format!("{OTHER}/configmaps")).json(&config("b")))
            .ask(Request::new("POST", "/apis/example.com/v1/namespaces/{ns}-b/boats").json(&boat("b", &json!({}))))
            .kubectl("delete namespace {ns}-b --timeout=1s")
            .merge("/apis/example.com/v1/namespaces/{ns}-b/boats/a", json!({"metadata": {"finalizers": null}}))
            .until_gone(OTHER),
        case("namespace-with-a-finalizer")
            .create([other(&json!({"metadata": {"finalizers": ["example.com/hold"]}}))])
            .delete(OTHER, Value::Null)
            .until_that(OTHER, "is empty", |it| it["spec"]["finalizers"].is_null())
            .get(OTHER)
            .seen(conditions)
            .merge(OTHER, json!({"metadata": {"finalizers": null}}))
            .until_gone(OTHER),
        case("namespace-with-pods")
            .create([other(&json!({}))])
            .until(&format!("{OTHER}/serviceaccounts/default"), "/metadata/name", "default")
            .ask(Request::new("POST", &format!("{OTHER}/pods")).json(&pod("p", "exec sleep 600")))
            .until(&format!("{OTHER}/pods/p"), "/status/phase", "Running")
            .kubectl("delete namespace {ns}-b")
            .get(&format!("{OTHER}/pods/p")),
        case("namespace-that-stays")
            .delete("/api/v1/namespaces/default?dryRun=All", Value::Null)
            .delete("/api/v1/namespaces/kube-system?dryRun=All", Value::Null)
            .kubectl("delete namespace kube-public --dry-run=server")
            .delete("/api/v1/namespaces?dryRun=All", Value::Null),
        case("namespace-that-is-finalized")
            .create([other(&json!({"spec": {"finalizers": ["kubernetes", "example.com/hold"]}}))])
            .get(OTHER)
            .put(&format!("{OTHER}/finalize"), other(&json!({"spec": {"finalizers": ["kubernetes"]}})))
            .merge(OTHER, json!({"spec": {"finalizers": []}}))
            .merge(&format!("{OTHER}/status"), json!({"status": {"phase": "Terminating"}}))
            .get(OTHER),
        case("namespace-by-kubectl")
            .kubectl("create namespace {ns}-b")
            .kubectl("create namespace {ns}-b")
            .kubectl("create namespace 'not a name'")
            .kubectl("get namespace {ns}-b")
            .kubectl("get ns {ns}-b -o yaml")
            .kubectl("describe namespace {ns}-b")
            .kubectl("label namespace {ns}-b team=a")
            .kubectl("delete namespace {ns}-b")
            .kubectl("get namespace {ns}-b"),
    ]
}
