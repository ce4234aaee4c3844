//! When a Schedule fires: a pure function of its trigger and of times that are handed in.

mod calendar;
mod interval;
mod minutes;
#[cfg(test)]
mod tests;

use std::time::Duration;

use aggregator_crds::schedule::Trigger;
use aggregator_crds::validation::parse_duration;
use jiff::{SignedDuration, Timestamp};

use crate::names;

pub use calendar::{Calendar, InvalidCalendar};
pub use interval::Interval;

/// What tells the times of a Schedule's fires.
#[derive(Clone, Debug)]
pub struct Clock {
    times: Times,
    /// How much later than their times all fires are.
    delay: SignedDuration,
}

#[derive(Clone, Debug)]
enum Times {
    /// Cron expressions.
    Calendar(Calendar),
    /// A fixed interval.
    Interval(Interval),
}

impl Clock {
    /// The clock of a trigger, of a Schedule that was made at that time; None where events make it fire.
    ///
    /// # Errors
    /// When an expression, a zone or a duration cannot be read.
    pub fn of(trigger: &Trigger, made: Timestamp) -> Result<Option<Self>, InvalidCalendar> {
        let times = match trigger {
            Trigger::Cron(cron) => Times::Calendar(Calendar::new(&cron.expressions, &cron.time_zone)?),
            Trigger::Interval(interval) => {
                let every = parse_duration(&interval.every)?;
                Times::Interval(Interval::new(interval.start.unwrap_or(made), every))
            }
            Trigger::Webhook(_) | Trigger::FileArrival(_) | Trigger::Kafka(_) | Trigger::PipelineSucceeded(_) => {
                return Ok(None);
            }
        };
        Ok(Some(Self { times, delay: SignedDuration::ZERO }))
    }

    /// The same, with all fires later by a part of `jitter` that is always the same for the same UID, in whole seconds.
    #[must_use]
    pub fn delayed(self, jitter: Duration, uid: &str) -> Self {
        let digits = names::hash(&[uid, "jitter"], 15);
        let part = u64::from_str_radix(&digits, 16).unwrap_or_default() % jitter.as_secs().max(1);
        Self { delay: SignedDuration::from_secs(i64::try_from(part).unwrap_or_default()), ..self }
    }

    /// The same, for the past as well: an interval's fires before its first one, back to a time.
    #[must_use]
    pub fn reaching_back(&self, time: Timestamp) -> Self {
        let times = match &self.times {
            Times::Calendar(calendar) => Times::Calendar(calendar.clone()),
            Times::Interval(interval) => Times::Interval(interval.reaching_back(self.undelayed(time))),
        };
        Self { times, delay: self.delay }
    }

    /// The first fire after a time; None when there is none within ten years.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.upcoming(after, 1).into_iter().next()
    }

    /// The first fires after a time, at most `most`; those of the next ten years.
    #[must_use]
    pub fn upcoming(&self, after: Timestamp, most: usize) -> Vec<Timestamp> {
        let after = self.undelayed(after);
        let upcoming = match &self.times {
            Times::Calendar(calendar) => calendar.upcoming(after, most),
            Times::Interval(interval) => interval.upcoming(after, most),
        };
        upcoming.into_iter().filter_map(|at| at.checked_add(self.delay).ok()).collect()
    }

    /// The last fires after a time and up to another, the latest first, at most `most`.
    #[must_use]
    pub fn latest(&self, after: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        let (after, until) = (self.undelayed(after), self.undelayed(until));
        let latest = match &self.times {
            Times::Calendar(calendar) => calendar.latest(after, until, most),
            Times::Interval(interval) => interval.latest(after, until, most),
        };
        latest.into_iter().filter_map(|at| at.checked_add(self.delay).ok()).collect()
    }

    /// How many fires there are after a time and up to another.
    #[must_use]
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let (after, until) = (self.undelayed(after), self.undelayed(until));
        match &self.times {
            Times::Calendar(calendar) => calendar.count(after, until),
            Times::Interval(interval) => interval.count(after, until),
        }
    }

    /// The time by which a fire was due that is due now.
    fn undelayed(&self, time: Timestamp) -> Timestamp {
        time.checked_sub(self.delay).unwrap_or(Timestamp::MIN)
    }
}
