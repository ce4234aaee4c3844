//! The fires of a fixed interval.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A first fire, and the time between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    start: Timestamp,
    every: i128,
}

impl Interval {
    /// The first fire, and the time between two: at least a millisecond.
    #[must_use]
    pub fn new(start: Timestamp, every: Duration) -> Self {
        let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX).as_nanos();
        Self { start, every: every.max(1_000_000) }
    }

    /// The same, with the fires that would have been before the first one, back to a time.
    #[must_use]
    pub fn reaching_back(self, time: Timestamp) -> Self {
        let missing = self.start.as_nanosecond() - time.as_nanosecond();
        let intervals = if missing <= 0 { 0 } else { (missing - 1) / self.every + 1 };
        Self { start: self.fire(-intervals).unwrap_or(self.start), ..self }
    }

    /// How many fires there are up to a time, with it.
    fn up_to(self, time: Timestamp) -> i128 {
        let since = time.as_nanosecond() - self.start.as_nanosecond();
        if since < 0 { 0 } else { since / self.every + 1 }
    }

    fn fire(self, number: i128) -> Option<Timestamp> {
        Timestamp::from_nanosecond(self.start.as_nanosecond().checked_add(self.every.checked_mul(number)?)?).ok()
    }

    /// The first fires after a time, at most `most`.
    #[must_use]
    pub fn upcoming(self, after: Timestamp, most: usize) -> Vec<Timestamp> {
        let first = self.up_to(after);
        (first..).map_while(|number| self.fire(number)).take(most).collect()
    }

    /// The last fires after a time and up to another, the latest first, at most `most`.
    #[must_use]
    pub fn latest(self, after: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        let all = self.up_to(after)..self.up_to(until);
        all.rev().take(most).filter_map(|number| self.fire(number)).collect()
    }

    /// How many fires there are after a time and up to another.
    #[must_use]
    pub fn count(self, after: Timestamp, until: Timestamp) -> u64 {
        u64::try_from(self.up_to(until) - self.up_to(after)).unwrap_or(0)
    }
}
