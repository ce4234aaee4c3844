//! Events: kept once, and served in two groups with other names for the same fields
//! (<https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>).

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::super::Kind;
use super::super::builtin::EVENT_NAMES;
use super::super::store::Resource;

const NEW: &str = "events.k8s.io";

/// What the older group says even if it is empty, and the newer does not.
const ALWAYS: [&str; 2] = ["reportingComponent", "reportingInstance"];

/// Where Events of both groups are kept.
pub(super) fn events() -> Resource {
    Resource { group: String::new(), plural: "events".into() }
}

/// Where objects of a kind are kept.
pub(super) fn resource(kind: &Kind) -> Resource {
    if is_new(kind) { events() } else { Resource::of(kind) }
}

/// Whether it is the newer of the two groups.
fn is_new(kind: &Kind) -> bool {
    kind.group == NEW && kind.plural == "events"
}

/// An object as it is kept.
pub(super) fn kept(kind: &Kind, object: Value) -> Value {
    if !is_new(kind) {
        return object;
    }
    let mut kept = renamed(object, "v1", |(new, old)| (new, old));
    if let Some(fields) = kept.as_object_mut() {
        for name in ALWAYS {
            fields.entry(name).or_insert_with(|| "".into());
        }
    }
    kept
}

/// An object as a kind shows it.
pub(super) fn shown(kind: &Kind, mut object: Value) -> Value {
    if kind.custom {
        // It may have been written in another version of its kind, which has the same schema.
        let version = kind.api_version();
        if object["apiVersion"] != version.as_str() {
            object["apiVersion"] = version.into();
        }
        return object;
    }
    if !is_new(kind) {
        return object;
    }
    if let Some(fields) = object.as_object_mut() {
        for name in ALWAYS {
            if fields.get(name).is_some_and(|value| value == "") {
                fields.shift_remove(name);
            }
        }
    }
    renamed(object, "events.k8s.io/v1", |(new, old)| (old, new))
}

/// An object as a kind shows it, where it is only looked at.
pub(super) fn seen<'a>(kind: &Kind, object: &'a Value) -> Cow<'a, Value> {
    if is_new(kind) { Cow::Owned(shown(kind, object.clone())) } else { Cow::Borrowed(object) }
}

type Pair = (&'static str, &'static str);

fn renamed(object: Value, api_version: &str, way: impl Fn(Pair) -> Pair) -> Value {
    let Value::Object(fields) = object else { return object };
    let names: Vec<Pair> = EVENT_NAMES.into_iter().map(way).collect();
    let rename = |name: String| {
        let to = names.iter().find(|(from, _)| *from == name).map(|(_, to)| (*to).to_owned());
        to.unwrap_or(name)
    };
    let mut fields: Map<String, Value> = fields.into_iter().map(|(name, value)| (rename(name), value)).collect();
    fields.insert("apiVersion".into(), api_version.into());
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_event_has_two_forms() {
        let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a"},
                         "regarding": {"kind": "Pod"}, "note": "it starts", "reportingController": "x"});
        let old = renamed(new.clone(), "v1", |(new, old)| (new, old));
        assert_eq!(old["involvedObject"]["kind"], "Pod");
        assert_eq!((&old["message"], &old["apiVersion"]), (&json!("it starts"), &json!("v1")));
        assert_eq!(renamed(old, "events.k8s.io/v1", |(new, old)| (old, new)), new);
    }

    #[test]
    fn only_the_older_form_says_what_is_empty() {
        let kinds = super::super::super::builtin::kinds();
        let kind = kinds.iter().find(|kind| is_new(kind)).expect("a kind");
        let new = json!({"apiVersion": "events.k8s.io/v1", "note": "it starts"});
        let old = kept(kind, new.clone());
        assert_eq!((&old["reportingComponent"], &old["reportingInstance"]), (&json!(""), &json!("")));
        assert_eq!(shown(kind, old), new);
    }
}
