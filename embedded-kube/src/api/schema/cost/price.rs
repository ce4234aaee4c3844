//! Functions that may do more than look at their arguments once, and what they cost. They are paid for before they are called.

use kube_cel::cel::Value as Cel;

use super::amount;
use super::meter::{copying, weight};

/// Their names, without those of their libraries.
pub(super) const NAMES: [&str; 12] = [
    "contains",
    "distinct",
    "equivalent",
    "format",
    "indexOf",
    "intersects",
    "join",
    "lastIndexOf",
    "range",
    "replace",
    "sort",
    "split",
];

/// So many letters are looked at for one unit.
const LETTERS: u64 = 10;
/// A text of a list of texts.
const PART: u64 = 4;
/// A digit of a number that is written out. There are more of them than anybody reads.
const DIGIT: u64 = 16;
/// A list is sorted by looking at each of its items so often.
const SORTED: u64 = 20;

/// What a call costs.
pub(super) fn price(function: &str, values: &[Cel]) -> u64 {
    match (function, values) {
        ("contains" | "equivalent" | "indexOf" | "intersects" | "lastIndexOf", [of, other, ..]) => pairs(of, other),
        ("distinct", [of, ..]) => pairs(of, of),
        ("sort", [of, ..]) => copying(of).saturating_mul(SORTED),
        ("range", [Cel::Int(most), ..]) => u64::try_from(*most).unwrap_or_default(),
        ("replace", [Cel::String(of), Cel::String(from), Cel::String(to), ..]) => {
            // What is empty is found around each letter.
            let times = (length(of) / length(from).max(1)).saturating_add(1);
            (length(of) * 2).saturating_add(times.saturating_mul(length(to))) / LETTERS
        }
        ("split", [Cel::String(of), Cel::String(by), ..]) => {
            length(of) * 2 / LETTERS + (amount(of.matches(by.as_str()).count()) + 1) * PART
        }
        ("join", [Cel::List(parts), by @ ..]) => {
            let between = if let [Cel::String(by), ..] = by { length(by) } else { 0 };
            let parts_length = parts.iter().map(written).fold(0, u64::saturating_add);
            parts_length.saturating_add(amount(parts.len()).saturating_mul(between)).saturating_mul(2) / LETTERS
        }
        ("format", [Cel::String(of), given, ..]) => {
            let digits = of.split("%.").skip(1).map(digits).fold(0, u64::saturating_add);
            (length(of).saturating_add(written(given)) / LETTERS).saturating_add(digits.saturating_mul(DIGIT))
        }
        _ => 1,
    }
}

/// Each part of the one with each of the other.
fn pairs(of: &Cel, other: &Cel) -> u64 {
    match (of, other) {
        (Cel::String(of), Cel::String(part)) => length(of).saturating_mul(length(part)) / (LETTERS * LETTERS),
        (Cel::Bytes(of), Cel::Bytes(part)) => amount(of.len()).saturating_mul(amount(part.len())) / (LETTERS * LETTERS),
        (Cel::List(_), Cel::List(others)) => copying(of).saturating_add(1).saturating_mul(amount(others.len())),
        _ => copying(of),
    }
}

fn length(text: &str) -> u64 {
    amount(text.len())
}

/// About how long a value is when it is written.
fn written(value: &Cel) -> u64 {
    if let Cel::String(text) = value { length(text) } else { weight(value).saturating_mul(16) }
}

/// The number of digits that a format asks for.
fn digits(behind: &str) -> u64 {
    let end = behind.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(behind.len());
    if end == 0 { 0 } else { behind[..end].parse().unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_grows_is_paid_for() {
        let text = |length: usize| Cel::String(Arc::new("x".repeat(length)));
        let list = |length: usize| Cel::List(Arc::new(vec![Cel::Int(1); length]));
        for (function, values, wanted) in [
            ("contains", vec![text(1000), text(100)], 1000),
            ("contains", vec![list(399), list(10)], 1010),
            ("distinct", vec![list(399)], 101 * 399),
            ("range", vec![Cel::Int(7)], 7),
            ("range", vec![Cel::Int(-7)], 0),
            ("replace", vec![text(100), text(0), text(100)], (200 + 10_100) / 10),
            ("split", vec![text(100), text(1)], 20 + 101 * 4),
            ("join", vec![Cel::List(Arc::new(vec![text(10), text(10)])), text(5)], 6),
            ("format", vec![Cel::String(Arc::new("%.99999999999999999999f".to_owned())), list(1)], u64::MAX),
            ("size", vec![text(100)], 1),
        ] {
            assert_eq!(price(function, &values), wanted, "{function} {values:?}");
        }
    }
}
