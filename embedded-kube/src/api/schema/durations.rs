//! Spans of time as the API server reads them: `1h30m`, and `3 days` as well.

use std::sync::LazyLock;

use regex::Regex;

/// Names of units, the last of each as a beginning of longer ones.
const UNITS: [(&[&str], i64); 8] = [
    (&["ns", "nano"], 1),
    (&["us", "µs", "micro"], 1_000),
    (&["ms", "milli"], 1_000_000),
    (&["s", "sec"], 1_000_000_000),
    (&["m", "min"], 60_000_000_000),
    (&["h", "hr", "hour"], 3_600_000_000_000),
    (&["d", "day"], 86_400_000_000_000),
    (&["w", "wk", "week"], 604_800_000_000_000),
];

/// How many billionths of a second it is; nothing for what is no span of time.
pub(crate) fn nanoseconds(text: &str) -> Option<i64> {
    exact(text).or_else(|| in_words(text))
}

/// As `-1h30.5m`.
fn exact(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_i64;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !(letter.is_ascii_digit() || letter == '.'))?;
        let (number, behind) = rest.split_at(end);
        let end = behind.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let unit = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(unit)?)?.checked_add(part(fraction, unit))?;
        rest = behind;
    }
    Some(sign * total)
}

/// A fraction of a unit, cut off.
fn part(fraction: &str, unit: i64) -> i64 {
    let (mut sum, mut value) = (0, unit);
    for digit in fraction.bytes().map(|byte| i64::from(byte - b'0')) {
        sum += digit * value / 10;
        value /= 10;
    }
    sum
}

/// As `3 days 2 hours`.
fn in_words(text: &str) -> Option<i64> {
    static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(\d+)\s*([A-Za-zµ]+)").ok());
    let mut total = None;
    for found in WORDS.as_ref()?.captures_iter(text) {
        let number: i64 = found[1].parse().ok()?;
        let unit = found[2].to_lowercase();
        for (names, value) in UNITS {
            let last = names.last().is_some_and(|last| unit.starts_with(last));
            if last || names.contains(&unit.as_str()) {
                total = Some(total.unwrap_or(0_i64).wrapping_add(number.wrapping_mul(value)));
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        for (text, nanos) in [
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("-2ms", Some(-2_000_000)),
            ("0", Some(0)),
            ("3 days", Some(259_200_000_000_000)),
            ("2weeks", Some(1_209_600_000_000_000)),
            ("1", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(nanoseconds(text), nanos, "{text}");
        }
    }
}
