//! PostgreSQL's types as Arrow types, and back.
//!
//! | PostgreSQL | Arrow | notes |
//! |---|---|---|
//! | `boolean` | `Boolean` | |
//! | `smallint`, `integer`, `bigint` | `Int16`, `Int32`, `Int64` | |
//! | `real`, `double precision` | `Float32`, `Float64` | NaN and infinities are kept |
//! | `numeric(p, s)`, p ≤ 38, 0 ≤ s ≤ p | `Decimal128(p, s)` | NaN and infinities are rejected |
//! | other `numeric` | `Utf8` | the exact digits as text |
//! | `text`, `varchar`, `char(n)`, `name`, `json`, enums | `Utf8` | |
//! | `uuid` | `Utf8` | with hyphens, lower case |
//! | `bytea` | `Binary` | |
//! | `date` | `Date32` | infinities, BC and years after 262142 are rejected |
//! | `time` | `Time64(Microsecond)` | 24:00:00 is rejected |
//! | `timestamp`, `timestamptz` | `Timestamp(Microsecond)`, `Timestamp(Microsecond, UTC)` | as for `date` |
//! | arrays of these, of one dimension | `List(…)` | several dimensions are rejected |
//! | domains | what they stand on | |
//! | everything else (`jsonb`, `xml`, `inet`, `interval`, ranges, …) | `Utf8` | as the server writes it as text |

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

/// Object identifiers of the built-in types that are treated on their own.
pub(super) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const NAME: u32 = 19;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const JSON: u32 = 114;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const BPCHAR: u32 = 1042;
    pub(crate) const VARCHAR: u32 = 1043;
    pub(crate) const DATE: u32 = 1082;
    pub(crate) const TIME: u32 = 1083;
    pub(crate) const TIMESTAMP: u32 = 1114;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const INTERVAL: u32 = 1186;
    pub(crate) const NUMERIC: u32 = 1700;
    pub(crate) const UUID: u32 = 2950;
}

/// A type as the catalogue tells it, domains already resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServerType {
    /// The identifier of the type itself, or of what a domain stands on.
    pub(super) oid: u32,
    /// The modifier: precision and scale of a numeric, length of a varchar; -1 for none.
    pub(super) modifier: i32,
    /// Whether it is an enum.
    pub(super) is_enum: bool,
    /// What an array holds.
    pub(super) element: Option<Box<ServerType>>,
    /// As the server writes it, as `numeric(10,2)`.
    pub(super) name: String,
}

/// How a value stands in a binary COPY.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wire {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric { precision: u8, scale: i8 },
    Text,
    Uuid,
    Bytea,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    List(Box<Wire>),
}

/// How a column is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    /// How its values arrive.
    pub(super) wire: Wire,
    /// What the server is asked to turn it into first.
    pub(super) cast: Option<&'static str>,
}

impl ServerType {
    /// How a column of this type is read.
    pub(super) fn reading(&self) -> Reading {
        let plain = |wire| Reading { wire, cast: None };
        if let Some(element) = &self.element {
            let element = element.reading();
            return match element.cast {
                None => plain(Wire::List(Box::new(element.wire))),
                Some(_) => Reading { wire: Wire::List(Box::new(Wire::Text)), cast: Some("text[]") },
            };
        }
        match self.oid {
            oid::BOOL => plain(Wire::Bool),
            oid::INT2 => plain(Wire::Int2),
            oid::INT4 => plain(Wire::Int4),
            oid::INT8 => plain(Wire::Int8),
            oid::FLOAT4 => plain(Wire::Float4),
            oid::FLOAT8 => plain(Wire::Float8),
            oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::JSON => plain(Wire::Text),
            oid::UUID => plain(Wire::Uuid),
            oid::BYTEA => plain(Wire::Bytea),
            oid::DATE => plain(Wire::Date),
            oid::TIME => plain(Wire::Time),
            oid::TIMESTAMP => plain(Wire::Timestamp),
            oid::TIMESTAMPTZ => plain(Wire::TimestampTz),
            oid::NUMERIC => match self.precision_and_scale() {
                Some((precision, scale)) => plain(Wire::Numeric { precision, scale }),
                None => Reading { wire: Wire::Text, cast: Some("text") },
            },
            _ if self.is_enum => plain(Wire::Text),
            _ => Reading { wire: Wire::Text, cast: Some("text") },
        }
    }

    /// Precision and scale of a numeric that Arrow can hold.
    pub(super) fn precision_and_scale(&self) -> Option<(u8, i8)> {
        let bits = self.modifier.checked_sub(4).filter(|bits| *bits >= 0)?;
        let precision = (bits >> 16) & 0xffff;
        // The lower eleven bits are the scale, with a sign.
        let scale = ((bits & 0x7ff) ^ 1024) - 1024;
        let fits = (1..=38).contains(&precision) && (0..=precision).contains(&scale);
        if fits { Some((u8::try_from(precision).ok()?, i8::try_from(scale).ok()?)) } else { None }
    }
}

impl Wire {
    /// The Arrow type.
    pub(super) fn arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Numeric { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::Text | Self::Uuid => DataType::Utf8,
            Self::Bytea => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::List(element) => DataType::List(Arc::new(Field::new("item", element.arrow(), true))),
        }
    }
}

/// The Arrow type in which values of a type are sent; None when PostgreSQL has no type for it.
///
/// | Arrow | sent as | column |
/// |---|---|---|
/// | `Int8`, `UInt8`, `Int16` | `Int16` | `smallint` |
/// | `UInt16`, `Int32` / `UInt32`, `Int64` | `Int32` / `Int64` | `integer` / `bigint` |
/// | `UInt64` | `Decimal128(20, 0)` | `numeric(20,0)` |
/// | `Float16`, `Float32` / `Float64` | `Float32` / `Float64` | `real` / `double precision` |
/// | `Utf8`, `LargeUtf8`, `Utf8View`, `Null` | `Utf8` | `text` |
/// | the binary types | `Binary` | `bytea` |
/// | `Date32` / `Date64` | `Date32` / `Timestamp(Microsecond)` | `date` / `timestamp` |
/// | `Time32`, `Time64` | `Time64(Microsecond)` | `time` (finer than microseconds is cut) |
/// | `Timestamp` without / with a zone | `Timestamp(Microsecond)` | `timestamp` / `timestamptz` (finer is cut) |
/// | `Duration` | `Duration(Microsecond)` | `interval` |
/// | `List` of these | `List` | an array |
pub(super) fn sent_as(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Boolean => DataType::Boolean,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => DataType::Int16,
        DataType::UInt16 | DataType::Int32 => DataType::Int32,
        DataType::UInt32 | DataType::Int64 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 | DataType::Float32 => DataType::Float32,
        DataType::Float64 => DataType::Float64,
        DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Date32 => DataType::Date32,
        DataType::Date64 => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        DataType::Dictionary(_, value) => sent_as(value)?,
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            match sent_as(element.data_type())? {
                DataType::List(_) => return None,
                inner => DataType::List(Arc::new(Field::new("item", inner, true))),
            }
        }
        _ => return None,
    })
}

/// The type of a new column for values that are sent as that Arrow type.
pub(super) fn column_type(sent: &DataType) -> String {
    match sent {
        DataType::Boolean => "boolean".into(),
        DataType::Int16 => "smallint".into(),
        DataType::Int32 => "integer".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "real".into(),
        DataType::Float64 => "double precision".into(),
        DataType::Decimal128(precision, scale) if *scale >= 0 => format!("numeric({precision},{scale})"),
        DataType::Decimal128(_, _) => "numeric".into(),
        DataType::Binary => "bytea".into(),
        DataType::Date32 => "date".into(),
        DataType::Time64(_) => "time".into(),
        DataType::Timestamp(_, None) => "timestamp".into(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".into(),
        DataType::Duration(_) => "interval".into(),
        DataType::List(element) => format!("{}[]", column_type(element.data_type())),
        _ => "text".into(),
    }
}

/// How values reach a column that is already there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fit {
    /// They can be copied straight into it, once they are of this Arrow type.
    Straight(DataType),
    /// They are copied as text or as they are into a staging table; this is what its column is cast to, if anything.
    Staged(Option<String>),
    /// They could lose something on the way, or have no way.
    No,
}

/// How values that are sent as `sent` reach a column of type `target`, without loss or with an error.
pub(super) fn fit(sent: &DataType, target: &ServerType) -> Fit {
    if let Some(element) = &target.element {
        let DataType::List(field) = sent else { return cast_of_text(sent, target) };
        return match fit(field.data_type(), element) {
            // The element's type stands in the array's header and must be the column's own.
            Fit::Straight(same) if same == *field.data_type() && same_in_header(&same, element.oid) => {
                Fit::Straight(sent.clone())
            }
            Fit::Straight(_) | Fit::Staged(Some(_)) => Fit::Staged(Some(target.name.clone())),
            Fit::Staged(None) | Fit::No => Fit::No,
        };
    }
    match (sent, target.oid) {
        (DataType::Boolean, oid::BOOL)
        | (DataType::Int16, oid::INT2)
        | (DataType::Int32, oid::INT4)
        | (DataType::Int64, oid::INT8)
        | (DataType::Float32, oid::FLOAT4)
        | (DataType::Float64, oid::FLOAT8)
        | (DataType::Utf8, oid::TEXT | oid::VARCHAR | oid::BPCHAR)
        | (DataType::Binary, oid::BYTEA)
        | (DataType::Date32, oid::DATE)
        | (DataType::Time64(_), oid::TIME)
        | (DataType::Timestamp(_, _), oid::TIMESTAMP | oid::TIMESTAMPTZ)
        | (DataType::Duration(_), oid::INTERVAL) => Fit::Straight(sent.clone()),
        (DataType::Int16, oid::INT4) => Fit::Straight(DataType::Int32),
        (DataType::Int16 | DataType::Int32, oid::INT8) => Fit::Straight(DataType::Int64),
        (DataType::Int16 | DataType::Int32, oid::FLOAT8) | (DataType::Float32, oid::FLOAT8) => {
            Fit::Straight(DataType::Float64)
        }
        // The server refuses a number that is too large.
        (DataType::Int32 | DataType::Int64, oid::INT2) | (DataType::Int64, oid::INT4) => Fit::Staged(None),
        (DataType::Decimal128(_, 0), oid::INT2 | oid::INT4 | oid::INT8) => Fit::Staged(None),
        (DataType::Int16 | DataType::Int32 | DataType::Int64, oid::NUMERIC) => {
            Fit::Straight(DataType::Decimal128(20, 0))
        }
        (DataType::Decimal128(_, scale), oid::NUMERIC) => match target.precision_and_scale() {
            Some((_, room)) if *scale > room => Fit::No,
            Some(_) => Fit::Straight(sent.clone()),
            None if target.modifier < 0 => Fit::Straight(sent.clone()),
            None => Fit::No,
        },
        (DataType::Date32, oid::TIMESTAMP) => Fit::Straight(DataType::Timestamp(TimeUnit::Microsecond, None)),
        _ => cast_of_text(sent, target),
    }
}

/// Text reaches any column whose type Arrow has no type for: the server reads it.
fn cast_of_text(sent: &DataType, target: &ServerType) -> Fit {
    let known = [
        oid::BOOL,
        oid::INT2,
        oid::INT4,
        oid::INT8,
        oid::FLOAT4,
        oid::FLOAT8,
        oid::BYTEA,
        oid::DATE,
        oid::TIME,
        oid::TIMESTAMP,
        oid::TIMESTAMPTZ,
        oid::NAME,
    ];
    let rounds = target.oid == oid::NUMERIC && target.modifier >= 0;
    if *sent == DataType::Utf8 && !known.contains(&target.oid) && !rounds {
        Fit::Staged(Some(target.name.clone()))
    } else {
        Fit::No
    }
}

fn same_in_header(sent: &DataType, target: u32) -> bool {
    match sent {
        DataType::Utf8 => target == oid::TEXT,
        DataType::Timestamp(_, _) => target == oid::TIMESTAMP,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(oid: u32, modifier: i32) -> ServerType {
        ServerType { oid, modifier, is_enum: false, element: None, name: format!("type{oid}") }
    }

    #[test]
    fn precision_and_scale_come_out_of_the_modifier() {
        for (precision, scale, expected) in
            [(10, 2, Some((10, 2))), (38, 38, Some((38, 38))), (39, 0, None), (5, -2, None), (3, 5, None)]
        {
            let modifier = ((precision << 16) | (scale & 0x7ff)) + 4;
            assert_eq!(server(oid::NUMERIC, modifier).precision_and_scale(), expected, "numeric({precision},{scale})");
        }
        assert_eq!(server(oid::NUMERIC, -1).precision_and_scale(), None);
    }

    #[test]
    fn what_could_lose_digits_does_not_fit() {
        let cents = server(oid::NUMERIC, ((10 << 16) | 2) + 4);
        assert_eq!(fit(&DataType::Decimal128(12, 2), &cents), Fit::Straight(DataType::Decimal128(12, 2)));
        assert_eq!(fit(&DataType::Decimal128(12, 3), &cents), Fit::No);
        assert_eq!(fit(&DataType::Utf8, &cents), Fit::No);
        assert_eq!(fit(&DataType::Utf8, &server(oid::NUMERIC, -1)), Fit::Staged(Some("type1700".into())));
        assert_eq!(fit(&DataType::Float64, &server(oid::FLOAT4, -1)), Fit::No);
        assert_eq!(fit(&DataType::Float64, &server(oid::INT8, -1)), Fit::No);
        assert_eq!(fit(&DataType::Int64, &server(oid::FLOAT8, -1)), Fit::No);
        assert_eq!(fit(&DataType::Int64, &server(oid::INT4, -1)), Fit::Staged(None));
        assert_eq!(fit(&DataType::Utf8, &server(oid::INT4, -1)), Fit::No);
        assert_eq!(fit(&DataType::Utf8, &server(oid::UUID, -1)), Fit::Staged(Some("type2950".into())));
    }
}
