//! Conditions that keep the time of their last change.

use aggregator_crds::Reason;
use aggregator_crds::condition::{Condition, ConditionStatus, ConditionType};
use jiff::Timestamp;

/// The most bytes of a message: what users write may be quoted in it, and the API server takes 32 KiB of one message.
const LONGEST: usize = 4096;

/// A condition as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What is spoken of.
    pub condition_type: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in a word.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

impl Said {
    /// A condition as it should be.
    pub fn new(
        condition_type: ConditionType,
        status: ConditionStatus,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        let mut message = message.into();
        if message.len() > LONGEST {
            message.truncate(message.floor_char_boundary(LONGEST - '…'.len_utf8()));
            message.push('…');
        }
        Self { condition_type, status, reason, message }
    }

    /// It holds, or it does not.
    pub fn holds(condition_type: ConditionType, holds: bool, reason: Reason, message: impl Into<String>) -> Self {
        let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
        Self::new(condition_type, status, reason, message)
    }
}

/// A condition of that type, if there is one.
#[must_use]
pub fn find(conditions: &[Condition], condition_type: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.condition_type == condition_type.as_str())
}

/// A word that came from outside as one of the closed set, with its message. A worker of another release may say one that
/// this one does not know: it is kept in the message.
#[must_use]
pub fn known(word: &str, message: String) -> (Reason, String) {
    match Reason::of(word) {
        Some(reason) => (reason, message),
        None => (Reason::WorkerFailed, format!("{word}: {message}")),
    }
}

/// A message with what the documentation says is to be done; where that speaks of `NAME`, it is of this Job or Pod.
#[must_use]
pub fn with_remedy(reason: Reason, message: &str, name: &str) -> String {
    let message = message.trim_end_matches(['.', ':', ' ']);
    format!("{message}; {}", reason.remedy().replace("NAME", name))
}

/// The conditions that are said now; one whose status is what it was keeps the time of its last change.
#[must_use]
pub fn renew(before: &[Condition], said: Vec<Said>, generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let renewed = said.into_iter().map(|said| {
        let last = find(before, said.condition_type).filter(|last| last.status == said.status);
        Condition {
            condition_type: said.condition_type.as_str().to_owned(),
            status: said.status,
            reason: said.reason.as_str().to_owned(),
            message: said.message,
            observed_generation: generation,
            last_transition_time: Some(last.and_then(|last| last.last_transition_time).unwrap_or_else(|| seconds(now))),
        }
    });
    renewed.collect()
}

/// The conditions with one of them replaced by what is said now.
#[must_use]
pub fn replaced(before: &[Condition], said: Said, generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let others = before.iter().filter(|condition| condition.condition_type != said.condition_type.as_str()).cloned();
    let others: Vec<Condition> = others.collect();
    renew(before, vec![said], generation, now).into_iter().chain(others).collect()
}

/// Times of conditions have whole seconds, as Kubernetes writes them.
#[must_use]
pub fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_changes_with_the_status_alone() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let said = |holds, reason| vec![Said::holds(ConditionType::Ready, holds, reason, "")];
        let first = renew(&[], said(true, Reason::Scheduled), Some(1), at("2026-11-23T10:00:00.7Z"));
        assert_eq!(first[0].last_transition_time, Some(at("2026-11-23T10:00:00Z")));
        let second = renew(&first, said(true, Reason::Waiting), Some(2), at("2026-11-23T11:00:00Z"));
        assert_eq!(
            (second[0].last_transition_time, second[0].reason.as_str()),
            (first[0].last_transition_time, "Waiting")
        );
        let third = renew(&second, said(false, Reason::Invalid), Some(2), at("2026-11-23T12:00:00Z"));
        assert_eq!(third[0].last_transition_time, Some(at("2026-11-23T12:00:00Z")));
    }

    #[test]
    fn a_word_that_nobody_knows_is_kept_in_the_message() {
        assert_eq!(known("Unreachable", "no answer".into()), (Reason::Unreachable, "no answer".into()));
        assert_eq!(known("Unheard", "no answer".into()), (Reason::WorkerFailed, "Unheard: no answer".into()));
    }

    #[test]
    fn a_message_may_end_with_what_is_to_be_done() {
        let told = with_remedy(Reason::WorkerFailed, "the worker ended: ", "first");
        assert_eq!(told, "the worker ended; read its log: `kubectl logs job/first`");
    }

    #[test]
    fn a_message_is_never_longer_than_the_api_server_takes() {
        let said = |message| Said::holds(ConditionType::Ready, false, Reason::Invalid, message);
        let long = said(format!("`{}` is no name", "ö".repeat(100_000)));
        assert_eq!(long.message.len(), LONGEST);
        assert!(long.message.starts_with("`öö") && long.message.ends_with("ö…"), "{}", &long.message[4000..]);
        assert_eq!(said("x".repeat(LONGEST)).message.len(), LONGEST);
    }

    #[test]
    fn one_condition_is_replaced_and_the_others_stay() {
        let now = "2026-11-23T10:00:00Z".parse::<Timestamp>().expect("a time");
        let good = |condition_type| Said::holds(condition_type, true, Reason::Compiled, "");
        let before = renew(&[], vec![good(ConditionType::Ready), good(ConditionType::Valid)], Some(1), now);
        let bad = Said::holds(ConditionType::Ready, false, Reason::Invalid, "");
        let after = replaced(&before, bad, Some(2), now);
        assert_eq!((after[0].reason.as_str(), after[0].observed_generation), ("Invalid", Some(2)));
        assert_eq!(after[1..], before[1..]);
    }
}
