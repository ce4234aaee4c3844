//! Years in which nobody was there.

use std::time::{Duration, Instant};

use aggregator_tests::reliability::note;
use kube::ResourceExt;

use super::*;
use crate::labels;

/// Every minute of ten years, with three leap days at most.
const FIRES: u64 = 3652 * 24 * 60;

/// How many runs may wait for one another.
const WAITING: usize = 100;

/// The longest that a Schedule may be thought about. Tests are not optimised, and what runs is.
const LONGEST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 50 });

/// A Schedule of every minute that was looked at when it was made, and then by nobody.
fn left_alone(zone: &str, missed: &Value) -> View {
    let spec = json!({
        "cron": {"expressions": ["* * * * *"], "timeZone": zone},
        "missedRuns": missed,
        "concurrencyPolicy": "Allow",
    });
    let mut view = view(&spec);
    let made = object(json!("2016-11-23T10:05:01Z"));
    Arc::make_mut(&mut view.schedule).metadata.creation_timestamp = Some(made);
    let view = view.then("2016-11-23T10:05:01Z".parse().expect("a time"));
    assert_eq!(view.counts(), (0, 0, 0));
    view
}

/// The fires of the runs that were made.
fn fires(view: &View) -> Vec<Timestamp> {
    let fire = |run: &Arc<PipelineRun>| run.annotations()[labels::FIRE].parse::<Timestamp>().expect("a time");
    view.runs.iter().map(fire).collect()
}

#[test]
fn ten_years_are_made_up_for_within_bounds_and_at_once() {
    let now = at("10:05:30");
    let cases = [
        (json!({"policy": "Skip"}), 1),
        (json!({"policy": "Latest"}), 1),
        (json!({"policy": "All", "max": 24}), 24),
        // Of these, only some can wait for one another.
        (json!({"policy": "All", "max": 1000}), 1000),
        // From five past nine on.
        (json!({"policy": "All", "max": 1000, "maxAge": "1h"}), 60),
    ];
    let mut slowest = Duration::ZERO;
    for (missed, taken) in cases {
        let made = WAITING.min(taken);
        for zone in ["UTC", "Europe/Berlin"] {
            let view = left_alone(zone, &missed);
            let said = format!("{missed} in {zone}");
            // The best of a few: other tests run at the same time.
            let took = (0..5).map(|_| {
                let begun = Instant::now();
                let plan = planned(&view, now);
                assert_eq!(plan.actions.len(), made + 1, "{said}");
                begun.elapsed()
            });
            let took = took.min().expect("five of them");
            println!("{said}: {took:?}");
            assert!(took < LONGEST, "{said}: {took:?}");
            slowest = slowest.max(took);

            let view = view.then(now);
            let number = |fires: usize| u64::try_from(fires).expect("a few");
            assert_eq!(view.counts(), (number(made), number(taken - made), FIRES - number(taken)), "{said}");
            let last = at("10:05:00");
            let latest = (0..i64::try_from(taken).expect("a few")).rev().map(|back| last - back.minutes());
            let expected: Vec<Timestamp> = latest.take(made).collect();
            assert_eq!(fires(&view), expected, "{said}: the latest ones, in order");
            let fire = if zone == "UTC" { "2026-11-23T10:05:00+00:00" } else { "2026-11-23T11:05:00+01:00" };
            let decision =
                if made == taken { (Decision::Started, None) } else { (Decision::Skipped, Some("QueueFull")) };
            assert_eq!(view.last(), (fire, decision.0, decision.1), "{said}");
            assert_eq!(view.noted().decided_until, Some(now), "{said}");
            assert_eq!(planned(&view, now).actions, [], "{said}: nothing is made up for twice");
        }
    }
    let milliseconds = slowest.as_secs_f64() * 1000.0;
    note("downtime", json!({"fires": FIRES, "milliseconds": milliseconds, "optimised": !cfg!(debug_assertions)}));
}

#[test]
fn a_clock_that_was_put_back_by_years_fires_nothing_twice() {
    let view = left_alone("Europe/Berlin", &json!({"policy": "Latest"})).then(at("10:05:30"));
    let before = (view.counts(), view.runs.len());
    for back in ["2016-11-23T10:06:00Z", "2021-06-01T00:00:00Z", "2026-11-23T10:05:00Z"] {
        let back = back.parse().expect("a time");
        let early = view.clone().then(back);
        assert_eq!((early.counts(), early.runs.len()), before, "at {back}");
        let later = early.then(at("10:06:10"));
        assert_eq!((later.counts().0, later.runs.len()), (before.0.0 + 1, before.1 + 1), "after {back}");
    }
}
