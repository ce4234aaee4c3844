//! Single values, read into Arrow builders.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow::datatypes::{
    Date32Type, Decimal128Type, DecimalType, Float64Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use rusqlite::types::ValueRef;

use super::types::Kind;

/// Why a value cannot be read.
pub(super) type Fault = Cow<'static, str>;

/// Builds the values of one column.
pub(super) enum Builder {
    Bool(BooleanBuilder),
    Int(PrimitiveBuilder<Int64Type>),
    Real(PrimitiveBuilder<Float64Type>),
    Text(StringBuilder),
    Loose(StringBuilder),
    Blob(BinaryBuilder),
    Date(PrimitiveBuilder<Date32Type>),
    Time(PrimitiveBuilder<Time64MicrosecondType>),
    Timestamp(PrimitiveBuilder<TimestampMicrosecondType>),
    Decimal { builder: PrimitiveBuilder<Decimal128Type>, precision: u8, scale: i8 },
}

impl Builder {
    pub(super) fn new(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            Kind::Int => Self::Int(PrimitiveBuilder::with_capacity(rows)),
            Kind::Real => Self::Real(PrimitiveBuilder::with_capacity(rows)),
            Kind::Text => Self::Text(StringBuilder::with_capacity(rows, rows * 16)),
            Kind::Loose => Self::Loose(StringBuilder::with_capacity(rows, rows * 16)),
            Kind::Blob => Self::Blob(BinaryBuilder::with_capacity(rows, rows * 16)),
            Kind::Date => Self::Date(PrimitiveBuilder::with_capacity(rows)),
            Kind::Time => Self::Time(PrimitiveBuilder::with_capacity(rows)),
            Kind::Timestamp | Kind::TimestampTz => {
                Self::Timestamp(PrimitiveBuilder::with_capacity(rows).with_data_type(kind.arrow()))
            }
            Kind::Decimal { precision, scale } => Self::Decimal {
                builder: PrimitiveBuilder::with_capacity(rows).with_data_type(kind.arrow()),
                precision,
                scale,
            },
        }
    }

    /// Takes a value. When it cannot be read, a null stands for it.
    pub(super) fn append(&mut self, value: ValueRef<'_>) -> Result<(), Fault> {
        match self {
            Self::Bool(builder) => keep(boolean(value), |value| builder.append_option(value)),
            Self::Int(builder) => keep(integer(value), |value| builder.append_option(value)),
            Self::Real(builder) => keep(real(value), |value| builder.append_option(value)),
            Self::Text(builder) => keep(text(value), |value| builder.append_option(value)),
            Self::Loose(builder) => keep(loose(value), |value| builder.append_option(value)),
            Self::Blob(builder) => keep(blob(value), |value| builder.append_option(value)),
            Self::Date(builder) => keep(parsed(value, date), |value| builder.append_option(value)),
            Self::Time(builder) => keep(parsed(value, time), |value| builder.append_option(value)),
            Self::Timestamp(builder) => keep(parsed(value, timestamp), |value| builder.append_option(value)),
            Self::Decimal { builder, precision, scale } => {
                keep(decimal(value, *precision, *scale), |value| builder.append_option(value))
            }
        }
    }

    /// Gives the values and begins anew.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Real(builder) => Arc::new(builder.finish()),
            Self::Text(builder) | Self::Loose(builder) => Arc::new(builder.finish()),
            Self::Blob(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Decimal { builder, .. } => Arc::new(builder.finish()),
        }
    }
}

fn keep<T>(value: Result<Option<T>, Fault>, append: impl FnOnce(Option<T>)) -> Result<(), Fault> {
    match value {
        Ok(value) => {
            append(value);
            Ok(())
        }
        Err(fault) => {
            append(None);
            Err(fault)
        }
    }
}

fn stored_as(value: ValueRef<'_>, wanted: &str) -> Fault {
    format!("the value is stored as {}, the column's type wants {wanted}", value.data_type().to_string().to_lowercase())
        .into()
}

fn boolean(value: ValueRef<'_>) -> Result<Option<bool>, Fault> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(0) => Ok(Some(false)),
        ValueRef::Integer(1) => Ok(Some(true)),
        ValueRef::Integer(other) => Err(format!("{other} is neither 0 nor 1").into()),
        other => Err(stored_as(other, "0 or 1")),
    }
}

fn integer(value: ValueRef<'_>) -> Result<Option<i64>, Fault> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(value) => Ok(Some(value)),
        other => Err(stored_as(other, "an integer")),
    }
}

fn real(value: ValueRef<'_>) -> Result<Option<f64>, Fault> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Real(value) => Ok(Some(value)),
        #[expect(clippy::cast_precision_loss, reason = "the guard lets only integers pass that a real holds exactly")]
        ValueRef::Integer(value) if value.unsigned_abs() <= 1 << 53 => Ok(Some(value as f64)),
        other => Err(stored_as(other, "a real")),
    }
}

fn text(value: ValueRef<'_>) -> Result<Option<&str>, Fault> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| "the text is not UTF-8".into()),
        other => Err(stored_as(other, "text")),
    }
}

fn loose(value: ValueRef<'_>) -> Result<Option<Cow<'_, str>>, Fault> {
    match value {
        ValueRef::Integer(value) => Ok(Some(value.to_string().into())),
        ValueRef::Real(value) => Ok(Some(value.to_string().into())),
        other => Ok(text(other)?.map(Cow::Borrowed)),
    }
}

fn blob(value: ValueRef<'_>) -> Result<Option<&[u8]>, Fault> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) => Ok(Some(bytes)),
        other => Err(stored_as(other, "a blob")),
    }
}

fn parsed<T>(value: ValueRef<'_>, parse: impl Fn(&str) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
    text(value)?.map(parse).transpose()
}

/// Days from 1970-01-01.
pub(super) fn date(text: &str) -> Result<i32, Fault> {
    let date: jiff::civil::Date = if text.len() == 10 { text.parse().ok() } else { None }
        .ok_or_else(|| format!("`{text}` is not a date as 2026-01-02"))?;
    let days =
        date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).map_err(|error| error.to_string())?.get_days();
    Ok(days)
}

/// Microseconds from midnight.
pub(super) fn time(text: &str) -> Result<i64, Fault> {
    let time: jiff::civil::Time = text.parse().map_err(|_| format!("`{text}` is not a time as 03:04:05"))?;
    let nanoseconds = time.since(jiff::civil::Time::midnight()).and_then(|span| span.total(jiff::Unit::Nanosecond));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a day has 86 400 000 000 000 nanoseconds, which a real holds exactly"
    )]
    let nanoseconds = nanoseconds.map_err(|error| error.to_string())? as i64;
    whole(nanoseconds, text)
}

/// Microseconds from 1970-01-01, UTC. A text without an offset is taken as UTC.
pub(super) fn timestamp(text: &str) -> Result<i64, Fault> {
    let wrong = || Fault::from(format!("`{text}` is not a timestamp as 2026-01-02T03:04:05"));
    if text.len() <= 10 {
        return Err(wrong());
    }
    let plain = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    // An offset is passed over here, so the instant comes first. It ends a day before the last civil time, which stands for
    // "for ever" in many tables.
    let since = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant.as_duration(),
        Err(_) if has_offset(plain) => return Err(wrong()),
        Err(_) => {
            let civil: jiff::civil::DateTime = plain.parse().map_err(|_| wrong())?;
            civil.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0))
        }
    };
    if since.subsec_nanos() % 1000 != 0 {
        return Err(finer(text));
    }
    i64::try_from(since.as_micros()).map_err(|_| wrong())
}

/// Whether a time is followed by `+01:00` or the like.
fn has_offset(text: &str) -> bool {
    text.get(10..).is_some_and(|time| time.contains(['+', '-']))
}

fn whole(nanoseconds: i64, text: &str) -> Result<i64, Fault> {
    if nanoseconds % 1000 == 0 { Ok(nanoseconds / 1000) } else { Err(finer(text)) }
}

fn finer(text: &str) -> Fault {
    format!("`{text}` is finer than a microsecond").into()
}

fn decimal(value: ValueRef<'_>, precision: u8, scale: i8) -> Result<Option<i128>, Fault> {
    let text: Cow<'_, str> = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(value) => value.to_string().into(),
        // The shortest text that reads as this real: what somebody wrote, as long as a real could hold it.
        ValueRef::Real(value) => value.to_string().into(),
        ValueRef::Text(_) => text(value)?.unwrap_or_default().into(),
        other => return Err(stored_as(other, "a number")),
    };
    exact(&text, scale)
        .filter(|value| Decimal128Type::is_valid_decimal_precision(*value, precision))
        .map(Some)
        .ok_or_else(|| format!("`{text}` does not fit Decimal128({precision}, {scale})").into())
}

/// The digits of a number without an exponent, as a whole number of units of the scale.
pub(super) fn exact(text: &str, scale: i8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let scale = usize::try_from(scale).ok()?;
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > scale {
        return None;
    }
    let value: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, scale, value) in [
            ("12.30", 2, Some(1230)),
            ("-0.05", 2, Some(-5)),
            ("7", 3, Some(7000)),
            ("1.2300", 2, Some(123)),
            ("1.234", 2, None),
            ("1e3", 2, None),
            ("", 2, None),
            ("NaN", 2, None),
        ] {
            assert_eq!(exact(text, scale), value, "{text}");
        }
    }

    #[test]
    fn times_are_read_in_the_ways_sqlite_writes_them() {
        assert_eq!(timestamp("1970-01-01 00:00:01").ok(), Some(1_000_000));
        assert_eq!(timestamp("1970-01-01T00:00:01.5Z").ok(), Some(1_500_000));
        assert_eq!(timestamp("1970-01-01T01:00:00+01:00").ok(), Some(0));
        assert_eq!(timestamp("9999-12-31T23:59:59.999999Z").ok(), Some(253_402_300_799_999_999));
        assert_eq!(timestamp("9999-12-31 23:59:59.999999").ok(), Some(253_402_300_799_999_999));
        assert_eq!(timestamp("0001-01-01T00:00:00").ok(), Some(-62_135_596_800_000_000));
        assert_eq!(timestamp("1969-12-31T23:59:59.5").ok(), Some(-500_000));
        assert!(timestamp("9999-12-31T23:59:59-01:00").is_err(), "an hour later");
        assert!(timestamp("2026-01-02T03:04:05+25:61").is_err(), "no offset");
        assert!(timestamp("1970-01-01").is_err());
        assert!(timestamp("1970-01-01T00:00:00.0000001").is_err_and(|fault| fault.contains("finer")));
        assert!(timestamp("soon").is_err());
        assert_eq!(date("1970-01-02").ok(), Some(1));
        assert_eq!(date("0001-01-01").ok(), Some(-719_162));
        assert!(date("1970-01-02T00:00:00").is_err());
        assert_eq!(time("23:59:59.999999").ok(), Some(86_399_999_999));
    }
}
