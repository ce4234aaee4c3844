use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

fn kind() -> Kind {
    Kind {
        group: "example.com".into(),
        version: "v1".into(),
        kind: "Thing".into(),
        plural: "things".into(),
        singular: "thing".into(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        status: true,
        custom: true,
        schema: Arc::new(json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "text": {"type": "string"},
                "count": {"type": "integer"},
                "args": {"type": "array", "items": {"type": "string"}},
                "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "properties": {
                        "name": {"type": "string"},
                        "port": {"type": "integer"},
                        "host": {"type": "string"},
                    }},
                },
                "whole": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "x-kubernetes-map-type": "atomic",
                },
                "parts": {"type": "object", "additionalProperties": {"type": "string"}},
            }},
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
        }})),
        columns: Vec::new(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn thing(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "b"}, "spec": spec})
}

fn named(name: &str) -> Manager {
    Manager { name: name.into(), subresource: String::new() }
}

fn apply(live: Option<&Value>, spec: Value, name: &str, force: bool, second: i64) -> Result<Value, Refusal> {
    applied(&kind(), live, &thing(spec), &named(name), force, at(second))
}

fn update(live: Option<&Value>, spec: Value, name: &str, second: i64) -> Value {
    let mut object = live.cloned().unwrap_or_else(|| thing(json!({})));
    object["spec"] = spec;
    tracked(&kind(), live, object, &named(name), at(second))
}

fn entry<'a>(object: &'a Value, name: &str, operation: &str) -> Option<&'a Value> {
    let entries = object["metadata"]["managedFields"].as_array()?;
    entries.iter().find(|entry| entry["manager"] == name && entry["operation"] == operation)
}

fn fields(object: &Value, name: &str, operation: &str) -> Value {
    entry(object, name, operation).map_or(Value::Null, |entry| entry["fieldsV1"].clone())
}

#[test]
fn who_creates_owns_everything() {
    let object = update(None, json!({"text": "x", "ports": [{"name": "p", "port": 1}], "args": ["y"]}), "one", 0);
    let expected = json!([{
        "manager": "one",
        "operation": "Update",
        "apiVersion": "example.com/v1",
        "time": "2027-01-15T08:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {
            ".": {},
            "f:args": {},
            "f:ports": {".": {}, "k:{\"name\":\"p\"}": {".": {}, "f:name": {}, "f:port": {}}},
            "f:text": {},
        }},
    }]);
    assert_eq!(object["metadata"]["managedFields"], expected);
}

#[test]
fn an_update_takes_what_it_changes() {
    let created = update(None, json!({"text": "x", "count": 1}), "one", 0);
    let object = update(Some(&created), json!({"text": "y", "count": 1}), "two", 1);
    assert_eq!(fields(&object, "one", "Update"), json!({"f:spec": {".": {}, "f:count": {}}}));
    assert_eq!(fields(&object, "two", "Update"), json!({"f:spec": {"f:text": {}}}));
}

#[test]
fn an_update_without_a_change_keeps_the_time() {
    let created = update(None, json!({"text": "x"}), "one", 0);
    assert_eq!(update(Some(&created), json!({"text": "x"}), "one", 5), created);
    assert_eq!(update(Some(&created), json!({"text": "x"}), "two", 5), created);
    let changed = update(Some(&created), json!({"text": "y"}), "one", 5);
    assert_eq!(entry(&changed, "one", "Update").unwrap()["time"], "2027-01-15T08:00:05Z");
}

#[test]
fn the_oldest_of_many_updaters_are_merged() {
    let mut object = update(None, json!({"parts": {}}), "m00", 0);
    for number in 1..12 {
        let mut spec = object["spec"].clone();
        spec["parts"][format!("p{number:02}")] = "x".into();
        object = update(Some(&object), spec, &format!("m{number:02}"), number);
    }
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let names: Vec<&str> = entries.iter().map(|entry| entry["manager"].as_str().unwrap()).collect();
    assert_eq!(names, ["ancient-changes", "m03", "m04", "m05", "m06", "m07", "m08", "m09", "m10", "m11"]);
    let expected = json!({"f:spec": {".": {}, "f:parts": {".": {}, "f:p01": {}, "f:p02": {}}}});
    assert_eq!(fields(&object, "ancient-changes", "Update"), expected);
    assert_eq!(entries[0]["time"], "2027-01-15T08:00:02Z");
}

#[test]
fn an_object_can_forget_its_owners() {
    let created = update(None, json!({"text": "x"}), "one", 0);
    let mut object = created.clone();
    object["metadata"]["managedFields"] = json!([{}]);
    let object = tracked(&kind(), Some(&created), object, &named("two"), at(1));
    assert_eq!(object["metadata"].get("managedFields"), None);
    // Nobody is tracked until somebody applies.
    let changed = update(Some(&object), json!({"text": "y"}), "two", 2);
    assert_eq!(changed["metadata"].get("managedFields"), None);
    let refusal = apply(Some(&changed), json!({"text": "z"}), "three", false, 3).unwrap_err();
    let message = "Apply failed with 1 conflict: conflict with \"before-first-apply\" using example.com/v1: .spec.text";
    assert_eq!(refusal.message, message);
    let mut empty = created.clone();
    empty["metadata"]["managedFields"] = json!([]);
    assert_eq!(tracked(&kind(), Some(&created), empty, &named("two"), at(1)), created);
    let mut silent = created.clone();
    silent["metadata"].as_object_mut().unwrap().remove("managedFields");
    assert_eq!(tracked(&kind(), Some(&created), silent, &named("two"), at(1)), created);
}

#[test]
fn what_is_applied_no_more_is_removed() {
    let first = apply(None, json!({"text": "x", "count": 1, "set": ["a", "b"], "parts": {"k": "v"}}), "one", false, 0);
    let second = apply(Some(&first.unwrap()), json!({"count": 1, "set": ["b"]}), "one", false, 1).unwrap();
    assert_eq!(second["spec"], json!({"count": 1, "set": ["b"]}));
    assert_eq!(fields(&second, "one", "Apply"), json!({"f:spec": {"f:count": {}, "f:set": {"v:\"b\"": {}}}}));
}

#[test]
fn what_others_own_stays() {
    let first = apply(None, json!({"text": "x", "ports": [{"name": "p", "port": 1}]}), "one", false, 0).unwrap();
    let second =
        apply(Some(&first), json!({"text": "x", "ports": [{"name": "p", "host": "h"}]}), "two", false, 1).unwrap();
    assert_eq!(second["spec"]["ports"], json!([{"name": "p", "port": 1, "host": "h"}]));
    let third = apply(Some(&second), json!({}), "one", false, 2).unwrap();
    assert_eq!(third["spec"], json!({"text": "x", "ports": [{"name": "p", "host": "h"}]}));
    assert_eq!(fields(&third, "one", "Apply"), json!({"f:spec": {}}));
}

#[test]
fn conflicts_are_refused_unless_forced() {
    let created = update(None, json!({"text": "x", "count": 1, "whole": {"a": "b"}}), "one", 0);
    let object = apply(Some(&created), json!({"set": ["s"]}), "two", false, 1).unwrap();
    let spec = json!({"text": "y", "count": 2, "whole": {"a": "c"}, "set": ["s"]});
    let refusal = apply(Some(&object), spec.clone(), "three", false, 2).unwrap_err();
    let message = "Apply failed with 3 conflicts: conflicts with \"one\" using example.com/v1:\n- .spec.count\n\
                   - .spec.text\n- .spec.whole";
    assert_eq!((refusal.message.as_str(), refusal.reason), (message, RefusalReason::Conflict));
    let causes = refusal.details.unwrap().causes;
    let causes: Vec<_> = causes.iter().map(|cause| (&*cause.reason, &*cause.message, &*cause.field)).collect();
    let conflict = ("FieldManagerConflict", "conflict with \"one\" using example.com/v1");
    let expected = [".spec.count", ".spec.text", ".spec.whole"].map(|field| (conflict.0, conflict.1, field));
    assert_eq!(causes, expected);

    let forced = apply(Some(&object), spec.clone(), "three", true, 2).unwrap();
    assert_eq!(forced["spec"], spec);
    assert_eq!(fields(&forced, "one", "Update"), json!({"f:spec": {}}));
}

#[test]
fn the_same_again_changes_nothing() {
    let spec = json!({"text": "x", "set": ["a"]});
    let first = apply(None, spec.clone(), "one", false, 0).unwrap();
    assert_eq!(apply(Some(&first), spec, "one", false, 5).unwrap(), first);
}

#[test]
fn the_status_has_owners_of_its_own() {
    let created = update(None, json!({"text": "x"}), "one", 0);
    let mut object = created.clone();
    object["status"] = json!({"phase": "Done"});
    object["spec"]["text"] = "ignored".into();
    let status = Manager { name: "one".into(), subresource: "status".into() };
    let object = tracked(&kind(), Some(&created), object, &status, at(1));
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1]["subresource"], "status");
    assert_eq!(entries[1]["fieldsV1"], json!({"f:status": {".": {}, "f:phase": {}}}));
    assert_eq!(entries[0]["fieldsV1"], json!({"f:spec": {".": {}, "f:text": {}}}));
}

#[test]
fn a_configuration_has_to_be_of_its_schema() {
    let refused = |spec: Value| {
        let refusal = apply(None, spec, "one", false, 0).unwrap_err();
        assert_eq!((refusal.reason, refusal.status().get("reason")), (RefusalReason::Unknown, None));
        refusal.message
    };
    let prefix = "failed to create typed patch object (b/a; example.com/v1, Kind=Thing): .spec";
    assert_eq!(refused(json!({"typo": 1})), format!("{prefix}.typo: field not declared in schema"));
    assert_eq!(refused(json!({"count": "x"})), format!("{prefix}.count: expected numeric (int or float), got string"));
    assert_eq!(
        refused(json!({"text": 1})),
        format!("{prefix}.text: expected string, got &value.valueUnstructured{{Value:1}}")
    );
    assert_eq!(refused(json!({"set": ["a", "a"]})), format!("{prefix}.set: duplicate entries for key [=\"a\"]"));
}

#[test]
fn a_configuration_means_one_object() {
    let mut live = apply(None, json!({"text": "x"}), "one", false, 0).unwrap();
    live["metadata"]["resourceVersion"] = "7".into();
    let mut configuration = thing(json!({"text": "y"}));
    configuration["metadata"]["resourceVersion"] = "6".into();
    let refusal = applied(&kind(), Some(&live), &configuration, &named("one"), false, at(1)).unwrap_err();
    assert_eq!(refusal, Refusal::modified(&kind(), "a"));
    configuration["metadata"]["resourceVersion"] = "7".into();
    applied(&kind(), Some(&live), &configuration, &named("one"), false, at(1)).unwrap();

    configuration["kind"] = "Other".into();
    let refusal = applied(&kind(), None, &configuration, &named("one"), false, at(1)).unwrap_err();
    assert_eq!(refusal, Refusal::bad_request("invalid object type: example.com/v1, Kind=Other"));
    let mut configuration = thing(json!({}));
    configuration["metadata"]["managedFields"] = json!([]);
    let refusal = applied(&kind(), None, &configuration, &named("one"), false, at(1)).unwrap_err();
    assert_eq!(refusal, Refusal::bad_request("metadata.managedFields must be nil"));
}

#[test]
fn whoever_applied_with_kubectl_has_no_conflict_with_themselves() {
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    let mut object = thing(json!({"text": "x", "count": 1}));
    object["metadata"]["annotations"] = json!({annotation: thing(json!({"text": "x"})).to_string()});
    let live = tracked(&kind(), None, object, &named("kubectl-client-side-apply"), at(0));
    let refusal = apply(Some(&live), json!({"text": "y"}), "other", false, 1).unwrap_err();
    assert!(refusal.message.ends_with(": .spec.text"), "{refusal}");
    let object = apply(Some(&live), json!({"text": "y"}), "kubectl", false, 1).unwrap();
    let kept = object["metadata"]["annotations"][annotation].as_str().unwrap();
    assert_eq!(
        kept.strip_suffix('\n').map(serde_json::from_str::<Value>).unwrap().unwrap(),
        thing(json!({"text": "y"}))
    );
    // What was not applied then is a conflict now.
    let refusal = apply(Some(&live), json!({"text": "y", "count": 2}), "kubectl", false, 1).unwrap_err();
    assert!(refusal.message.ends_with(": .spec.count"), "{refusal}");
}

#[test]
fn times_alone_are_no_change() {
    let live = apply(None, json!({"text": "x"}), "one", false, 0).unwrap();
    let mut again = live.clone();
    again["metadata"]["managedFields"][0]["time"] = "2028-01-01T00:00:00Z".into();
    assert_eq!(settled(&live, again.clone()), live);
    again["spec"]["text"] = "y".into();
    assert_eq!(settled(&live, again.clone()), again);
}

#[test]
fn a_program_is_a_manager_by_its_name() {
    assert_eq!(Manager::named("", "kubectl/v1.37.0 (linux/amd64)", "").name, "kubectl");
    assert_eq!(Manager::named("mine", "kubectl/v1.37.0", "").name, "mine");
    assert_eq!(Manager::named("", &"a".repeat(200), "").name.len(), 128);
}

#[test]
fn fields_are_read_as_they_are_written() {
    let text = json!({
        "f:metadata": {"f:labels": {".": {}, "f:a.b/c": {}}},
        "f:spec": {
            ".": {},
            "f:ports": {"k:{\"name\":\"\\u003ca\\u003e\",\"port\":1}": {".": {}, "f:port": {}}},
            "f:set": {"v:\"x\"": {}, "v:1.5": {}, "v:true": {}},
            "f:list": {"i:0": {}},
        },
    });
    let set = fields::read(&text).unwrap();
    assert_eq!(fields::written(&set), text);
    assert!(fields::read(&json!({"spec": {}})).is_err());
    assert_eq!(fields::read(&json!({"z:new": {}, "f:a": {}})).unwrap().paths().len(), 1);
}
