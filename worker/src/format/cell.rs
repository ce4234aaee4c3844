//! One value as a text format holds it, and its exact conversion to an Arrow type: what would be rounded is refused.

use std::borrow::Cow;

use arrow::array::timezone::Tz;
use arrow::array::types::Time64NanosecondType;
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::TimeUnit;
use chrono::NaiveDate;
use serde_json::Value;

/// One value as a text format holds it.
#[derive(Clone, Debug)]
pub(crate) enum Cell<'a> {
    /// No value.
    Null,
    /// A JSON Boolean.
    Bool(bool),
    /// A JSON number without a fraction.
    Int(i64),
    /// A JSON number without a fraction, beyond `i64`.
    UInt(u64),
    /// Any other JSON number.
    Float(f64),
    /// A JSON string, or a field of delimited text.
    Text(Cow<'a, str>),
    /// A JSON array or object.
    Nested(Cow<'a, Value>),
}

/// Why a value does not fit, as the end of a sentence that begins with the value.
pub(crate) type Misfit = &'static str;

/// Integers below are exact in a double, and a double below was no other integer before it was rounded.
const EXACT_DOUBLE: u64 = 1 << 53;

const NOT_INTEGER: Misfit = "is not an integer";
const OUT_OF_RANGE: Misfit = "is out of range";
const MAYBE_ROUNDED: Misfit = "has more digits than a JSON number is read with; send it as a string";

impl<'a> From<&'a Value> for Cell<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(integer), _, _) => Self::Int(integer),
                (None, Some(integer), _) => Self::UInt(integer),
                (None, None, Some(float)) => Self::Float(float),
                (None, None, None) => Self::Text(Cow::Owned(number.to_string())),
            },
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(_) | Value::Object(_) => Self::Nested(Cow::Borrowed(value)),
        }
    }
}

impl Cell<'_> {
    /// The value by itself, apart from the text that it was read from.
    pub(crate) fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Bool(flag) => Cell::Bool(flag),
            Self::Int(integer) => Cell::Int(integer),
            Self::UInt(integer) => Cell::UInt(integer),
            Self::Float(float) => Cell::Float(float),
            Self::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Self::Nested(value) => Cell::Nested(Cow::Owned(value.into_owned())),
        }
    }

    /// The value as a person reads it, for messages.
    pub(crate) fn show(&self) -> String {
        let text = match self {
            Self::Null => "null".to_owned(),
            Self::Bool(flag) => flag.to_string(),
            Self::Int(integer) => integer.to_string(),
            Self::UInt(integer) => integer.to_string(),
            Self::Float(float) => float.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Nested(value) => value.to_string(),
        };
        const MOST: usize = 200;
        match text.char_indices().nth(MOST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    /// The value as an integer of at most 64 bits.
    pub(crate) fn integer<T>(&self) -> Result<T, Misfit>
    where
        T: TryFrom<i64> + TryFrom<u64> + std::str::FromStr<Err = std::num::ParseIntError>,
    {
        match self {
            Self::Int(integer) => T::try_from(*integer).map_err(|_| OUT_OF_RANGE),
            Self::UInt(integer) => T::try_from(*integer).map_err(|_| OUT_OF_RANGE),
            // `1.0` and `1e3` are integers to JSON; beyond 2^53 digits may already be lost.
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            Self::Float(float) if float.fract() == 0.0 && float.abs() < EXACT_DOUBLE as f64 => {
                T::try_from(*float as i64).map_err(|_| OUT_OF_RANGE)
            }
            Self::Float(float) if float.fract() == 0.0 => Err(OUT_OF_RANGE),
            Self::Text(text) => text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
                std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => OUT_OF_RANGE,
                _ => NOT_INTEGER,
            }),
            _ => Err(NOT_INTEGER),
        }
    }

    /// The value as a double. A fraction is the nearest double, as everywhere; an integer must be exact.
    pub(crate) fn double(&self) -> Result<f64, Misfit> {
        const INEXACT: Misfit = "is an integer that a floating-point number cannot hold exactly";
        match self {
            Self::Int(integer) => exact_double(i128::from(*integer)).ok_or(INEXACT),
            Self::UInt(integer) => exact_double(i128::from(*integer)).ok_or(INEXACT),
            Self::Float(float) => Ok(*float),
            Self::Text(text) => {
                let float: f64 = text.parse().map_err(|_| "is not a number")?;
                if float.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) {
                    return Err(OUT_OF_RANGE);
                }
                if float.abs() >= EXACT_DOUBLE as f64
                    && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b'+')
                {
                    return text.parse::<i128>().ok().and_then(exact_double).ok_or(INEXACT);
                }
                Ok(float)
            }
            _ => Err("is not a number"),
        }
    }

    /// The value as a single-precision number; an integer must be exact.
    pub(crate) fn single(&self) -> Result<f32, Misfit> {
        let double = self.double()?;
        #[expect(clippy::cast_possible_truncation, reason = "checked below where it matters")]
        let single = double as f32;
        if single.is_infinite() && double.is_finite() {
            return Err(OUT_OF_RANGE);
        }
        if double.is_finite() && double.fract() == 0.0 && f64::from(single) != double {
            return Err("is an integer that a floating-point number cannot hold exactly");
        }
        Ok(single)
    }

    /// The value as a Boolean: a JSON one, or `true` or `false` in any case.
    pub(crate) fn boolean(&self) -> Result<bool, Misfit> {
        match self {
            Self::Bool(flag) => Ok(*flag),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err("is not `true` or `false`"),
        }
    }

    /// The value as text: a string as it is, everything else as JSON writes it.
    pub(crate) fn text(&self) -> Result<Cow<'_, str>, Misfit> {
        Ok(match self {
            Self::Null => return Err("is missing"),
            Self::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::Int(integer) => Cow::Owned(integer.to_string()),
            Self::UInt(integer) => Cow::Owned(integer.to_string()),
            Self::Float(float) => {
                if float.abs() >= EXACT_DOUBLE as f64 {
                    return Err(MAYBE_ROUNDED);
                }
                Cow::Owned(Value::from(*float).to_string())
            }
            Self::Text(text) => Cow::Borrowed(text),
            Self::Nested(value) => Cow::Owned(value.to_string()),
        })
    }

    /// The value as days since 1970-01-01: `YYYY-MM-DD`.
    pub(crate) fn date(&self) -> Result<i32, Misfit> {
        const NOT_DATE: Misfit = "is not a date as `2026-01-31`";
        let Self::Text(text) = self else { return Err(NOT_DATE) };
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return Err(NOT_DATE);
        }
        let number = |digits: std::ops::Range<usize>| {
            let digits = &bytes[digits];
            let number = digits.iter().fold(0_u32, |number, byte| number * 10 + u32::from(byte.wrapping_sub(b'0')));
            digits.iter().all(u8::is_ascii_digit).then_some(number)
        };
        let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else {
            return Err(NOT_DATE);
        };
        let date = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
        Ok(date.ok_or(NOT_DATE)?.to_epoch_days())
    }

    /// The value as a time of day in nanoseconds: `HH:MM:SS`, with a fraction or without.
    pub(crate) fn time_nanoseconds(&self) -> Result<i64, Misfit> {
        const NOT_TIME: Misfit = "is not a time of day as `13:45:00`";
        let Self::Text(text) = self else { return Err(NOT_TIME) };
        let bytes = text.as_bytes();
        if bytes.len() < 8 || bytes[2] != b':' || bytes[5] != b':' || !fraction_fits(text) {
            return Err(NOT_TIME);
        }
        if &bytes[6..8] == b"60" {
            return Err(LEAP_SECOND);
        }
        Time64NanosecondType::parse(text).ok_or(NOT_TIME)
    }

    /// The value as a timestamp in `unit`s since 1970-01-01 UTC. Without an offset in the text, it is a time in `zone`;
    /// a column without a zone takes no offset.
    pub(crate) fn timestamp(&self, unit: TimeUnit, zone: Option<&Tz>, utc: &Tz) -> Result<i64, Misfit> {
        const NOT_TIMESTAMP: Misfit = "is not a timestamp as `2026-01-31T13:45:00Z`";
        let Self::Text(text) = self else { return Err(NOT_TIMESTAMP) };
        if zone.is_none() && has_offset(text) {
            return Err("has a time zone that the column does not keep; declare `Timestamp(Microsecond, UTC)`");
        }
        if !fraction_fits(text) {
            return Err("has more digits after the second than can be kept");
        }
        let time = string_to_datetime(zone.unwrap_or(utc), text).map_err(|_| NOT_TIMESTAMP)?;
        let nanoseconds = time.timestamp_subsec_nanos();
        if nanoseconds >= 1_000_000_000 {
            return Err(LEAP_SECOND);
        }
        let (per_second, value) = match unit {
            TimeUnit::Second => (1, Some(time.timestamp())),
            TimeUnit::Millisecond => (1_000, Some(time.timestamp_millis())),
            TimeUnit::Microsecond => (1_000_000, Some(time.timestamp_micros())),
            TimeUnit::Nanosecond => (1_000_000_000, time.timestamp_nanos_opt()),
        };
        if nanoseconds % (1_000_000_000 / per_second) != 0 {
            return Err("has more digits after the second than the column keeps");
        }
        value.ok_or(OUT_OF_RANGE)
    }

    /// The value as a decimal of that precision and scale.
    pub(crate) fn decimal(&self, precision: u8, scale: i8) -> Result<i128, Misfit> {
        let text = match self {
            Self::Int(integer) => Cow::Owned(integer.to_string()),
            Self::UInt(integer) => Cow::Owned(integer.to_string()),
            Self::Float(float) => {
                let text = Value::from(*float).to_string();
                // A double gives back any decimal of 15 digits; of a longer one the last digits may be gone.
                if significant_digits(&text) > 15 {
                    return Err(MAYBE_ROUNDED);
                }
                Cow::Owned(text)
            }
            Self::Text(text) => Cow::Borrowed(text.as_ref()),
            _ => return Err("is not a decimal number"),
        };
        exact_decimal(&text, precision, scale)
    }
}

const LEAP_SECOND: Misfit = "is a leap second, which cannot be told from the second after it";

fn exact_double(integer: i128) -> Option<f64> {
    let double = integer as f64;
    #[expect(clippy::cast_possible_truncation, reason = "the comparison finds what was lost")]
    let back = double as i128;
    (back == integer).then_some(double)
}

/// Whether a timestamp's text names its offset from UTC.
pub(crate) fn has_offset(text: &str) -> bool {
    let after_date = text.as_bytes().get(11..).unwrap_or_default();
    after_date.iter().any(|byte| matches!(byte, b'+' | b'-') || byte.is_ascii_alphabetic())
}

/// The digits of a number's text from the first that is not zero, without those of an exponent.
pub(crate) fn significant_digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').collect();
    digits.len() - digits.iter().rev().take_while(|digit| **digit == b'0').count()
}

/// Whether the digits after a second, if there are more than nine, are zeros.
fn fraction_fits(text: &str) -> bool {
    let Some(dot) = text.find('.') else { return true };
    text.bytes().skip(dot + 1).take_while(u8::is_ascii_digit).skip(9).all(|digit| digit == b'0')
}

/// A decimal as nearly all are: digits, at most 18, with a point or without, and no more after it than the column keeps.
/// None for all others, good or bad.
fn short_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let bytes = text.as_bytes();
    let (negative, digits) = match bytes.first()? {
        b'-' => (true, &bytes[1..]),
        _ => (false, bytes),
    };
    if digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    let mut take = |digits: &[u8]| {
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits[..count].iter().for_each(|byte| value = value * 10 + i64::from(byte - b'0'));
        count
    };
    let whole = take(digits);
    let after_point = match &digits[whole..] {
        [] => 0,
        [b'.', fraction @ ..] if take(fraction) == fraction.len() => fraction.len(),
        _ => return None,
    };
    let seen = u32::try_from(whole + after_point).ok().filter(|seen| *seen > 0)?;
    let missing = u32::try_from(scale).ok()?.checked_sub(u32::try_from(after_point).ok()?)?;
    // With 18 digits in all, 64 bits are enough for both.
    let value = if negative { -value } else { value };
    if seen + missing <= 18 && precision <= 18 {
        let value = value * TENS[missing as usize];
        return (value.abs() < TENS[usize::from(precision)]).then_some(i128::from(value));
    }
    let value = i128::from(value).checked_mul(10_i128.checked_pow(missing)?)?;
    (value.abs() < 10_i128.checked_pow(u32::from(precision))?).then_some(value)
}

/// The powers of ten that fit into 64 bits.
const TENS: [i64; 19] = {
    let mut tens = [1; 19];
    let mut exponent = 1;
    while exponent < tens.len() {
        tens[exponent] = tens[exponent - 1] * 10;
        exponent += 1;
    }
    tens
};

/// Arrow's own decimal parser rounds; a value that does not fit must be refused instead.
fn exact_decimal(text: &str, precision: u8, scale: i8) -> Result<i128, Misfit> {
    const NOT_DECIMAL: Misfit = "is not a decimal number";
    if let Some(value) = short_decimal(text, precision, scale) {
        return Ok(value);
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| NOT_DECIMAL)?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes().first() {
        Some(b'-') => (true, &mantissa[1..]),
        Some(b'+') => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(NOT_DECIMAL);
    }
    let fraction = fraction.trim_end_matches('0');
    let joined = format!("{whole}{fraction}");
    let significant = joined.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    let fraction_digits = i32::try_from(fraction.len()).map_err(|_| OUT_OF_RANGE)?;
    let shift = i32::from(scale).saturating_add(exponent).saturating_sub(fraction_digits);
    let (value, shift) = if shift < 0 {
        let zeros = significant.len() - significant.trim_end_matches('0').len();
        let drop = usize::try_from(shift.unsigned_abs()).map_err(|_| OUT_OF_RANGE)?;
        if drop > zeros {
            return Err("has more digits after the point than the column keeps");
        }
        (&significant[..significant.len() - drop], 0)
    } else {
        (significant, shift.unsigned_abs())
    };
    let magnitude = value
        .parse::<i128>()
        .ok()
        .zip(10i128.checked_pow(shift))
        .and_then(|(value, factor)| value.checked_mul(factor))
        .filter(|value| *value < 10i128.pow(u32::from(precision)))
        .ok_or(OUT_OF_RANGE)?;
    Ok(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell<'_> {
        Cell::Text(Cow::Borrowed(text))
    }

    fn utc() -> Tz {
        "+00:00".parse().unwrap()
    }

    fn microseconds(value: &str) -> Result<i64, Misfit> {
        text(value).timestamp(TimeUnit::Microsecond, Some(&utc()), &utc())
    }

    #[test]
    fn short_decimals_are_what_the_long_way_makes_of_them() {
        let texts = [
            "0",
            "-0",
            "1",
            "-1.5",
            "1.50",
            "001.25",
            ".5",
            "5.",
            ".",
            "-",
            "",
            "1.234",
            "12345678901234567.8",
            "123456789012345678",
            "1234567890123456789",
            "99.99",
            "100.00",
            "-99.99",
            "-100",
            "1e3",
            "+1",
            "1.5.0",
            "1 ",
            "٣",
        ];
        let mut short = 0;
        for text in texts {
            for (precision, scale) in [(4, 2), (18, 0), (38, 10), (5, 3), (3, -1)] {
                // What takes the long way is put so that the short one leaves it alone.
                let long = exact_decimal(&format!("{text}e0"), precision, scale);
                if let Some(value) = short_decimal(text, precision, scale) {
                    short += 1;
                    assert_eq!(Ok(value), long, "{text} as ({precision}, {scale})");
                }
            }
        }
        assert!(short > 40, "{short}");
    }

    #[test]
    fn integers_keep_every_digit_or_are_refused() {
        assert_eq!(text("9223372036854775807").integer::<i64>(), Ok(i64::MAX));
        assert_eq!(text("-9223372036854775808").integer::<i64>(), Ok(i64::MIN));
        assert_eq!(text("9223372036854775808").integer::<i64>(), Err(OUT_OF_RANGE));
        assert_eq!(text("18446744073709551615").integer::<u64>(), Ok(u64::MAX));
        assert_eq!(text("128").integer::<i8>(), Err(OUT_OF_RANGE));
        for wrong in ["", " 1", "1.0", "1e3", "0x10", "١", "1_000"] {
            assert_eq!(text(wrong).integer::<i64>(), Err(NOT_INTEGER), "{wrong}");
        }
        assert_eq!(Cell::Float(1e3).integer::<i64>(), Ok(1000));
        assert_eq!(Cell::Float(1.5).integer::<i64>(), Err(NOT_INTEGER));
        assert_eq!(Cell::Float(9.3e18).integer::<i64>(), Err(OUT_OF_RANGE));
        assert_eq!(Cell::UInt(u64::MAX).integer::<i64>(), Err(OUT_OF_RANGE));
    }

    #[test]
    fn doubles_take_no_integer_that_they_would_round() {
        assert_eq!(text("9007199254740992").double(), Ok(9_007_199_254_740_992.0));
        assert!(text("9007199254740993").double().is_err());
        assert!(Cell::Int(9_007_199_254_740_993).double().is_err());
        assert_eq!(text("9007199254740994").double(), Ok(9_007_199_254_740_994.0));
        assert_eq!(text("1e308").double(), Ok(1e308));
        assert_eq!(text("1e309").double(), Err(OUT_OF_RANGE));
        assert_eq!(text("inf").double(), Ok(f64::INFINITY));
        assert_eq!(text("0.1").double(), Ok(0.1));
        assert!(text("16777217").single().is_err());
        assert_eq!(text("1e39").single(), Err(OUT_OF_RANGE));
    }

    #[test]
    fn decimals_are_exact() {
        for (written, expected) in [
            ("1.23", 123),
            ("-1.2", -120),
            ("+1", 100),
            ("1.230000", 123),
            (".5", 50),
            ("5.", 500),
            ("1.5e1", 1500),
            ("150e-1", 1500),
            ("0.00000", 0),
            ("99999999.99", 9_999_999_999),
        ] {
            assert_eq!(text(written).decimal(10, 2), Ok(expected), "{written}");
        }
        for wrong in ["1.234", "100000000", "1e8", "", ".", "-", "1,5", "NaN", "1e", "1e-3", "0x1", "1e99999999999"] {
            assert!(text(wrong).decimal(10, 2).is_err(), "{wrong}");
        }
        assert_eq!(Cell::Float(0.1).decimal(10, 2), Ok(10));
        assert!(Cell::Float(12_345_678_901_234_567.0).decimal(38, 2).is_err(), "JSON may have rounded it");
        assert_eq!(text("99999999999999999999999999999999999999").decimal(38, 0), Ok(10i128.pow(38) - 1));
        assert!(text("100000000000000000000000000000000000000").decimal(38, 0).is_err());
    }

    #[test]
    fn timestamps_are_exact_at_their_limits() {
        assert_eq!(microseconds("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(microseconds("1970-01-01T00:00:00.000001Z"), Ok(1));
        assert_eq!(microseconds("1969-12-31T23:59:59.999999Z"), Ok(-1));
        assert_eq!(microseconds("1970-01-01 02:00:00+02:00"), Ok(0));
        assert_eq!(microseconds("1970-01-01T00:00:00.1234560000000Z"), Ok(123_456));
        assert_eq!(microseconds("0001-01-01T00:00:00Z"), Ok(-62_135_596_800_000_000));
        assert_eq!(microseconds("9999-12-31T23:59:59.999999Z"), Ok(253_402_300_799_999_999));
        for wrong in [
            "1970-01-01T00:00:00.0000001Z",
            "1970-01-01T00:00:00.1234567890001Z",
            "2016-12-31T23:59:60Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00+25:00",
            "yesterday",
            "",
            "1767225600",
        ] {
            assert!(microseconds(wrong).is_err(), "{wrong}");
        }
        let nanoseconds = |value: &str| text(value).timestamp(TimeUnit::Nanosecond, Some(&utc()), &utc());
        assert!(nanoseconds("2262-04-11T23:47:16.854775807Z").is_ok());
        assert!(nanoseconds("2262-04-11T23:47:16.854775808Z").is_err());
        assert!(text("2026-01-01T00:00:00+01:00").timestamp(TimeUnit::Microsecond, None, &utc()).is_err());
        assert!(text("2026-01-01T00:00:00.5").timestamp(TimeUnit::Second, None, &utc()).is_err());
    }

    #[test]
    fn dates_and_times_have_one_form() {
        assert_eq!(text("1970-01-02").date(), Ok(1));
        assert_eq!(text("0001-01-01").date(), Ok(-719_162));
        for wrong in ["1970-1-2", "19700102", "2026-02-30", "1970-01-02T00:00:00", "02.01.1970"] {
            assert!(text(wrong).date().is_err(), "{wrong}");
        }
        assert_eq!(text("00:00:01.5").time_nanoseconds(), Ok(1_500_000_000));
        for wrong in ["1", "24:00:00", "12:60:00", "23:59:60", "1:00:00"] {
            assert!(text(wrong).time_nanoseconds().is_err(), "{wrong}");
        }
    }
}
