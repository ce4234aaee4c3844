//! Fields of a `generator` Connector.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rows made up from a seed: the same seed gives the same rows. A stream is the name of one of its `streams`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GeneratorConnector {
    /// What all values are derived from. Default: 0.
    #[serde(default)]
    pub seed: u64,
    /// What can be read.
    #[schemars(length(min = 1, max = 10000))]
    pub streams: Vec<GeneratedStream>,
}

/// One made-up stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GeneratedStream {
    /// The stream's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// Its columns.
    #[schemars(length(min = 1, max = 1000))]
    pub columns: Vec<GeneratedColumn>,
}

/// One made-up column: a name, and exactly one of `sequence`, `integer`, `number`, `text`, `choice`, `boolean`,
/// `timestamp`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = crate::schema::choice::open)]
pub struct GeneratedColumn {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The share of rows without a value, from 0 to 1, as text (`"0.05"`). Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_share: Option<String>,
    /// What its values are.
    #[serde(flatten)]
    pub kind: GeneratorKind,
}

/// What made-up values are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GeneratorKind {
    /// Int64: `start`, `start + 1`, …
    Sequence {
        /// The first value. Default: 0.
        #[serde(default)]
        start: i64,
    },
    /// Int64, evenly spread over `min..=max`.
    Integer {
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// Float64, evenly spread over `min..max`; the bounds are whole numbers.
    Number {
        /// The least value.
        min: i64,
        /// The bound above.
        max: i64,
    },
    /// Utf8: random letters.
    Text {
        /// How many letters.
        length: u32,
    },
    /// Utf8: one of the given values.
    Choice {
        /// The values.
        values: Vec<String>,
    },
    /// Boolean.
    Boolean {},
    /// Timestamp(Microsecond, UTC): `start`, then each row later by `step`.
    Timestamp {
        /// The first row's time, as RFC 3339.
        start: jiff::Timestamp,
        /// The time between two rows, as `1s`.
        step: String,
    },
}
