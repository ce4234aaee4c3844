//! Weeks, quarters, business days and ages, in the proleptic Gregorian calendar.

use std::iter::successors;

use arrow::array::ArrayRef;
use datafusion_common::Result;
use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan, Unit};

use super::arguments::Arguments;
use super::function::{Category, Example, Function, Parameter, Type};

const DATE: Parameter = Parameter::new("date", Type::Date, "A day.");
const FROM: Parameter = Parameter::new("from", Type::Date, "The first day.");
const TO: Parameter = Parameter::new("to", Type::Date, "The day after the last one that counts.");
const FIRST_MONTH: Parameter =
    Parameter::new("first_month", Type::Integer, "The month in which the fiscal year begins, 1 to 12.");
const BAD: &str = "NULL for years beyond ±9999.";
const BAD_MONTH: &str = "NULL for a month that is not 1 to 12, and for years beyond ±9999.";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "is_weekend",
        category: Category::Calendar,
        summary: "Whether a day is a Saturday or a Sunday.",
        parameters: &[DATE],
        returns: Type::Boolean,
        bad_input: BAD,
        examples: &[
            Example::new("is_weekend(DATE '2026-01-31')", "true"),
            Example::new("is_weekend(TIMESTAMP '2026-01-30 23:59:59')", "false"),
        ],
        compute: |arguments| {
            let date = arguments.date(0)?;
            arguments.booleans(|row| Some(weekend(date.day(row)?)))
        },
    },
    Function {
        name: "iso_week",
        category: Category::Calendar,
        summary: "The week's number by ISO 8601, 1 to 53; the first days of January may belong to the last week of \
                  the year before (see iso_year).",
        parameters: &[DATE],
        returns: Type::Integer,
        bad_input: BAD,
        examples: &[
            Example::new("iso_week(DATE '2026-01-01')", "1"),
            Example::new("iso_week(DATE '2027-01-01')", "53"),
        ],
        compute: |arguments| integer(arguments, |date| i64::from(date.iso_week_date().week())),
    },
    Function {
        name: "iso_year",
        category: Category::Calendar,
        summary: "The year that a day's ISO week belongs to.",
        parameters: &[DATE],
        returns: Type::Integer,
        bad_input: BAD,
        examples: &[Example::new("iso_year(DATE '2027-01-01')", "2026")],
        compute: |arguments| integer(arguments, |date| i64::from(date.iso_week_date().year())),
    },
    Function {
        name: "iso_week_label",
        category: Category::Calendar,
        summary: "A day's ISO week as text, as `2026-W05`; it sorts by time.",
        parameters: &[DATE],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[Example::new("iso_week_label(DATE '2026-01-31')", "2026-W05")],
        compute: |arguments| {
            let date = arguments.date(0)?;
            arguments.texts(|row| {
                let week = date.day(row)?.iso_week_date();
                Some(format!("{:04}-W{:02}", week.year(), week.week()))
            })
        },
    },
    Function {
        name: "week_start",
        category: Category::Calendar,
        summary: "The Monday of a day's week.",
        parameters: &[DATE],
        returns: Type::Date,
        bad_input: BAD,
        examples: &[
            Example::new("week_start(DATE '2026-02-01')", "2026-01-26"),
            Example::new("week_start(DATE '2026-01-26')", "2026-01-26"),
        ],
        compute: |arguments| day(arguments, |date| date.tomorrow().ok()?.nth_weekday(-1, Weekday::Monday).ok()),
    },
    Function {
        name: "month_end",
        category: Category::Calendar,
        summary: "The last day of a day's month.",
        parameters: &[DATE],
        returns: Type::Date,
        bad_input: BAD,
        examples: &[Example::new("month_end(DATE '2028-02-10')", "2028-02-29")],
        compute: |arguments| day(arguments, |date| Some(date.last_of_month())),
    },
    Function {
        name: "days_in_month",
        category: Category::Calendar,
        summary: "The number of days of a day's month.",
        parameters: &[DATE],
        returns: Type::Integer,
        bad_input: BAD,
        examples: &[Example::new("days_in_month(DATE '2026-02-10')", "28")],
        compute: |arguments| integer(arguments, |date| i64::from(date.days_in_month())),
    },
    Function {
        name: "quarter_start",
        category: Category::Calendar,
        summary: "The first day of a day's quarter.",
        parameters: &[DATE],
        returns: Type::Date,
        bad_input: BAD,
        examples: &[Example::new("quarter_start(DATE '2026-05-17')", "2026-04-01")],
        compute: |arguments| day(arguments, quarter_start),
    },
    Function {
        name: "quarter_end",
        category: Category::Calendar,
        summary: "The last day of a day's quarter.",
        parameters: &[DATE],
        returns: Type::Date,
        bad_input: BAD,
        examples: &[Example::new("quarter_end(DATE '2026-05-17')", "2026-06-30")],
        compute: |arguments| {
            day(arguments, |date| Some(quarter_start(date)?.checked_add(2.months()).ok()?.last_of_month()))
        },
    },
    Function {
        name: "fiscal_year",
        category: Category::Calendar,
        summary: "The fiscal year of a day, named by the calendar year in which it ends.",
        parameters: &[DATE, FIRST_MONTH],
        returns: Type::Integer,
        bad_input: BAD_MONTH,
        examples: &[
            Example::new("fiscal_year(DATE '2026-09-30', 10)", "2026"),
            Example::new("fiscal_year(DATE '2026-10-01', 10)", "2027"),
            Example::new("fiscal_year(DATE '2026-10-01', 1)", "2026"),
            Example::new("fiscal_year(DATE '2026-10-01', 13)", "NULL"),
        ],
        compute: |arguments| {
            let (date, first_month) = (arguments.date(0)?, arguments.integer(1)?);
            arguments.integers(|row| {
                let (start, first_month) = fiscal(date.day(row)?, first_month.at(row)?)?;
                Some(i64::from(start.year()) + i64::from(first_month > 1))
            })
        },
    },
    Function {
        name: "fiscal_quarter",
        category: Category::Calendar,
        summary: "The quarter of the fiscal year, 1 to 4.",
        parameters: &[DATE, FIRST_MONTH],
        returns: Type::Integer,
        bad_input: BAD_MONTH,
        examples: &[
            Example::new("fiscal_quarter(DATE '2026-10-01', 10)", "1"),
            Example::new("fiscal_quarter(DATE '2026-09-30', 10)", "4"),
        ],
        compute: |arguments| {
            let (date, first_month) = (arguments.date(0)?, arguments.integer(1)?);
            arguments.integers(|row| {
                let (start, _) = fiscal(date.day(row)?, first_month.at(row)?)?;
                Some(i64::from((start.month() - 1) / 3) + 1)
            })
        },
    },
    Function {
        name: "days_between",
        category: Category::Calendar,
        summary: "The number of days from one day to another; negative when the second is earlier.",
        parameters: &[FROM, TO],
        returns: Type::Integer,
        bad_input: BAD,
        examples: &[
            Example::new("days_between(DATE '2026-01-31', DATE '2026-03-01')", "29"),
            Example::new("days_between(DATE '2026-03-01', DATE '2026-01-31')", "-29"),
        ],
        compute: |arguments| between(arguments, Unit::Day, |span| i64::from(span.get_days())),
    },
    Function {
        name: "months_between",
        category: Category::Calendar,
        summary: "The number of whole months from one day to another; negative when the second is earlier.",
        parameters: &[FROM, TO],
        returns: Type::Integer,
        bad_input: BAD,
        examples: &[
            Example::new("months_between(DATE '2026-01-31', DATE '2026-03-30')", "1"),
            Example::new("months_between(DATE '2026-01-15', DATE '2027-01-15')", "12"),
        ],
        compute: |arguments| between(arguments, Unit::Month, |span| i64::from(span.get_months())),
    },
    Function {
        name: "age_in_years",
        category: Category::Calendar,
        summary: "The whole years between a birth and a day. Who is born on 29 February is a year older on 1 March of \
                  common years.",
        parameters: &[
            Parameter::new("birth", Type::Date, "The day of birth."),
            Parameter::new("on", Type::Date, "The day for which the age is asked."),
        ],
        returns: Type::Integer,
        bad_input: "Negative before the birth; NULL for years beyond ±9999.",
        examples: &[
            Example::new("age_in_years(DATE '1990-06-15', DATE '2026-06-14')", "35"),
            Example::new("age_in_years(DATE '1990-06-15', DATE '2026-06-15')", "36"),
            Example::new("age_in_years(DATE '2024-02-29', DATE '2025-02-28')", "0"),
        ],
        compute: |arguments| between(arguments, Unit::Year, |span| i64::from(span.get_years())),
    },
    Function {
        name: "business_days_between",
        category: Category::Calendar,
        summary: "The number of days from Monday to Friday from the first day on and before the second; negative when \
                  the second is earlier. Holidays are not known.",
        parameters: &[FROM, TO],
        returns: Type::Integer,
        bad_input: BAD,
        examples: &[
            Example::new("business_days_between(DATE '2026-01-30', DATE '2026-02-02')", "1"),
            Example::new("business_days_between(DATE '2026-01-01', DATE '2026-02-01')", "22"),
            Example::new("business_days_between(DATE '2026-02-02', DATE '2026-01-30')", "-1"),
        ],
        compute: |arguments| {
            let (from, to) = (arguments.date(0)?, arguments.date(1)?);
            arguments.integers(|row| business_days(from.day(row)?, to.day(row)?))
        },
    },
    Function {
        name: "add_business_days",
        category: Category::Calendar,
        summary: "The day so many days from Monday to Friday later, or earlier where negative. From a weekend, the \
                  first one later is Monday, the first one earlier Friday. Holidays are not known.",
        parameters: &[DATE, Parameter::new("days", Type::Integer, "How many business days.")],
        returns: Type::Date,
        bad_input: BAD,
        examples: &[
            Example::new("add_business_days(DATE '2026-01-30', 1)", "2026-02-02"),
            Example::new("add_business_days(DATE '2026-02-02', -6)", "2026-01-23"),
            Example::new("add_business_days(DATE '2026-01-31', 0)", "2026-01-31"),
            Example::new("add_business_days(DATE '2026-01-31', 5)", "2026-02-06"),
        ],
        compute: |arguments| {
            let (date, days) = (arguments.date(0)?, arguments.integer(1)?);
            arguments.dates(|row| add_business_days(date.day(row)?, days.at(row)?))
        },
    },
];

const EPOCH: Date = Date::constant(1970, 1, 1);

/// The day so many days after 1970-01-01; nothing for years beyond ±9999.
pub(super) fn day_of(days: i32) -> Option<Date> {
    EPOCH.checked_add(Span::new().try_days(days).ok()?).ok()
}

/// The number of days since 1970-01-01.
pub(super) fn days_of(date: Date) -> Option<i32> {
    Some(EPOCH.until(date).ok()?.get_days())
}

fn integer(arguments: &Arguments<'_>, value: fn(Date) -> i64) -> Result<ArrayRef> {
    let date = arguments.date(0)?;
    arguments.integers(|row| date.day(row).map(value))
}

fn day(arguments: &Arguments<'_>, value: fn(Date) -> Option<Date>) -> Result<ArrayRef> {
    let date = arguments.date(0)?;
    arguments.dates(|row| value(date.day(row)?))
}

fn between(arguments: &Arguments<'_>, unit: Unit, value: fn(Span) -> i64) -> Result<ArrayRef> {
    let (from, to) = (arguments.date(0)?, arguments.date(1)?);
    arguments.integers(|row| from.day(row)?.until((unit, to.day(row)?)).ok().map(value))
}

fn weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn quarter_start(date: Date) -> Option<Date> {
    date.with().month((date.month() - 1) / 3 * 3 + 1).day(1).build().ok()
}

/// The first of a day's month moved so that the fiscal year begins in January, and the month it begins in.
fn fiscal(date: Date, first_month: i64) -> Option<(Date, i64)> {
    (1..=12).contains(&first_month).then_some(())?;
    Some((date.first_of_month().checked_sub((first_month - 1).months()).ok()?, first_month))
}

fn business_days(from: Date, to: Date) -> Option<i64> {
    if to < from {
        return business_days(to, from).map(|days| -days);
    }
    let weeks = from.until((Unit::Week, to)).ok()?.get_weeks();
    let rest = from.checked_add(Span::new().try_weeks(weeks).ok()?).ok()?;
    let days = successors(Some(rest), |day| day.tomorrow().ok()).take_while(|day| *day < to);
    Some(i64::from(weeks) * 5 + i64::try_from(days.filter(|day| !weekend(*day)).count()).ok()?)
}

fn add_business_days(date: Date, days: i64) -> Option<Date> {
    let step = |day: &Date| if days < 0 { day.yesterday().ok() } else { day.tomorrow().ok() };
    // Whole weeks are taken at once, from a business day, so that the walk is short.
    let mut left = days.checked_abs()?;
    let mut day = date;
    if left > 0 && weekend(day) {
        day = successors(Some(day), step).find(|day| !weekend(*day))?;
        left -= 1;
    }
    day = day.checked_add(Span::new().try_weeks(left / 5 * days.signum()).ok()?).ok()?;
    for _ in 0..left % 5 {
        day = successors(step(&day), step).find(|day| !weekend(*day))?;
    }
    Some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, day by day.
    fn counted(from: Date, to: Date) -> i64 {
        let days = successors(Some(from), |day| day.tomorrow().ok()).take_while(|day| *day < to);
        i64::try_from(days.filter(|day| !weekend(*day)).count()).expect("few")
    }

    fn walked(date: Date, days: i64) -> Date {
        let mut day = date;
        let mut left = days.abs();
        while left > 0 {
            day = if days < 0 { day.yesterday() } else { day.tomorrow() }.expect("near");
            left -= i64::from(!weekend(day));
        }
        day
    }

    #[test]
    fn business_days_are_those_of_a_walk_day_by_day() {
        let first = jiff::civil::date(2026, 1, 1);
        for start in 0..14 {
            let from = first.checked_add(start.days()).expect("near");
            for length in 0..40 {
                let to = from.checked_add(length.days()).expect("near");
                assert_eq!(business_days(from, to), Some(counted(from, to)), "{from} to {to}");
                assert_eq!(business_days(to, from), Some(-counted(from, to)), "{to} to {from}");
                for days in [length, -length] {
                    assert_eq!(add_business_days(from, days), Some(walked(from, days)), "{from} and {days}");
                }
            }
        }
    }

    #[test]
    fn what_leaves_the_calendar_is_nothing() {
        let last = Date::MAX;
        assert_eq!(add_business_days(last, 5), None);
        assert_eq!(add_business_days(last, i64::MIN), None);
        assert_eq!(add_business_days(last, i64::MAX), None);
        assert_eq!(day_of(i32::MAX), None);
        assert_eq!(days_of(last).and_then(day_of), Some(last));
        assert_eq!(days_of(Date::MIN).and_then(day_of), Some(Date::MIN));
    }
}
