//! Apply: by the client, and by the server.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{boat, config, idle_pod, list, object, secret, suspended_job, with};
use crate::request::Request;

pub(super) fn cases() -> Vec<Case> {
    [by_the_client(), differences(), by_the_server(), by_hand(), by_hand_with_lists()].into_iter().flatten().collect()
}

/// A ConfigMap with other data.
fn data(data: &Value) -> Value {
    object("v1", "ConfigMap", "a", &json!({"data": data}))
}

fn by_the_client() -> Vec<Case> {
    let path = "{core}/configmaps/a";
    vec![
        case("apply-again-and-again")
            .kubectl_with("apply -f -", config("a"))
            .kubectl_with("apply -f -", config("a"))
            .kubectl_with("apply -f -", data(&json!({"color": "blue", "size": "2"})))
            .kubectl_with("apply -f -", data(&json!({"size": "2"})))
            .get(path),
        case("apply-what-others-have-changed")
            .kubectl_with("apply -f -", data(&json!({"color": "red", "size": "1"})))
            .merge(path, json!({"data": {"color": "green", "other": "x"}}))
            .kubectl_with("apply -f - -o yaml", data(&json!({"color": "blue"}))),
        case("apply-what-was-created")
            .create([config("a")])
            .kubectl_with("apply -f -", data(&json!({"size": "2"})))
            .get(path)
            .kubectl_with("apply -f -", data(&json!({"length": "3"}))),
        case("apply-a-custom-kind")
            .kubectl_with("apply -f -", boat("a", &json!({"tags": ["x"], "sails": [{"name": "main"}]})))
            .kubectl_with("apply -f -", boat("a", &json!({"tags": ["x", "y"], "sails": [{"name": "jib"}], "color": "red"})))
            .kubectl_with("apply -f -", boat("a", &json!({})))
            .get("{boats}/a")
            .kubectl_with("apply -f -", boat("a", &json!({"color": "green"})))
            .kubectl_with("apply -f -", boat("a", &json!({"typo": 1}))),
        case("apply-a-pod")
            .kubectl_with("apply -f -", idle_pod("p"))
            .kubectl_with("apply -f -", with(idle_pod("p"), &json!({"metadata": {"labels": {"a": "b"}}})))
            .kubectl_with("apply -f -", with(idle_pod("p"), &json!({"spec": {"hostname": "x"}})))
            .kubectl("get pod p -o yaml"),
        case("apply-a-job")
            .kubectl_with("apply -f -", suspended_job("j"))
            .kubectl_with("apply -f -", with(suspended_job("j"), &json!({"spec": {"parallelism": 2}})))
            .kubectl_with("apply -f -", with(suspended_job("j"), &json!({"spec": {"completions": 2}}))),
        case("apply-several")
            .kubectl_with("apply -f -", list([config("a"), secret("b"), boat("c", &json!({}))]))
            .kubectl_with("apply -f -", list([config("a"), boat("c", &json!({"color": "red"}))]))
            .kubectl_with("apply -f -", list([with(config("a"), &json!({"data": {"n": 1}})), boat("d", &json!({})), boat("e", &json!({"crew": 99}))]))
            .kubectl("get configmaps,secrets,boats -o name"),
        case("apply-a-folder")
            .file("one.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: b\n")
            .file("two.json", boat("c", &json!({})))
            .file("three.txt", "not this one")
            .kubectl("apply -f .")
            .kubectl("apply -f one.yaml -f two.json -o name")
            .kubectl("delete -f . --wait=false"),
        case("apply-with-what-goes")
            .kubectl_with("apply -f - -l app=x --prune --prune-allowlist=core/v1/ConfigMap", list([
                with(config("a"), &json!({"metadata": {"labels": {"app": "x"}}})),
                with(config("b"), &json!({"metadata": {"labels": {"app": "x"}}})),
            ]))
            .kubectl_with("apply -f - -l app=x --prune --prune-allowlist=core/v1/ConfigMap", with(config("a"), &json!({"metadata": {"labels": {"app": "x"}}})))
            .kubectl("get configmaps -l app=x -o name"),
        case("apply-for-show")
            .kubectl_with("apply --dry-run=server -f -", config("a"))
            .kubectl_with("apply --dry-run=client -f -", config("a"))
            .kubectl("get configmap a")
            .kubectl_with("apply -f -", config("a"))
            .kubectl_with("apply --dry-run=server -o yaml -f -", data(&json!({"color": "blue"})))
            .get(path),
        case("apply-what-was-last-applied")
            .kubectl_with("apply -f -", config("a"))
            .kubectl("apply view-last-applied configmap a")
            .kubectl("apply view-last-applied configmap a -o json")
            .create([config("b")])
            .kubectl("apply view-last-applied configmap b")
            .file("b.json", config("b"))
            .kubectl("apply set-last-applied -f b.json")
            .kubectl("apply set-last-applied --create-annotation -f b.json")
            .edit("apply edit-last-applied configmap a", "-e s/red/blue/")
            .get("{core}/configmaps/a"),
        case("apply-what-is-wrong")
            .kubectl_with("apply -f -", "nonsense")
            .kubectl_with("apply -f -", "a: [b")
            .kubectl_with("apply -f -", json!({"kind": "ConfigMap", "metadata": {"name": "a"}}))
            .kubectl_with("apply -f -", json!({"apiVersion": "v1", "kind": "Nonsense", "metadata": {"name": "a"}}))
            .kubectl_with("apply -f -", json!({"apiVersion": "example.com/v9", "kind": "Boat", "metadata": {"name": "a"}}))
            .kubectl_with("apply -f -", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a"}}))
            .kubectl_with("apply -f -", with(config("a"), &json!({"metadata": {"namespace": "{ns}-none"}})))
            .kubectl("apply -f none.yaml"),
    ]
}

fn differences() -> Vec<Case> {
    vec![
        case("diff-of-nothing").kubectl_with("apply -f -", config("a")).kubectl_with("diff -f -", config("a")),
        case("diff-of-a-change")
            .kubectl_with("apply -f -", config("a"))
            .kubectl_with("diff -f -", data(&json!({"color": "blue", "size": "2"})))
            .get("{core}/configmaps/a"),
        case("diff-of-what-is-new").kubectl_with("diff -f -", config("a")),
        case("diff-of-a-custom-kind")
            .kubectl_with("apply -f -", boat("a", &json!({"tags": ["x"]})))
            .kubectl_with("diff -f -", boat("a", &json!({"tags": ["x", "y"], "color": "red"})))
            .kubectl_with("diff --server-side -f -", boat("a", &json!({"crew": 3})))
            .kubectl_with("diff -f -", boat("a", &json!({"color": "green"}))),
        case("diff-of-a-secret")
            .kubectl_with("apply -f -", secret("a"))
            .kubectl_with("diff -f -", with(secret("a"), &json!({"stringData": {"password": "other"}}))),
    ]
}

fn by_the_server() -> Vec<Case> {
    let apply = "apply --server-side -f -";
    vec![
        case("server-side-again-and-again")
            .kubectl_with(apply, config("a"))
            .kubectl_with(apply, config("a"))
            .kubectl_with(apply, data(&json!({"color": "blue", "size": "2"})))
            .kubectl_with(apply, data(&json!({"size": "2"})))
            .get("{core}/configmaps/a"),
        case("server-side-conflict")
            .kubectl_with("apply --server-side --field-manager=one -f -", data(&json!({"color": "red", "size": "1"})))
            .kubectl_with("apply --server-side --field-manager=two -f -", data(&json!({"color": "blue", "size": "2"})))
            .kubectl_with("apply --server-side --field-manager=two -f -", data(&json!({"color": "red"})))
            .kubectl_with(
                "apply --server-side --field-manager=two --force-conflicts -f -",
                data(&json!({"color": "blue"})),
            )
            .kubectl_with("apply --server-side --field-manager=one -f -", data(&json!({"color": "red"})))
            .get("{core}/configmaps/a"),
        case("server-side-conflict-with-an-edit")
            .kubectl_with(apply, boat("a", &json!({"color": "red"})))
            .edit("edit boat a", "-e s/red/blue/")
            .kubectl_with(apply, boat("a", &json!({"color": "red"})))
            .kubectl_with("apply --server-side --force-conflicts -f -", boat("a", &json!({"color": "red"})))
            .get("{boats}/a"),
        case("server-side-after-client-side")
            .kubectl_with("apply -f -", data(&json!({"color": "red", "size": "1"})))
            .kubectl_with(apply, data(&json!({"color": "blue"})))
            .get("{core}/configmaps/a"),
        case("client-side-after-server-side")
            .kubectl_with(apply, data(&json!({"color": "red", "size": "1"})))
            .kubectl_with("apply -f -", data(&json!({"color": "blue"})))
            .get("{core}/configmaps/a"),
        case("server-side-for-show")
            .kubectl_with("apply --server-side --dry-run=server -f -", config("a"))
            .kubectl_with("apply --server-side --dry-run=server -o yaml -f -", boat("a", &json!({})))
            .kubectl("get configmaps,boats -o name"),
        case("server-side-of-several")
            .kubectl_with(apply, list([config("a"), idle_pod("p"), suspended_job("j"), boat("b", &json!({}))]))
            .until_job("j", "Suspended")
            .kubectl("get pod p -o yaml --show-managed-fields")
            .kubectl("get job j -o json --show-managed-fields"),
        case("server-side-of-what-is-wrong")
            .kubectl_with(apply, boat("a", &json!({"color": "green"})))
            .kubectl_with(apply, boat("a", &json!({"typo": 1})))
            .kubectl_with(apply, with(config("a"), &json!({"data": {"n": 1}})))
            .kubectl_with(apply, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a"}})),
    ]
}

/// A boat of which only the status is said.
fn afloat(status: &Value) -> Value {
    object("example.com/v1", "Boat", "a", &json!({"status": status}))
}

fn ready(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status})
}

fn by_hand() -> Vec<Case> {
    let path = "{core}/configmaps/a?fieldManager=me";
    vec![
        case("applied-and-taken-back")
            .apply(path, data(&json!({"color": "red", "size": "1"})))
            .apply("{core}/configmaps/a?fieldManager=you", data(&json!({"color": "red", "length": "3"})))
            .apply(path, data(&json!({"size": "1"})))
            .apply("{core}/configmaps/a?fieldManager=you", data(&json!({})))
            .apply(path, object("v1", "ConfigMap", "a", &json!({})))
            .get("{core}/configmaps/a"),
        case("applied-by-nobody")
            .apply("{core}/configmaps/a", config("a"))
            .apply("{core}/configmaps/a?fieldManager=", config("a")),
        case("applied-with-managers")
            .apply(path, with(config("a"), &json!({"metadata": {"managedFields": []}})))
            .apply(
                path,
                with(config("a"), &json!({"metadata": {"managedFields": [{"manager": "x", "operation": "Apply"}]}})),
            ),
        case("applied-in-yaml")
            .ask(Request::new("PATCH", path).body(
                "application/apply-patch+yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  text: |\n    one\n    two\n",
            ))
            .ask(Request::new("PATCH", path).body("application/apply-patch+json", config("a").to_string())),
        case("applied-to-another")
            .apply(path, config("b"))
            .apply(path, secret("a"))
            .apply(path, with(config("a"), &json!({"metadata": {"namespace": "other"}})))
            .apply(path, json!({"data": {}}))
            .apply(path, json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}}))
            .apply(path, with(config("a"), &json!({"metadata": {"uid": "00000000-0000-4000-8000-000000000001"}})))
            .apply(path, with(config("a"), &json!({"metadata": {"resourceVersion": "1"}}))),
        case("applied-to-a-new-version")
            .apply(path, config("a"))
            .merge("{core}/configmaps/a", json!({"data": {"size": "2"}}))
            .apply(path, with(config("a"), &json!({"metadata": {"resourceVersion": "1"}}))),
        case("applied-with-unknown-fields")
            .apply(path, with(config("a"), &json!({"typo": 1})))
            .apply("{boats}/a?fieldManager=me", boat("a", &json!({"typo": 1})))
            .apply("{boats}/a?fieldManager=me&fieldValidation=Strict", boat("a", &json!({"typo": 1})))
            .apply("{boats}/a?fieldManager=me&fieldValidation=Ignore", boat("a", &json!({"typo": 1}))),
        case("applied-to-what-was-made")
            .create([config("a")])
            .apply(path, data(&json!({"color": "red"})))
            .apply(path, data(&json!({"color": "blue"})))
            .apply("{core}/configmaps/a?fieldManager=me&force=true", data(&json!({"color": "blue"}))),
        case("applied-statuses")
            .create([boat("a", &json!({}))])
            .apply(
                "{boats}/a/status?fieldManager=me",
                afloat(&json!({"phase": "Afloat", "conditions": [ready("A", "True")]})),
            )
            .apply(
                "{boats}/a/status?fieldManager=you",
                afloat(&json!({"phase": "Sunk", "conditions": [ready("B", "True")]})),
            )
            .apply(
                "{boats}/a/status?fieldManager=you",
                with(afloat(&json!({"conditions": [ready("B", "False")]})), &json!({"spec": {"title": "z"}})),
            )
            .apply("{boats}/none/status?fieldManager=me", boat("none", &json!({})))
            .get("{boats}/a"),
    ]
}

fn by_hand_with_lists() -> Vec<Case> {
    let boats = |manager: &str| format!("{{boats}}/a?fieldManager={manager}");
    let ports = json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]);
    let containers = json!([
        {"name": "main", "image": "tests/shell", "env": [{"name": "A", "value": "1"}], "ports": ports},
        {"name": "more", "image": "tests/shell"},
    ]);
    let containers_of_other = json!([{"name": "main", "image": "tests/shell:2"}]);
    let other = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers_of_other}});
    let other = object("v1", "Pod", "p", &other);
    vec![
        case("applied-lists-that-are-maps")
            .apply(&boats("one"), boat("a", &json!({"sails": [{"name": "main", "area": 9}, {"name": "jib"}]})))
            .apply(&boats("two"), boat("a", &json!({"sails": [{"name": "spinnaker", "area": 40}]})))
            .apply(&boats("two"), boat("a", &json!({"sails": [{"name": "main", "area": 8}]})))
            .apply(&boats("one"), boat("a", &json!({"sails": [{"name": "jib", "area": 3}]})))
            .apply(&boats("one"), boat("a", &json!({"sails": [{"name": "jib"}, {"name": "jib"}]})))
            .get("{boats}/a"),
        case("applied-lists-that-are-sets")
            .apply(&boats("one"), boat("a", &json!({"tags": ["x", "y"]})))
            .apply(&boats("two"), boat("a", &json!({"tags": ["y", "z"]})))
            .apply(&boats("one"), boat("a", &json!({"tags": ["x"]})))
            .apply(&boats("two"), boat("a", &json!({"tags": ["v", "w", "z"]})))
            .get("{boats}/a"),
        case("applied-lists-that-are-one")
            .apply(&boats("one"), boat("a", &json!({"log": ["one"], "extra": {"a": [1, 2]}})))
            .apply(&boats("two"), boat("a", &json!({"log": ["one", "two"]})))
            .apply(&boats("two"), boat("a", &json!({"log": ["one"]})))
            .apply(&boats("two"), boat("a", &json!({"extra": {"a": [3], "b": {"c": 1}}})))
            .get("{boats}/a"),
        case("applied-containers")
            .apply("{core}/pods/p?fieldManager=one", with(idle_pod("p"), &json!({"spec": {"containers": containers}})))
            .apply("{core}/pods/p?fieldManager=two", other.clone())
            .apply("{core}/pods/p?fieldManager=two&force=true", other)
            .get("{core}/pods/p"),
        case("applied-finalizers-and-owners")
            .create([config("owner")])
            .apply(
                &boats("one"),
                with(
                    boat("a", &json!({})),
                    &json!({"metadata": {"finalizers": ["example.com/a"], "annotations": {"x": "1"}}}),
                ),
            )
            .apply(
                &boats("two"),
                with(
                    boat("a", &json!({})),
                    &json!({"metadata": {"finalizers": ["example.com/b"], "annotations": {"y": "2"}}}),
                ),
            )
            .apply(&boats("one"), boat("a", &json!({})))
            .get("{boats}/a")
            .apply(&boats("two"), boat("a", &json!({}))),
    ]
}
