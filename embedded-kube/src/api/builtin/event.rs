//! Events, in both of their groups: what they may not be. The API server looks at the older form of each, and calls its fields
//! as that does (<https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/events.go>).

use serde_json::Value;

use super::immutable;
use crate::api::schema::mistake::{invalid_text, required};
use crate::api::schema::names;
use crate::api::schema::path::Path;
use crate::api::{Cause, Kind};

const NEW: &str = "events.k8s.io";

/// What the newer group calls a field, and what the older does.
pub(crate) const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// What may not change of an event of the newer group, by the names that the API server tells.
const FIXED: [&str; 13] = [
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingController",
    "reportingInstance",
];

/// An event of either group, whose fields are asked for by one name.
#[derive(Clone, Copy)]
struct Event<'a> {
    object: &'a Value,
    new: bool,
}

impl<'a> Event<'a> {
    fn field(self, name: &str) -> &'a Value {
        let of_group = match NAMES.into_iter().find(|(new, old)| *new == name || *old == name) {
            Some((new, _)) if self.new => new,
            Some((_, old)) => old,
            None => name,
        };
        &self.object[of_group]
    }

    fn text(self, name: &str) -> &'a str {
        self.field(name).as_str().unwrap_or_default()
    }

    fn namespace(self) -> &'a str {
        self.object["metadata"]["namespace"].as_str().unwrap_or_default()
    }
}

/// What is wrong with an event, new or changed.
pub(super) fn check(kind: &Kind, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let new = kind.group == NEW;
    let event = Event { object, new };
    let mut causes = always(event);
    if !new {
        return causes;
    }
    match old {
        None => causes.extend(created(event)),
        Some(old) => {
            let old = Event { object: old, new };
            if event.field("series") != old.field("series") {
                causes.extend(series(event));
            }
            let changed = |name: &&str| immutable(event.field(name), old.field(name), &Path::of(name));
            causes.extend(FIXED.iter().filter_map(changed));
        }
    }
    causes
}

/// What is wrong with an event of either group.
fn always(event: Event<'_>) -> Vec<Cause> {
    let about = event.field("involvedObject")["namespace"].as_str().unwrap_or_default();
    let namespace = event.namespace();
    let elsewhere = || invalid_text(&Path::of("involvedObject.namespace"), about, "does not match event.namespace");
    if event.field("eventTime").is_null() {
        let agrees = if about.is_empty() { matches!(namespace, "" | "default") } else { about == namespace };
        return if agrees { Vec::new() } else { vec![elsewhere()] };
    }
    let mut causes = Vec::new();
    if about.is_empty() && !matches!(namespace, "default" | "kube-system") {
        causes.push(elsewhere());
    }
    let path = Path::of(if event.new { "reportingController" } else { "reportingComponent" });
    let controller = event.text("reportingController");
    if controller.is_empty() {
        causes.push(required(&path, ""));
    }
    causes.extend(names::qualified(controller).into_iter().map(|what| invalid_text(&path, controller, &what)));
    for (name, is_required, most) in
        [("reportingInstance", true, 128), ("action", true, 128), ("reason", true, 128), ("message", false, 1024)]
    {
        let (path, length) = (Path::of(name), event.text(name).len());
        if is_required && length == 0 {
            causes.push(required(&path, ""));
        }
        if length > most {
            causes.push(invalid_text(&path, "", &format!("can have at most {most} characters")));
        }
    }
    causes
}

/// What else is wrong with a new event of the newer group.
fn created(event: Event<'_>) -> Vec<Cause> {
    let mut causes = series(event);
    if event.field("eventTime").is_null() {
        causes.push(required(&Path::of("eventTime"), ""));
    }
    let sort = event.text("type");
    if !matches!(sort, "Normal" | "Warning") {
        causes.push(invalid_text(&Path::of("type"), "", &format!("has invalid value: {sort}")));
    }
    let source = event.field("source");
    for (name, is_set) in [
        ("firstTimestamp", !event.field("firstTimestamp").is_null()),
        ("lastTimestamp", !event.field("lastTimestamp").is_null()),
        ("count", event.field("count").as_i64().is_some_and(|count| count != 0)),
        ("source", ["component", "host"].iter().any(|part| source[*part].as_str().is_some_and(|it| !it.is_empty()))),
    ] {
        if is_set {
            causes.push(invalid_text(&Path::of(name), "", "needs to be unset"));
        }
    }
    causes
}

/// What is wrong with how often an event has come.
fn series(event: Event<'_>) -> Vec<Cause> {
    let series = event.field("series");
    let mut causes = Vec::new();
    if series.is_object() {
        if series["count"].as_i64().unwrap_or_default() < 2 {
            causes.push(invalid_text(&Path::of("series.count"), "", "should be at least 2"));
        }
        if series["lastObservedTime"].is_null() {
            causes.push(required(&Path::of("series.lastObservedTime"), ""));
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(api_version: &str, object: &Value, old: Option<&Value>) -> Vec<String> {
        let kinds = super::super::kinds();
        let kind = kinds.iter().find(|kind| kind.kind == "Event" && kind.api_version() == api_version);
        let causes = check(kind.expect("a kind"), object, old);
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    fn new() -> Value {
        json!({
            "metadata": {"name": "a", "namespace": "n"}, "regarding": {"namespace": "n"}, "type": "Normal", "action": "a",
            "reason": "r", "note": "it starts", "reportingController": "example.com/x", "reportingInstance": "i",
            "eventTime": "2001-02-03T04:05:06.000000Z",
        })
    }

    #[test]
    fn an_event_is_where_its_object_is() {
        let old = |about: Value, namespace: &str| json!({"metadata": {"name": "a", "namespace": namespace}, "involvedObject": about});
        assert!(told("v1", &old(json!({"namespace": "n"}), "n"), None).is_empty());
        assert!(told("v1", &old(json!({}), "default"), None).is_empty());
        assert_eq!(
            told("v1", &old(json!({"namespace": "other"}), "n"), None),
            ["involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"],
        );
    }

    #[test]
    fn the_newer_group_wants_more() {
        assert!(told("events.k8s.io/v1", &new(), None).is_empty());
        let mut wrong = new();
        wrong["note"] = "x".repeat(1025).into();
        wrong["type"] = "Strange".into();
        wrong["deprecatedCount"] = 1.into();
        assert_eq!(
            told("events.k8s.io/v1", &wrong, None),
            [
                "message: Invalid value: \"\": can have at most 1024 characters",
                "type: Invalid value: \"\": has invalid value: Strange",
                "count: Invalid value: \"\": needs to be unset",
            ],
        );
    }

    #[test]
    fn an_event_of_the_newer_group_only_comes_again() {
        let mut again = new();
        again["series"] = json!({"count": 2, "lastObservedTime": "2001-02-03T04:05:07.000000Z"});
        assert!(told("events.k8s.io/v1", &again, Some(&new())).is_empty());
        again["note"] = "other".into();
        assert_eq!(
            told("events.k8s.io/v1", &again, Some(&new())),
            ["message: Invalid value: \"other\": field is immutable"],
        );
    }
}
