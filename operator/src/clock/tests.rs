//! Every fire against a walk through all minutes, as the clock on the wall shows them.

mod crons;
mod difference;
mod expression;
mod table;
mod wall;
mod zones;

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp, ToSpan};

use aggregator_crds::schedule::{CronTrigger, IntervalTrigger, Trigger};

use super::{Calendar, Clock, Interval};

#[test]
fn ten_years_are_counted_in_days() {
    let (from, until): (Timestamp, Timestamp) =
        ("2016-11-23T10:05:00Z".parse().expect("a time"), "2026-11-23T10:05:00Z".parse().expect("a time"));
    let calendar = Calendar::new(&["* * * * *".into()], "Europe/Berlin").expect("an expression");
    let started = Instant::now();
    let (count, latest) = (calendar.count(from, until), calendar.latest(from, until, 1));
    let took = started.elapsed();
    // Every minute of ten years, whatever the clocks on the wall did.
    assert_eq!((count, latest), (3652 * 24 * 60, vec![until]));
    // A listing of the minutes takes seconds, also on a fast machine.
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn a_rare_day_is_found_and_one_that_never_comes_is_not() {
    let calendar = |expression: &str| Calendar::new(&[expression.into()], "UTC").expect("an expression");
    let after: Timestamp = "2096-03-01T00:00:00Z".parse().expect("a time");
    let leap = calendar("0 0 29 2 *").upcoming(after, 1).first().copied().expect("2100 has none, 2104 has");
    assert_eq!(leap.to_string(), "2104-02-29T00:00:00Z");
    assert_eq!(calendar("0 0 30 2 *").upcoming(after, 1), []);
}

#[test]
fn an_interval_counts_from_its_start() {
    let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
    let interval = Interval::new(start, Duration::from_secs(15 * 60));
    assert_eq!(interval.upcoming(start - 1.hour(), 2), [start, start + 15.minutes()]);
    assert_eq!(interval.upcoming(start, 1), [start + 15.minutes()]);
    assert_eq!(interval.count(start - 1.hour(), start + 1.hour()), 5);
    assert_eq!(interval.latest(start, start + 1.hour(), 2), [start + 60.minutes(), start + 45.minutes()]);
    assert_eq!(interval.latest(start - 1.hour(), start - 1.minute(), 2), []);
}

#[test]
fn jitter_moves_all_fires_of_a_schedule_alike_and_spreads_schedules() {
    let cron = Trigger::Cron(CronTrigger { expressions: vec!["0 * * * *".into()], time_zone: "UTC".into() });
    let made: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
    let plain = Clock::of(&cron, made).expect("a trigger").expect("a clock");
    let jitter = Duration::from_secs(600);
    let mut delays = std::collections::BTreeSet::new();
    for number in 0..200 {
        let clock = plain.clone().delayed(jitter, &format!("uid-{number}"));
        let (until, mut at) = (made + 5.hours(), made);
        let mut fires = Vec::new();
        while let Some(fire) = clock.next(at).filter(|fire| *fire <= until) {
            fires.push(fire);
            at = fire;
        }
        let delay = fires[0].duration_since(plain.next(fires[0] - 11.minutes()).expect("a fire"));
        assert!((SignedDuration::ZERO..SignedDuration::from_secs(600)).contains(&delay), "{delay}");
        let expected: Vec<Timestamp> =
            (0..6).map(|hour| made + hour.hours() + delay).filter(|at| *at > made && *at <= until).collect();
        assert_eq!(fires, expected, "an hour apart, all by the same");
        assert_eq!(clock.count(made, until), fires.len() as u64);
        let mut latest = clock.latest(made, until, 100);
        latest.reverse();
        assert_eq!(latest, fires);
        delays.insert(delay.as_secs());
    }
    assert!(delays.len() > 120, "200 schedules start at {} different seconds", delays.len());
    let interval = Trigger::Interval(IntervalTrigger { every: "1h".into(), start: Some(made) });
    let clock = Clock::of(&interval, made).expect("a trigger").expect("a clock").delayed(jitter, "uid");
    let next = clock.next(made - 1.second()).expect("a fire");
    assert_eq!(clock.next(next), Some(next + 1.hour()));
}
