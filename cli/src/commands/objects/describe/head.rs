//! What an object is, and where it comes from.

use jiff::Timestamp;
use serde_json::Value;

use super::super::age;

/// Names and values, in the order in which they are shown.
pub(super) fn rows(object: &Value, now: Timestamp) -> Vec<(&'static str, String)> {
    let metadata = &object["metadata"];
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let moment = |value: &Value| {
        let time: Timestamp = value.as_str()?.parse().ok()?;
        Some(format!("{time} ({} ago)", age::of(time, now)))
    };
    let kind = text(&object["kind"]).unwrap_or_default();
    let all = [
        ("name", text(&metadata["name"])),
        ("namespace", text(&metadata["namespace"])),
        ("kind", Some(format!("{kind} ({})", text(&object["apiVersion"]).unwrap_or_default()))),
        ("created", moment(&metadata["creationTimestamp"])),
        ("deleted", moment(&metadata["deletionTimestamp"]).map(|when| format!("{when}; {}", held(metadata)))),
        ("owner", owner(metadata)),
        ("labels", pairs(&metadata["labels"])),
        ("annotations", pairs(&metadata["annotations"])),
    ];
    let own = if kind == "PipelineRun" { of_a_run(&object["status"], moment) } else { Vec::new() };
    all.into_iter().chain(own).filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What a run's status says in a word or a number.
fn of_a_run(status: &Value, moment: impl Fn(&Value) -> Option<String>) -> Vec<(&'static str, Option<String>)> {
    let plain = |field: &str| match &status[field] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let totals = &status["totals"];
    let rows = |field: &str| totals[field].as_u64().unwrap_or(0);
    let moved = format!("{} read, {} written, {} rejected", rows("read"), rows("written"), rows("rejected"));
    let balanced = match status.pointer("/ledger/balanced").and_then(Value::as_bool) {
        Some(true) => "; every one is accounted for",
        Some(false) => "; the ledger is not balanced",
        None => "",
    };
    vec![
        ("phase", plain("phase")),
        ("attempt", plain("attempt")),
        ("revision", plain("revision")),
        ("job", plain("job")),
        ("started", moment(&status["startTime"])),
        ("ended", moment(&status["completionTime"])),
        ("rows", totals.is_object().then(|| format!("{moved}{balanced}"))),
    ]
}

/// Who holds an object back that is to go.
fn held(metadata: &Value) -> String {
    let finalizers: Vec<&str> =
        metadata["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if finalizers.is_empty() { "it is about to go".into() } else { format!("held back by {}", finalizers.join(", ")) }
}

fn owner(metadata: &Value) -> Option<String> {
    let owners = metadata["ownerReferences"].as_array()?.iter();
    let owners = owners.filter_map(|owner| Some(format!("{}/{}", owner["kind"].as_str()?, owner["name"].as_str()?)));
    Some(owners.collect::<Vec<_>>().join(", ")).filter(|owners| !owners.is_empty())
}

/// Labels or annotations, one in a line.
fn pairs(values: &Value) -> Option<String> {
    let pairs =
        values.as_object()?.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    Some(pairs.collect::<Vec<_>>().join("\n")).filter(|pairs| !pairs.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_head_of_a_run_says_how_it_stands() {
        let now: Timestamp = "2026-11-29T10:05:00Z".parse().expect("a time");
        let run = json!({
            "apiVersion": "aggregator.dev/v1alpha1", "kind": "PipelineRun",
            "metadata": {
                "name": "orders-1", "namespace": "demo", "creationTimestamp": "2026-11-29T10:00:00Z",
                "labels": {"a": "b", "c": "d"}, "annotations": {},
                "ownerReferences": [{"kind": "Schedule", "name": "hourly"}],
            },
            "status": {
                "phase": "Failed", "attempt": 3, "totals": {"read": 7, "written": 0, "rejected": 4},
                "ledger": {"balanced": true}, "startTime": "2026-11-29T10:00:01Z",
            },
        });
        let shown: Vec<String> = rows(&run, now).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            shown,
            [
                "name: orders-1",
                "namespace: demo",
                "kind: PipelineRun (aggregator.dev/v1alpha1)",
                "created: 2026-11-29T10:00:00Z (5m ago)",
                "owner: Schedule/hourly",
                "labels: a=b\nc=d",
                "phase: Failed",
                "attempt: 3",
                "started: 2026-11-29T10:00:01Z (4m ago)",
                "rows: 7 read, 0 written, 4 rejected; every one is accounted for",
            ]
        );
    }

    #[test]
    fn an_object_that_is_to_go_names_who_holds_it() {
        let now: Timestamp = "2026-11-29T10:00:30Z".parse().expect("a time");
        let metadata = json!({"deletionTimestamp": "2026-11-29T10:00:00Z", "finalizers": ["a", "b"]});
        let shown = rows(&json!({"kind": "A", "apiVersion": "v1", "metadata": metadata}), now);
        assert!(shown.contains(&("deleted", "2026-11-29T10:00:00Z (30s ago); held back by a, b".into())), "{shown:?}");
    }
}
