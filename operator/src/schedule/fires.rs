//! Which fires of a Schedule are due, and which of them are made up for.

use std::time::Duration;

use aggregator_crds::schedule::{MissedRuns, MissedRunsPolicy};
use aggregator_crds::validation::parse_duration;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;

/// A fire that is started within this time came due while somebody could start it.
const ON_TIME: SignedDuration = SignedDuration::from_secs(60);

/// A fire: when, and what made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fire {
    /// When it was due.
    pub at: Timestamp,
    /// The event that made it; empty for a clock's.
    pub event: String,
}

/// The fires that are due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Those that are started, the oldest first.
    pub start: Vec<Fire>,
    /// How many others there were.
    pub missed: u64,
    /// When the last of those was.
    pub last_missed: Option<Timestamp>,
}

/// The fires of a clock after a time and up to now, by the policy for those that came due while nobody could start them.
#[must_use]
pub(super) fn of_clock(clock: &Clock, after: Timestamp, now: Timestamp, policy: &MissedRuns) -> Due {
    let count = clock.count(after, now);
    if count == 0 {
        return Due::default();
    }
    let oldest = policy.max_age.as_ref().and_then(|age| parse_duration(age).ok()).and_then(|age| before(now, age));
    let most = match policy.policy {
        MissedRunsPolicy::Skip | MissedRunsPolicy::Latest => 1,
        MissedRunsPolicy::All => policy.max.unwrap_or(1).max(1) as usize,
    };
    let latest = clock.latest(after, now, most.saturating_add(1));
    let taken = |fire: &Timestamp| {
        let on_time = now.duration_since(*fire) <= ON_TIME;
        on_time || (policy.policy != MissedRunsPolicy::Skip && oldest.is_none_or(|oldest| *fire >= oldest))
    };
    let mut start: Vec<Timestamp> = latest.iter().take(most).copied().filter(taken).collect();
    let last_missed = latest.iter().find(|fire| !start.contains(fire)).copied();
    start.reverse();
    let missed = count.saturating_sub(start.len() as u64);
    let start = start.into_iter().map(|at| Fire { at, event: String::new() }).collect();
    Due { start, missed, last_missed }
}

fn before(now: Timestamp, age: Duration) -> Option<Timestamp> {
    now.checked_sub(SignedDuration::try_from(age).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use aggregator_crds::schedule::{CronTrigger, Trigger};

    use super::*;

    fn due(
        after: &str,
        now: &str,
        policy: MissedRunsPolicy,
        max: Option<u32>,
        age: Option<&str>,
    ) -> (Vec<String>, u64) {
        let trigger = Trigger::Cron(CronTrigger { expressions: vec!["0 * * * *".into()], time_zone: "UTC".into() });
        let (after, now) = (after.parse().expect("a time"), now.parse().expect("a time"));
        let clock = Clock::of(&trigger, after).expect("a trigger").expect("a clock");
        let found = of_clock(&clock, after, now, &MissedRuns { policy, max, max_age: age.map(str::to_owned) });
        (found.start.iter().map(|fire| fire.at.strftime("%H:%M").to_string()).collect(), found.missed)
    }

    #[test]
    fn what_was_missed_is_made_up_for_as_the_policy_says() {
        use MissedRunsPolicy::{All, Latest, Skip};
        let (after, now) = ("2026-11-23T10:00:00Z", "2026-11-23T15:30:00Z");
        assert_eq!(due(after, now, Skip, None, None), (vec![], 5));
        assert_eq!(due(after, now, Latest, None, None), (vec!["15:00".into()], 4));
        assert_eq!(due(after, now, Latest, None, Some("20m")), (vec![], 5));
        assert_eq!(due(after, now, All, Some(3), None), (vec!["13:00".into(), "14:00".into(), "15:00".into()], 2));
        assert_eq!(due(after, now, All, Some(3), Some("2h")), (vec!["14:00".into(), "15:00".into()], 3));
        assert_eq!(due(after, now, All, Some(100), None).0.len(), 5);
        // On time is no making up.
        assert_eq!(due("2026-11-23T14:30:00Z", "2026-11-23T15:00:02Z", Skip, None, None), (vec!["15:00".into()], 0));
        assert_eq!(due("2026-11-23T15:00:00Z", "2026-11-23T15:30:00Z", Latest, None, None), (vec![], 0));
    }
}
