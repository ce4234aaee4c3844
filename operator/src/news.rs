//! What a new status has to tell that is worth an Event, and a counter: a pure function of the status before and now.

use aggregator_crds::{ConditionType, Reason};
use serde_json::Value;

use crate::action::Kind;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whether somebody should look.
    pub warning: bool,
    /// Why, in a word.
    pub reason: String,
    /// Why, for people.
    pub note: String,
}

/// The longest note of an Event.
const NOTE: usize = 1000;

fn short(note: &str) -> String {
    note[..note.floor_char_boundary(NOTE)].to_owned()
}

/// The condition whose reasons are Events.
#[must_use]
pub fn leading(kind: Kind) -> ConditionType {
    if kind == Kind::PipelineRun { ConditionType::Succeeded } else { ConditionType::Ready }
}

/// Reasons of a condition that is not False, and yet somebody should look.
pub const TROUBLE: [Reason; 7] = [
    Reason::NameConflict,
    Reason::WriteRefused,
    Reason::NoPod,
    Reason::Unschedulable,
    Reason::ImagePullFailed,
    Reason::ContainerFailed,
    Reason::WaitingToRetry,
];

/// The news of a condition whose reason has changed; none where waiting only waits for something else.
#[must_use]
pub fn news(kind: Kind, before: &Value, now: &Value) -> Option<News> {
    let leading = leading(kind).as_str();
    let condition = |status: &Value| {
        let all = status["conditions"].as_array()?;
        all.iter().find(|condition| condition["type"] == leading).cloned()
    };
    let new = condition(now)?;
    let reason = new["reason"].as_str()?.to_owned();
    if condition(before).is_some_and(|old| old["reason"] == new["reason"] && old["status"] == new["status"]) {
        return None;
    }
    let wanted = Reason::Cancelled.as_str();
    let trouble = TROUBLE.iter().any(|trouble| trouble.as_str() == reason);
    let warning = new["status"] == "False" && reason != wanted || trouble;
    let note = short(new["message"].as_str().unwrap_or_default());
    Some(News { warning, reason, note })
}

/// The fires that a Schedule's new status has decided on, by decision: the differences of its counters.
#[must_use]
pub fn fires(before: &Value, now: &Value) -> Vec<(&'static str, u64)> {
    let counts = [("Started", "started"), ("Skipped", "skipped"), ("Missed", "missed")];
    let more = counts.into_iter().map(|(decision, field)| {
        let count = |status: &Value| status["counts"][field].as_u64().unwrap_or(0);
        (decision, count(now).saturating_sub(count(before)))
    });
    more.filter(|(_, fires)| *fires > 0).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(condition: &str, status: &str, reason: &str) -> Value {
        json!({"conditions": [{"type": condition, "status": status, "reason": reason, "message": "m"}]})
    }

    #[test]
    fn a_reason_is_news_once() {
        let none = json!({});
        let running = status("Succeeded", "Unknown", "Running");
        let told = |before: &Value, now: &Value| news(Kind::PipelineRun, before, now).map(|it| (it.warning, it.reason));
        assert_eq!(told(&none, &running), Some((false, "Running".into())));
        assert_eq!(told(&running, &running), None);
        assert_eq!(told(&running, &status("Succeeded", "False", "Unreachable")), Some((true, "Unreachable".into())));
        assert_eq!(told(&running, &status("Succeeded", "False", "Cancelled")), Some((false, "Cancelled".into())));
        assert_eq!(
            told(&running, &status("Succeeded", "Unknown", "WaitingToRetry")),
            Some((true, "WaitingToRetry".into()))
        );
        assert_eq!(told(&running, &status("Ready", "False", "X")), None, "a run's Ready is nothing");
    }

    #[test]
    fn fires_are_what_the_counters_have_gained() {
        let (before, now) = (json!({"counts": {"started": 3}}), json!({"counts": {"started": 4, "missed": 10}}));
        assert_eq!(fires(&before, &now), [("Started", 1), ("Missed", 10)]);
        assert_eq!(fires(&now, &now), []);
    }
}
