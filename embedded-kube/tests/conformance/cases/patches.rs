//! Patches, of three kinds.

use serde_json::json;

use crate::case::{Case, case};
use crate::manifests::{boat, config, idle_pod, object, suspended_job, with};
use crate::request::Request;

/// A patch whose body is what it says it is not, or of a form that nobody knows.
fn raw(path: &str, form: &'static str, body: &str) -> Request {
    Request::new("PATCH", path).body(form, body)
}

pub(super) fn cases() -> Vec<Case> {
    [plain(), strategic(), wrong(), by_kubectl()].into_iter().flatten().collect()
}

fn plain() -> Vec<Case> {
    let path = "{core}/configmaps/a";
    vec![
        case("merge-patch")
            .create([config("a")])
            .merge(path, json!({"data": {"size": "2", "color": null}, "metadata": {"labels": {"x": "y"}}}))
            .merge(path, json!({"data": {"size": "2"}}))
            .merge(path, json!({"metadata": {"labels": null}}))
            .get(path),
        case("merge-patch-of-lists")
            .create([boat("a", &json!({"tags": ["x", "y"], "sails": [{"name": "main"}], "extra": {"a": {"b": 1}}}))])
            .merge("{boats}/a", json!({"spec": {"tags": ["z"], "sails": [{"name": "jib", "area": 2}], "extra": {"a": {"c": 2}}}}))
            .merge("{boats}/a", json!({"spec": {"tags": [], "sails": null}})),
        case("merge-patch-of-a-version")
            .create([config("a")])
            .merge(path, json!({"metadata": {"resourceVersion": "1"}, "data": {"size": "2"}}))
            .merge(path, json!({"metadata": {"uid": "00000000-0000-4000-8000-000000000001"}}))
            .merge(path, json!({"metadata": {"name": "b"}}))
            .merge(path, json!({"metadata": {"namespace": "other"}}))
            .merge(path, json!({"kind": "Secret"}))
            .merge(path, json!({"apiVersion": "v2"})),
        case("merge-patch-for-show")
            .create([config("a")])
            .merge("{core}/configmaps/a?dryRun=All", json!({"data": {"size": "2"}}))
            .get(path),
        case("json-patch")
            .create([config("a")])
            .json_patch(
                path,
                json!([
                    {"op": "test", "path": "/data/color", "value": "red"},
                    {"op": "replace", "path": "/data/color", "value": "blue"},
                    {"op": "add", "path": "/data/size", "value": "2"},
                    {"op": "copy", "from": "/data/size", "path": "/data/length"},
                    {"op": "move", "from": "/data/size", "path": "/data/width"},
                    {"op": "add", "path": "/metadata/labels", "value": {"a~1b": "c"}},
                ]),
            )
            .json_patch(path, json!([{"op": "remove", "path": "/data/width"}, {"op": "test", "path": "/metadata/finalizers", "value": null}]))
            .get(path),
        case("json-patch-of-lists")
            .create([boat("a", &json!({"log": ["one", "two"]}))])
            .json_patch("{boats}/a", json!([{"op": "add", "path": "/spec/log/0", "value": "zero"}, {"op": "add", "path": "/spec/log/-", "value": "three"}]))
            .json_patch("{boats}/a", json!([{"op": "remove", "path": "/spec/log/9"}]))
            .json_patch("{boats}/a", json!([{"op": "replace", "path": "/spec/log/1", "value": "1"}])),
        case("json-patch-that-fails")
            .create([config("a")])
            .json_patch(path, json!([{"op": "test", "path": "/data/color", "value": "blue"}]))
            .json_patch(path, json!([{"op": "remove", "path": "/data/none"}]))
            .json_patch(path, json!([{"op": "replace", "path": "/data/none", "value": "x"}]))
            .json_patch(path, json!([{"op": "add", "path": "/none/at/all", "value": "x"}]))
            .json_patch(path, json!([{"op": "move", "from": "/data/none", "path": "/data/x"}]))
            .json_patch(path, json!([{"op": "paint", "path": "/data/color"}]))
            .json_patch(path, json!([{"path": "/data/color"}]))
            .json_patch(path, json!({"op": "remove", "path": "/data/color"}))
            .json_patch(path, json!([{"op": "add", "path": "data", "value": {}}]))
            .get(path),
        case("patch-of-what-is-not-there")
            .merge(path, json!({"data": {}}))
            .json_patch(path, json!([]))
            .strategic(path, json!({"data": {}}))
            .merge("{boats}/a", json!({"spec": {}})),
    ]
}

fn strategic() -> Vec<Case> {
    let pod = "{core}/pods/p";
    vec![
        case("strategic-patch")
            .create([with(idle_pod("p"), &json!({"metadata": {"finalizers": ["example.com/a"]}}))])
            .strategic(pod, json!({"metadata": {"finalizers": ["example.com/b"], "labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": "tests/shell:2"}]}}))
            .strategic(pod, json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}}))
            .strategic(pod, json!({"metadata": {"finalizers": null, "labels": {"$patch": "replace", "c": "d"}}}))
            .strategic(pod, json!({"spec": {"tolerations": [{"key": "k", "operator": "Exists"}]}}))
            .strategic(pod, json!({"spec": {"$setElementOrder/containers": [{"name": "main"}], "containers": [{"name": "main", "image": "tests/shell:3"}]}})),
        case("strategic-patch-of-a-job").create([suspended_job("j")]).strategic(
            "{batch}/jobs/j",
            json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": "1"}]}]}}}}),
        ),
        case("strategic-patch-that-fails")
            .create([idle_pod("p"), boat("a", &json!({}))])
            .strategic(pod, json!({"spec": {"containers": [{"image": "x"}]}}))
            .strategic(pod, json!({"metadata": {"$patch": "paint"}}))
            .strategic(pod, json!({"spec": {"containers": {"name": "main"}}}))
            .strategic("{boats}/a", json!({"spec": {"color": "red"}})),
        case("strategic-patch-of-accounts")
            .create([object("v1", "ServiceAccount", "a", &json!({"secrets": [{"name": "x"}], "imagePullSecrets": [{"name": "i"}]}))])
            .strategic("{core}/serviceaccounts/a", json!({"secrets": [{"name": "y"}], "imagePullSecrets": [{"name": "i", "$patch": "delete"}]})),
    ]
}

fn wrong() -> Vec<Case> {
    let path = "{core}/configmaps/a";
    vec![
        case("patch-of-no-form")
            .create([config("a")])
            .ask(raw(path, "application/json", "{}"))
            .ask(raw(path, "text/plain", "{}"))
            .ask(Request::new("PATCH", path))
            .ask(raw(path, "application/merge-patch+json; charset=utf-8", r#"{"data": {"size": "2"}}"#))
            .ask(raw("{boats}/a", "application/strategic-merge-patch+json", "{}")),
        case("patch-that-is-no-json")
            .create([config("a")])
            .ask(raw(path, "application/merge-patch+json", "{"))
            .ask(raw(path, "application/merge-patch+json", "[]"))
            .ask(raw(path, "application/merge-patch+json", "null"))
            .ask(raw(path, "application/json-patch+json", "nonsense"))
            .ask(raw(path, "application/json-patch+json", "null"))
            .ask(raw(path, "application/strategic-merge-patch+json", "\"text\"")),
        case("patch-that-makes-it-wrong")
            .create([config("a"), boat("a", &json!({}))])
            .merge(path, json!({"data": {"a/b": "c"}}))
            .merge(path, json!({"data": {"n": 1}}))
            .merge(path, json!({"metadata": {"labels": {"a b": "c"}}}))
            .merge("{boats}/a", json!({"spec": {"color": "green"}}))
            .merge("{boats}/a", json!({"spec": {"crew": 11}}))
            .merge("{boats}/a", json!({"spec": null}))
            .merge("{boats}/a?fieldValidation=Strict", json!({"spec": {"typo": 1}}))
            .merge("{boats}/a?fieldValidation=Warn", json!({"spec": {"typo": 1}}))
            .merge("{core}/configmaps/a?fieldValidation=Strict", json!({"typo": 1})),
        case("patch-that-is-forced")
            .create([config("a")])
            .merge("{core}/configmaps/a?force=true", json!({"data": {"size": "2"}}))
            .merge("{core}/configmaps/a?dryRun=Maybe", json!({}))
            .merge("{core}/configmaps/a?fieldManager=%20", json!({}))
            .merge(&format!("{{core}}/configmaps/a?fieldManager={}", "x".repeat(129)), json!({})),
    ]
}

fn by_kubectl() -> Vec<Case> {
    vec![
        case("patch-by-kubectl")
            .create([config("a"), boat("a", &json!({}))])
            .kubectl(r#"patch configmap a -p '{"data": {"size": "2"}}'"#)
            .kubectl(r#"patch configmap a -p '{"data": {"size": "2"}}'"#)
            .kubectl(r#"patch configmap a --type=merge -p '{"data": {"size": null}}' -o yaml"#)
            .kubectl(r#"patch configmap a --type=json -p '[{"op": "add", "path": "/data/x", "value": "y"}]'"#)
            .kubectl(r#"patch boat a -p '{"spec": {"color": "red"}}'"#)
            .kubectl(r#"patch boat a --type=merge -p '{"spec": {"color": "red"}}' -o jsonpath={.spec}"#)
            .kubectl(r#"patch boat a --type=merge -p 'spec: {crew: 4}' --dry-run=server"#),
        case("patch-by-kubectl-that-fails")
            .create([boat("a", &json!({}))])
            .kubectl(r#"patch configmap none -p '{"data": {"size": "2"}}'"#)
            .kubectl(r#"patch boat a --type=merge -p '{"spec": {"color": "green"}}'"#)
            .kubectl(r#"patch boat a --type=json -p '[{"op": "test", "path": "/spec/color", "value": "red"}]'"#)
            .kubectl(r#"patch boat a --type=json -p '[{"op": "remove", "path": "/spec/none"}]'"#),
        case("patch-of-a-status-by-kubectl")
            .create([boat("a", &json!({})), config("a")])
            .kubectl(r#"patch boat a --subresource=status --type=merge -p '{"status": {"phase": "Afloat"}, "spec": {"color": "red"}}'"#)
            .kubectl("get boat a -o yaml")
            .kubectl("get boat a --subresource=status -o jsonpath={.status}")
            .kubectl(r#"patch configmap a --subresource=status --type=merge -p '{}'"#),
        case("patch-from-a-file")
            .create([config("a")])
            .file("patch.yaml", "data:\n  color: blue\n")
            .kubectl("patch configmap a --patch-file patch.yaml")
            .file("object.json", config("a"))
            .kubectl(r#"patch -f object.json -p '{"data": {"size": "2"}}'"#)
            .get("{core}/configmaps/a"),
    ]
}
