//! Conditions that keep the time of their last change.

use aggregator_crds::Reason;
use aggregator_crds::condition::{Condition, ConditionStatus, ConditionType};
use jiff::Timestamp;

/// The most bytes of a message: what users write may be quoted in it, and the API server takes 32 KiB of one message.
const LONGEST: usize = 4096;

/// A message as conditions have it: where it is too long, its beginning. That takes no more room than it needs.
pub(crate) fn bounded(mut message: String) -> String {
    if message.len() > LONGEST {
        message.truncate(message.floor_char_boundary(LONGEST - '…'.len_utf8()));
        message.push('…');
        message.shrink_to_fit();
    }
    message
}

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
        let message = bounded(message.into());
        Self { condition_type, status, reason, message }
    }

    /// It holds, or it does not.
    pub fn holds(condition_type: ConditionType, holds: bool, reason: Reason, message: impl Into<String>) -> Self {
        let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
        Self::new(condition_type, status, reason, message)
    }
}

/// What kstatus (`pkg/kstatus` of kubernetes-sigs/cli-utils) makes of a condition, to be said beside it while it is so:
/// `Stalled` where nothing but an edit helps, `Reconciling` where the operator is at work. It is neither where all is well, and
/// where others are waited for, as a system that does not answer or an object that is not there.
#[must_use]
pub fn kstatus(said: &Said) -> Option<Said> {
    let condition_type = match said.status {
        ConditionStatus::False if said.reason.needs_edit() => ConditionType::Stalled,
        ConditionStatus::Unknown => ConditionType::Reconciling,
        ConditionStatus::True | ConditionStatus::False => return None,
    };
    Some(Said { condition_type, status: ConditionStatus::True, ..said.clone() })
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

/// The conditions with another leading one: the others stay, but for what kstatus made of the one before.
#[must_use]
pub fn led_by(
    said: Said,
    others: Vec<Condition>,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let beside = kstatus(&said);
    let renewed = |said: Said| renew(before, vec![said], generation, now);
    let gone = [said.condition_type, ConditionType::Reconciling, ConditionType::Stalled].map(ConditionType::as_str);
    let others = others.into_iter().filter(|other| !gone.contains(&other.condition_type.as_str()));
    renewed(said).into_iter().chain(others).chain(beside.into_iter().flat_map(renewed)).collect()
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
    fn what_waits_for_an_edit_is_stalled_and_what_is_worked_on_is_reconciling() {
        use ConditionStatus::{False, True, Unknown};
        let beside = |status, reason| {
            let beside = kstatus(&Said::new(ConditionType::Ready, status, reason, "so it is"))?;
            assert_eq!((beside.status, beside.message.as_str()), (ConditionStatus::True, "so it is"));
            assert_eq!(beside.reason, reason);
            Some(beside.condition_type)
        };
        assert_eq!(beside(False, Reason::Invalid), Some(ConditionType::Stalled));
        assert_eq!(beside(Unknown, Reason::Checking), Some(ConditionType::Reconciling));
        assert_eq!(beside(True, Reason::Compiled), None);
        assert_eq!(beside(False, Reason::PipelineIsDraft), None, "somebody wants it so");
        for others in [Reason::Unreachable, Reason::ConnectorMissing, Reason::WriteRefused] {
            assert_eq!(beside(False, others), None, "{others}");
        }
    }

    #[test]
    fn another_condition_leads_and_the_others_stay() {
        let now = "2026-11-23T10:00:00Z".parse::<Timestamp>().expect("a time");
        let good = |condition_type| Said::holds(condition_type, true, Reason::Compiled, "");
        let before = renew(&[], vec![good(ConditionType::Ready), good(ConditionType::Valid)], Some(1), now);
        let led = |reason, before: &[Condition]| {
            led_by(Said::holds(ConditionType::Ready, false, reason, ""), before.to_vec(), before, Some(2), now)
        };
        let invalid = led(Reason::Invalid, &before);
        let told = |after: &[Condition]| -> Vec<String> {
            after.iter().map(|it| format!("{} {:?} {}", it.condition_type, it.status, it.reason)).collect()
        };
        assert_eq!(told(&invalid), ["Ready False Invalid", "Valid True Compiled", "Stalled True Invalid"]);
        assert_eq!((invalid[0].observed_generation, &invalid[1]), (Some(2), &before[1]));
        let refused = led(Reason::WriteRefused, &invalid);
        assert_eq!(told(&refused), ["Ready False WriteRefused", "Valid True Compiled"], "it is stalled no more");
    }
}
