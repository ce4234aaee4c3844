use serde_json::{Value, json};

use super::*;
use crate::api::Details;

fn kind(name: &str, custom: bool) -> Kind {
    Kind {
        group: String::new(),
        version: "v1".into(),
        kind: name.into(),
        plural: format!("{}s", name.to_lowercase()),
        singular: name.to_lowercase(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        status: false,
        custom,
        schema: std::sync::Arc::new(json!({"type": "object"})),
        columns: Vec::new(),
    }
}

fn read(name: &str, custom: bool, content_type: &str, patch: &str) -> Result<PatchBody, Refusal> {
    PatchBody::read(&kind(name, custom), content_type, patch.as_bytes())
}

fn patch(content_type: &str, live: Value, patch: Value) -> Result<Value, Refusal> {
    let body = read("Pod", false, content_type, &patch.to_string())?;
    patched(&kind("Pod", false), &live, &body)
}

const MERGE: &str = "application/merge-patch+json; charset=utf-8";
const OPERATIONS: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

#[test]
fn a_merge_patch_sets_and_removes() {
    let live = json!({"a": {"b": 1, "c": 2}, "d": [1, {"e": 1}], "f": "g"});
    let change = json!({"a": {"b": null, "h": {"i": null, "j": 1}}, "d": [{"e": null}], "f": {"k": [{"l": null}]}});
    let expected = json!({"a": {"c": 2, "h": {"j": 1}}, "d": [{}], "f": {"k": [{}]}});
    assert_eq!(patch(MERGE, live, change), Ok(expected));
    // A list in place of a map is left as it is.
    assert_eq!(patch(MERGE, json!({"a": {}}), json!({"a": [{"b": null}]})), Ok(json!({"a": [{"b": null}]})));
}

#[test]
fn operations_are_done_in_their_order() {
    let live = json!({"list": ["a", "b"], "map": {"a/b": 1}});
    let change = json!([
        {"op": "test", "path": "/map/a~1b", "value": 1},
        {"op": "add", "path": "/list/-", "value": "c"},
        {"op": "add", "path": "/list/-1", "value": "d"},
        {"op": "remove", "path": "/list/-4"},
        {"op": "copy", "from": "/list/0", "path": "/map/copy"},
        {"op": "copy", "from": "/map/nothing", "path": "/map/null"},
        {"op": "move", "from": "/map/a~1b", "path": "/moved"},
        {"op": "replace", "path": "/map/new", "value": true},
        {"op": "add", "path": "/map/none"},
    ]);
    let expected = json!({
        "list": ["b", "c", "d"],
        "map": {"copy": "b", "null": null, "new": true, "none": null},
        "moved": 1,
    });
    assert_eq!(patch(OPERATIONS, live, change), Ok(expected));
}

#[test]
fn what_is_not_there_is_null_to_a_test() {
    let change = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["a"]},
    ]);
    let expected = json!({"metadata": {"finalizers": ["a"]}});
    assert_eq!(patch(OPERATIONS, json!({"metadata": {}}), change.clone()), Ok(expected.clone()));
    assert_eq!(patch(OPERATIONS, expected, change), Err(unfit()));
}

#[test]
fn operations_that_do_not_fit_are_refused_without_a_reason() {
    for operation in [
        json!({"op": "remove", "path": "/missing"}),
        json!({"op": "remove", "path": "/list/2"}),
        json!({"op": "add", "path": "/list/4", "value": 1}),
        json!({"op": "add", "path": "/missing/a", "value": 1}),
        json!({"op": "add", "path": "", "value": {}}),
        json!({"op": "replace", "path": "/list/-3", "value": 1}),
        json!({"op": "replace", "path": "", "value": []}),
        json!({"op": "move", "from": "/missing", "path": "/a"}),
        json!({"op": "copy", "from": "/list/2", "path": "/a"}),
        json!({"op": "test", "path": "/list/0", "value": "b"}),
        json!({"op": "jump", "path": "/list"}),
        json!({"op": "add"}),
        json!({}),
    ] {
        let refusal = patch(OPERATIONS, json!({"list": ["a", "b"]}), json!([operation])).unwrap_err();
        assert_eq!(refusal.message, "the server rejected our request due to an error in our request", "{operation}");
        assert_eq!((refusal.reason, refusal.details), (RefusalReason::Invalid, Some(Box::<Details>::default())));
    }
}

#[test]
fn a_patch_can_only_grow_so_far() {
    let many = Value::Array(vec![json!({"op": "add", "path": "/a", "value": 1}); 10_001]);
    let refusal = patch(OPERATIONS, json!({}), many).unwrap_err();
    let message = "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001";
    assert_eq!((refusal.message.as_str(), refusal.reason.code()), (message, 413));

    let copies: Vec<Value> = (0..4).map(|n| json!({"op": "copy", "from": "/a", "path": format!("/{n}")})).collect();
    let large = json!({"a": "a".repeat(1024 * 1024)});
    assert_eq!(patch(OPERATIONS, large.clone(), json!(copies[..2])).unwrap().as_object().unwrap().len(), 3);
    assert_eq!(patch(OPERATIONS, large, json!(copies)), Err(unfit()));
}

#[test]
fn what_is_no_patch_is_refused() {
    let map = "value of type map[string]interface {}";
    for (content_type, text, message) in [
        (MERGE, "{", "invalid JSON patch".into()),
        (MERGE, "[]", format!("error decoding patch: json: cannot unmarshal array into Go {map}")),
        (MERGE, "null", "Invalid JSON Patch".into()),
        (STRATEGIC, "1", format!("json: cannot unmarshal number into Go {map}")),
        (
            OPERATIONS,
            "{}",
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp".into(),
        ),
        (
            APPLY,
            "- a",
            format!(
                "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array \
                 into Go {map}"
            ),
        ),
    ] {
        let refusal = read("Pod", false, content_type, text).unwrap_err();
        assert_eq!((refusal.message, refusal.reason), (message, RefusalReason::BadRequest));
    }
}

#[test]
fn a_custom_kind_takes_no_strategic_patch() {
    let refusal = read("Thing", true, STRATEGIC, "{}").unwrap_err();
    let message = "the body of the request was in an unknown format - accepted media types include: \
                   application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    assert_eq!((refusal.message.as_str(), refusal.reason.code()), (message, 415));
    let refusal = read("Pod", false, "application/json", "{}").unwrap_err();
    assert_eq!((refusal.message.as_str(), refusal.details), ("415: Unsupported Media Type", Some(Box::default())));
}

#[test]
fn a_configuration_may_be_yaml() {
    let configuration = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
    let expected = PatchBody::Apply(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}));
    assert_eq!(read("Pod", false, APPLY, configuration), Ok(expected));
}

#[test]
fn options_go_with_their_patch() {
    let apply = PatchBody::Apply(json!({}));
    let merge = PatchBody::Merge(json!({}));
    assert_eq!(checked_options(&apply, "a", Some(true)), Ok(()));
    assert_eq!(checked_options(&merge, "", None), Ok(()));
    let message = |patch, manager, force| checked_options(patch, manager, force).unwrap_err().message;
    let prefix = "PatchOptions.meta.k8s.io \"\" is invalid: ";
    assert_eq!(message(&apply, "", None), format!("{prefix}fieldManager: Required value: is required for apply patch"));
    assert_eq!(
        message(&merge, "a", Some(false)),
        format!("{prefix}force: Forbidden: may not be specified for non-apply patch")
    );
}

#[test]
fn keyed_lists_are_merged_by_their_keys() {
    let live = json!({"spec": {"containers": [
        {"name": "a", "image": "one", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
        {"name": "b", "image": "two", "args": ["c", "d"]},
    ]}});
    let change = json!({"spec": {"containers": [
        {"name": "b", "args": ["e"]},
        {"name": "a", "env": [{"name": "X", "$patch": "delete"}, {"name": "Z", "value": "3"}]},
    ]}});
    let expected = json!({"spec": {"containers": [
        {"name": "b", "image": "two", "args": ["e"]},
        {"name": "a", "image": "one", "env": [{"name": "Z", "value": "3"}, {"name": "Y", "value": "2"}]},
    ]}});
    assert_eq!(patch(STRATEGIC, live, change), Ok(expected));
}

#[test]
fn directives_say_otherwise() {
    let live = || {
        json!({
            "metadata": {"finalizers": ["a", "b", "c"], "labels": {"a": "b"}},
            "spec": {"volumes": [{"name": "v", "emptyDir": {}}], "hostAliases": [{"ip": "1"}, {"ip": "2"}]},
        })
    };
    let merged = |change| patch(STRATEGIC, live(), change).unwrap();
    assert_eq!(
        merged(json!({"metadata": {"labels": {"$patch": "replace", "c": "d"}}}))["metadata"]["labels"],
        json!({"c": "d"})
    );
    assert_eq!(merged(json!({"metadata": {"labels": {"$patch": "delete"}}}))["metadata"]["labels"], json!({}));
    let finalizers = merged(json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"]}}));
    assert_eq!(finalizers["metadata"]["finalizers"], json!(["a", "c"]));
    let finalizers = merged(json!({"metadata": {"$setElementOrder/finalizers": ["d", "c", "a"], "finalizers": ["d"]}}));
    assert_eq!(finalizers["metadata"]["finalizers"], json!(["d", "b", "c", "a"]));
    let volume = json!({"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}});
    let volumes = merged(json!({"spec": {"volumes": [volume]}}));
    assert_eq!(volumes["spec"]["volumes"], json!([{"name": "v", "secret": {"secretName": "s"}}]));
    let aliases = merged(json!({"spec": {"hostAliases": [{"$patch": "replace"}, {"ip": "3"}]}}));
    assert_eq!(aliases["spec"]["hostAliases"], json!([{"ip": "3"}]));
}

#[test]
fn a_strategic_patch_that_does_not_fit_is_refused() {
    let live = json!({"metadata": {"finalizers": ["a"]}, "spec": {"containers": [{"name": "a"}]}});
    let refused = |change| {
        let refusal = patch(STRATEGIC, live.clone(), change).unwrap_err();
        (refusal.reason.code(), refusal.message)
    };
    assert_eq!(
        refused(json!({"spec": {"containers": [{"image": "b"}]}})),
        (500, "map: map[image:b] does not contain declared merge key: name".into())
    );
    assert_eq!(
        refused(json!({"spec": {"$patch": "bogus"}})),
        (500, "unknown patch type: bogus in map: map[$patch:bogus]".into())
    );
    assert_eq!(
        refused(json!({"metadata": {"$deleteFromPrimitiveList": ["a"]}})),
        (400, "invalid patch format of primitive list".into())
    );
    assert_eq!(
        refused(json!({"spec": {"$retainKeys": ["containers"], "nodeName": "n"}})),
        (400, "invalid patch format of retainKeys".into())
    );
}
