//! Quotas.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cell;
use super::column::Head;

pub(super) const HEADS: [Head; 4] = [
    Head::NAME,
    Head::new("Request", "Request represents a minimum amount of cpu/memory that a container may consume."),
    Head::new(
        "Limit",
        "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.",
    ),
    Head::AGE,
];

pub(super) fn cells(quota: &Value, now: Timestamp) -> Vec<Value> {
    let hard = quota.pointer("/status/hard").and_then(Value::as_object);
    let hard: BTreeMap<&String, &Value> = hard.into_iter().flatten().collect();
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (resource, most) in hard {
        let used = quota.pointer("/status/used").and_then(|used| used.get(resource)).and_then(Value::as_str);
        let entry = format!("{resource}: {}/{}", used.unwrap_or("0"), most.as_str().unwrap_or("0"));
        let column = if resource.starts_with("limits.") { &mut limits } else { &mut requests };
        column.push(entry);
    }
    vec![json!(cell::name(quota)), json!(requests.join(", ")), json!(limits.join(", ")), json!(cell::age(quota, now))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_stand_apart() {
        let quota = json!({
            "metadata": {"name": "q"},
            "status": {"hard": {"pods": "4", "limits.cpu": "2", "cpu": "1"}, "used": {"pods": "3", "limits.cpu": "1"}},
        });
        let expected = ["q", "cpu: 0/1, pods: 3/4", "limits.cpu: 1/2", "<unknown>"];
        assert_eq!(cells(&quota, Timestamp::UNIX_EPOCH), expected);
    }
}
