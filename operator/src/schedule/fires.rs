//! Which fires of a Schedule are due, and which of them are made up for.

use std::time::Duration;

use aggregator_crds::schedule::{MissedRuns, MissedRunsPolicy};
use aggregator_crds::validation::parse_duration;
use jiff::{SignedDuration, Timestamp, ToSpan};

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
    /// Whether those came due while the Schedule was suspended, and it is not any more.
    pub asleep: bool,
}

/// The fires of a clock after a time and up to now: all that are on time, and of those that came due while nobody could start
/// them as many as the policy says. What is on time counts among the latest.
#[must_use]
pub(super) fn of_clock(clock: &Clock, after: Timestamp, now: Timestamp, policy: &MissedRuns) -> Due {
    let count = clock.count(after, now);
    if count == 0 {
        return Due::default();
    }
    let oldest = policy.max_age.as_ref().and_then(|age| parse_duration(age).ok()).and_then(|age| before(now, age));
    let made_up = match policy.policy {
        MissedRunsPolicy::Skip => 0,
        MissedRunsPolicy::Latest => 1,
        MissedRunsPolicy::All => policy.max.unwrap_or(1).max(1) as usize,
    };
    let recent = now.checked_sub(ON_TIME).map_or(after, |recent| after.max(just_before(recent)));
    let most = made_up.max(usize::try_from(clock.count(recent, now)).unwrap_or(usize::MAX));
    let latest = clock.latest(after, now, most.saturating_add(1));
    let taken = |fire: &Timestamp| *fire > recent || oldest.is_none_or(|oldest| *fire >= oldest);
    let mut start: Vec<Timestamp> = latest.iter().take(most).copied().filter(taken).collect();
    let last_missed = latest.iter().find(|fire| !start.contains(fire)).copied();
    start.reverse();
    let missed = count.saturating_sub(start.len() as u64);
    let start = start.into_iter().map(|at| Fire { at, event: String::new() }).collect();
    Due { start, missed, last_missed, asleep: false }
}

/// Whether a clock has a fire at that very time.
#[must_use]
pub(super) fn is_fire(clock: &Clock, at: Timestamp) -> bool {
    clock.next(just_before(at)) == Some(at)
}

/// The last moment before a time.
#[must_use]
pub(super) fn just_before(time: Timestamp) -> Timestamp {
    time.checked_sub(1.nanosecond()).unwrap_or(time)
}

fn before(now: Timestamp, age: Duration) -> Option<Timestamp> {
    now.checked_sub(SignedDuration::try_from(age).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use aggregator_crds::schedule::{CronTrigger, IntervalTrigger, Trigger};

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

    #[test]
    fn each_fire_that_is_on_time_is_decided_whatever_the_policy_says_of_others() {
        use MissedRunsPolicy::{All, Latest, Skip};
        let time = |text: &str| format!("2026-11-23T{text}Z").parse::<Timestamp>().expect("a time");
        let trigger = Trigger::Interval(IntervalTrigger { every: "20s".into(), start: Some(time("09:00:00")) });
        let clock = Clock::of(&trigger, time("09:00:00")).expect("a trigger").expect("a clock");
        let due = |after: &str, now: &str, policy: MissedRunsPolicy, max: Option<u32>| {
            let found = of_clock(&clock, time(after), time(now), &MissedRuns { policy, max, max_age: None });
            let start: Vec<String> = found.start.iter().map(|fire| fire.at.strftime("%M:%S").to_string()).collect();
            (start.join(" "), found.missed, found.last_missed)
        };
        for (policy, max) in [(Skip, None), (Latest, None), (All, Some(1)), (All, Some(2))] {
            let two = due("10:00:05", "10:00:45", policy, max);
            assert_eq!(two, ("00:20 00:40".to_owned(), 0, None), "{policy:?}");
            // One of exactly a minute is on time; those before it are not, and it is later than they.
            let four = due("09:58:10", "10:00:40", policy, max);
            assert_eq!(four, ("59:40 00:00 00:20 00:40".to_owned(), 4, Some(time("09:59:20"))), "{policy:?}");
        }
        let more = due("09:58:10", "10:00:40", All, Some(6));
        assert_eq!(more, ("59:00 59:20 59:40 00:00 00:20 00:40".to_owned(), 2, Some(time("09:58:40"))));
        // Where none is on time, the latest one is made up for.
        let clock = Trigger::Interval(IntervalTrigger { every: "10m".into(), start: Some(time("09:00:00")) });
        let clock = Clock::of(&clock, time("09:00:00")).expect("a trigger").expect("a clock");
        let policy = MissedRuns { policy: Latest, max: None, max_age: None };
        let found = of_clock(&clock, time("09:35:00"), time("10:05:00"), &policy);
        assert_eq!((found.start.len(), found.start[0].at, found.missed), (1, time("10:00:00"), 2));
    }
}
