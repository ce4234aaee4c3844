//! What was due when a Schedule was edited becomes a run, or a reason, all the same.

use aggregator_crds::schedule::{ConcurrencyPolicy, MissedRuns, MissedRunsPolicy, Trigger};

use super::*;

/// One that was looked at when it was made, and then by nobody for some hours.
fn left_alone() -> View {
    hourly(&json!({})).then(at("09:50:01"))
}

fn cron(expression: &str) -> Trigger {
    object(json!({"cron": {"expressions": [expression], "timeZone": "Europe/Berlin"}}))
}

fn every(interval: &str) -> Trigger {
    object(json!({"interval": {"every": interval}}))
}

#[test]
fn who_edits_something_else_than_the_times_leaves_what_is_open_to_the_new_policy() {
    let all = MissedRuns { policy: MissedRunsPolicy::All, max: Some(10), max_age: None };
    let allow = |spec: &mut ScheduleSpec| spec.concurrency_policy = ConcurrencyPolicy::Allow;
    let more = |spec: &mut ScheduleSpec| {
        allow(spec);
        spec.missed_runs = Some(all.clone());
    };
    let view = left_alone().edited(allow).then(at("12:00:10"));
    assert_eq!((view.runs.len(), view.counts()), (1, (1, 0, 2)));
    let view = left_alone().edited(more).then(at("12:00:10"));
    assert_eq!((view.runs.len(), view.counts()), (3, (3, 0, 0)));
    assert_eq!(planned(&view, at("12:00:11")).actions, []);
    let view = left_alone().edited(|spec| spec.suspend = true).then(at("12:00:10"));
    assert_eq!((view.runs.len(), view.counts()), (0, (0, 3, 0)));
    assert_eq!(view.last(), ("2026-11-23T13:00:00+01:00", Decision::Skipped, Some("Suspended")));

    // The successes of another Pipeline are as open.
    let mut waits = super::view(&json!({"pipelineSucceeded": {"name": "other"}})).then(at("09:50:01"));
    waits.others = vec![success("a", "10:00:00", "Full"), success("b", "11:00:00", "Full")];
    let view = waits.clone().edited(allow).then(at("12:00:10"));
    assert_eq!((view.runs.len(), view.counts()), (2, (2, 0, 0)));
    let asleep = waits.clone();
    let mut asleep = View { others: Vec::new(), ..asleep }.edited(|spec| spec.suspend = true).then(at("09:55:00"));
    asleep.others = waits.others;
    let awake = asleep.edited(|spec| spec.suspend = false).then(at("11:00:05"));
    assert_eq!((awake.runs.len(), awake.counts()), (1, (1, 1, 0)), "what has just come is seen late");
    assert_eq!(planned(&awake, at("11:00:06")).actions, []);
}

#[test]
fn what_was_due_by_former_times_is_recorded_and_new_times_begin_when_they_are_seen() {
    let late = ("2026-11-23T13:00:00+01:00", Decision::Missed, Some("TooLate"));
    let view = left_alone().edited(|spec| spec.trigger = cron("30 * * * *")).then(at("12:00:10"));
    assert_eq!((view.runs.len(), view.counts(), view.last()), (0, (0, 0, 3), late), "not that of half past eleven");
    assert_eq!(view.noted().next[0], "2026-11-23T13:30:00+01:00");
    assert_eq!(planned(&view, at("12:00:11")).actions, []);
    let view = view.then(at("12:30:00"));
    assert_eq!((view.runs.len(), view.counts()), (1, (1, 0, 3)));

    // A fire that both name, at the moment at which the edit is seen, is decided as the Schedule says now.
    let view = left_alone().edited(|spec| spec.trigger = cron("0 */2 * * *")).then(at("13:00:00"));
    assert_eq!((view.runs.len(), view.counts()), (1, (1, 0, 3)), "two o'clock in Berlin");
    // And what cannot be followed any more has left something open, too.
    let view = left_alone().edited(|spec| spec.trigger = every("soon")).then(at("11:59:00"));
    assert_eq!((view.runs.len(), view.counts(), view.ready().0), (0, (0, 0, 2), "Invalid"));
    let view = view.edited(|spec| spec.trigger = every("1h")).then(at("12:20:00"));
    assert_eq!((view.runs.len(), view.counts()), (0, (0, 0, 2)), "while it could not be followed, nothing came due");
    let view = view.then(at("12:50:00"));
    assert_eq!((view.runs.len(), view.counts()), (1, (1, 0, 2)));
}

#[test]
fn a_run_of_former_times_is_noted_whatever_they_are_now() {
    let made = || {
        let view = left_alone();
        let due = planned(&view, at("10:00:00"));
        view.after(&due, 1)
    };
    let started = ("2026-11-23T10:00:00+00:00", Decision::Started, None);
    let view = made().edited(|spec| spec.trigger = every("2h")).then(at("10:00:05"));
    assert_eq!((view.runs.len(), view.counts(), view.last()), (1, (1, 0, 0), started));
    assert_eq!(planned(&view, at("10:00:06")).actions, []);
    let view = made().edited(|spec| spec.trigger = every("2h")).then(at("11:00:05"));
    assert_eq!((view.runs.len(), view.counts()), (1, (1, 0, 1)), "that of eleven was missed");
    let view = made().edited(|spec| spec.trigger = object(requests::waits(&json!({})))).then(at("10:00:05"));
    assert_eq!((view.runs.len(), view.counts(), view.last()), (1, (1, 0, 0), started));
}

/// A write that nobody waited for any more arrives when the next look has decided otherwise, and before that is noted.
#[test]
fn a_fire_that_a_late_write_has_skipped_is_noted_as_started() {
    let spec = json!({"successfulRunsHistoryLimit": 0});
    let view = hourly(&spec).then(at("09:50:01")).then(at("10:00:00"));
    let skips = planned(&view, at("11:00:00"));
    let view = view.all_end("True");
    let starts = planned(&view, at("11:00:02"));
    assert!(starts.to_string().contains("create PipelineRun hourly-20261123-110000-"), "{starts}");
    let mut belied = view.after(&starts, 1).after(&skips, 0);
    assert_eq!(belied.last(), ("2026-11-23T12:00:00+01:00", Decision::Skipped, Some("RunActive")));
    assert_eq!(belied.counts(), (1, 1, 0));

    // Its run has ended meanwhile, and stays until it is noted.
    belied = belied.all_end("True");
    let view = belied.then(at("11:30:00"));
    let last = ("2026-11-23T12:00:00+01:00", Decision::Started, None);
    assert_eq!((view.runs.len(), view.counts(), view.last()), (1, (2, 0, 0), last));
    let view = view.then(at("11:30:01"));
    assert_eq!((view.runs.len(), view.counts(), view.last()), (0, (2, 0, 0), last));
    assert_eq!(planned(&view, at("11:30:02")).actions, []);
}
