//! When a Schedule fires: a pure function of its trigger and of times that are handed in.

mod calendar;
mod interval;
mod minutes;
#[cfg(test)]
mod tests;

use aggregator_crds::schedule::Trigger;
use aggregator_crds::validation::parse_duration;
use jiff::Timestamp;

pub use calendar::{Calendar, InvalidCalendar};
pub use interval::Interval;

/// What tells the times of a Schedule's fires.
#[derive(Clone, Debug)]
pub enum Clock {
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
        match trigger {
            Trigger::Cron(cron) => Calendar::new(&cron.expressions, &cron.time_zone).map(Self::Calendar).map(Some),
            Trigger::Interval(interval) => {
                let every = parse_duration(&interval.every)?;
                Ok(Some(Self::Interval(Interval::new(interval.start.unwrap_or(made), every))))
            }
            Trigger::Webhook(_) | Trigger::FileArrival(_) | Trigger::Kafka(_) | Trigger::PipelineSucceeded(_) => {
                Ok(None)
            }
        }
    }

    /// The first fire after a time; None when there is none within ten years.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Calendar(calendar) => calendar.next(after),
            Self::Interval(interval) => interval.next(after),
        }
    }

    /// The last fires after a time and up to another, the latest first, at most `most`.
    #[must_use]
    pub fn latest(&self, after: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        match self {
            Self::Calendar(calendar) => calendar.latest(after, until, most),
            Self::Interval(interval) => interval.latest(after, until, most),
        }
    }

    /// How many fires there are after a time and up to another.
    #[must_use]
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        match self {
            Self::Calendar(calendar) => calendar.count(after, until),
            Self::Interval(interval) => interval.count(after, until),
        }
    }
}
