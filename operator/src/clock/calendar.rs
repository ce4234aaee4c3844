//! The fires of cron expressions in a time zone, by Vixie's rule for daylight saving.
//!
//! Everything rests on the fires of one day. A day without a change of the zone's offset has as many as the expressions
//! name minutes, so that years are counted in days.

use aggregator_crds::validation::InvalidDuration;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Weekday};
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::minutes::Minutes;

/// How far ahead a fire is looked for: `0 0 29 2 *` fires every four years, or after eight.
const HORIZON_DAYS: i32 = 10 * 366;

/// Cron expressions in a time zone.
#[derive(Clone, Debug)]
pub struct Calendar {
    expressions: Vec<Expression>,
    zone: TimeZone,
}

#[derive(Clone, Debug)]
struct Expression {
    cron: Cron,
    minutes: Minutes,
    /// Its hour or minute begins with `*`: it runs on through changes of the offset, where others run at a skipped time's
    /// end and in the first of two repeated hours.
    wildcard: bool,
}

/// Why cron expressions cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCalendar {
    /// Not an expression.
    #[error("`{0}` is not a cron expression of five fields")]
    Expression(String),
    /// Not a duration.
    #[error(transparent)]
    Duration(#[from] InvalidDuration),
    /// Not a zone.
    #[error("`{0}` is not a time zone of the IANA database")]
    Zone(String),
}

impl Expression {
    fn parse(text: &str) -> Result<Self, InvalidCalendar> {
        let invalid = || InvalidCalendar::Expression(text.to_owned());
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|_| invalid())?;
        let set = |most: u32, matches: &dyn Fn(u32) -> bool| (0..most).filter(|value| matches(*value)).collect();
        let hours: Vec<u32> = set(24, &|hour| cron.pattern.hour_match(hour).unwrap_or(false));
        let minutes: Vec<u32> = set(60, &|minute| cron.pattern.minute_match(minute).unwrap_or(false));
        let of_hour = |hour: &u32| minutes.iter().map(|minute| hour * 60 + minute).collect::<Vec<_>>();
        let minutes = hours.iter().flat_map(of_hour).collect();
        let mut fields = text.split_whitespace();
        // The nicknames have no fields; of them, only this one names no hour.
        let wildcard = text.trim().eq_ignore_ascii_case("@hourly")
            || fields.next().is_some_and(|minute| minute.starts_with('*'))
            || fields.next().is_some_and(|hour| hour.starts_with('*'));
        Ok(Self { cron, minutes, wildcard })
    }

    fn names(&self, date: Date) -> bool {
        let (year, month, day) = (i32::from(date.year()), positive(date.month()), positive(date.day()));
        let weekday = Weekday::from_days_from_sunday(positive(date.weekday().to_sunday_zero_offset()));
        let pattern = &self.cron.pattern;
        pattern.month_match(month).unwrap_or(false) && pattern.day_match(year, month, day, weekday).unwrap_or(false)
    }
}

/// Months, days and weekdays are never negative.
fn positive(part: i8) -> u32 {
    u32::try_from(part).unwrap_or(0)
}

impl Calendar {
    /// Expressions of five fields, and the name of a time zone.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn new(expressions: &[String], zone: &str) -> Result<Self, InvalidCalendar> {
        let zone = TimeZone::get(zone).map_err(|_| InvalidCalendar::Zone(zone.to_owned()))?;
        let expressions = expressions.iter().map(|text| Expression::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { expressions, zone })
    }

    /// The first fires after a time, at most `most`; those of the next ten years.
    #[must_use]
    pub fn upcoming(&self, after: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut found: Vec<Timestamp> = Vec::new();
        let Some(mut day) = self.day_before(after) else { return found };
        for _ in 0..HORIZON_DAYS {
            let new = self.of_day(day).into_iter().filter(|fire| *fire > after);
            found.extend(new);
            if found.len() >= most {
                found.sort_unstable();
                found.dedup();
                // A time that is skipped runs at the gap's end, which may lie on the next day: what is on this one or before is
                // all known.
                let known = found.iter().filter(|fire| self.date(**fire).is_some_and(|date| date <= day)).count();
                if known >= most {
                    break;
                }
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        found.sort_unstable();
        found.dedup();
        found.truncate(most);
        found
    }

    /// The last fires after a time and up to another, the latest first, at most `most`.
    #[must_use]
    pub fn latest(&self, after: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut found: Vec<Timestamp> = Vec::new();
        let (Some(first), Some(mut day)) = (self.day_before(after), self.day_after(until)) else { return found };
        while day >= first {
            let within = self.of_day(day).into_iter().filter(|fire| *fire > after && *fire <= until);
            found.extend(within);
            found.sort_unstable_by(|one, other| other.cmp(one));
            found.dedup();
            // What an earlier day may still add lies at most a day before it.
            let settled = found.iter().filter(|fire| self.date(**fire).is_some_and(|date| date >= day)).count();
            if settled >= most {
                break;
            }
            let Ok(before) = day.yesterday() else { break };
            day = before;
        }
        found.truncate(most);
        found
    }

    /// How many fires there are after a time and up to another.
    #[must_use]
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let (Some(first), Some(last)) = (self.day_before(after), self.day_after(until)) else { return 0 };
        let special = self.days_of_changes(after, until);
        let mut listed = Vec::new();
        let mut count = 0;
        let mut day = first;
        while day <= last {
            // The borders lie within the first and the last three days.
            let inside = first.until(day).is_ok_and(|span| span.get_days() > 2)
                && day.until(last).is_ok_and(|span| span.get_days() > 2);
            if inside && special.binary_search(&day).is_err() {
                count += self.minutes_of(day, |_| true).count();
            } else {
                listed.extend(self.of_day(day));
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        listed.sort_unstable();
        listed.dedup();
        let within = listed.iter().filter(|fire| **fire > after && **fire <= until).count();
        count + u64::try_from(within).unwrap_or(u64::MAX)
    }

    fn date(&self, time: Timestamp) -> Option<Date> {
        Some(self.zone.to_datetime(time).date())
    }

    fn day_before(&self, time: Timestamp) -> Option<Date> {
        self.date(time)?.yesterday().ok()
    }

    fn day_after(&self, time: Timestamp) -> Option<Date> {
        self.date(time)?.tomorrow().ok()
    }

    /// The days on which the offset changes, or that such a change touches, in order.
    fn days_of_changes(&self, after: Timestamp, until: Timestamp) -> Vec<Date> {
        let changes = self.zone.following(after).take_while(|change| change.timestamp() <= until);
        let mut days = Vec::new();
        for change in changes {
            let new = self.zone.to_datetime(change.timestamp());
            let Ok(before) = change.timestamp().checked_sub(1.second()) else { continue };
            let old = self.zone.to_datetime(before);
            let (mut day, last) = (old.date().min(new.date()), old.date().max(new.date()));
            while day <= last {
                days.push(day);
                let Ok(next) = day.tomorrow() else { break };
                day = next;
            }
        }
        days.sort_unstable();
        days.dedup();
        days
    }

    /// The minutes of the day that some of the expressions name.
    fn minutes_of(&self, date: Date, which: impl Fn(&Expression) -> bool) -> Minutes {
        let named = self.expressions.iter().filter(|expression| which(expression) && expression.names(date));
        named.fold(Minutes::default(), |all, expression| all.or(&expression.minutes))
    }

    /// The fires of the times that the expressions name on a day, in order.
    fn of_day(&self, date: Date) -> Vec<Timestamp> {
        let fixed = self.minutes_of(date, |expression| !expression.wildcard);
        let running = self.minutes_of(date, |expression| expression.wildcard);
        // Most days of most calendars that are not daily.
        if fixed.is_empty() && running.is_empty() {
            return Vec::new();
        }
        let mut fires: Vec<Timestamp> = fixed.iter().filter_map(|minute| self.fixed(at(date, minute)?)).collect();
        fires.extend(running.iter().filter_map(|minute| at(date, minute)).flat_map(|time| self.running(time)));
        fires.sort_unstable();
        fires.dedup();
        fires
    }

    /// A time that runs once on its day, whatever the clocks do: at the end of the gap that skips it, in the first of two
    /// hours that repeat it.
    fn fixed(&self, time: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok(),
            AmbiguousOffset::Gap { before, .. } => {
                let late = before.to_timestamp(time).ok()?.checked_add(1.second()).ok()?;
                Some(self.zone.preceding(late).next()?.timestamp())
            }
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).ok(),
        }
    }

    /// A time that runs whenever the clocks show it.
    fn running(&self, time: DateTime) -> impl Iterator<Item = Timestamp> + use<> {
        let (first, second) = match self.zone.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => (Some(offset), None),
            AmbiguousOffset::Gap { .. } => (None, None),
            AmbiguousOffset::Fold { before, after } => (Some(before), Some(after)),
        };
        first.into_iter().chain(second).filter_map(move |offset| offset.to_timestamp(time).ok())
    }
}

fn at(date: Date, minute: u32) -> Option<DateTime> {
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    Some(date.at(hour, minute, 0, 0))
}
