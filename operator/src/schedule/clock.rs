//! The clock of a Schedule, and when what its fires bring on is overdue.

use aggregator_crds::{Schedule, Validate, parse_duration};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::clock::Clock;

/// Nothing is overdue earlier. A run of a Schedule that fires every few seconds may well take longer than that.
const LEAST: SignedDuration = SignedDuration::from_mins(10);
/// How far back a fire is looked for.
const REACH: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);

/// When a Schedule was made.
pub(super) fn made(schedule: &Schedule, now: Timestamp) -> Timestamp {
    schedule.creation_timestamp().map_or(now, |time| time.0)
}

/// What tells the times of a Schedule's fires, without its jitter; None where events make it fire.
///
/// # Errors
/// What is wrong with the Schedule.
pub(super) fn of(schedule: &Schedule, now: Timestamp) -> Result<Option<Clock>, String> {
    match schedule.validate().first() {
        Some(violation) => Err(violation.to_string()),
        None => Clock::of(&schedule.spec.trigger, made(schedule, now)).map_err(|error| error.to_string()),
    }
}

/// A Schedule's clock with its jitter.
pub(super) fn jittered(clock: Clock, schedule: &Schedule) -> Clock {
    // Validation has seen that it is a length of time.
    let jitter = schedule.spec.jitter.as_ref().and_then(|jitter| parse_duration(jitter).ok()).unwrap_or_default();
    clock.delayed(jitter, &schedule.uid().unwrap_or_default())
}

/// When what a Schedule's fires bring on is overdue, if nothing has brought it on since a time: as long after the second fire
/// from then on as that time was after its own. So a weekend without a fire makes nothing late. None where events make it
/// fire, nothing is started, or no fire is to come.
#[must_use]
pub fn overdue(schedule: &Schedule, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if schedule.spec.suspend {
        return None;
    }
    let clock = jittered(of(schedule, now).ok()??, schedule);
    // What was due before it was made is no fire of its.
    let since = since.max(made(schedule, now));
    let mut fires = clock.upcoming(since, 2).into_iter();
    let (first, second) = (fires.next()?, fires.next()?);
    let own = clock.latest(since.checked_sub(REACH).ok()?, since, 1).pop();
    let took = own.map_or_else(|| second.duration_since(first), |own| since.duration_since(own));
    Some(second.checked_add(took).ok()?.max(since.checked_add(LEAST).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::object;

    fn time(text: &str) -> Timestamp {
        format!("2026-11-{text}Z").parse().expect("a time")
    }

    /// When what was brought on at a time is overdue, by a Schedule that was made on Monday the 23rd at ten to ten.
    fn overdue(spec: &Value, since: &str) -> Option<String> {
        let mut whole = json!({"pipelineRef": {"name": "move"}});
        whole.as_object_mut().expect("an object").extend(spec.as_object().expect("an object").clone());
        let schedule: Schedule = object(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "Schedule",
            "metadata": {"name": "hourly", "namespace": "demo", "uid": "uid", "creationTimestamp": "2026-11-23T09:50:00Z"},
            "spec": whole,
        }));
        let at = super::overdue(&schedule, time(since), time("30T12:00:00"))?;
        Some(at.strftime("%dT%H:%M:%S").to_string())
    }

    #[test]
    fn a_fire_may_bring_nothing_and_the_next_one_must() {
        let hourly = json!({"interval": {"every": "1h", "start": "2026-11-23T00:00:00Z"}});
        assert_eq!(overdue(&hourly, "24T10:07:00").as_deref(), Some("24T12:07:00"));
        assert_eq!(overdue(&hourly, "24T10:00:00").as_deref(), Some("24T12:00:00"));
        // From nine to six on workdays.
        let office = json!({"cron": {"expressions": ["0 9-18 * * 1-5"]}});
        assert_eq!(overdue(&office, "24T10:07:00").as_deref(), Some("24T12:07:00"));
        assert_eq!(overdue(&office, "27T17:07:00").as_deref(), Some("30T09:07:00"), "the weekend makes nothing late");
        assert_eq!(overdue(&office, "27T18:07:00").as_deref(), Some("30T10:07:00"));
        let jitter = json!({"interval": {"every": "1h", "start": "2026-11-23T00:00:00Z"}, "jitter": "1h"});
        assert_eq!(overdue(&jitter, "24T10:07:00").as_deref(), Some("24T12:07:00"), "all fires are as late");
    }

    #[test]
    fn what_was_brought_on_before_the_schedule_was_made_is_not_late_at_once() {
        let hourly = json!({"interval": {"every": "1h"}});
        assert_eq!(overdue(&hourly, "01T00:00:00").as_deref(), Some("23T11:50:00"));
        // Two fires, and the time between them.
        let daily = json!({"interval": {"every": "24h", "start": "2026-11-25T00:00:00Z"}});
        assert_eq!(overdue(&daily, "01T00:00:00").as_deref(), Some("27T00:00:00"));
    }

    #[test]
    fn fires_that_follow_each_other_fast_have_some_time() {
        let fast = json!({"interval": {"every": "5s", "start": "2026-11-23T00:00:00Z"}});
        assert_eq!(overdue(&fast, "24T10:00:02").as_deref(), Some("24T10:10:02"));
    }

    #[test]
    fn nothing_is_late_where_no_clock_starts_anything() {
        for spec in [
            json!({"interval": {"every": "1h"}, "suspend": true}),
            json!({"pipelineSucceeded": {"name": "other"}}),
            json!({"cron": {"expressions": ["0 0 30 2 *"]}}),
            json!({"cron": {"expressions": ["now and then"]}}),
        ] {
            assert_eq!(overdue(&spec, "24T10:07:00"), None, "{spec}");
        }
    }
}
