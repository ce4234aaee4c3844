//! Whether a failed attempt is repeated, and when.

use std::time::Duration;

use aggregator_crds::pipeline::{Backoff, Retry};
use aggregator_crds::validation::parse_duration;

/// The pauses when the Pipeline says nothing of them.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// How often a failed attempt is repeated when the Pipeline says nothing of it.
const DEFAULT_LIMIT: u32 = 2;

/// The pause before the next attempt after so many failures in a row without progress, the last one counted; None when
/// there is no other attempt.
#[must_use]
pub(super) fn pause(policy: Option<&Retry>, failures: u32) -> Option<Duration> {
    let limit = policy.map_or(DEFAULT_LIMIT, |policy| policy.limit);
    if failures > limit {
        return None;
    }
    let backoff = policy.and_then(|policy| policy.backoff.as_ref());
    let read = |text: Option<&String>, otherwise| text.and_then(|text| parse_duration(text).ok()).unwrap_or(otherwise);
    let first = read(backoff.map(|Backoff { initial, .. }| initial), FIRST);
    let longest = read(backoff.and_then(|backoff| backoff.max.as_ref()), LONGEST).max(first);
    let factor: f64 = backoff.and_then(|backoff| backoff.factor.as_ref()?.parse().ok()).unwrap_or(2.0);
    let grown = first.as_secs_f64() * factor.max(1.0).powi(i32::try_from(failures).unwrap_or(i32::MAX) - 1);
    Some(if grown.is_finite() && grown < longest.as_secs_f64() { Duration::from_secs_f64(grown) } else { longest })
}

/// How many attempts are made beyond the limit to learn what has become of a commit.
const SETTLING: u32 = 3;

/// The pause before an attempt that finds out whether the one before has committed, after so many failures in a row; None
/// when enough have tried.
#[must_use]
pub(super) fn settle(policy: Option<&Retry>, failures: u32) -> Option<Duration> {
    let limit = policy.map_or(DEFAULT_LIMIT, |policy| policy.limit);
    (failures <= limit.saturating_add(SETTLING)).then_some(FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(limit: u32, backoff: Option<(&str, &str, &str)>) -> Retry {
        let backoff = backoff.map(|(initial, factor, max)| Backoff {
            initial: initial.into(),
            factor: Some(factor.into()),
            max: Some(max.into()),
        });
        Retry { limit, backoff }
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_end_at_the_limit() {
        let seconds = |policy: Option<&Retry>, failures| pause(policy, failures).map(|pause| pause.as_secs());
        let own = policy(4, Some(("3s", "3", "20s")));
        let pauses: Vec<_> = (1..=5).map(|failures| seconds(Some(&own), failures)).collect();
        assert_eq!(pauses, [Some(3), Some(9), Some(20), Some(20), None]);
        assert_eq!([seconds(None, 1), seconds(None, 2), seconds(None, 3)], [Some(10), Some(20), None]);
        assert_eq!(seconds(Some(&policy(0, None)), 1), None);
        let settles: Vec<bool> = (1..=5).map(|failures| settle(Some(&policy(1, None)), failures).is_some()).collect();
        assert_eq!(settles, [true, true, true, true, false]);
        // A hundred doublings end at the longest pause, and nowhere else.
        assert_eq!(seconds(Some(&policy(100, None)), 100), Some(300));
    }
}
