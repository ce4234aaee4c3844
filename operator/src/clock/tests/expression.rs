//! Cron expressions, read apart from the reader that is tested.

use jiff::civil::DateTime;

/// The words that stand for whole expressions.
const WORDS: [(&str, &str); 6] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// What the clock on the wall shows, as expressions speak of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    month: u8,
    day: u8,
    /// Sunday is 0.
    weekday: u8,
    hour: u8,
    minute: u8,
}

impl Shown {
    pub(super) fn of(time: DateTime) -> Self {
        let part = |part: i8| u8::try_from(part).expect("no part of a time is negative");
        Self {
            month: part(time.month()),
            day: part(time.day()),
            weekday: part(time.weekday().to_sunday_zero_offset()),
            hour: part(time.hour()),
            minute: part(time.minute()),
        }
    }
}

/// An expression of five fields: of each value of a field, whether it is named.
pub(super) struct Expression {
    minutes: Vec<bool>,
    hours: Vec<bool>,
    days: Vec<bool>,
    months: Vec<bool>,
    weekdays: Vec<bool>,
    /// One of the two fields of the day is left open, and the other one decides; of two that say something, one suffices.
    open: bool,
    /// Its minute or hour begins with `*`: it follows the clock on the wall wherever that goes.
    pub(super) runs_on: bool,
}

impl Expression {
    pub(super) fn of(text: &str) -> Self {
        let written = WORDS.iter().find(|(word, _)| *word == text).map_or(text, |&(_, written)| written);
        let fields: Vec<&str> = written.split(' ').collect();
        assert_eq!(fields.len(), 5, "`{text}` is no expression");
        let mut weekdays = values(fields[4], 0, 7);
        // Both are Sunday.
        weekdays[0] = weekdays[0] || weekdays[7];
        Self {
            minutes: values(fields[0], 0, 59),
            hours: values(fields[1], 0, 23),
            days: values(fields[2], 1, 31),
            months: values(fields[3], 1, 12),
            weekdays,
            open: fields[2] == "*" || fields[4] == "*",
            runs_on: fields[..2].iter().any(|field| field.starts_with('*')),
        }
    }

    /// Whether it names what the clock shows.
    pub(super) fn names(&self, shown: Shown) -> bool {
        self.names_minute(usize::from(shown.hour), usize::from(shown.minute)) && self.names_day(shown)
    }

    pub(super) fn names_minute(&self, hour: usize, minute: usize) -> bool {
        self.minutes[minute] && self.hours[hour]
    }

    pub(super) fn names_day(&self, shown: Shown) -> bool {
        let (day, weekday) = (self.days[usize::from(shown.day)], self.weekdays[usize::from(shown.weekday)]);
        let named = if self.open { day && weekday } else { day || weekday };
        named && self.months[usize::from(shown.month)]
    }
}

/// For each value up to the greatest one, whether a field names it.
fn values(field: &str, least: usize, greatest: usize) -> Vec<bool> {
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let mut named = vec![false; greatest + 1];
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, 1), |(range, step)| (range, number(step)));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from), number(to)),
            None if range == "*" => (least, greatest),
            None => (number(range), number(range)),
        };
        for value in (from..=to).step_by(step) {
            named[value] = true;
        }
    }
    named
}
