//! The zones of the database, by how their clocks are changed.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::expression::Shown;
use super::wall::{MINUTE, Wall};

/// The first day, and the day after the last one.
pub(super) const YEARS: (Date, Date) = (date(2020, 1, 1), date(2038, 1, 1));

/// Names beside the database's own: what the machine's clock shows.
const OF_THE_MACHINE: [&str; 2] = ["localtime", "posixrules"];

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Zones whose clocks are changed alike in these years.
pub(super) struct Table {
    pub(super) names: Vec<String>,
    pub(super) zone: TimeZone,
    pub(super) changes: Vec<Timestamp>,
}

/// What makes zones alike: the offset at the begin, and when there was another one, and which.
type Offsets = (i32, Vec<(i64, i32)>);

/// All of them.
pub(super) fn tables() -> Vec<Table> {
    let utc = |date: Date| date.to_zoned(TimeZone::UTC).expect("a time").timestamp();
    let (begin, end) = (utc(YEARS.0), utc(YEARS.1));
    let mut tables: BTreeMap<Offsets, Table> = BTreeMap::new();
    for name in jiff::tz::db().available() {
        let name = name.as_str();
        if OF_THE_MACHINE.contains(&name) {
            continue;
        }
        let zone = TimeZone::get(name).expect("a zone of the database");
        let changes = zone.following(begin - SECOND).take_while(|change| change.timestamp() < end);
        let changes: Vec<(i64, i32)> =
            changes.map(|change| (change.timestamp().as_second(), change.offset().seconds())).collect();
        let offsets = (zone.to_offset(begin).seconds(), changes);
        let table = tables.entry(offsets).or_insert_with_key(|(_, changes)| {
            let times = changes.iter().map(|(second, _)| Timestamp::from_second(*second).expect("a time"));
            Table { names: Vec::new(), zone, changes: times.collect() }
        });
        table.names.push(name.to_owned());
    }
    tables.into_values().collect()
}

/// Days around changes, from the first one to before the last. On those beside them, each minute is there once.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) from: Date,
    pub(super) to: Date,
    pub(super) changes: Vec<Timestamp>,
}

impl Table {
    /// One of its names.
    pub(super) fn name(&self) -> &str {
        &self.names[0]
    }

    /// The days around its changes.
    pub(super) fn windows(&self) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        for change in &self.changes {
            let (old, new) = (self.zone.to_datetime(*change - SECOND), self.zone.to_datetime(*change));
            let (old, new) = (old.date(), new.date());
            let (from, to) = (old.min(new) - 1.day(), old.max(new) + 2.days());
            match windows.last_mut() {
                Some(last) if last.to >= from => {
                    last.to = last.to.max(to);
                    last.changes.push(*change);
                }
                _ => windows.push(Window { from, to, changes: vec![*change] }),
            }
        }
        windows
    }

    /// A time just before the begin of a day, so that its first fire is after it.
    pub(super) fn before(&self, day: Date) -> Timestamp {
        let midnight = self.zone.to_ambiguous_timestamp(day.at(0, 0, 0, 0)).compatible().expect("a time");
        midnight - MINUTE
    }

    /// A walk through all minutes of these days.
    pub(super) fn walk(&self, from: Date, to: Date) -> Wall {
        Wall::of(&self.zone, self.before(from), self.before(to))
    }

    /// All days of these years that are in none of the windows, and when the first day begins and the last one ends.
    pub(super) fn quiet(&self, windows: &[Window]) -> (Vec<Shown>, Timestamp, Timestamp) {
        let first = windows.first().map_or(YEARS.0, |window| window.from.min(YEARS.0));
        let last = windows.last().map_or(YEARS.1, |window| window.to.max(YEARS.1));
        let (mut days, mut day, mut left) = (Vec::new(), first, windows.iter().peekable());
        while day < last {
            match left.peek() {
                Some(window) if day >= window.from => {
                    day = window.to;
                    left.next();
                }
                _ => {
                    days.push(Shown::of(day.at(0, 0, 0, 0)));
                    day = day.tomorrow().expect("a day");
                }
            }
        }
        (days, self.before(first), self.before(last))
    }
}
