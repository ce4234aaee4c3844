//! Columns that can hold more without losing what they hold.

use arrow::datatypes::DataType;

use super::types::{ServerType, oid};

/// The type that a column must have to hold every value that is sent as `sent`, if the server can change it to that
/// without loss; None when it holds them all already, or when there is no such type.
///
/// | column | rows | becomes |
/// |---|---|---|
/// | `smallint`, `integer` | larger integers | `integer`, `bigint` |
/// | `smallint`, `integer` | `Float32`, `Float64` | `double precision` |
/// | `real` | `Int16`, `Int32`, `Float64` | `double precision` |
/// | `varchar(n)` | text | `text` |
/// | `numeric(p,s)` | decimals and integers of more digits | `numeric` with as many |
/// | `date` | `Timestamp` | `timestamp` |
pub(super) fn widen(sent: &DataType, there: &ServerType) -> Option<ServerType> {
    if there.element.is_some() {
        return None;
    }
    let named =
        |oid: u32, name: &str| Some(ServerType { oid, modifier: -1, is_enum: false, element: None, name: name.into() });
    match (there.oid, sent) {
        (oid::INT2, DataType::Int32) => named(oid::INT4, "integer"),
        (oid::INT2 | oid::INT4, DataType::Int64) => named(oid::INT8, "bigint"),
        (oid::INT2 | oid::INT4, DataType::Float32 | DataType::Float64)
        | (oid::FLOAT4, DataType::Int16 | DataType::Int32 | DataType::Float64) => {
            named(oid::FLOAT8, "double precision")
        }
        (oid::VARCHAR, DataType::Utf8) if there.modifier >= 0 => named(oid::TEXT, "text"),
        (oid::DATE, DataType::Timestamp(_, None)) => named(oid::TIMESTAMP, "timestamp without time zone"),
        (oid::NUMERIC, _) => numeric(sent, there),
        _ => None,
    }
}

/// A numeric with room for the digits before and behind the point of both.
fn numeric(sent: &DataType, there: &ServerType) -> Option<ServerType> {
    let (precision, scale) = there.precision_and_scale()?;
    let (whole, part) = match sent {
        DataType::Int16 => (5, 0),
        DataType::Int32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::Decimal128(precision, scale) if *scale >= 0 => {
            (i32::from(*precision) - i32::from(*scale), i32::from(*scale))
        }
        _ => return None,
    };
    let (own_whole, own_part) = (i32::from(precision) - i32::from(scale), i32::from(scale));
    if whole <= own_whole && part <= own_part {
        return None;
    }
    let (whole, part) = (whole.max(own_whole), part.max(own_part));
    let precision = whole + part;
    // With more digits it could not be read as a number any more.
    (precision <= 38).then(|| ServerType {
        oid: oid::NUMERIC,
        modifier: ((precision << 16) | part) + 4,
        is_enum: false,
        element: None,
        name: format!("numeric({precision},{part})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::postgres::types::{Fit, fit};

    #[test]
    fn a_wider_column_takes_every_value_as_it_is() {
        let there =
            |oid: u32, modifier: i32| ServerType { oid, modifier, is_enum: false, element: None, name: String::new() };
        let digits = |precision: i32, scale: i32| ((precision << 16) | scale) + 4;
        for (oid, modifier, sent, expected) in [
            (oid::INT2, -1, DataType::Int16, None),
            (oid::INT2, -1, DataType::Int32, Some("integer")),
            (oid::INT4, -1, DataType::Int64, Some("bigint")),
            (oid::INT4, -1, DataType::Float64, Some("double precision")),
            (oid::INT8, -1, DataType::Float64, None),
            (oid::FLOAT4, -1, DataType::Float64, Some("double precision")),
            (oid::FLOAT4, -1, DataType::Int64, None),
            (oid::VARCHAR, 14, DataType::Utf8, Some("text")),
            (oid::VARCHAR, -1, DataType::Utf8, None),
            (oid::INT4, -1, DataType::Utf8, None),
            (oid::NUMERIC, digits(10, 2), DataType::Decimal128(10, 2), None),
            (oid::NUMERIC, digits(10, 2), DataType::Decimal128(12, 2), Some("numeric(12,2)")),
            (oid::NUMERIC, digits(10, 2), DataType::Decimal128(10, 4), Some("numeric(12,4)")),
            (oid::NUMERIC, digits(10, 2), DataType::Int64, Some("numeric(21,2)")),
            (oid::NUMERIC, digits(38, 30), DataType::Decimal128(38, 2), None),
            (oid::NUMERIC, -1, DataType::Decimal128(38, 2), None),
        ] {
            let wider = widen(&sent, &there(oid, modifier));
            assert_eq!(wider.as_ref().map(|wider| wider.name.as_str()), expected, "{sent} into {oid} ({modifier})");
            if let Some(wider) = wider {
                assert!(matches!(fit(&sent, &wider), Fit::Straight(_)), "{sent} into {}", wider.name);
                assert_eq!(widen(&sent, &wider), None, "once is enough");
            }
        }
    }
}
