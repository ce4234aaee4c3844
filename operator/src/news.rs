//! What a new status has to tell that is worth an Event, and a counter: a pure function of the status before and now.

use aggregator_crds::pipeline::{EditClass, LastEdit};
use aggregator_crds::schedule::FireDecision;
use aggregator_crds::{ConditionType, Reason};
use serde::Deserialize;
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

/// A text of at most so many bytes.
pub(crate) fn short(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
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

/// The reason of the Event that tells of an edit of a Pipeline. No condition has it.
pub const EDITED: &str = "Edited";

/// What a new status has to tell, which is one thing at most: an edit is written down when the condition stays as it is.
#[must_use]
pub fn news(kind: Kind, before: &Value, now: &Value) -> Option<News> {
    said(kind, before, now).or_else(|| if kind == Kind::Pipeline { edited(before, now) } else { None })
}

/// The news of an edit that has made a new revision.
fn edited(before: &Value, now: &Value) -> Option<News> {
    let edit = LastEdit::deserialize(&now["lastEdit"]).ok()?;
    if before["lastEdit"]["revision"] == edit.revision {
        return None;
    }
    let note = short(&format!("revision {}: {}", edit.revision, edit.message), NOTE);
    Some(News { warning: edit.class >= EditClass::Positions, reason: EDITED.to_owned(), note })
}

/// The news of a condition whose reason has changed; none where waiting only waits for something else.
fn said(kind: Kind, before: &Value, now: &Value) -> Option<News> {
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
    let note = short(new["message"].as_str().unwrap_or_default(), NOTE);
    Some(News { warning, reason, note })
}

/// Why a fire may start no run, and nobody has to look: the Schedule says that its runs do not overlap.
pub const USUAL: Reason = Reason::RunActive;

/// What a Schedule's new status has to tell of fires that started no run: one thing for each reason. What comes due while it is
/// suspended is told by its condition.
#[must_use]
pub fn unstarted(before: &Value, now: &Value) -> Vec<News> {
    // The operator has written them itself, and can read them.
    let decisions = |status: &Value| Vec::<FireDecision>::deserialize(&status["decisions"]).unwrap_or_default();
    let known = decisions(before);
    let mut all: Vec<(Reason, FireDecision, u64)> = Vec::new();
    // One of several fires may have been taken back since: what is left was told.
    let is_new = |now: &FireDecision| {
        let mut known = known.iter();
        !known.any(|old| (&old.fire, &old.decision, &old.reason) == (&now.fire, &now.decision, &now.reason))
    };
    for decision in decisions(now).into_iter().filter(is_new) {
        let reason = decision.reason.as_deref().and_then(Reason::of);
        let Some(reason) = reason.filter(|reason| *reason != Reason::Suspended) else { continue };
        let fires = decision.fires.unwrap_or(1);
        match all.iter_mut().find(|(told, ..)| *told == reason) {
            // The newest comes first.
            Some((_, _, more)) => *more += fires,
            None => all.push((reason, decision, fires)),
        }
    }
    let told = all.into_iter().map(|(reason, FireDecision { fire, decision, .. }, fires)| {
        let which =
            if fires == 1 { format!("the fire of {fire}") } else { format!("{fires} fires, the last of {fire}") };
        let note = format!("{which}: {decision:?}, because {}; {}", reason.meaning(), reason.remedy());
        News { warning: reason != USUAL, reason: reason.to_string(), note: short(&note, NOTE) }
    });
    told.collect()
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
    fn an_edit_is_news_once_and_a_warning_when_data_is_not_as_it_was() {
        let ready = |reason: &str, edit: Value| {
            let mut status = status("Ready", "True", reason);
            status["lastEdit"] = edit;
            status
        };
        let edit = |revision: i64, class: &str| json!({"revision": revision, "class": class, "message": "it is so"});
        let told =
            |before: &Value, now: &Value| news(Kind::Pipeline, before, now).map(|it| (it.warning, it.reason, it.note));
        let said = |warning, revision| Some((warning, EDITED.to_owned(), format!("revision {revision}: it is so")));
        let first = ready("Compiled", Value::Null);
        let second = ready("Compiled", edit(2, "Forward"));
        let third = ready("Compiled", edit(3, "Positions"));
        assert_eq!(told(&first, &second), said(false, 2));
        assert_eq!(told(&second, &second), None);
        assert_eq!(told(&second, &third), said(true, 3));
        assert_eq!(told(&third, &first), None, "that it is not known any more is no edit");
        let mismatch = told(&second, &ready("SchemaMismatch", edit(2, "Forward")));
        assert_eq!(mismatch.map(|(_, reason, _)| reason).as_deref(), Some("SchemaMismatch"));
        assert_eq!(news(Kind::Schedule, &first, &second), None);
    }

    #[test]
    fn fires_that_started_nothing_are_news_once_for_each_reason() {
        let status = |decisions: &[&Value]| json!({"decisions": decisions});
        let decided = |hour: u8, decision: &str, reason: &str| {
            let fire = format!("2026-11-23T{hour}:00:00+01:00");
            json!({"fire": fire, "decision": decision, "reason": reason})
        };
        let told = |before: &Value, now: &Value| {
            let all = unstarted(before, now).into_iter();
            all.map(|News { warning, reason, note }| {
                let which = note.split_once(", because ").expect("why").0.to_owned();
                (warning, reason, which)
            })
            .collect::<Vec<_>>()
        };
        let said = |warning, reason: &str, which: &str| (warning, reason.to_owned(), which.to_owned());
        let skipped = decided(10, "Skipped", "RunActive");
        let (none, one) = (json!({}), status(&[&skipped]));
        let usual = said(false, "RunActive", "the fire of 2026-11-23T10:00:00+01:00: Skipped");
        assert_eq!(told(&none, &one), [usual]);
        assert_eq!(told(&one, &one), []);
        assert_eq!(told(&one, &none), [], "what was taken back is no fire");

        let (late, failed) = (decided(16, "Missed", "TooLate"), decided(16, "Failed", "PipelineMissing"));
        let (mut many, asleep) = (decided(15, "Missed", "TooLate"), decided(14, "Skipped", "Suspended"));
        many["fires"] = json!(5000);
        let missed = said(true, "TooLate", "5001 fires, the last of 2026-11-23T16:00:00+01:00: Missed");
        let missing = said(true, "PipelineMissing", "the fire of 2026-11-23T16:00:00+01:00: Failed");
        assert_eq!(told(&one, &status(&[&late, &failed, &many, &asleep, &skipped])), [missed, missing]);
        assert_eq!(news(Kind::Schedule, &none, &one), None);

        let before = status(&[&many]);
        many["fires"] = json!(4999);
        assert_eq!(told(&before, &status(&[&many])), [], "one of them was taken back");
    }

    #[test]
    fn fires_are_what_the_counters_have_gained() {
        let (before, now) = (json!({"counts": {"started": 3}}), json!({"counts": {"started": 4, "missed": 10}}));
        assert_eq!(fires(&before, &now), [("Started", 1), ("Missed", 10)]);
        assert_eq!(fires(&now, &now), []);
    }
}
