//! All zones, and all changes of their clocks from 2020 to 2037: what a calendar tells is what the clock on the wall shows.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use aggregator_tests::random::Random;
use aggregator_tests::reliability::note;
use jiff::civil::{DateTime, date};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::json;

use super::difference::differences;
use super::expression::{Expression, Shown};
use super::table::{Table, Window, tables};
use super::wall::Wall;
use crate::clock::Calendar;

/// What is tried around every change, and in all these years.
const EXPRESSIONS: [&[&str]; 9] = [
    &["30 2 * * *"],
    &["30 1,2,3 * * *"],
    &["@daily"],
    &["15 23,0 * * *"],
    &["*/30 * * * *"],
    &["7 * * * *"],
    &["30 2 * * *", "0 3 * * 0"],
    &["0 0 13 * 5"],
    &["45 1-3 * * 0,6", "*/15 1 * * *"],
];

/// What is counted in a whole year.
const OF_A_YEAR: [&[&str]; 4] =
    [&["*/30 * * * *"], &["7 * * * *"], &["45 1-3 * * 0,6", "*/15 1 * * *"], &["*/7 * */3 * 1-5"]];

/// How many of the former are counted over all these years, for each table.
const COUNTED: usize = 3;

/// How many walks begin at a day of which nothing is known, for each table.
const ANYWHERE: usize = 2;

/// How many mistakes are shown.
const SHOWN: usize = 20;

/// Expressions that name times at, in and beside what a change skips or repeats.
fn near(old: DateTime, new: DateTime) -> Vec<Vec<String>> {
    let (low, high) = (old.min(new), old.max(new));
    let within = low + SignedDuration::from_mins(high.duration_since(low).as_mins() / 2);
    let before = low - 1.minute();
    let hours = [low - 1.hour(), low, high].map(|time| time.hour().to_string()).join(",");
    let at = |time: DateTime| format!("{} {} * * *", time.minute(), time.hour());
    let (minute, hour) = (within.minute(), within.hour());
    let weekday = within.weekday().to_sunday_zero_offset();
    let texts = [
        vec![at(within)],
        vec![at(low)],
        vec![at(high)],
        vec![at(before)],
        vec![format!("5,35 {hours} * * *")],
        vec![format!("*/20 {hour} * * *")],
        vec![format!("{minute} */2 * * *")],
        vec![format!("{minute} {hour} {} * *", within.day())],
        vec![format!("10-50/20 {hour} * {} {weekday}", within.month())],
        vec![format!("{minute} {hour} 13 * {weekday}")],
        vec![at(within), format!("*/15 {} * * *", high.hour())],
    ];
    texts.into()
}

fn owned(expressions: &[&str]) -> Vec<String> {
    expressions.iter().map(ToString::to_string).collect()
}

pub(super) fn read(expressions: &[String]) -> Vec<Expression> {
    expressions.iter().map(|text| Expression::of(text)).collect()
}

/// What was walked through, and what was told wrong.
#[derive(Default)]
struct Walked {
    windows: usize,
    minutes: usize,
    expressions: usize,
    fires: usize,
    wrong: Vec<String>,
}

impl Walked {
    fn and(mut self, other: Self) -> Self {
        self.windows += other.windows;
        self.minutes += other.minutes;
        self.expressions += other.expressions;
        self.fires += other.fires;
        self.wrong.extend(other.wrong);
        self
    }

    /// Compares what is told of a walk. Gives back how many fires it has.
    fn compare(&mut self, table: &Table, wall: &Wall, expressions: &[String]) -> usize {
        let calendar = Calendar::new(expressions, table.name()).expect("expressions");
        let due = wall.fires(&read(expressions));
        let wrong = differences(&calendar, wall, &due);
        self.wrong.extend(wrong.into_iter().map(|wrong| format!("{}, {expressions:?}: {wrong}", table.name())));
        self.expressions += 1;
        self.fires += due.len();
        due.len()
    }

    fn window(&mut self, table: &Table, window: &Window, counts: &mut [usize]) {
        let wall = table.walk(window.from, window.to);
        self.windows += 1;
        self.minutes += wall.len();
        for (expressions, count) in EXPRESSIONS.iter().zip(counts) {
            *count += self.compare(table, &wall, &owned(expressions));
        }
        for change in &window.changes {
            let new = table.zone.to_datetime(*change);
            // What it would show if it had not been changed.
            let old = table.zone.to_datetime(*change - SignedDuration::from_secs(1)) + 1.second();
            for expressions in near(old, new) {
                self.compare(table, &wall, &expressions);
            }
        }
    }

    /// All days of all these years: on those beside the windows, a day has as many fires as minutes are named.
    fn years(&mut self, table: &Table, windows: &[Window], counts: &[usize], first: usize) {
        let (days, after, until) = table.quiet(windows);
        for turn in 0..COUNTED {
            let which = (first + turn) % EXPRESSIONS.len();
            let expressions = owned(EXPRESSIONS[which]);
            let calendar = Calendar::new(&expressions, table.name()).expect("expressions");
            let due = counts[which] + on(&days, &read(&expressions));
            let told = calendar.count(after, until);
            if told != due as u64 {
                let text = format!("{told} fires are counted after {after} until {until}, and {due} are due");
                self.wrong.push(format!("{}, {expressions:?}: {text}", table.name()));
            }
        }
    }

    fn table(&mut self, number: usize, table: &Table, mut random: Random) {
        let windows = table.windows();
        let mut counts = [0; EXPRESSIONS.len()];
        for window in &windows {
            self.window(table, window, &mut counts);
        }
        self.years(table, &windows, &counts, number);
        for _ in 0..ANYWHERE {
            let from = date(2020, 1, 3) + i64::try_from(random.below(18 * 365)).expect("a few days").days();
            let window = Window { from, to: from + 2.days(), changes: Vec::new() };
            self.window(table, &window, &mut [0; EXPRESSIONS.len()]);
        }
    }
}

/// How many fires there are on these days.
fn on(days: &[Shown], expressions: &[Expression]) -> usize {
    let mut known: HashMap<Vec<bool>, usize> = HashMap::new();
    let fires = days.iter().map(|day| {
        let named: Vec<bool> = expressions.iter().map(|expression| expression.names_day(*day)).collect();
        *known.entry(named.clone()).or_insert_with(|| {
            let which = |minute: usize| {
                let mut of_today = expressions.iter().zip(&named).filter(|(_, named)| **named);
                of_today.any(|(expression, _)| expression.names_minute(minute / 60, minute % 60))
            };
            (0..24 * 60).filter(|minute| which(*minute)).count()
        })
    });
    fires.sum()
}

#[test]
fn every_fire_of_every_zone_is_the_one_on_the_wall() {
    let started = Instant::now();
    let tables = tables();
    let random = Random::seeded("every_fire_of_every_zone_is_the_one_on_the_wall");
    let next = AtomicUsize::new(0);
    let walk = || {
        let mut walked = Walked::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(table) = tables.get(number) else { return walked };
            walked.table(number, table, random.of(number));
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    let walked = std::thread::scope(|scope| {
        let walks: Vec<_> = (0..threads).map(|_| scope.spawn(walk)).collect();
        let walks = walks.into_iter().map(|walk| walk.join().expect("no panic"));
        walks.fold(Walked::default(), Walked::and)
    });
    let zones: usize = tables.iter().map(|table| table.names.len()).sum();
    let changes: usize = tables.iter().map(|table| table.changes.len()).sum();
    let of_all: usize = tables.iter().map(|table| table.names.len() * table.changes.len()).sum();
    let Walked { windows, minutes, expressions, fires, wrong } = walked;
    println!(
        "{zones} zones have {} tables with {changes} changes ({of_all} of all zones): {minutes} minutes in {windows} \
         windows, {expressions} comparisons, {fires} fires, {} mismatches, in {:?}",
        tables.len(),
        wrong.len(),
        started.elapsed()
    );
    note(
        "zones",
        json!({
            "zones": zones, "tables": tables.len(), "transitions": of_all, "distinctTransitions": changes,
            "windows": windows, "minutes": minutes, "expressions": expressions, "fires": fires,
            "mismatches": wrong.len(),
        }),
    );
    assert!(wrong.is_empty(), "{} mismatches:\n{}", wrong.len(), wrong[..SHOWN.min(wrong.len())].join("\n"));
    assert!(zones >= 400 && tables.len() >= 60 && changes >= 1000, "the database of zones is not whole");
    assert!(expressions >= 20_000 && fires >= 200_000, "{expressions} comparisons of {fires} fires");
}

#[test]
fn a_year_counts_as_many_fires_as_its_minutes_show() {
    let mut random = Random::seeded("a_year_counts_as_many_fires_as_its_minutes_show");
    let tables: Vec<Table> = tables().into_iter().filter(|table| table.changes.len() > 2).collect();
    for _ in 0..4 {
        let table = random.pick(&tables);
        let year = 2020 + i16::try_from(random.below(18)).expect("a few years");
        let wall = table.walk(date(year, 1, 1), date(year + 1, 1, 1));
        for expressions in OF_A_YEAR {
            let expressions = owned(expressions);
            let calendar = Calendar::new(&expressions, table.name()).expect("expressions");
            let due = wall.fires(&read(&expressions));
            let up_to = |time: Timestamp| due.partition_point(|fire| *fire <= time);
            for _ in 0..20 {
                let mut minute = || SignedDuration::from_mins(i64::try_from(random.below(wall.len())).expect("a year"));
                let (one, other) = (wall.after + minute(), wall.after + minute());
                let (after, until) = (one.min(other), one.max(other));
                let said = format!("{}, {expressions:?}, after {after} until {until}", table.name());
                let within = &due[up_to(after)..up_to(until)];
                assert_eq!(calendar.count(after, until), within.len() as u64, "{said}");
                let last: Vec<Timestamp> = within.iter().rev().take(3).copied().collect();
                assert_eq!(calendar.latest(after, until, 3), last, "{said}");
            }
        }
    }
}
