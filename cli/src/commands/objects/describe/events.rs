//! What has happened to an object lately.

use jiff::Timestamp;
use kube::api::ListParams;
use serde_json::Value;

use super::super::age;
use super::super::connection::Connection;
use super::super::kind::Kind;
use super::super::list;
use super::super::trouble::Trouble;
use crate::output;

/// The most events that are shown: the newest.
const SHOWN: usize = 20;

/// Where events stand of objects that are in no namespace.
const ELSEWHERE: &str = "default";

/// The events of an object, the oldest first.
pub(super) async fn of(connection: &Connection, object: &Value) -> Result<Vec<Value>, Trouble> {
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or(ELSEWHERE);
    let which = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let mut events = list::objects(connection, &Kind::events(), Some(namespace), &which).await?;
    events.sort_by_key(time);
    Ok(events)
}

/// When it happened last.
fn time(event: &Value) -> Option<Timestamp> {
    let places = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"];
    places.iter().find_map(|place| event.pointer(place)?.as_str()?.parse().ok())
}

/// How often it happened.
fn count(event: &Value) -> u64 {
    let count = |place: &str| event.pointer(place).and_then(Value::as_u64);
    count("/series/count").or_else(|| count("/count")).unwrap_or(1)
}

/// Shows them on standard output.
pub(super) fn show(events: &[Value], now: Timestamp) {
    if events.is_empty() {
        return;
    }
    let text = |event: &Value, place: &str| event.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut table = output::table(["EVENT", "REASON", "AGE", "TIMES", "MESSAGE"]);
    for event in &events[events.len().saturating_sub(SHOWN)..] {
        table.add_row([
            text(event, "/type"),
            text(event, "/reason"),
            time(event).map(|time| age::of(time, now)).unwrap_or_default(),
            count(event).to_string(),
            text(event, "/message"),
        ]);
    }
    output::figures(&mut table, [3]);
    output::line("");
    output::show(&table);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_has_the_time_and_the_number_of_its_last_happening() {
        let series = json!({
            "eventTime": "2026-11-29T10:00:00.5Z", "lastTimestamp": null,
            "series": {"count": 3, "lastObservedTime": "2026-11-29T10:09:00Z"},
        });
        assert_eq!(
            (time(&series).map(|time| time.to_string()).as_deref(), count(&series)),
            (Some("2026-11-29T10:09:00Z"), 3)
        );
        let old =
            json!({"firstTimestamp": "2026-11-29T09:00:00Z", "lastTimestamp": "2026-11-29T09:30:00Z", "count": 5});
        assert_eq!(
            (time(&old).map(|time| time.to_string()).as_deref(), count(&old)),
            (Some("2026-11-29T09:30:00Z"), 5)
        );
        assert_eq!((time(&json!({})), count(&json!({}))), (None, 1));
    }
}
