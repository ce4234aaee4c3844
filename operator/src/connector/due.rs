//! When a Connector is checked next.

use std::time::Duration;

use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::connector::ProbeStep;
use aggregator_crds::{Connector, parse_duration};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::conditions::find;

/// A catalogue is missed this long after the check that found it, and not before: the caches may not have seen it yet.
const MISSED: Duration = Duration::from_secs(10);

/// Asks for a check: any value that it has not had yet.
pub const REQUESTED: &str = "aggregator.dev/check-requested-at";

/// The most characters of a request: it is kept in the status, and the API server takes no more of any text there.
const LONGEST_REQUEST: usize = 65_536;

/// What does not answer is asked again after this time, and after twice as long each time, up to the longest.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Whether a check is due, and if not, in how long the next one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    In(Duration),
    /// It was checked, and nobody has asked for more.
    Never,
}

/// The value of the annotation that asks for a check.
pub(super) fn requested(connector: &Connector) -> Option<&String> {
    connector.annotations().get(REQUESTED)
}

/// What is wrong with a request that cannot be kept.
pub(super) fn unfit_request(connector: &Connector) -> Option<String> {
    let length = requested(connector)?.chars().count();
    let told = || {
        format!(
            "the annotation {REQUESTED} has {length} characters, and may have {LONGEST_REQUEST}: write a short one, as a time"
        )
    };
    (length > LONGEST_REQUEST).then(told)
}

/// When a Connector is checked next: when it has changed, when somebody asks for it, by its interval, and again while it
/// does not answer, or when its catalogue was taken away.
#[must_use]
pub(super) fn due(connector: &Connector, has_catalogue: bool, now: Timestamp) -> Due {
    let Some((status, last)) = connector.status.as_ref().and_then(|status| Some((status, status.last_check.as_ref()?)))
    else {
        return Due::Now;
    };
    let asked = requested(connector);
    if last.generation != connector.metadata.generation || (asked.is_some() && asked != last.requested_at.as_ref()) {
        return Due::Now;
    }
    let ready = find(&status.conditions, ConditionType::Ready);
    // Validation has seen that it is a length of time.
    let interval = connector.spec.check.as_ref().and_then(|check| parse_duration(&check.interval).ok());
    let failing = ready.filter(|ready| ready.status == ConditionStatus::False).map(|ready| {
        let since = ready.last_transition_time.unwrap_or(last.time);
        Duration::try_from(last.time.duration_since(since)).unwrap_or_default().clamp(FIRST, LONGEST)
    });
    let discovered = find(&status.conditions, ProbeStep::Discover.condition());
    let lost = !has_catalogue && discovered.is_some_and(|it| it.status == ConditionStatus::True);
    let Some(pause) = [interval, failing, lost.then_some(MISSED)].into_iter().flatten().min() else {
        return Due::Never;
    };
    let next = last.time.saturating_add(SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX));
    match next.map(|next| Duration::try_from(next.duration_since(now))) {
        Ok(Ok(left)) if !left.is_zero() => Due::In(left),
        _ => Due::Now,
    }
}
