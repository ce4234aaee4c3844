//! What a calendar tells of a time, beside what the clock on the wall shows in it.

use jiff::{SignedDuration, Timestamp};

use super::wall::Wall;
use crate::clock::Calendar;

/// How many fires of a walk are asked for one by one.
const ONE_BY_ONE: usize = 8;

/// What is told wrong of a walk; `due` is when something is due by the clock on the wall.
pub(super) fn differences(calendar: &Calendar, wall: &Wall, due: &[Timestamp]) -> Vec<String> {
    let (after, until) = (wall.after, wall.until);
    let mut wrong = Vec::new();
    let mut expect = |what: &str, told: &[Timestamp], due: &[Timestamp]| {
        if told != due {
            wrong.push(format!("{what} after {after} until {until}: {}", first(told, due)));
        }
    };
    let mut listed = calendar.latest(after, until, usize::MAX);
    listed.reverse();
    expect("all", &listed, due);
    let last: Vec<Timestamp> = due.iter().rev().take(2).copied().collect();
    expect("the last two", &calendar.latest(after, until, 2), &last);
    if due.is_empty() {
        let mut next = calendar.upcoming(after, 1);
        next.retain(|fire| *fire <= until);
        expect("the next one", &next, &[]);
    } else {
        expect("as many as are due", &calendar.upcoming(after, due.len()), due);
    }
    for (number, fire) in due.iter().enumerate().step_by((due.len() / ONE_BY_ONE).max(1)) {
        expect("the next one", &calendar.upcoming(*fire - SignedDuration::from_secs(1), 1), &[*fire]);
        if let Some(following) = due.get(number + 1) {
            expect("the following one", &calendar.upcoming(*fire, 1), &[*following]);
        }
    }
    let count = calendar.count(after, until);
    if count != due.len() as u64 {
        wrong.push(format!("{count} fires are counted after {after} until {until}, and {} are due", due.len()));
    }
    wrong
}

/// The first of two lists that differs.
fn first(told: &[Timestamp], due: &[Timestamp]) -> String {
    let differs = told.iter().zip(due).position(|(told, due)| told != due).unwrap_or(told.len().min(due.len()));
    format!("fire {differs} is {:?} and should be {:?}", told.get(differs), due.get(differs))
}
