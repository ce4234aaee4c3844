//! Whoever has a say is asked of every write, once, and what is refused is not done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use serde_json::{Value, json};

use super::super::testing::{api, ask, ask_as, root};
use super::{Admission, AdmissionRequest, Api};
use crate::api::access::{Resource, User};

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const OPERATIONS: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

const MAPS: &str = "/api/v1/namespaces/n/configmaps";
const PODS: &str = "/api/v1/namespaces/n/pods";

/// Notes what it is asked, and refuses it when it is told to.
#[derive(Default)]
struct Noted {
    asked: Mutex<Vec<String>>,
    refuses: AtomicBool,
}

impl Noted {
    /// What it was asked since it was last looked at.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Admission for Noted {
    fn name(&self) -> &str {
        "guards.example.com"
    }

    fn admit(&self, request: &AdmissionRequest<'_>) -> Result<(), String> {
        let AdmissionRequest { operation, kind, subresource, namespace, name, user, .. } = request;
        let part = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
        let tried = if request.dry_run { ", tried" } else { "" };
        // Of an object without data, that it is there.
        let shown = |object: Option<&Value>| {
            object.map_or("-", |object| object["data"]["k"].as_str().unwrap_or("+")).to_owned()
        };
        let (old, new) = (shown(request.old_object), shown(request.object));
        let by = if user.name == "root" { String::new() } else { format!(" by {}", user.name) };
        let line = format!("{operation:?} {}{part} {namespace}/{name}{by}{tried}: {old} > {new}", kind.plural);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        if self.refuses.load(Ordering::SeqCst) { Err("it is \"late\"".to_owned()) } else { Ok(()) }
    }
}

/// A hook, and an API that asks it, with a namespace and a ServiceAccount.
async fn noted() -> (Arc<Noted>, Api) {
    let hook = Arc::new(Noted::default());
    let api = api(vec![hook.clone()]).await;
    let account = json!({"metadata": {"name": "default"}});
    assert_eq!(ask(&api, Method::POST, "/api/v1/namespaces/n/serviceaccounts", &account).await.0, 201);
    assert_eq!(hook.take(), ["Create namespaces /n: - > +", "Create serviceaccounts n/default: - > +"]);
    (hook, api)
}

/// How a webhook refuses that has answered with code 403.
fn refusal() -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403,
        "message": "admission webhook \"guards.example.com\" denied the request: it is \"late\"",
    })
}

/// Sends a request that is refused, and once more when it is not; each time, this and nothing else was asked.
async fn tried(
    (api, hook): (&Api, &Noted),
    (method, content): (Method, &'static str),
    path: &str,
    sent: &Value,
    asked: &str,
) {
    let before = api.0.store.version();
    hook.refuses.store(true, Ordering::SeqCst);
    let told = ask_as(api, root(), (method.clone(), content), path, sent).await;
    assert_eq!(told, (403, refusal()), "{method} {path}");
    assert_eq!(hook.take(), [asked], "{method} {path}");
    assert_eq!(api.0.store.version(), before, "{method} {path}");
    hook.refuses.store(false, Ordering::SeqCst);
    let (status, told) = ask_as(api, root(), (method.clone(), content), path, sent).await;
    assert!(matches!(status, 200 | 201), "{method} {path}: {told}");
    assert_eq!(hook.take(), [asked], "{method} {path}");
}

fn map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}})
}

#[tokio::test]
async fn every_write_of_an_object_can_be_refused() {
    let (hook, api) = noted().await;
    let value = |value: &str| json!({"data": {"k": value}});
    let operations = json!([{"op": "replace", "path": "/data/k", "value": "4"}]);
    let without_doing = json!({"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]});
    for (method, content, place, sent, asked) in [
        (Method::POST, JSON, "", map("a", "1"), "Create configmaps n/a: - > 1"),
        (Method::POST, JSON, "?dryRun=All", map("c", "1"), "Create configmaps n/c, tried: - > 1"),
        (Method::PUT, JSON, "/a", map("a", "2"), "Update configmaps n/a: 1 > 2"),
        (Method::PATCH, MERGE, "/a", value("3"), "Update configmaps n/a: 2 > 3"),
        (Method::PATCH, OPERATIONS, "/a", operations, "Update configmaps n/a: 3 > 4"),
        (Method::PATCH, STRATEGIC, "/a", value("5"), "Update configmaps n/a: 4 > 5"),
        (Method::PATCH, APPLY, "/a?fieldManager=t&force=true", map("a", "6"), "Update configmaps n/a: 5 > 6"),
        (Method::PATCH, MERGE, "/a?dryRun=All", value("7"), "Update configmaps n/a, tried: 6 > 7"),
        // Nothing changes, and it is asked for all the same.
        (Method::PUT, JSON, "/a", map("a", "6"), "Update configmaps n/a: 6 > 6"),
        (Method::PATCH, APPLY, "/b?fieldManager=t", map("b", "1"), "Create configmaps n/b: - > 1"),
        (Method::DELETE, JSON, "/b", without_doing, "Delete configmaps n/b, tried: 1 > -"),
        (Method::DELETE, JSON, "/b", Value::Null, "Delete configmaps n/b: 1 > -"),
        (Method::DELETE, JSON, "", Value::Null, "Delete configmaps n/a: 6 > -"),
    ] {
        tried((&api, &hook), (method, content), &format!("{MAPS}{place}"), &sent, asked).await;
    }
    let lease = "/apis/coordination.k8s.io/v1/namespaces/n/leases/l";
    let sent = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}});
    tried((&api, &hook), (Method::PUT, JSON), lease, &sent, "Create leases n/l: - > +").await;
}

#[tokio::test]
async fn a_collection_goes_until_one_of_it_is_kept() {
    let (hook, api) = noted().await;
    for name in ["a", "b"] {
        assert_eq!(ask(&api, Method::POST, MAPS, &map(name, "1")).await.0, 201);
    }
    hook.take();
    hook.refuses.store(true, Ordering::SeqCst);
    assert_eq!(ask(&api, Method::DELETE, MAPS, &Value::Null).await, (403, refusal()));
    assert_eq!(hook.take(), ["Delete configmaps n/a: 1 > -"]);
    hook.refuses.store(false, Ordering::SeqCst);
    assert_eq!(ask(&api, Method::DELETE, MAPS, &Value::Null).await.0, 200);
    assert_eq!(hook.take(), ["Delete configmaps n/a: 1 > -", "Delete configmaps n/b: 1 > -"]);
}

#[tokio::test]
async fn parts_can_be_refused_and_a_pod_that_is_sent_away_is_asked_for_once() {
    let (hook, api) = noted().await;
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let bound = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": "x"},
    });
    let evicted = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}});
    let told = json!({"status": {"message": "m"}});
    for (method, content, place, sent, asked) in [
        (Method::POST, JSON, "", pod, "Create pods n/p: - > +"),
        (Method::PATCH, MERGE, "/p/status", told, "Update pods/status n/p: + > +"),
        (Method::POST, JSON, "/p/binding", bound, "Create pods/binding n/p: - > +"),
        (Method::POST, JSON, "/p/eviction", evicted, "Create pods/eviction n/p: - > +"),
    ] {
        tried((&api, &hook), (method, content), &format!("{PODS}{place}"), &sent, asked).await;
    }
    let (_, pod) = ask(&api, Method::GET, &format!("{PODS}/p"), &Value::Null).await;
    assert_eq!((&pod["spec"]["nodeName"], &pod["status"]["message"]), (&json!("x"), &json!("m")));
    assert!(pod["metadata"]["deletionTimestamp"].is_string(), "{pod}");

    let home = "/api/v1/namespaces/n";
    let (_, namespace) = ask(&api, Method::GET, home, &Value::Null).await;
    let finalize = format!("{home}/finalize");
    tried((&api, &hook), (Method::PUT, JSON), &finalize, &namespace, "Update namespaces/finalize /n: + > +").await;
}

#[tokio::test]
async fn nobody_is_asked_of_what_would_not_be_done_anyway() {
    let (hook, api) = noted().await;
    assert_eq!(ask(&api, Method::POST, MAPS, &map("a", "1")).await.0, 201);
    hook.take();
    let other = json!({"preconditions": {"uid": "another"}});
    let a = format!("{MAPS}/a");
    for (method, path, sent, status) in [
        (Method::POST, MAPS.to_owned(), map("A b", "1"), 422),
        (Method::PUT, a.clone(), map("b", "1"), 400),
        (Method::PUT, format!("{MAPS}/b"), map("b", "1"), 404),
        (Method::DELETE, a.clone(), other, 409),
        (Method::DELETE, format!("{MAPS}/b"), Value::Null, 404),
        (Method::DELETE, "/api/v1/namespaces/default".to_owned(), Value::Null, 403),
        (Method::POST, format!("{PODS}/p/eviction"), json!({"metadata": {"name": "q"}}), 400),
    ] {
        let told = ask(&api, method.clone(), &path, &sent).await;
        assert_eq!(told.0, status, "{method} {path}: {}", told.1);
    }
    let nobody = User { name: "nobody".into(), ..User::default() };
    let (status, told) = ask_as(&api, nobody, (Method::DELETE, JSON), &a, &Value::Null).await;
    assert_eq!(status, 403);
    let why = "User \"nobody\" cannot delete resource \"configmaps\" in API group \"\" in the namespace \"n\"";
    assert_eq!(told["message"], format!("configmaps \"a\" is forbidden: {why}"));
    let asked = hook.take();
    assert!(asked.is_empty(), "{asked:?}");
}

/// Lets a ConfigMap be written by those alone who may publish.
struct Publishing;

impl Admission for Publishing {
    fn name(&self) -> &str {
        "publishing.example.com"
    }

    fn admit(&self, request: &AdmissionRequest<'_>) -> Result<(), String> {
        let published = Resource {
            namespace: request.namespace.to_owned(),
            resource: "configmaps".to_owned(),
            subresource: "publish".to_owned(),
            ..Resource::default()
        };
        if request.kind.plural != "configmaps" || request.may("create", published) {
            return Ok(());
        }
        Err(format!("{} may not publish {}", request.user.name, request.name))
    }
}

/// Makes a ConfigMap as somebody.
async fn made(api: &Api, name: &str, object: &Value) -> (u16, Value) {
    let user = User { name: name.to_owned(), ..User::default() };
    ask_as(api, user, (Method::POST, JSON), MAPS, object).await
}

#[tokio::test]
async fn what_somebody_may_besides_can_be_asked_for() {
    let hook = Arc::new(Noted::default());
    let api = api(vec![hook.clone(), Arc::new(Publishing)]).await;
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/n";
    for (user, resources) in [("ann", json!(["configmaps"])), ("bob", json!(["configmaps", "configmaps/publish"]))] {
        let role = json!({
            "metadata": {"name": user}, "rules": [{"apiGroups": [""], "resources": resources, "verbs": ["create"]}],
        });
        let group = "rbac.authorization.k8s.io";
        let binding = json!({
            "metadata": {"name": user},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": user},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        });
        for (plural, object) in [("roles", role), ("rolebindings", binding)] {
            let (status, told) = ask(&api, Method::POST, &format!("{roles}/{plural}"), &object).await;
            assert_eq!(status, 201, "{told}");
        }
    }
    hook.take();
    let (status, told) = made(&api, "ann", &map("a", "1")).await;
    let why = "admission webhook \"publishing.example.com\" denied the request: ann may not publish a";
    assert_eq!((status, &told["message"]), (403, &json!(why)));
    let (status, told) = made(&api, "bob", &map("b", "1")).await;
    assert_eq!((status, &told["data"]["k"]), (201, &json!("1")));
    assert_eq!(hook.take(), ["Create configmaps n/a by ann: - > 1", "Create configmaps n/b by bob: - > 1"]);
    assert_eq!(ask(&api, Method::POST, MAPS, &map("c", "1")).await.0, 201, "root may do everything");
    // A refusal of the first ends it: the second is not asked.
    hook.refuses.store(true, Ordering::SeqCst);
    let (status, told) = made(&api, "ann", &map("d", "1")).await;
    assert_eq!((status, told), (403, refusal()));

    let begun = json!({"metadata": {"generateName": "d-"}});
    hook.refuses.store(false, Ordering::SeqCst);
    hook.take();
    let (status, told) = made(&api, "bob", &begun).await;
    let name = told["metadata"]["name"].as_str().unwrap_or_default();
    assert_eq!((status, hook.take()), (201, vec![format!("Create configmaps n/{name} by bob: - > +")]), "{told}");
}
