//! What holds of an object, what does not, and what helps.

use aggregator_crds::Reason;
use aggregator_crds::reason::Topic;
use jiff::Timestamp;
use serde_json::Value;

use super::super::age;
use crate::output;

/// Shows them on standard output.
pub(super) fn show(object: &Value, now: Timestamp) {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if conditions.is_empty() {
        return;
    }
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let mut table = output::table(["CONDITION", "STATUS", "REASON", "AGE", "MESSAGE"]);
    for condition in conditions {
        let since: Option<Timestamp> = text(condition, "lastTransitionTime").parse().ok();
        table.add_row([
            text(condition, "type"),
            text(condition, "status"),
            text(condition, "reason"),
            since.map(|since| age::of(since, now)).unwrap_or_default(),
            text(condition, "message"),
        ]);
    }
    output::line("");
    output::show(&table);
    let helping = helping(conditions);
    if helping.is_empty() {
        return;
    }
    let mut table = output::list();
    for (reason, remedy) in helping {
        table.add_row([reason.as_str(), remedy]);
    }
    output::line("");
    output::line("what helps");
    output::indented(&table, "  ");
}

/// What helps against each reason that is not well, once.
fn helping(conditions: &[Value]) -> Vec<(Reason, &'static str)> {
    let mut helping: Vec<(Reason, &'static str)> = Vec::new();
    for condition in conditions {
        let reason = condition["reason"].as_str().and_then(Reason::of);
        let Some(reason) = reason.filter(|reason| reason.topic() != Topic::Well && reason.remedy() != "nothing") else {
            continue;
        };
        if helping.iter().all(|(told, _)| *told != reason) {
            helping.push((reason, reason.remedy()));
        }
    }
    helping
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_helps_is_told_once_for_each_reason_that_is_not_well() {
        let conditions = [
            json!({"type": "Ready", "status": "False", "reason": "CredentialsRefused"}),
            json!({"type": "ConfigValid", "status": "True", "reason": "Valid"}),
            json!({"type": "CredentialsResolved", "status": "False", "reason": "CredentialsRefused"}),
            json!({"type": "Reachable", "status": "Unknown", "reason": "NotChecked"}),
            json!({"type": "Discovered", "status": "Unknown", "reason": "Unheard"}),
            json!({"type": "Odd"}),
        ];
        let (refused, unchecked) = (Reason::CredentialsRefused, Reason::NotChecked);
        assert_eq!(helping(&conditions), [(refused, refused.remedy()), (unchecked, unchecked.remedy())]);
    }
}
