//! Single values of a binary COPY, read into Arrow builders.

use std::borrow::Cow;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryBuilder, BooleanBuilder, ListArray, NullBufferBuilder, PrimitiveBuilder,
    StringBuilder,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use std::sync::Arc;

use super::types::Wire;

/// Why a value cannot be read, and what it was.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: Cow<'static, str>,
    pub(super) raw: String,
}

/// Days and microseconds between 1970-01-01 and 2000-01-01, where PostgreSQL begins to count.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;
/// 0001-01-01 and 262142-12-31, the years that Arrow's calendar can show after Christ.
const FIRST_DAY: i32 = -719_162;
const LAST_DAY: i32 = 95_026_236;
const DAY_MICROSECONDS: i64 = 86_400_000_000;

/// Builds the values of one column.
pub(super) enum Builder {
    Bool(BooleanBuilder),
    Int2(PrimitiveBuilder<Int16Type>),
    Int4(PrimitiveBuilder<Int32Type>),
    Int8(PrimitiveBuilder<Int64Type>),
    Float4(PrimitiveBuilder<Float32Type>),
    Float8(PrimitiveBuilder<Float64Type>),
    Numeric { builder: PrimitiveBuilder<Decimal128Type>, precision: u8, scale: i8 },
    Text(StringBuilder),
    Uuid(StringBuilder),
    Bytea(BinaryBuilder),
    Date(PrimitiveBuilder<Date32Type>),
    Time(PrimitiveBuilder<Time64MicrosecondType>),
    Timestamp(PrimitiveBuilder<TimestampMicrosecondType>),
    List { items: Box<Builder>, item: DataType, length: usize, offsets: Vec<i32>, validity: NullBufferBuilder },
}

impl Builder {
    /// A builder with room for that many rows.
    pub(super) fn new(wire: &Wire, rows: usize) -> Self {
        match wire {
            Wire::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            Wire::Int2 => Self::Int2(PrimitiveBuilder::with_capacity(rows)),
            Wire::Int4 => Self::Int4(PrimitiveBuilder::with_capacity(rows)),
            Wire::Int8 => Self::Int8(PrimitiveBuilder::with_capacity(rows)),
            Wire::Float4 => Self::Float4(PrimitiveBuilder::with_capacity(rows)),
            Wire::Float8 => Self::Float8(PrimitiveBuilder::with_capacity(rows)),
            Wire::Numeric { precision, scale } => Self::Numeric {
                builder: PrimitiveBuilder::with_capacity(rows).with_data_type(wire.arrow()),
                precision: *precision,
                scale: *scale,
            },
            Wire::Text => Self::Text(StringBuilder::with_capacity(rows, rows * 16)),
            Wire::Uuid => Self::Uuid(StringBuilder::with_capacity(rows, rows * 36)),
            Wire::Bytea => Self::Bytea(BinaryBuilder::with_capacity(rows, rows * 16)),
            Wire::Date => Self::Date(PrimitiveBuilder::with_capacity(rows)),
            Wire::Time => Self::Time(PrimitiveBuilder::with_capacity(rows)),
            Wire::Timestamp | Wire::TimestampTz => {
                Self::Timestamp(PrimitiveBuilder::with_capacity(rows).with_data_type(wire.arrow()))
            }
            Wire::List(element) => Self::List {
                items: Box::new(Self::new(element, rows * 4)),
                item: element.arrow(),
                length: 0,
                offsets: vec![0],
                validity: NullBufferBuilder::new(rows),
            },
        }
    }

    /// Takes a value: a null, or its bytes. When it cannot be read, nothing is added to this builder.
    pub(super) fn append(&mut self, bytes: Option<&[u8]>) -> Result<(), Fault> {
        let Some(bytes) = bytes else {
            self.append_null();
            return Ok(());
        };
        match self {
            Self::Bool(builder) => builder.append_value(fixed::<1>(bytes)?[0] != 0),
            Self::Int2(builder) => builder.append_value(i16::from_be_bytes(fixed(bytes)?)),
            Self::Int4(builder) => builder.append_value(i32::from_be_bytes(fixed(bytes)?)),
            Self::Int8(builder) => builder.append_value(i64::from_be_bytes(fixed(bytes)?)),
            Self::Float4(builder) => builder.append_value(f32::from_be_bytes(fixed(bytes)?)),
            Self::Float8(builder) => builder.append_value(f64::from_be_bytes(fixed(bytes)?)),
            Self::Numeric { builder, precision, scale } => builder.append_value(numeric(bytes, *precision, *scale)?),
            Self::Text(builder) => {
                let text = std::str::from_utf8(bytes).map_err(|_| fault("the text is not UTF-8", hex(bytes)))?;
                builder.append_value(text);
            }
            Self::Uuid(builder) => {
                let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
                builder.append_value(uuid::Uuid::from_bytes(fixed(bytes)?).hyphenated().encode_lower(&mut text));
            }
            Self::Bytea(builder) => builder.append_value(bytes),
            Self::Date(builder) => builder.append_value(date(i32::from_be_bytes(fixed(bytes)?))?),
            Self::Time(builder) => builder.append_value(time(i64::from_be_bytes(fixed(bytes)?))?),
            Self::Timestamp(builder) => builder.append_value(timestamp(i64::from_be_bytes(fixed(bytes)?))?),
            Self::List { items, length, offsets, validity, .. } => {
                list(bytes, items, length)?;
                offsets.push(offset(*length)?);
                validity.append_non_null();
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        fn null<T: ArrowPrimitiveType>(builder: &mut PrimitiveBuilder<T>) {
            builder.append_null();
        }
        match self {
            Self::Bool(builder) => builder.append_null(),
            Self::Int2(builder) => null(builder),
            Self::Int4(builder) => null(builder),
            Self::Int8(builder) => null(builder),
            Self::Float4(builder) => null(builder),
            Self::Float8(builder) => null(builder),
            Self::Numeric { builder, .. } => null(builder),
            Self::Text(builder) | Self::Uuid(builder) => builder.append_null(),
            Self::Bytea(builder) => builder.append_null(),
            Self::Date(builder) => null(builder),
            Self::Time(builder) => null(builder),
            Self::Timestamp(builder) => null(builder),
            // Items of an array that was given up half way stay below the null, where Arrow allows them.
            Self::List { length, offsets, validity, .. } => {
                let last = offsets.last().copied().unwrap_or_default();
                offsets.push(offset(*length).unwrap_or(last));
                validity.append_null();
            }
        }
    }

    /// Gives the values and begins anew.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Int2(builder) => Arc::new(builder.finish()),
            Self::Int4(builder) => Arc::new(builder.finish()),
            Self::Int8(builder) => Arc::new(builder.finish()),
            Self::Float4(builder) => Arc::new(builder.finish()),
            Self::Float8(builder) => Arc::new(builder.finish()),
            Self::Numeric { builder, .. } => Arc::new(builder.finish()),
            Self::Text(builder) | Self::Uuid(builder) => Arc::new(builder.finish()),
            Self::Bytea(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::List { items, item, length, offsets, validity } => {
                *length = 0;
                let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(offsets, vec![0])));
                let field = Arc::new(Field::new("item", item.clone(), true));
                Arc::new(ListArray::new(field, offsets, items.finish(), validity.finish()))
            }
        }
    }
}

fn fault(message: &'static str, raw: impl Into<String>) -> Fault {
    Fault { message: message.into(), raw: raw.into() }
}

fn hex(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(1024)];
    shown.iter().fold(String::from("\\x"), |text, byte| format!("{text}{byte:02x}"))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Fault> {
    bytes
        .try_into()
        .map_err(|_| Fault { message: format!("{} bytes where {N} are expected", bytes.len()).into(), raw: hex(bytes) })
}

fn offset(length: usize) -> Result<i32, Fault> {
    i32::try_from(length).map_err(|_| fault("the arrays of a batch hold more than 2147483647 values", ""))
}

fn date(days: i32) -> Result<i32, Fault> {
    match days {
        i32::MAX => return Err(fault("the date is infinity", "infinity")),
        i32::MIN => return Err(fault("the date is -infinity", "-infinity")),
        _ => {}
    }
    match days.checked_add(EPOCH_DAYS) {
        Some(day) if (FIRST_DAY..=LAST_DAY).contains(&day) => Ok(day),
        Some(day) if day < FIRST_DAY => {
            Err(fault("the date is before the year 1", format!("{days} days from 2000-01-01")))
        }
        _ => Err(fault("the date is after the year 262142", format!("{days} days from 2000-01-01"))),
    }
}

fn time(microseconds: i64) -> Result<i64, Fault> {
    if (0..DAY_MICROSECONDS).contains(&microseconds) {
        Ok(microseconds)
    } else {
        Err(fault("the time is 24:00:00, which is not a time of a day", "24:00:00"))
    }
}

fn timestamp(microseconds: i64) -> Result<i64, Fault> {
    match microseconds {
        i64::MAX => return Err(fault("the timestamp is infinity", "infinity")),
        i64::MIN => return Err(fault("the timestamp is -infinity", "-infinity")),
        _ => {}
    }
    const FIRST: i64 = FIRST_DAY as i64 * DAY_MICROSECONDS;
    const END: i64 = (LAST_DAY as i64 + 1) * DAY_MICROSECONDS;
    let raw = || format!("{microseconds} microseconds from 2000-01-01");
    match microseconds.checked_add(EPOCH_MICROSECONDS) {
        Some(shifted) if (FIRST..END).contains(&shifted) => Ok(shifted),
        Some(shifted) if shifted < FIRST => Err(fault("the timestamp is before the year 1", raw())),
        _ => Err(fault("the timestamp is after the year 262142", raw())),
    }
}

/// A numeric: digits to the base 10000 with the weight of the first, a sign, and a scale for display.
fn numeric(bytes: &[u8], precision: u8, scale: i8) -> Result<i128, Fault> {
    let broken = || fault("the numeric is broken", hex(bytes));
    let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(2 * at)?, *bytes.get(2 * at + 1)?]));
    let (Some(count), Some(weight), Some(sign)) = (word(0), word(1), word(2)) else { return Err(broken()) };
    let negative = match sign {
        0x0000 => false,
        0x4000 => true,
        0xC000 => return Err(fault("the number is NaN", "NaN")),
        0xD000 => return Err(fault("the number is Infinity", "Infinity")),
        0xF000 => return Err(fault("the number is -Infinity", "-Infinity")),
        _ => return Err(broken()),
    };
    let weight = i32::from(weight.cast_signed());
    let mut value: i128 = 0;
    for place in 0..count {
        let digit = i128::from(word(4 + usize::from(place)).ok_or_else(broken)?);
        let exponent = 4 * (weight - i32::from(place)) + i32::from(scale);
        let power = 10_i128.checked_pow(exponent.unsigned_abs());
        let part = match (exponent >= 0, power) {
            _ if digit == 0 => Some(0),
            (true, Some(power)) => digit.checked_mul(power),
            (false, Some(power)) if digit % power == 0 => Some(digit / power),
            _ => None,
        };
        value = part.and_then(|part| value.checked_add(part)).ok_or_else(|| Fault {
            message: format!("the number does not fit Decimal128({precision}, {scale})").into(),
            raw: hex(bytes),
        })?;
    }
    if 10_i128.checked_pow(u32::from(precision)).is_some_and(|limit| value >= limit) {
        return Err(Fault {
            message: format!("the number does not fit Decimal128({precision}, {scale})").into(),
            raw: hex(bytes),
        });
    }
    Ok(if negative { -value } else { value })
}

/// An array: dimensions, a flag, the element's type, length and lower bound of each dimension, then the values.
fn list(bytes: &[u8], items: &mut Builder, length: &mut usize) -> Result<(), Fault> {
    let broken = || fault("the array is broken", hex(bytes));
    let mut rest = bytes;
    let mut next = || -> Result<i32, Fault> {
        let (head, tail) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
        rest = tail;
        Ok(i32::from_be_bytes(*head))
    };
    let dimensions = next()?;
    next()?;
    next()?;
    if dimensions == 0 {
        return Ok(());
    }
    if dimensions != 1 {
        let message = format!("the array has {dimensions} dimensions; a list has one");
        return Err(Fault { message: message.into(), raw: hex(bytes) });
    }
    let count = next()?;
    next()?;
    for _ in 0..count {
        let (head, tail) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
        let size = i32::from_be_bytes(*head);
        let value = match usize::try_from(size) {
            Ok(size) => {
                let (value, tail) = tail.split_at_checked(size).ok_or_else(broken)?;
                rest = tail;
                Some(value)
            }
            Err(_) => {
                rest = tail;
                None
            }
        };
        let appended = items.append(value);
        if appended.is_err() {
            // Where items are arrays themselves, what the broken one has left ends here: the next one must not begin with it.
            items.append_null();
        }
        *length += 1;
        appended?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(weight: i16, sign: u16, digits: &[u16]) -> Vec<u8> {
        let count = u16::try_from(digits.len()).expect("few digits");
        let mut words = vec![count, weight.cast_unsigned(), sign, 0];
        words.extend(digits);
        words.into_iter().flat_map(u16::to_be_bytes).collect()
    }

    #[test]
    fn numerics_are_exact_or_refused() {
        let read = |bytes: &[u8], precision, scale| {
            numeric(bytes, precision, scale).map_err(|fault| fault.message.into_owned())
        };
        assert_eq!(read(&wire(0, 0, &[12, 3400]), 10, 2), Ok(1234));
        assert_eq!(read(&wire(0, 0x4000, &[12, 3400]), 10, 4), Ok(-123_400));
        assert_eq!(read(&wire(2, 0, &[1]), 10, 0), Ok(100_000_000));
        assert_eq!(read(&wire(-1, 0, &[5]), 10, 4), Ok(5));
        assert_eq!(read(&wire(0, 0, &[]), 38, 38), Ok(0));
        assert_eq!(read(&wire(-1, 0, &[5]), 10, 3), Err("the number does not fit Decimal128(10, 3)".into()));
        assert_eq!(read(&wire(0, 0, &[100]), 2, 0), Err("the number does not fit Decimal128(2, 0)".into()));
        assert_eq!(read(&wire(9, 0, &[1000]), 38, 0), Err("the number does not fit Decimal128(38, 0)".into()));
        let most = wire(9, 0, &[99, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999]);
        assert_eq!(read(&most, 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(read(&wire(0, 0xC000, &[]), 5, 0), Err("the number is NaN".into()));
        assert_eq!(read(&[0, 1], 5, 0), Err("the numeric is broken".into()));
    }

    #[test]
    fn the_edges_of_the_calendar() {
        assert_eq!(date(0).ok(), Some(EPOCH_DAYS));
        assert_eq!(date(FIRST_DAY - EPOCH_DAYS).ok(), Some(FIRST_DAY));
        assert!(date(FIRST_DAY - EPOCH_DAYS - 1).is_err());
        assert!(date(i32::MAX).is_err_and(|fault| fault.raw == "infinity"));
        let last = (i64::from(LAST_DAY) + 1) * DAY_MICROSECONDS - 1;
        assert_eq!(timestamp(last - EPOCH_MICROSECONDS).ok(), Some(last));
        assert!(timestamp(last - EPOCH_MICROSECONDS + 1).is_err());
        assert!(timestamp(i64::MIN).is_err_and(|fault| fault.raw == "-infinity"));
        assert!(timestamp(i64::MAX - 1).is_err());
        assert!(time(DAY_MICROSECONDS).is_err());
    }
}
