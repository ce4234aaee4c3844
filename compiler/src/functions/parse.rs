//! Text into values of other types, exactly or not at all.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::arguments::Compiled;
use super::function::{Category, Example, Function, Parameter, Type};

/// Digits after the point of a decimal that is not money.
const SCALE: i8 = 9;

const TEXT: Parameter = Parameter::text("text", "The text; white space around it does not matter.");
pub(super) const DECIMAL_MARK: Parameter =
    Parameter::text("decimal_mark", "`.` or `,`; seen from the text if left out.").optional().checked(check_mark);
const FORMAT: Parameter = Parameter::text("format", "A strftime format, as `%d.%m.%Y`.").checked(check_format);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "parse_bool",
        category: Category::Parsing,
        summary: "A Boolean from `true`, `t`, `yes`, `y`, `on`, `1` or `false`, `f`, `no`, `n`, `off`, `0`, in any case.",
        parameters: &[TEXT],
        returns: Type::Boolean,
        bad_input: "NULL for any other word.",
        examples: &[
            Example::new("parse_bool(' Yes ')", "true"),
            Example::new("parse_bool('0')", "false"),
            Example::new("parse_bool('maybe')", "NULL"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.booleans(|row| boolean(text.at(row)?.trim()))
        },
    },
    Function {
        name: "parse_decimal",
        category: Category::Parsing,
        summary: "A decimal number, exact; thousands may be set apart by `.`, `,`, `'` or a space. Which mark is the \
                  decimal one is seen from the number; where it reads both ways, as `1.234`, it is NULL unless \
                  decimal_mark is given.",
        parameters: &[TEXT, DECIMAL_MARK],
        returns: Type::Decimal(SCALE),
        bad_input: "NULL for what is not a number, reads both ways, has more than 9 digits after the decimal mark or \
                    more than 29 before it; nothing is rounded.",
        examples: &[
            Example::new("parse_decimal('-1.234,5')", "-1234.500000000"),
            Example::new("parse_decimal('1 000.25')", "1000.250000000"),
            Example::new("parse_decimal('1.234')", "NULL"),
            Example::new("parse_decimal('1.234', '.')", "1.234000000"),
            Example::new("parse_decimal('1e3')", "NULL"),
        ],
        compute: |arguments| {
            let (text, mark) = (arguments.text(0)?, arguments.text_or(1, "")?);
            arguments.decimals(SCALE, |row| signed_decimal(text.at(row)?, self::mark(mark.at(row)?)?, SCALE))
        },
    },
    Function {
        name: "parse_percent",
        category: Category::Parsing,
        summary: "A percentage as a fraction of one, exact; the sign `%` may be missing.",
        parameters: &[TEXT, DECIMAL_MARK],
        returns: Type::Decimal(SCALE),
        bad_input: "As parse_decimal, with 7 digits after the decimal mark.",
        examples: &[
            Example::new("parse_percent('12.5 %')", "0.125000000"),
            Example::new("parse_percent('-3,75%')", "-0.037500000"),
            Example::new("parse_percent('12 ‰')", "NULL"),
        ],
        compute: |arguments| {
            let (text, mark) = (arguments.text(0)?, arguments.text_or(1, "")?);
            arguments.decimals(SCALE, |row| {
                let text = text.at(row)?.trim();
                // A hundredth is two digits further behind the point: the same digits at a scale that is two smaller.
                signed_decimal(text.strip_suffix('%').unwrap_or(text), self::mark(mark.at(row)?)?, SCALE - 2)
            })
        },
    },
    Function {
        name: "parse_date",
        category: Category::Parsing,
        summary: "A day, read by the first of the formats that fits the whole text.",
        parameters: &[TEXT, FORMAT.repeated()],
        returns: Type::Date,
        bad_input: "NULL for text that fits no format, and for days that do not exist.",
        examples: &[
            Example::new("parse_date('31.01.2026', '%d.%m.%Y')", "2026-01-31"),
            Example::new("parse_date('Jan 5, 2026', '%Y-%m-%d', '%b %d, %Y')", "2026-01-05"),
            Example::new("parse_date('30.02.2026', '%d.%m.%Y')", "NULL"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            let formats = (1..arguments.len()).map(|index| arguments.text(index)).collect::<Result<Vec<_>, _>>()?;
            arguments.dates(|row| {
                let text = text.at(row)?.trim();
                formats.iter().find_map(|format| Date::strptime(format.at(row)?, text).ok())
            })
        },
    },
    Function {
        name: "parse_timestamp",
        category: Category::Parsing,
        summary: "An instant. An offset (`%z`), zone (`%Q`) or epoch (`%s`) in the text counts; else the time is \
                  local in the given zone. A local time that a clock change skips is moved forward by the gap; one that \
                  occurs twice is the first. Digits beyond microseconds are cut.",
        parameters: &[
            TEXT,
            FORMAT,
            Parameter::text("zone", "An IANA time zone, as `Europe/Berlin`; UTC if left out.")
                .optional()
                .checked(check_zone),
        ],
        returns: Type::Instant,
        bad_input: "NULL for text that does not fit the format, times that do not exist and unknown zones.",
        examples: &[
            Example::new("parse_timestamp('2026-07-01 12:00', '%Y-%m-%d %H:%M')", "2026-07-01T12:00:00Z"),
            Example::new(
                "parse_timestamp('01.07.2026 12:00', '%d.%m.%Y %H:%M', 'Europe/Berlin')",
                "2026-07-01T10:00:00Z",
            ),
            Example::new("parse_timestamp('2026-07-01T12:00:00-0500', '%Y-%m-%dT%H:%M:%S%z')", "2026-07-01T17:00:00Z"),
            Example::new("parse_timestamp('2026-07-01 25:00', '%Y-%m-%d %H:%M')", "NULL"),
        ],
        compute: |arguments| {
            let (text, format) = (arguments.text(0)?, arguments.text(1)?);
            let mut zone = Compiled::new(arguments.text_or(2, "UTC")?, |zone| TimeZone::get(zone).ok());
            arguments.instants(|row| instant(text.at(row)?.trim(), format.at(row)?, zone.at(row)?))
        },
    },
    Function {
        name: "parse_duration",
        category: Category::Parsing,
        summary: "A length of time in seconds, from ISO 8601 (`PT1H30M`), words (`1h 30m`, `2 hours 5 minutes`) or a \
                  clock (`01:30:00`).",
        parameters: &[TEXT],
        returns: Type::Number,
        bad_input: "NULL for what is not a length of time, and for days and longer, whose length depends on the calendar.",
        examples: &[
            Example::new("parse_duration('PT1H30M')", "5400.0"),
            Example::new("parse_duration('2 hours 5 minutes')", "7500.0"),
            Example::new("parse_duration('01:30:00')", "5400.0"),
            Example::new("parse_duration('P1M')", "NULL"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.numbers(|row| Some(text.at(row)?.trim().parse::<SignedDuration>().ok()?.as_secs_f64()))
        },
    },
];

fn check_mark(mark: &str) -> Result<(), String> {
    self::mark(mark).map(drop).ok_or_else(|| format!("`{mark}` is not a decimal mark; write '.' or ','"))
}

fn check_format(format: &str) -> Result<(), String> {
    let now = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    let problem = |error| format!("`{format}` is not a strftime format ({error}); write one as '%Y-%m-%d'");
    strtime::format(format, &now).map(drop).map_err(problem)
}

fn check_zone(zone: &str) -> Result<(), String> {
    TimeZone::get(zone)
        .map(drop)
        .map_err(|_| format!("`{zone}` is not an IANA time zone; write one as 'Europe/Berlin'"))
}

fn boolean(text: &str) -> Option<bool> {
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    if ["true", "t", "yes", "y", "on", "1"].iter().any(is) {
        return Some(true);
    }
    ["false", "f", "no", "n", "off", "0"].iter().any(is).then_some(false)
}

fn instant(text: &str, format: &str, zone: &TimeZone) -> Option<Timestamp> {
    let parsed = BrokenDownTime::parse(format, text).ok()?;
    if parsed.offset().is_some() || parsed.timestamp().is_some() {
        return parsed.to_timestamp().ok();
    }
    if parsed.iana_time_zone().is_some() {
        return parsed.to_zoned().ok().map(|zoned| zoned.timestamp());
    }
    zone.to_ambiguous_timestamp(parsed.to_datetime().ok()?).compatible().ok()
}

/// What a decimal mark means: nothing inside for "see the number", nothing for what is no mark.
pub(super) fn mark(written: &str) -> Option<Option<char>> {
    match written {
        "" => Some(None),
        "." => Some(Some('.')),
        "," => Some(Some(',')),
        _ => None,
    }
}

fn signed_decimal(text: &str, mark: Option<char>, scale: i8) -> Option<i128> {
    let text = text.trim();
    match text.strip_prefix(['-', '−']) {
        Some(digits) => decimal(digits, mark, scale).map(|value| -value),
        None => decimal(text.strip_prefix('+').unwrap_or(text), mark, scale),
    }
}

/// An unsigned number as a count of units of the last of `scale` digits after the point, exact.
pub(super) fn decimal(text: &str, mark: Option<char>, scale: i8) -> Option<i128> {
    let scale = usize::try_from(scale).ok()?;
    let mark = match mark {
        Some(mark) => Some(mark),
        None => decimal_mark_of(text)?,
    };
    let (whole, fraction) = mark.and_then(|mark| text.rsplit_once(mark)).unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    if !digits(fraction) || fraction.len() > scale || (whole.is_empty() && text.len() < 2) {
        return None;
    }
    let whole = ungrouped(whole, mark)?;
    let whole = whole.trim_start_matches('0');
    if whole.len() + scale > 38 {
        return None;
    }
    format!("{whole}{fraction:0<scale$}").parse::<i128>().ok()
}

/// The decimal mark of a number: nothing inside when it has none, nothing when it reads both ways or not at all.
fn decimal_mark_of(text: &str) -> Option<Option<char>> {
    let (dots, commas) = (text.matches('.').count(), text.matches(',').count());
    let spaced = text.contains(|character: char| is_group_mark(character) && !matches!(character, '.' | ','));
    let last = text.rfind(['.', ',']).map(|at| text.split_at(at));
    let Some((before, after)) = last else { return Some(None) };
    let mark = after.chars().next();
    match (dots, commas) {
        // One mark, three digits behind it, and a number before it that could be a group: both readings are right.
        (1, 0) | (0, 1) if !spaced && after.len() == 4 && (1..=3).contains(&before.len()) && before != "0" => None,
        (1, 0) | (0, 1) => Some(mark),
        (_, 0) | (0, _) => Some(None),
        _ => Some(mark),
    }
}

fn is_group_mark(character: char) -> bool {
    matches!(character, '.' | ',' | '\'' | '’') || character.is_whitespace()
}

/// The digits of a whole number without the marks between its groups, which must be one mark and end in a group of
/// three; groups of two before it are how India writes.
fn ungrouped(whole: &str, decimal_mark: Option<char>) -> Option<Cow<'_, str>> {
    let Some(mark) = whole.chars().find(|character| !character.is_ascii_digit()) else {
        return Some(Cow::Borrowed(whole));
    };
    if !is_group_mark(mark) || Some(mark) == decimal_mark {
        return None;
    }
    let groups: Vec<&str> = whole.split(mark).collect();
    let numeric = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_digit()));
    let (first, rest) = groups.split_first()?;
    let (last, middle) = rest.split_last()?;
    let sized =
        (1..=3).contains(&first.len()) && last.len() == 3 && middle.iter().all(|group| matches!(group.len(), 2 | 3));
    (numeric && sized).then(|| Cow::Owned(groups.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_exactly_or_not_at_all() {
        for (text, mark, wanted) in [
            ("0", None, Some(0)),
            ("000", None, Some(0)),
            (".5", None, Some(5_000)),
            ("5.", None, Some(50_000)),
            ("1.5", None, Some(15_000)),
            ("0.125", None, Some(1_250)),
            ("0,125", None, Some(1_250)),
            ("1,234,567", None, Some(12_345_670_000)),
            ("1.234.567,8", None, Some(12_345_678_000)),
            ("1'234.50", None, Some(12_345_000)),
            ("1\u{202f}234,567", None, Some(12_345_670)),
            ("12,34,567.80", None, Some(12_345_678_000)),
            ("1234.5000000000", None, Some(12_345_000)),
            // It reads both ways, unless it is said.
            ("1,234", None, None),
            ("12.345", None, None),
            ("1,234", Some(','), Some(12_340)),
            ("1,234", Some('.'), Some(12_340_000)),
            // A group too short, two kinds of groups, two decimal marks, too many digits.
            ("1,23", Some('.'), None),
            ("1,2345", Some('.'), None),
            ("1.234'567,8", None, None),
            ("1.234.567", Some('.'), None),
            ("1,234.567,89", None, None),
            ("1.23456", None, None),
            (",", None, None),
            (".,", None, None),
            ("", None, None),
            ("1e3", None, None),
            ("٣", None, None),
            ("9999999999999999999999999999999999", None, Some(99_999_999_999_999_999_999_999_999_999_999_990_000)),
            ("99999999999999999999999999999999999", None, None),
        ] {
            assert_eq!(decimal(text, mark, 4), wanted, "{text} with {mark:?}");
        }
    }

    #[test]
    fn a_local_time_in_the_gap_moves_forward_and_a_repeated_one_is_the_first() {
        let berlin = TimeZone::get("Europe/Berlin").expect("known");
        for (local, utc) in [
            ("2026-03-29 02:30", Some("2026-03-29T01:30:00Z")),
            ("2026-10-25 02:30", Some("2026-10-25T00:30:00Z")),
            ("2026-02-30 00:00", None),
        ] {
            let wanted = utc.map(|utc| utc.parse::<Timestamp>().expect("an instant"));
            assert_eq!(instant(local, "%Y-%m-%d %H:%M", &berlin), wanted, "{local}");
        }
        let epoch = instant("1767225600", "%s", &berlin).expect("an epoch");
        assert_eq!(epoch.to_string(), "2026-01-01T00:00:00Z");
        let zoned = instant("2026-07-01 12:00 America/New_York", "%Y-%m-%d %H:%M %Q", &berlin).expect("a zone");
        assert_eq!(zoned.to_string(), "2026-07-01T16:00:00Z");
    }
}
