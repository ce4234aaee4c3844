//! Conditions that keep the time of their last change.

use aggregator_crds::condition::{Condition, ConditionStatus};
use jiff::Timestamp;

/// The most bytes of a message: what users write may be quoted in it, and the API server takes 32 KiB of one message.
const LONGEST: usize = 4096;

/// A condition as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What is spoken of.
    pub condition_type: &'static str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in a word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

impl Said {
    /// A condition as it should be.
    pub fn new(
        condition_type: &'static str,
        status: ConditionStatus,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let mut message = message.into();
        if message.len() > LONGEST {
            message.truncate(message.floor_char_boundary(LONGEST - '…'.len_utf8()));
            message.push('…');
        }
        Self { condition_type, status, reason: reason.into(), message }
    }

    /// It holds, or it does not.
    pub fn holds(condition_type: &'static str, holds: bool, reason: &str, message: impl Into<String>) -> Self {
        let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
        Self::new(condition_type, status, reason, message)
    }
}

/// A condition of that type, if there is one.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], condition_type: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.condition_type == condition_type)
}

/// The conditions that are said now; one whose status is what it was keeps the time of its last change.
#[must_use]
pub fn renew(before: &[Condition], said: Vec<Said>, generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let renewed = said.into_iter().map(|said| {
        let last = find(before, said.condition_type).filter(|last| last.status == said.status);
        Condition {
            condition_type: said.condition_type.to_owned(),
            status: said.status,
            reason: said.reason,
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
    let others = before.iter().filter(|condition| condition.condition_type != said.condition_type).cloned();
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
        let said = |holds, reason: &str| vec![Said::holds("Ready", holds, reason, "")];
        let first = renew(&[], said(true, "Good"), Some(1), at("2026-11-23T10:00:00.7Z"));
        assert_eq!(first[0].last_transition_time, Some(at("2026-11-23T10:00:00Z")));
        let second = renew(&first, said(true, "Better"), Some(2), at("2026-11-23T11:00:00Z"));
        assert_eq!(
            (second[0].last_transition_time, second[0].reason.as_str()),
            (first[0].last_transition_time, "Better")
        );
        let third = renew(&second, said(false, "Bad"), Some(2), at("2026-11-23T12:00:00Z"));
        assert_eq!(third[0].last_transition_time, Some(at("2026-11-23T12:00:00Z")));
    }
    #[test]
    fn a_message_is_never_longer_than_the_api_server_takes() {
        let said = Said::holds("Ready", false, "Invalid", format!("`{}` is no name", "ö".repeat(100_000)));
        assert_eq!(said.message.len(), LONGEST);
        assert!(said.message.starts_with("`öö") && said.message.ends_with("ö…"), "{}", &said.message[4000..]);
        assert_eq!(Said::holds("Ready", false, "Invalid", "x".repeat(LONGEST)).message.len(), LONGEST);
    }

    #[test]
    fn one_condition_is_replaced_and_the_others_stay() {
        let now = "2026-11-23T10:00:00Z".parse::<Timestamp>().expect("a time");
        let both = vec![Said::holds("Ready", true, "Good", ""), Said::holds("Valid", true, "Good", "")];
        let before = renew(&[], both, Some(1), now);
        let after = replaced(&before, Said::holds("Ready", false, "Bad", ""), Some(2), now);
        assert_eq!((after[0].reason.as_str(), after[0].observed_generation), ("Bad", Some(2)));
        assert_eq!(after[1..], before[1..]);
    }
}
