//! Sink nodes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A node that writes to a Connector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sink {
    /// The node's name.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"), length(max = 63))]
    pub name: String,
    /// The node it reads, by name.
    #[schemars(length(min = 1))]
    pub from: String,
    /// The Connector to write to.
    #[schemars(length(min = 1))]
    pub connector: String,
    /// What to write; a table, a folder. `${stream.name}` is the name of one of many streams.
    #[schemars(length(min = 1))]
    pub stream: String,
    /// How rows meet what is there. Default: `{mode: Append}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Write>,
    /// What happens when the target and the rows differ in shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_policy: Option<SchemaPolicy>,
}

/// How rows meet what is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Write {
    /// The mode.
    #[serde(default)]
    pub mode: WriteMode,
    /// The columns that name a row: a list, or `PrimaryKey` for the source's own. For Upsert, Merge and SCD2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyColumns>,
    /// For files: the columns whose values become folders (`column=value/`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<String>,
    /// For Merge: which rows delete their key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<MergeDelete>,
    /// For Merge and SCD2: what becomes of rows of the target that the run did not bring. Default: Keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingRows>,
    /// For SCD2: the columns that say from when to when a version holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scd2: Option<Scd2Columns>,
}

/// How rows meet what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WriteMode {
    /// They are added.
    #[default]
    Append,
    /// They replace everything, once all of them have arrived.
    Overwrite,
    /// They replace rows of the same key and are added otherwise.
    Upsert,
    /// As Upsert; rows marked as deleted delete.
    Merge,
    /// Each change of a key is kept as a version with its time (slowly changing dimension, type 2).
    #[serde(rename = "SCD2")]
    Scd2,
}

impl std::fmt::Display for WriteMode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Append => "Append",
            Self::Overwrite => "Overwrite",
            Self::Upsert => "Upsert",
            Self::Merge => "Merge",
            Self::Scd2 => "SCD2",
        })
    }
}

/// The columns that name a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeyColumns {
    /// Named here.
    Columns(ColumnList),
    /// The source's own primary key.
    PrimaryKey(PrimaryKeyWord),
}

impl JsonSchema for KeyColumns {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KeyColumns".into()
    }

    // A structural schema knows no choice between types, so the type stays open and only what it may hold is said.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // What holds of texts alone refuses other words, and bounds that nothing fits into refuse numbers and objects.
        schemars::json_schema!({
            "anyOf": [{ "enum": ["PrimaryKey"] }, { "minItems": 1 }],
            "pattern": "^PrimaryKey$",
            "minimum": 1,
            "maximum": 0,
            "minProperties": 1,
            "maxProperties": 0,
            "maxItems": 1000,
            "items": { "type": "string" },
            "not": { "enum": [true, false] },
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}

/// Names of columns.
pub type ColumnList = Vec<String>;

/// The word `PrimaryKey`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PrimaryKeyWord {
    /// The source's own primary key.
    PrimaryKey,
}

/// For Merge: which rows delete their key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MergeDelete {
    /// A SQL expression over the row; where it holds, the key is deleted.
    #[serde(rename = "where")]
    pub predicate: String,
    /// Columns that only say this, as `[op]`: they are left out of the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub markers: Vec<String>,
}

/// For Merge and SCD2: what becomes of rows of the target that the run did not bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MissingRows {
    /// They stay as they are.
    #[default]
    Keep,
    /// They are deleted. For Merge, when every source on the way is read whole.
    Delete,
    /// Their current version ends. For SCD2, when every source on the way is read whole.
    Close,
}

/// For SCD2: the columns of versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scd2Columns {
    /// The column of the target that says from when the version holds. Default: valid_from.
    #[serde(default = "valid_from")]
    pub valid_from: String,
    /// The one that says until when; null for the current one. Default: valid_to.
    #[serde(default = "valid_to")]
    pub valid_to: String,
    /// The one that says whether the version is the current one. Default: is_current.
    #[serde(default = "is_current")]
    pub is_current: String,
    /// The column of the rows that says from when they hold; it becomes `validFrom`. Default: the time the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<String>,
}

impl Default for Scd2Columns {
    fn default() -> Self {
        Self { valid_from: valid_from(), valid_to: valid_to(), is_current: is_current(), effective_from: None }
    }
}

fn valid_from() -> String {
    "valid_from".into()
}

fn valid_to() -> String {
    "valid_to".into()
}

fn is_current() -> String {
    "is_current".into()
}

/// What happens when the target and the rows differ in shape.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchemaPolicy {
    /// The target table is missing. Default: Evolve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<TablePolicy>,
    /// A column is missing in the target. Default: Evolve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<ChangePolicy>,
    /// A value does not fit the target column's type. Default: Freeze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<ChangePolicy>,
}

/// What happens when the target table is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TablePolicy {
    /// It is created.
    Evolve,
    /// The run fails.
    Freeze,
}

/// What happens on a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChangePolicy {
    /// The target is changed.
    Evolve,
    /// The run fails.
    Freeze,
    /// The row is rejected.
    DiscardRow,
    /// The value is left out.
    DiscardValue,
}
