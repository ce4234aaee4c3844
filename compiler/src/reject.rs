//! Why rows are rejected: the closed set of words that reports, tests and rejects sinks show.

use serde::Serialize;

/// Why a row was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum RejectReason {
    /// The row's text does not parse: an open quote, broken JSON, a wrong encoding.
    Malformed,
    /// The row has fewer or more fields than the header.
    FieldCount,
    /// A value does not fit the column's type.
    CastFailed,
    /// A required value is missing.
    NullValue,
    /// A validation rule does not hold.
    RuleBroken,
    /// The target refused the row.
    WriteRefused,
}

impl RejectReason {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Malformed, Self::FieldCount, Self::CastFailed, Self::NullValue, Self::RuleBroken, Self::WriteRefused];

    /// The word that is shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "Malformed",
            Self::FieldCount => "FieldCount",
            Self::CastFailed => "CastFailed",
            Self::NullValue => "NullValue",
            Self::RuleBroken => "RuleBroken",
            Self::WriteRefused => "WriteRefused",
        }
    }
}
