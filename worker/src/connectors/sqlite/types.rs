//! SQLite's declared types as Arrow types, and back.
//!
//! | declared as | Arrow | how a value is stored |
//! |---|---|---|
//! | contains `BOOL` | `Boolean` | 0 or 1 |
//! | `DATE` | `Date32` | text, `2026-01-02` |
//! | `TIME` | `Time64(Microsecond)` | text, `03:04:05.123456` |
//! | `DATETIME`, `TIMESTAMP` | `Timestamp(Microsecond)` | text, `2026-01-02T03:04:05` (or a space for the T) |
//! | `TIMESTAMPTZ`, `TIMESTAMP WITH TIME ZONE` | `Timestamp(Microsecond, UTC)` | the same with an offset or `Z`; without: UTC |
//! | `DECIMAL_TEXT(p, s)` | `Decimal128(p, s)` | text (`TEXT` in the name keeps SQLite from rounding it) |
//! | `DECIMAL(p, s)`, `NUMERIC(p, s)` | `Decimal128(p, s)` | text, integer, or a real that has no more than s digits |
//! | contains `INT` | `Int64` | integer |
//! | contains `CHAR`, `CLOB`, `TEXT`; `JSON`, `UUID` | `Utf8` | text |
//! | contains `REAL`, `FLOA`, `DOUB` | `Float64` | real, or an integer that a real holds exactly |
//! | contains `BLOB` | `Binary` | blob |
//! | nothing, or anything else | from the first 1000 rows | integers, then reals, then blobs, else text |
//!
//! A value that is stored in another way than its column's type wants is rejected.

use arrow::datatypes::{DataType, TimeUnit};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Bool,
    Int,
    Real,
    Text,
    /// Text of a column without a declared type: numbers are taken as text, too.
    Loose,
    Blob,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Decimal {
        precision: u8,
        scale: i8,
    },
}

impl Kind {
    /// What a declared type means; None when it has to be seen from the rows.
    pub(super) fn declared(declared: &str) -> Option<Self> {
        let upper = declared.trim().to_uppercase();
        let (head, arguments) = match upper.split_once('(') {
            Some((head, rest)) => (head.trim(), rest.split(')').next()),
            None => (upper.as_str(), None),
        };
        let has = |parts: &[&str]| parts.iter().any(|part| upper.contains(part));
        Some(match head {
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "DATETIME" | "TIMESTAMP" if !upper.contains("WITH TIME ZONE") => Self::Timestamp,
            "TIMESTAMP" | "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => Self::TimestampTz,
            "DECIMAL_TEXT" | "DECIMAL" | "NUMERIC" => {
                let (precision, scale) = arguments?.split_once(',').unwrap_or((arguments?, "0"));
                let (precision, scale): (u8, i8) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
                if !(1..=38).contains(&precision) || scale < 0 || scale.unsigned_abs() > precision {
                    return None;
                }
                Self::Decimal { precision, scale }
            }
            "JSON" | "UUID" => Self::Text,
            _ if has(&["BOOL"]) => Self::Bool,
            _ if has(&["INT"]) => Self::Int,
            _ if has(&["CHAR", "CLOB", "TEXT"]) => Self::Text,
            _ if has(&["BLOB"]) => Self::Blob,
            _ if has(&["REAL", "FLOA", "DOUB"]) => Self::Real,
            _ => return None,
        })
    }

    /// The Arrow type.
    pub(super) fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Real => DataType::Float64,
            Self::Text | Self::Loose => DataType::Utf8,
            Self::Blob => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
        }
    }

    /// What values of an Arrow type are written as; None when SQLite has nothing for it.
    pub(super) fn of_arrow(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Bool,
            kind if kind.is_integer() => Self::Int,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Real,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Self::Text,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Self::Blob
            }
            DataType::Date32 => Self::Date,
            DataType::Date64 | DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Decimal128(precision, scale) if *scale >= 0 => {
                Self::Decimal { precision: *precision, scale: *scale }
            }
            DataType::Dictionary(_, value) => Self::of_arrow(value)?,
            _ => return None,
        })
    }

    /// The type of a new column.
    pub(super) fn column_type(self) -> String {
        match self {
            Self::Bool => "BOOLEAN".into(),
            Self::Int => "INTEGER".into(),
            Self::Real => "REAL".into(),
            Self::Text | Self::Loose => "TEXT".into(),
            Self::Blob => "BLOB".into(),
            Self::Date => "DATE".into(),
            Self::Time => "TIME".into(),
            Self::Timestamp => "TIMESTAMP".into(),
            Self::TimestampTz => "TIMESTAMP WITH TIME ZONE".into(),
            Self::Decimal { precision, scale } => format!("DECIMAL_TEXT({precision}, {scale})"),
        }
    }

    /// The Arrow type in which values are handed to SQLite: an integer, a real, text or bytes.
    pub(super) fn stored(self) -> DataType {
        match self {
            Self::Bool | Self::Int => DataType::Int64,
            Self::Real => DataType::Float64,
            Self::Blob => DataType::Binary,
            Self::Text
            | Self::Loose
            | Self::Date
            | Self::Time
            | Self::Timestamp
            | Self::TimestampTz
            | Self::Decimal { .. } => DataType::Utf8,
        }
    }

    /// Whether its text begins with a year.
    pub(super) fn has_years(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::TimestampTz)
    }

    /// Whether values of this kind come back unchanged from a column that was declared so.
    pub(super) fn fits(self, declared: &str) -> bool {
        let upper = declared.to_uppercase();
        match (self, Self::declared(declared)) {
            // Nothing is declared: SQLite stores what it is given.
            (_, None) => declared.trim().is_empty() || upper == "ANY",
            (Self::Decimal { precision, scale }, Some(Self::Decimal { scale: room, .. })) => {
                // Without TEXT in the name SQLite turns digits into a real, which holds fifteen of them.
                scale <= room && (upper.contains("TEXT") || precision <= 15)
            }
            (Self::Bool, Some(Self::Bool | Self::Int)) | (Self::Int, Some(Self::Int)) => true,
            (
                Self::Date | Self::Time | Self::Timestamp | Self::TimestampTz | Self::Decimal { .. },
                Some(Self::Text),
            ) => true,
            (own, Some(there)) => own == there,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_from_the_type_it_creates() {
        for kind in [
            Kind::Bool,
            Kind::Int,
            Kind::Real,
            Kind::Text,
            Kind::Blob,
            Kind::Date,
            Kind::Time,
            Kind::Timestamp,
            Kind::TimestampTz,
            Kind::Decimal { precision: 38, scale: 9 },
        ] {
            assert_eq!(Kind::declared(&kind.column_type()), Some(kind));
            assert_eq!(Kind::of_arrow(&kind.arrow()), Some(kind));
            assert!(kind.fits(&kind.column_type()));
        }
    }

    #[test]
    fn declared_types_follow_affinity() {
        for (declared, kind) in [
            ("bigint unsigned", Some(Kind::Int)),
            ("VARCHAR(20)", Some(Kind::Text)),
            ("double precision", Some(Kind::Real)),
            ("datetime", Some(Kind::Timestamp)),
            ("numeric(10,2)", Some(Kind::Decimal { precision: 10, scale: 2 })),
            ("numeric", None),
            ("", None),
            ("STRING", None),
        ] {
            assert_eq!(Kind::declared(declared), kind, "{declared}");
        }
        assert!(!Kind::Decimal { precision: 20, scale: 2 }.fits("DECIMAL(20, 2)"));
        assert!(Kind::Decimal { precision: 20, scale: 2 }.fits("TEXT"));
        assert!(!Kind::Text.fits("INTEGER"));
    }
}
