//! The clock on the wall, looked at every minute: it says what is due, and knows nothing of zones or rules.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::expression::{Expression, Shown};

pub(super) const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// The longest time that a clock is put back by.
const BACK: SignedDuration = SignedDuration::from_hours(6);

/// A minute, and what the clock shows at its begin.
struct Minute {
    at: Timestamp,
    shown: Shown,
    /// It has shown this before: it was put back.
    again: bool,
    /// What it did not show: it was put forward.
    skipped: Vec<Shown>,
}

impl Minute {
    fn is_due(&self, expression: &Expression) -> bool {
        if expression.runs_on {
            return expression.names(self.shown);
        }
        // Once each day: what was skipped is due now, and what comes again was due before.
        (!self.again && expression.names(self.shown)) || self.skipped.iter().any(|time| expression.names(*time))
    }
}

/// A walk through all minutes after a time and up to another.
pub(super) struct Wall {
    pub(super) after: Timestamp,
    pub(super) until: Timestamp,
    minutes: Vec<Minute>,
}

impl Wall {
    /// A walk along the clock of a zone; both times are whole minutes there.
    pub(super) fn of(zone: &TimeZone, after: Timestamp, until: Timestamp) -> Self {
        let mut minutes = Vec::new();
        // Whoever begins to look may come after the clock was put back.
        let mut at = after - BACK;
        let mut before = zone.to_datetime(at);
        let mut latest = before;
        while at < until {
            at += MINUTE;
            let now = zone.to_datetime(at);
            if at > after {
                let skipped = 1..now.duration_since(before).as_mins();
                let skipped = skipped.map(|minutes| Shown::of(before + minutes.minutes())).collect();
                minutes.push(Minute { at, shown: Shown::of(now), again: now <= latest, skipped });
            }
            (before, latest) = (now, latest.max(now));
        }
        Self { after, until, minutes }
    }

    /// How many minutes it has.
    pub(super) fn len(&self) -> usize {
        self.minutes.len()
    }

    /// When something is due by one of the expressions.
    pub(super) fn fires(&self, expressions: &[Expression]) -> Vec<Timestamp> {
        let due = |minute: &&Minute| expressions.iter().any(|expression| minute.is_due(expression));
        self.minutes.iter().filter(due).map(|minute| minute.at).collect()
    }
}
