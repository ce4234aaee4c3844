//! What a Connector's status says.

use aggregator_crds::Reason;
use aggregator_crds::condition::{Condition, ConditionStatus, ConditionType};
use aggregator_crds::connector::{ConnectorStatus, ProbeOutcome, ProbeStep, StreamSummary};
use jiff::Timestamp;

use crate::conditions::{Said, known, kstatus, renew};
use crate::errand::Why;

/// The conditions of a Connector whose own fields cannot stand.
#[must_use]
pub(super) fn refused(why: &Why) -> Vec<Said> {
    all(Some((ProbeStep::Config, why)), None)
}

/// The conditions of a Connector whose check could not be made: nothing was found out about it.
#[must_use]
pub(super) fn unchecked(why: &Why) -> Vec<Said> {
    let message = format!("the check could not be made: {}", why.message);
    let unknown = |step: ProbeStep| {
        Said::new(step.condition(), ConditionStatus::Unknown, Reason::NotChecked, "the check could not be made")
    };
    let ready = Said::holds(ConditionType::Ready, false, why.reason, message);
    led(ready, ProbeStep::ALL.map(unknown))
}

/// The conditions that a check has found.
#[must_use]
pub(super) fn found(outcome: &ProbeOutcome) -> Vec<Said> {
    match &outcome.failure {
        None => all(None, Some(outcome)),
        Some(failure) => {
            let help = failure.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
            let (reason, message) = known(&failure.reason, format!("{}{help}", failure.message));
            all(Some((failure.step, &Why { reason, message })), Some(outcome))
        }
    }
}

fn all(failed: Option<(ProbeStep, &Why)>, outcome: Option<&ProbeOutcome>) -> Vec<Said> {
    let system = outcome.and_then(|outcome| outcome.system.clone()).unwrap_or_else(|| "it answers".into());
    let streams = outcome.and_then(|outcome| outcome.streams.as_ref()).map_or(0, |streams| streams.count);
    let steps = ProbeStep::ALL.into_iter().map(|step| {
        let condition = step.condition();
        match failed {
            Some((failed, why)) if failed == step => Said::holds(condition, false, why.reason, &why.message),
            Some((failed, _)) if failed < step => {
                let why = format!("not looked at: {} does not hold", failed.condition().as_str());
                Said::new(condition, ConditionStatus::Unknown, Reason::NotChecked, why)
            }
            _ => match step {
                ProbeStep::Config => Said::holds(condition, true, Reason::Valid, "no mistake was found in it"),
                ProbeStep::Credentials => {
                    Said::holds(condition, true, Reason::Resolved, "all keys that it names are there")
                }
                ProbeStep::Reach => Said::holds(condition, true, Reason::Reached, system.clone()),
                ProbeStep::Discover => {
                    let plural = if streams == 1 { "" } else { "s" };
                    Said::holds(condition, true, Reason::Discovered, format!("{streams} stream{plural}"))
                }
            },
        }
    });
    // What was not discovered may still be written to, or read by name.
    let ready = match failed {
        Some((step, why)) if step < ProbeStep::Discover => {
            Said::holds(ConditionType::Ready, false, why.reason, &why.message)
        }
        _ => Said::holds(ConditionType::Ready, true, Reason::Reached, system.clone()),
    };
    led(ready, steps)
}

/// The conditions of the steps behind the leading one, and at last what kstatus makes of that.
fn led(ready: Said, steps: impl IntoIterator<Item = Said>) -> Vec<Said> {
    let beside = kstatus(&ready);
    std::iter::once(ready).chain(steps).chain(beside).collect()
}

/// What stands around the name of a Pipeline that keeps a Connector whose time has come.
const KEPT: [&str; 2] = ["it has expired, and stays while the Pipeline `", "` names it; "];

/// What is said of a Connector whose time has come, and that a Pipeline keeps, besides its own words.
#[must_use]
pub(super) fn kept(pipeline: &str, own: &str) -> String {
    let [before, behind] = KEPT;
    format!("{before}{pipeline}{behind}{own}")
}

/// What is said of a Connector, without what is said of one that is kept.
#[must_use]
pub(super) fn own_words(message: &str) -> &str {
    let [before, behind] = KEPT;
    let rest = message.strip_prefix(before).and_then(|rest| rest.split_once(behind));
    rest.map_or(message, |(_, own)| own)
}

/// The conditions while nothing is known yet: what was known of an earlier version is no more.
#[must_use]
pub(super) fn pending(why: &Why) -> Vec<Said> {
    led(Said::new(ConditionType::Ready, ConditionStatus::Unknown, why.reason, why.message.clone()), [])
}

/// The streams that were found, if that was of this version.
#[must_use]
pub(super) fn streams(before: Option<&ConnectorStatus>, generation: Option<i64>) -> Option<StreamSummary> {
    let last = before?.last_check.as_ref()?;
    before?.streams.clone().filter(|_| last.generation == generation)
}

/// The status with those conditions.
#[must_use]
pub(super) fn status(
    before: Option<&ConnectorStatus>,
    connector_type: &str,
    said: Vec<Said>,
    generation: Option<i64>,
    now: Timestamp,
) -> ConnectorStatus {
    let conditions: &[Condition] = before.map_or(&[], |status| &status.conditions);
    ConnectorStatus {
        observed_generation: generation,
        connector_type: Some(connector_type.to_owned()),
        conditions: renew(conditions, said, generation, now),
        streams: streams(before, generation),
        ..before.cloned().unwrap_or_default()
    }
}
