//! The names that manifests give to Arrow types, and back.
//!
//! The names are Arrow's own (`Int64`, `Utf8`, `Decimal128(10, 2)`), with three liberties: a time zone stands bare
//! (`Timestamp(Microsecond, UTC)`), no time zone may be left out (`Timestamp(Microsecond)`), and a list names just
//! its element (`List(Utf8)`).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

/// The key of a field's metadata that holds the column's comment.
pub const COMMENT_KEY: &str = "comment";

/// Names worth suggesting when one is not known.
pub const COMMON: [&str; 20] = [
    "Boolean",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Float32",
    "Float64",
    "Utf8",
    "LargeUtf8",
    "Binary",
    "Date32",
    "Time64(Microsecond)",
    "Timestamp(Microsecond)",
    "Timestamp(Microsecond, UTC)",
    "Decimal128(38, 9)",
    "List(Utf8)",
];

/// A type's name that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a type; write an Arrow type such as {}", COMMON.join(", "))]
pub struct UnknownType {
    /// What was written.
    pub name: String,
}

/// The Arrow type of that name.
///
/// # Errors
/// [`UnknownType`] when no type has that name.
pub fn parse(name: &str) -> Result<DataType, UnknownType> {
    parse_inner(name.trim()).ok_or_else(|| UnknownType { name: name.to_owned() })
}

fn parse_inner(name: &str) -> Option<DataType> {
    let (head, arguments) = match name.split_once('(') {
        Some((head, rest)) => (head.trim(), Some(rest.strip_suffix(')')?.trim())),
        None => (name, None),
    };
    Some(match (head, arguments) {
        ("Null", None) => DataType::Null,
        ("Boolean", None) => DataType::Boolean,
        ("Int8", None) => DataType::Int8,
        ("Int16", None) => DataType::Int16,
        ("Int32", None) => DataType::Int32,
        ("Int64", None) => DataType::Int64,
        ("UInt8", None) => DataType::UInt8,
        ("UInt16", None) => DataType::UInt16,
        ("UInt32", None) => DataType::UInt32,
        ("UInt64", None) => DataType::UInt64,
        ("Float32", None) => DataType::Float32,
        ("Float64", None) => DataType::Float64,
        ("Utf8", None) => DataType::Utf8,
        ("LargeUtf8", None) => DataType::LargeUtf8,
        ("Utf8View", None) => DataType::Utf8View,
        ("Binary", None) => DataType::Binary,
        ("LargeBinary", None) => DataType::LargeBinary,
        ("Date32", None) => DataType::Date32,
        ("Date64", None) => DataType::Date64,
        ("FixedSizeBinary", Some(width)) => DataType::FixedSizeBinary(width.parse().ok()?),
        ("Time32", Some(unit)) => DataType::Time32(unit_of(unit)?),
        ("Time64", Some(unit)) => DataType::Time64(unit_of(unit)?),
        ("Duration", Some(unit)) => DataType::Duration(unit_of(unit)?),
        ("Timestamp", Some(arguments)) => match arguments.split_once(',') {
            Some((unit, zone)) => match zone.trim().trim_matches('"') {
                "None" => DataType::Timestamp(unit_of(unit)?, None),
                zone => DataType::Timestamp(unit_of(unit)?, Some(zone.into())),
            },
            None => DataType::Timestamp(unit_of(arguments)?, None),
        },
        ("Decimal128", Some(arguments)) => {
            let (precision, scale) = arguments.split_once(',')?;
            let (precision, scale) = (precision.trim().parse::<u8>().ok()?, scale.trim().parse::<i8>().ok()?);
            if precision == 0 || precision > 38 || scale > 38 {
                return None;
            }
            DataType::Decimal128(precision, scale)
        }
        ("List", Some(element)) => DataType::List(Arc::new(Field::new("item", parse_inner(element)?, true))),
        _ => return None,
    })
}

fn unit_of(name: &str) -> Option<TimeUnit> {
    Some(match name.trim() {
        "Second" => TimeUnit::Second,
        "Millisecond" => TimeUnit::Millisecond,
        "Microsecond" => TimeUnit::Microsecond,
        "Nanosecond" => TimeUnit::Nanosecond,
        _ => return None,
    })
}

/// The name that manifests give to an Arrow type.
#[must_use]
pub fn name(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(unit, None) => format!("Timestamp({unit:?})"),
        DataType::Timestamp(unit, Some(zone)) => format!("Timestamp({unit:?}, {zone})"),
        DataType::Time32(unit) => format!("Time32({unit:?})"),
        DataType::Time64(unit) => format!("Time64({unit:?})"),
        DataType::Duration(unit) => format!("Duration({unit:?})"),
        DataType::Decimal128(precision, scale) => format!("Decimal128({precision}, {scale})"),
        DataType::FixedSizeBinary(width) => format!("FixedSizeBinary({width})"),
        DataType::List(field) => format!("List({})", name(field.data_type())),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_name_comes_back_as_written() {
        for written in COMMON {
            let data_type = parse(written).expect(written);
            assert_eq!(name(&data_type), written);
        }
    }

    #[test]
    fn a_zone_may_stand_bare_quoted_or_not_at_all() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(parse("Timestamp(Microsecond, UTC)"), Ok(utc.clone()));
        assert_eq!(parse("Timestamp(Microsecond,\"UTC\")"), Ok(utc));
        assert_eq!(parse("Timestamp(Second, None)"), Ok(DataType::Timestamp(TimeUnit::Second, None)));
    }

    #[test]
    fn what_is_not_a_type_is_refused_with_examples() {
        for wrong in ["int", "Timestamp", "Timestamp(Hour)", "Decimal128(99, 2)", "List()", "Utf8)"] {
            let error = parse(wrong).expect_err(wrong);
            assert!(error.to_string().contains("Int64"), "{error}");
        }
    }
}
