//! When a failed Pod is replaced.
//!
//! Told from the Pods that are there, so that a restart forgets nothing.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::view::Pauses;
use crate::api::controllers::pod;

/// How long the next Pod has to wait, after so many failures in a row, the last one at that time.
pub(super) fn remaining(pauses: Pauses, failures: usize, last: Timestamp, now: Timestamp) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let factor = 2u32.saturating_pow(u32::try_from(doublings).unwrap_or(u32::MAX));
    let pause = pauses.first.saturating_mul(factor).min(pauses.longest);
    let elapsed = Duration::try_from(now.duration_since(last)).unwrap_or_default();
    pause.saturating_sub(elapsed)
}

/// How many Pods have failed since the last one succeeded, and when the last of them did.
pub(super) fn failures<'a>(
    pods: impl Iterator<Item = &'a Arc<Pod>> + Clone,
    is_failed: impl Fn(&Pod) -> bool,
) -> (usize, Timestamp) {
    let success = pods.clone().filter(|it| pod::phase(it) == "Succeeded").map(|it| pod::finished(it)).max();
    let failed = pods.filter(|it| is_failed(it)).map(|it| pod::finished(it));
    let since: Vec<Timestamp> = failed.filter(|end| success.is_none_or(|success| *end > success)).collect();
    (since.len(), since.into_iter().max().unwrap_or(Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = Pauses { first: Duration::from_secs(10), longest: Duration::from_secs(60) };
        let at = |second| Timestamp::from_second(second).unwrap();
        let seconds = |failures, elapsed: i64| remaining(pauses, failures, at(100), at(100 + elapsed)).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 100].map(|failures| seconds(failures, 0)), [0, 10, 20, 40, 60, 60]);
        assert_eq!([0, 4, 10, 11].map(|elapsed| seconds(1, elapsed)), [10, 6, 0, 0]);
        // A clock that was set back makes nobody wait longer than the pause.
        assert_eq!(seconds(1, -50), 10);
    }
}
