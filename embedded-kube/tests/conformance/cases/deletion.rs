//! How objects go.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{boat, config, idle_pod, job, labelled, list, object, pod, reader, secret, suspended_job, with};
use crate::request::Request;
use crate::stage::Stage;

pub(super) fn cases() -> Vec<Case> {
    [by_hand(), owners(), graces(), by_kubectl()].into_iter().flatten().collect()
}

fn by_hand() -> Vec<Case> {
    let path = "{core}/configmaps/a";
    vec![
        case("deletion-of-one").create([config("a")]).delete(path, Value::Null).get(path).delete(path, Value::Null),
        case("deletion-of-each-kind")
            .create([
                boat("a", &json!({})),
                secret("a"),
                suspended_job("a"),
                reader("Role", "a", &["pods"]),
                reader("ClusterRole", "{ns}", &["pods"]),
                object("v1", "ServiceAccount", "a", &json!({})),
                object("coordination.k8s.io/v1", "Lease", "a", &json!({})),
                object("example.com/v1", "Buoy", "{ns}", &json!({})),
            ])
            .delete("{boats}/a", Value::Null)
            .delete("{core}/secrets/a", Value::Null)
            .delete("{batch}/jobs/a", json!({"propagationPolicy": "Background"}))
            .delete("{rbac}/roles/a", Value::Null)
            .delete("/apis/rbac.authorization.k8s.io/v1/clusterroles/{ns}", Value::Null)
            .delete("{core}/serviceaccounts/a", Value::Null)
            .delete("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/a", Value::Null)
            .delete("/apis/example.com/v1/buoys/{ns}", Value::Null),
        case("deletion-of-what-has-changed")
            .create([config("a")])
            .delete(path, json!({"preconditions": {"uid": "00000000-0000-4000-8000-000000000001"}}))
            .delete(path, json!({"preconditions": {"resourceVersion": "1"}}))
            .delete(path, json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {}})),
        case("deletion-for-show")
            .create([config("a"), boat("a", &json!({}))])
            .delete("{core}/configmaps/a?dryRun=All", Value::Null)
            .delete(path, json!({"dryRun": ["All"]}))
            .delete("{boats}/a?dryRun=All", Value::Null)
            .delete(path, json!({"dryRun": ["Some"]}))
            .get(path),
        case("deletion-with-wrong-options")
            .create([config("a")])
            .delete(path, json!({"propagationPolicy": "Sideways"}))
            .delete(path, json!({"propagationPolicy": "Orphan", "orphanDependents": true}))
            .delete(path, json!({"gracePeriodSeconds": "soon"}))
            .delete(path, json!({"kind": "ConfigMap", "apiVersion": "v1"}))
            .ask(Request::new("DELETE", path).body("application/json", "{"))
            .delete("{core}/configmaps/a?propagationPolicy=Sideways", Value::Null)
            .delete("{core}/configmaps/a?gracePeriodSeconds=soon", Value::Null)
            .get(path)
            .delete(path, json!({"gracePeriodSeconds": -1})),
        case("deletion-of-all")
            .create([
                labelled("a", &json!({"color": "red"})),
                labelled("b", &json!({"color": "red"})),
                labelled("c", &json!({"color": "blue"})),
            ])
            .delete("{core}/configmaps?labelSelector=color%3Dred&dryRun=All", Value::Null)
            .delete("{core}/configmaps?labelSelector=color%3Dred", Value::Null)
            .delete("{core}/configmaps?fieldSelector=metadata.name%3Dc", Value::Null)
            .delete("{core}/configmaps?labelSelector=color%3Dred", Value::Null)
            .kubectl("get configmaps -o name"),
        case("deletion-of-all-boats")
            .create([
                boat("a", &json!({})),
                with(boat("b", &json!({})), &json!({"metadata": {"finalizers": ["example.com/hold"]}})),
            ])
            .delete("{boats}", Value::Null)
            .get("{boats}")
            .delete("/apis/example.com/v1/boats?dryRun=All", Value::Null)
            .seen(|answer| answer["status"].clone())
            .delete("{boats}?labelSelector=a%20b", Value::Null),
    ]
}

/// Makes an object that another one owns.
async fn owned(stage: &Stage, owner: &str, mut object: Value, blocks: bool) {
    let owner = stage.get(owner).await["body"].take();
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": blocks,
    }]);
    let made = stage.create(&object).await;
    assert_eq!(made["status"], 201, "{made}");
}

/// Waits until objects are collected that boats own: a control plane looks at new kinds after a while.
async fn collects(stage: Stage) -> Value {
    for number in 0..60 {
        let (name, path) = (format!("probe-{number}"), format!("{{boats}}/probe-{number}"));
        stage.create(&boat(&name, &json!({}))).await;
        owned(&stage, &path, config(&name), false).await;
        stage.ask(Request::new("DELETE", &path)).await;
        for _ in 0..20 {
            if stage.get(&format!("{{core}}/configmaps/{name}")).await["status"] == 404 {
                return json!("they are");
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    json!("they are not")
}

/// A boat that owns an object that owns another one.
fn with_children(name: &'static str) -> Case {
    case(name)
        .create([boat("owner", &json!({}))])
        .code("what it owns", |stage| {
            Box::pin(async move {
                owned(&stage, "{boats}/owner", config("child"), true).await;
                owned(&stage, "{core}/configmaps/child", secret("grandchild"), false).await;
                json!("made")
            })
        })
        // Who collects hears of objects in their order: once what comes later is collected, it is known whose the child is.
        .code("until what boats own is collected", |stage| Box::pin(collects(stage)))
}

fn owners() -> Vec<Case> {
    let (owner, child) = ("{boats}/owner", "{core}/configmaps/child");
    vec![
        with_children("deletion-in-the-background")
            .delete(owner, json!({"propagationPolicy": "Background"}))
            .until_gone(child)
            .until_gone("{core}/secrets/grandchild"),
        with_children("deletion-in-the-foreground")
            .merge(child, json!({"metadata": {"finalizers": ["example.com/hold"]}}))
            .delete(owner, json!({"propagationPolicy": "Foreground"}))
            .until_that(child, "is about to go", |it| it["metadata"]["deletionTimestamp"].is_string())
            .get(owner)
            .merge(child, json!({"metadata": {"finalizers": null}}))
            .until_gone(owner)
            .until_gone("{core}/secrets/grandchild"),
        with_children("deletion-that-leaves-orphans")
            .delete(owner, json!({"propagationPolicy": "Orphan"}))
            .until_gone(owner)
            .get(child)
            .get("{core}/secrets/grandchild"),
        with_children("deletion-by-default").delete(owner, Value::Null).until_gone("{core}/secrets/grandchild"),
        case("deletion-of-who-has-no-owner")
            .code("until what boats own is collected", |stage| Box::pin(collects(stage)))
            .create([with(
                config("a"),
                &json!({"metadata": {"ownerReferences": [{"apiVersion": "example.com/v1", "kind": "Boat", "name": "none", "uid": "00000000-0000-4000-8000-000000000001"}]}}),
            )])
            .until_gone("{core}/configmaps/a"),
        with_children("deletion-of-one-of-two-owners")
            .create([boat("other", &json!({}))])
            .code("another owner", |stage| {
                Box::pin(async move {
                    let other = stage.get("{boats}/other").await;
                    let uid = &other["body"]["metadata"]["uid"];
                    let owner = json!({"apiVersion": "example.com/v1", "kind": "Boat", "name": "other", "uid": uid});
                    let patch = json!([{"op": "add", "path": "/metadata/ownerReferences/-", "value": owner}]).to_string();
                    let request = Request::new("PATCH", "{core}/configmaps/child").body("application/json-patch+json", patch);
                    stage.ask(request).await
                })
            })
            .delete(owner, json!({"propagationPolicy": "Background"}))
            .until_that(child, "has one owner", |it| it["metadata"]["ownerReferences"].as_array().is_some_and(|all| all.len() == 1))
            .get(child),
    ]
}

fn graces() -> Vec<Case> {
    let path = "{core}/pods/p";
    let stubborn = pod("p", "trap '' TERM; while true; do sleep 0.1; done");
    vec![
        case("grace-of-an-idle-pod").create([idle_pod("p")]).delete(path, Value::Null).get(path),
        case("grace-of-a-running-pod")
            .create([pod("p", "exec sleep 600")])
            .until(path, "/status/phase", "Running")
            .delete(path, Value::Null)
            .until_gone(path),
        case("grace-that-gets-shorter")
            .create([with(stubborn, &json!({"spec": {"terminationGracePeriodSeconds": 500}}))])
            .until(path, "/status/phase", "Running")
            .delete(path, Value::Null)
            .seen(|answer| json!([answer["status"], answer["body"]["metadata"]["deletionGracePeriodSeconds"]]))
            .delete(path, json!({"gracePeriodSeconds": 400}))
            .seen(|answer| json!([answer["status"], answer["body"]["metadata"]["deletionGracePeriodSeconds"]]))
            .delete(path, json!({"gracePeriodSeconds": 1}))
            .seen(|answer| json!([answer["status"], answer["body"]["metadata"]["deletionGracePeriodSeconds"]]))
            .until_gone(path),
        case("grace-of-nothing")
            .create([pod("p", "exec sleep 600")])
            .until(path, "/status/phase", "Running")
            .kubectl("delete pod p --force --grace-period=0")
            .until_gone(path),
        case("grace-of-a-job")
            .create([job("j", "exec sleep 600", &json!({"parallelism": 2}))])
            .until("{batch}/jobs/j", "/status/ready", 2)
            .kubectl("delete job j")
            .until_that("{core}/pods", "is empty", |pods| pods["items"].as_array().is_some_and(Vec::is_empty)),
    ]
}

fn by_kubectl() -> Vec<Case> {
    vec![
        case("delete-by-name")
            .create([config("a"), config("b"), boat("c", &json!({}))])
            .kubectl("delete configmap a")
            .kubectl("delete configmap/b boat/c")
            .kubectl("delete configmap a")
            .kubectl("delete configmap a --ignore-not-found"),
        case("delete-by-label")
            .create([
                labelled("a", &json!({"x": "1"})),
                labelled("b", &json!({"x": "1"})),
                labelled("c", &json!({"x": "2"})),
            ])
            .kubectl("delete configmaps -l x=1")
            .kubectl("delete configmaps -l x=9")
            .kubectl("delete configmaps --field-selector metadata.name=c"),
        case("delete-all")
            .create([boat("a", &json!({})), boat("b", &json!({})), secret("s")])
            .kubectl("delete boats,secrets --all")
            .kubectl("delete boats --all")
            .kubectl("delete boats"),
        case("delete-by-file")
            .file("objects.json", list([config("a"), boat("b", &json!({}))]))
            .kubectl("create -f objects.json")
            .kubectl("delete -f objects.json")
            .kubectl("delete -f objects.json")
            .kubectl("delete -f objects.json --ignore-not-found"),
        case("delete-for-show")
            .create([config("a")])
            .kubectl("delete configmap a --dry-run=server")
            .kubectl("delete configmap a --dry-run=client")
            .kubectl("delete configmap a -o name"),
        case("delete-and-wait")
            .create([pod("p", "exec sleep 600")])
            .until("{core}/pods/p", "/status/phase", "Running")
            .kubectl("delete pod p --now")
            .get("{core}/pods/p"),
        case("delete-and-do-not-wait")
            .create([with(boat("a", &json!({})), &json!({"metadata": {"finalizers": ["example.com/hold"]}}))])
            .kubectl("delete boat a --wait=false")
            .kubectl("delete boat a --timeout=1s")
            .kubectl("get boat a -o jsonpath={.metadata.deletionGracePeriodSeconds}"),
        case("delete-and-leave")
            .create([suspended_job("j")])
            .kubectl("delete job j --cascade=orphan")
            .create([suspended_job("k")])
            .kubectl("delete job k --cascade=foreground")
            .create([suspended_job("l")])
            .kubectl("delete job l --cascade=sideways"),
        case("delete-by-its-path").create([config("a")]).kubectl("delete --raw /api/v1/namespaces/{ns}/configmaps/a"),
    ]
}
