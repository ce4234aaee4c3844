//! Custom objects: schemas, defaults, pruning, rules.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{boat, object, with};
use crate::request::Request;

/// Boats that are posted for show, one after the other.
fn posted(name: &'static str, specs: &[Value]) -> Case {
    specs.iter().fold(case(name), |case, spec| case.post("{boats}?dryRun=All", boat("a", spec)))
}

/// A boat with that spec, whatever is in it.
fn bare(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": name}, "spec": spec})
}

/// A boat with fields that nobody knows, at each depth.
fn unknown(name: &str) -> Value {
    let spec = json!({"typo": 1, "extra": {"any": {"thing": [1, null]}}, "sails": [{"name": "x", "typo": 1}]});
    with(boat(name, &spec), &json!({"other": {}, "metadata": {"typo": "x"}}))
}

pub(super) fn cases() -> Vec<Case> {
    [good(), bad(), changing()].into_iter().flatten().collect()
}

fn good() -> Vec<Case> {
    vec![
        case("custom-defaults").post("{boats}", boat("a", &json!({}))).get("{boats}/a").post(
            "{boats}",
            with(boat("b", &json!({"sails": [{"name": "main"}, {"name": "jib", "area": 2}]})), &json!({"status": {}})),
        ),
        case("custom-nulls")
            .post("{boats}", bare("a", &json!({"title": "a", "color": null, "crew": null, "launched": null})))
            .post("{boats}", bare("b", &json!({"title": "b", "length": null})))
            .post("{boats}", bare("c", &Value::Null)),
        case("custom-pruning")
            .post("{boats}?fieldValidation=Ignore", unknown("a"))
            .get("{boats}/a")
            .post("{boats}?fieldValidation=Warn", unknown("b"))
            .post("{boats}?fieldValidation=Strict", unknown("c"))
            .post("{boats}", with(boat("d", &json!({"typo": 1})), &json!({"metadata": {"typo": "x"}}))),
        posted(
            "custom-values-that-fit",
            &[
                json!({"port": 80, "tags": ["a", "b"], "flags": {"x": true}, "length": 0.5, "launched": "2001-02-03T04:05:06Z"}),
                json!({"port": "http", "length": 1e3, "crew": 9, "color": "red", "season": {"from": 1, "to": 2}}),
                json!({"extra": {"a": 1.0, "b": 12_345_678_901_i64, "c": [], "d": {}, "e": ""}}),
            ],
        ),
        posted("custom-number-without-a-fraction", &[json!({"crew": 3.0})]),
        case("custom-without-a-namespace")
            .post(
                "/apis/example.com/v1/buoys",
                object("example.com/v1", "Buoy", "{ns}", &json!({"any": {"thing": 1}, "spec": "text"})),
            )
            .get("/apis/example.com/v1/buoys/{ns}")
            .get("/apis/example.com/v1/namespaces/{ns}/buoys/{ns}")
            .post("/apis/example.com/v1/namespaces/{ns}/buoys", object("example.com/v1", "Buoy", "{ns}-b", &json!({})))
            .post("/apis/example.com/v1/boats", boat("a", &json!({})))
            .merge("/apis/example.com/v1/buoys/{ns}", json!({"any": null, "more": [1]})),
    ]
}

fn bad() -> Vec<Case> {
    vec![
        posted(
            "custom-texts-that-do-not-fit",
            &[
                json!({"title": ""}),
                json!({"title": "a-title-that-is-much-too-long-for-a-boat"}),
                json!({"title": "Anna"}),
                json!({"title": 5}),
                json!({"color": "green"}),
                json!({"launched": "yesterday"}),
            ],
        ),
        posted(
            "custom-numbers-that-do-not-fit",
            &[json!({"crew": 11}), json!({"crew": -1}), json!({"crew": 1.5}), json!({"crew": "3"}), json!({"length": 0}), json!({"port": true})],
        ),
        posted(
            "custom-lists-that-do-not-fit",
            &[
                json!({"tags": ["a", "b", "c", "d"]}),
                json!({"tags": ["a", "a"]}),
                json!({"tags": "a"}),
                json!({"tags": [1]}),
                json!({"sails": [{"name": "x"}, {"name": "x"}]}),
                json!({"sails": [{"area": 3}]}),
                json!({"flags": {"a": true, "b": true, "c": false}}),
                json!({"flags": {"a": "yes"}}),
                json!({"extra": []}),
            ],
        ),
        posted(
            "custom-rules-that-fail",
            &[
                json!({"crew": 9}),
                json!({"season": {"from": 2, "to": 1}}),
                json!({"season": {"from": 2}}),
                json!({"crew": 9, "season": {"from": 2, "to": 1}, "title": "Anna"}),
            ],
        ),
        case("custom-objects-that-are-none")
            .post("{boats}", json!({"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "a"}}))
            .post("{boats}", json!({"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "a"}, "spec": {}}))
            .post("{boats}", json!({"apiVersion": "example.com/v2", "kind": "Boat", "metadata": {"name": "a"}, "spec": {"title": "a"}}))
            .post("{boats}", json!({"apiVersion": "example.com/v1", "kind": "Ship", "metadata": {"name": "a"}, "spec": {"title": "a"}}))
            .post("{boats}", json!({"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "A"}, "spec": {"title": "a"}}))
            .post("{boats}", json!({"apiVersion": "example.com/v1", "kind": "Boat", "metadata": "a", "spec": {"title": "a"}}))
            .post("{boats}", json!({"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "a", "labels": {"x": 1}}, "spec": {"title": "a"}}))
            .post("{boats}", json!([]))
            .ask(Request::new("POST", "{boats}").body("application/json", "")),
        case("custom-fields-that-are-named-twice").ask(
            Request::new("POST", "{boats}?fieldValidation=Strict").body(
                "application/json",
                r#"{"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "a"}, "spec": {"title": "a", "title": "b"}}"#,
            ),
        ),
    ]
}

fn changing() -> Vec<Case> {
    let path = "{boats}/a";
    vec![
        case("custom-rules-of-changes")
            .create([boat("a", &json!({"harbour": "here"}))])
            .merge(path, json!({"spec": {"harbour": "there"}}))
            .merge(path, json!({"spec": {"harbour": null}}))
            .merge(path, json!({"spec": {"harbour": "there"}}))
            .merge(path, json!({"spec": {"crew": 10}}))
            .merge(path, json!({"spec": {"crew": 10, "color": "red"}})),
        case("custom-put-without-a-version")
            .create([boat("a", &json!({}))])
            .put(path, boat("a", &json!({"color": "red"})))
            .put(path, with(boat("a", &json!({})), &json!({"metadata": {"resourceVersion": "1"}})))
            .put("{boats}/none", with(boat("none", &json!({})), &json!({"metadata": {"resourceVersion": "1"}})))
            .replace(path, |it| it["spec"] = json!({"title": "b"}))
            .replace(path, |it| it["spec"]["typo"] = json!(1)),
        case("custom-forms")
            .create([boat("a", &json!({}))])
            .ask(Request::new("POST", "{boats}").body(
                "application/yaml",
                "apiVersion: example.com/v1\nkind: Boat\nmetadata:\n  name: b\nspec:\n  title: b\n  crew: 3\n",
            ))
            .accepting(path, "application/json;as=Table;v=v1;g=meta.k8s.io")
            .accepting(path, "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
            .accepting(path, "application/vnd.kubernetes.protobuf,application/json"),
        case("custom-in-protobuf")
            .create([boat("a", &json!({}))])
            .accepting(path, "application/vnd.kubernetes.protobuf"),
        case("custom-objects-and-strange-keys")
            .create([boat("a", &json!({"extra": {"a/b": {"c.d": {"$ref": "x", "": 1, "__proto__": 2}}}}))])
            .json_patch(path, json!([{"op": "replace", "path": "/spec/extra/a~1b/c.d/$ref", "value": "y"}]))
            .get(path),
    ]
}
