//! Kinds of the embedded cluster, and what must hold of whatever it is told and says.

use std::sync::LazyLock;

use aggregator_embedded_kube::api::{Kind, Refusal, builtin};
use serde_json::{Value, json};

/// The built-in kinds, and one of a definition that takes anything.
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let built_in = builtin::kinds().into_iter();
    let whole = built_in.map(|kind| Kind { schema: builtin::schema(&kind), ..kind });
    whole.chain(defined(&json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}))).collect()
});

/// The kind with that name in a group and version.
pub(crate) fn kind(api_version: &str, name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.kind == name && kind.api_version() == api_version)
}

/// A definition of Widgets, whose spec has that schema.
pub(crate) fn definition(spec: &Value) -> Value {
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
            }],
        },
    })
}

fn defined(spec: &Value) -> Vec<Kind> {
    builtin::of_definition(&definition(spec)).expect("a definition that is right")
}

/// How deep a value is.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// What is kept is text, and must read again as what it was.
pub(crate) fn check_kept(object: &Value) {
    let text = object.to_string();
    let again: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(again, *object, "kept and read again");
}

/// A refusal says what is the matter, with one of these codes.
pub(crate) fn check_refusal(refusal: &Refusal, codes: &[u16]) {
    assert!(!refusal.message.is_empty(), "nothing is said: {refusal:?}");
    assert!(codes.contains(&refusal.reason.code()), "{refusal:?}");
    let status = refusal.status();
    assert_eq!(status["code"], refusal.reason.code(), "{status}");
}
