//! Every fire against a walk through all minutes, as the clock on the wall shows them.

use std::time::{Duration, Instant};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use aggregator_crds::schedule::{CronTrigger, IntervalTrigger, Trigger};

use super::{Calendar, Clock, Interval};

/// Zones with changes of every kind: an hour each way, half an hour, at midnight, southern, none, a skipped day, and rules
/// that follow the moon.
const ZONES: [&str; 12] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Asia/Kolkata",
    "UTC",
    "Africa/Casablanca",
    "Asia/Beirut",
    "America/Havana",
    "Antarctica/Troll",
    "Pacific/Apia",
];

const EXPRESSIONS: [&[&str]; 10] = [
    &["30 2 * * *"],
    &["30 1,2,3 * * *"],
    &["0 0 * * *"],
    &["15 23,0 * * *"],
    &["*/30 * * * *"],
    &["*/20 2 * * *"],
    &["7 * * * *"],
    &["30 2 * * *", "0 3 * * 0"],
    &["0 0 13 * 5"],
    &["45 1-3 * * 0,6", "*/15 1 * * *"],
];

/// What a field of the expressions above names.
fn field(text: &str, value: i64) -> bool {
    text.split(',').any(|part| match (part.split_once('/'), part.split_once('-')) {
        (Some((_, step)), _) => value % step.parse::<i64>().expect("a step") == 0,
        (None, Some((from, to))) => (from.parse().expect("a number")..=to.parse().expect("a number")).contains(&value),
        (None, None) => part == "*" || part.parse() == Ok(value),
    })
}

fn names(expression: &str, time: DateTime) -> bool {
    let fields: Vec<&str> = expression.split(' ').collect();
    let day = field(fields[2], time.day().into());
    let weekday = field(fields[4], time.weekday().to_sunday_zero_offset().into());
    // A field that is left open says nothing of the day; of two that do, one suffices.
    let date = match (fields[2], fields[4]) {
        ("*", _) => weekday,
        (_, "*") => day,
        _ => day || weekday,
    };
    date && field(fields[0], time.minute().into()) && field(fields[1], time.hour().into())
}

fn wildcard(expression: &str) -> bool {
    expression.split(' ').take(2).any(|field| field.starts_with('*'))
}

/// Whether the expression fires at a minute, told from nothing but the clock on the wall at this minute and before it.
fn fires(expression: &str, zone: &TimeZone, minute: Timestamp) -> bool {
    let shown = zone.to_datetime(minute);
    if wildcard(expression) {
        return names(expression, shown);
    }
    let before = zone.to_datetime(minute - 1.minute());
    let went_on = shown.duration_since(before);
    if went_on > SignedDuration::from_mins(1) {
        // The clock was put forward: what it skipped is due now.
        let skipped = (1..went_on.as_mins()).map(|minutes| before + minutes.minutes());
        return skipped.chain([shown]).any(|time| names(expression, time));
    }
    // Put back, the clock shows times again that it has shown.
    let again = zone.to_ambiguous_timestamp(shown);
    names(expression, shown) && again.earlier().is_ok_and(|first| first == minute)
}

fn walk(expressions: &[&str], zone: &TimeZone, from: Timestamp, minutes: i64) -> Vec<Timestamp> {
    let all = (1..=minutes).map(|minute| from + minute.minutes());
    all.filter(|minute| expressions.iter().any(|expression| fires(expression, zone, *minute))).collect()
}

#[test]
fn every_fire_around_every_change_of_the_clocks_is_the_one_on_the_wall() {
    let (begin, end): (Timestamp, Timestamp) =
        ("2024-01-01T00:00:00Z".parse().expect("a time"), "2029-01-01T00:00:00Z".parse().expect("a time"));
    let mut compared = 0;
    for name in ZONES {
        let zone = TimeZone::get(name).expect("a zone of the database");
        let mut changes: Vec<Timestamp> =
            zone.following(begin).map(|change| change.timestamp()).take_while(|change| *change < end).collect();
        changes.push("2024-02-28T12:00:00Z".parse().expect("a time"));
        for change in changes {
            let (from, minutes) = (change - 30.hours(), 60 * 60);
            for expressions in EXPRESSIONS {
                let owned: Vec<String> = expressions.iter().map(ToString::to_string).collect();
                let calendar = Calendar::new(&owned, name).expect("expressions");
                let wall = walk(expressions, &zone, from, minutes);
                let until = from + minutes.minutes();
                let said = format!("{name}, {expressions:?}, around {change}");

                let mut listed = calendar.latest(from, until, usize::MAX);
                listed.reverse();
                assert_eq!(listed, wall, "{said}");
                assert_eq!(calendar.count(from, until), wall.len() as u64, "{said}");
                let mut next = Vec::new();
                let mut at = from;
                while let Some(fire) = calendar.upcoming(at, 1).first().copied().filter(|fire| *fire <= until) {
                    next.push(fire);
                    at = fire;
                }
                assert_eq!(next, wall, "{said}");
                let last: Vec<Timestamp> = wall.iter().rev().take(2).copied().collect();
                assert_eq!(calendar.latest(from, until, 2), last, "{said}");
                compared += wall.len();
            }
        }
    }
    assert!(compared > 20_000, "{compared}");
}

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
