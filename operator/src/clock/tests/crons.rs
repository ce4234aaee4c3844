//! Expressions that somebody might write, around changes of clocks: thousands of them.

use aggregator_tests::random::Random;
use aggregator_tests::reliability::note;
use jiff::ToSpan;
use serde_json::json;

use super::difference::differences;
use super::table::{Table, tables};
use super::zones::read;
use crate::clock::Calendar;

/// How many days around changes there are, and how many calendars are tried in each.
const WINDOWS: usize = 250;
const CALENDARS: usize = 8;

/// A field from the least value to the greatest; so many of a hundred are left open.
fn field(random: &mut Random, least: usize, greatest: usize, open: usize) -> String {
    if random.percent(open) {
        return if random.percent(60) { "*".to_owned() } else { format!("*/{}", 1 + random.below(greatest)) };
    }
    let parts = 1 + random.below(3);
    let parts: Vec<String> = (0..parts).map(|_| part(random, least, greatest)).collect();
    parts.join(",")
}

/// A value, a range, or every so many of a range.
fn part(random: &mut Random, least: usize, greatest: usize) -> String {
    let from = least + random.below(greatest - least + 1);
    let to = from + random.below(greatest - from + 1);
    match random.below(3) {
        0 => from.to_string(),
        1 => format!("{from}-{to}"),
        _ => format!("{from}-{to}/{}", 1 + random.below(greatest)),
    }
}

/// An expression; most name an hour near that one.
fn expression(random: &mut Random, hour: i8) -> String {
    let minute = field(random, 0, 59, 30);
    let hours = if random.percent(60) {
        let near = [hour, (hour + 1) % 24, (hour + 23) % 24];
        random.few(&near, 3).iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    } else {
        field(random, 0, 23, 50)
    };
    let (day, month) = (field(random, 1, 31, 80), field(random, 1, 12, 90));
    let weekday = field(random, 0, 7, 75);
    format!("{minute} {hours} {day} {month} {weekday}")
}

#[test]
fn any_expression_fires_as_the_clock_on_the_wall_says() {
    let mut random = Random::seeded("any_expression_fires_as_the_clock_on_the_wall_says");
    let tables: Vec<Table> = tables().into_iter().filter(|table| !table.changes.is_empty()).collect();
    let (mut expressions, mut fires, mut wrong) = (0, 0, Vec::new());
    for _ in 0..WINDOWS {
        let table = random.pick(&tables);
        let windows = table.windows();
        let window = random.pick(&windows);
        let wall = table.walk(window.from, window.to);
        let shown = table.zone.to_datetime(window.changes[0] - 1.second());
        for _ in 0..CALENDARS {
            let texts: Vec<String> = (0..=random.below(3)).map(|_| expression(&mut random, shown.hour())).collect();
            let calendar = Calendar::new(&texts, table.name()).unwrap_or_else(|error| panic!("{texts:?}: {error}"));
            let due = wall.fires(&read(&texts));
            let told = differences(&calendar, &wall, &due).into_iter();
            wrong.extend(told.map(|wrong| format!("{}, {texts:?}: {wrong}", table.name())));
            expressions += texts.len();
            fires += due.len();
        }
    }
    println!("{expressions} expressions, {fires} fires, {} mismatches", wrong.len());
    note("crons", json!({"expressions": expressions, "fires": fires, "mismatches": wrong.len()}));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(expressions > 3_000 && fires > 50_000, "{expressions} expressions, {fires} fires");
}
