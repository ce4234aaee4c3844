//! Events, of both groups.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age;
use super::cell::{self, integer, text, text_or};
use super::column::Head;

const EVENT: &str = "io.k8s.api.core.v1.Event";

pub(super) const HEADS: [Head; 10] = [
    Head::of("Last Seen", EVENT, "lastTimestamp"),
    Head::of("Type", EVENT, "type"),
    Head::of("Reason", EVENT, "reason"),
    Head::of("Object", EVENT, "involvedObject"),
    Head::of("Subobject", "io.k8s.api.core.v1.ObjectReference", "fieldPath").wide(),
    Head::of("Source", EVENT, "source").wide(),
    Head::of("Message", EVENT, "message"),
    Head::of("First Seen", EVENT, "firstTimestamp").wide(),
    Head::of("Count", EVENT, "count").wide(),
    Head::NAME.wide(),
];

/// What the groups call the parts of an event.
struct Names {
    object: &'static str,
    message: &'static str,
    controller: &'static str,
    source: &'static str,
    first: &'static str,
    last: &'static str,
    count: &'static str,
}

/// Of the core group.
pub(super) fn cells(event: &Value, now: Timestamp) -> Vec<Value> {
    let names = Names {
        object: "involvedObject",
        message: "/message",
        controller: "/reportingComponent",
        source: "/source",
        first: "/firstTimestamp",
        last: "/lastTimestamp",
        count: "/count",
    };
    row(event, &names, now)
}

/// Of `events.k8s.io`.
pub(super) fn regarding_cells(event: &Value, now: Timestamp) -> Vec<Value> {
    let names = Names {
        object: "regarding",
        message: "/note",
        controller: "/reportingController",
        source: "/deprecatedSource",
        first: "/deprecatedFirstTimestamp",
        last: "/deprecatedLastTimestamp",
        count: "/deprecatedCount",
    };
    row(event, &names, now)
}

fn row(event: &Value, names: &Names, now: Timestamp) -> Vec<Value> {
    let time = |place: &str| event.pointer(place).filter(|time| !time.is_null());
    let first = time(names.first).or_else(|| time("/eventTime"));
    let (last, count) = match event.get("series").filter(|series| !series.is_null()) {
        Some(series) => (series.get("lastObservedTime"), integer(series, "/count")),
        // One that came once needs no count.
        None => (time(names.last).or(first), integer(event, names.count).max(1)),
    };
    let object = &event[names.object];
    let mut about = text(object, "/kind").to_lowercase();
    if !text(object, "/name").is_empty() {
        about = format!("{about}/{}", text(object, "/name"));
    }
    let source = event.pointer(names.source).unwrap_or(&Value::Null);
    let mut from = text_or(source, "/component", text(event, names.controller)).to_owned();
    match text_or(source, "/host", text(event, "/reportingInstance")) {
        "" => {}
        host => from = format!("{from}, {host}"),
    }
    vec![
        json!(age::since(last, now)),
        json!(text(event, "/type")),
        json!(text(event, "/reason")),
        json!(about),
        json!(text(object, "/fieldPath")),
        json!(from),
        json!(text(event, names.message).trim()),
        json!(age::since(first, now)),
        json!(count),
        json!(cell::name(event)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_looks_the_same_in_both_groups() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let core = json!({
            "metadata": {"name": "e"},
            "type": "Normal",
            "reason": "Begun",
            "message": " it began\n",
            "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec"},
            "source": {"component": "c", "host": "h"},
            "firstTimestamp": "2026-01-01T00:00:00Z",
            "lastTimestamp": "2026-01-01T00:00:50Z",
            "count": 4,
        });
        let expected = json!(["10s", "Normal", "Begun", "pod/p", "spec", "c, h", "it began", "60s", 4, "e"]);
        assert_eq!(json!(cells(&core, now)), expected);
        let other = json!({
            "metadata": {"name": "e"},
            "type": "Normal",
            "reason": "Begun",
            "note": "it began",
            "regarding": {"kind": "Pod", "name": "p", "fieldPath": "spec"},
            "reportingController": "c",
            "reportingInstance": "h",
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "series": {"count": 4, "lastObservedTime": "2026-01-01T00:00:50.000000Z"},
        });
        assert_eq!(json!(regarding_cells(&other, now)), expected);
        let once = json!({"eventTime": "2026-01-01T00:00:00Z", "involvedObject": {"kind": "Node"}});
        assert_eq!(json!(cells(&once, now)), json!(["60s", "", "", "node", "", "", "", "60s", 1, ""]));
    }
}
