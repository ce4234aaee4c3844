//! Transform nodes: a name, inputs, and exactly one operation.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::usual::is_false;

/// A node that changes rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = crate::schema::choice::open)]
pub struct Transform {
    /// The node's name.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"), length(max = 63))]
    pub name: String,
    /// The nodes it reads, by name.
    #[schemars(length(min = 1, max = 50))]
    pub from: Vec<String>,
    /// What it does.
    #[serde(flatten)]
    pub operation: Operation,
}

/// What a transform node does: exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// A query over the inputs, which are tables of the nodes' names.
    Sql(Sql),
    /// New columns from old ones, row by row.
    Mapping(Mapping),
    /// Rows for which an expression holds.
    Filter(Filter),
    /// One row for each key.
    Deduplicate(Deduplicate),
    /// All rows of all inputs.
    Union(Union),
    /// Rows of two inputs that belong together.
    Join(Join),
    /// One row for each group.
    Aggregate(Aggregate),
    /// One row for each element of a list column.
    Unnest(Unnest),
    /// Columns made unreadable.
    Mask(Mask),
    /// Rows that keep the rules; the others are rejected.
    Validate(Validate),
    /// A Transformation object, by name.
    Transformation(TransformationRef),
}

impl Operation {
    /// Every key that may name an operation.
    pub const KEYS: [&'static str; 11] = [
        "sql",
        "mapping",
        "filter",
        "deduplicate",
        "union",
        "join",
        "aggregate",
        "unnest",
        "mask",
        "validate",
        "transformation",
    ];

    /// The key that names this operation in a manifest.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Sql(_) => "sql",
            Self::Mapping(_) => "mapping",
            Self::Filter(_) => "filter",
            Self::Deduplicate(_) => "deduplicate",
            Self::Union(_) => "union",
            Self::Join(_) => "join",
            Self::Aggregate(_) => "aggregate",
            Self::Unnest(_) => "unnest",
            Self::Mask(_) => "mask",
            Self::Validate(_) => "validate",
            Self::Transformation(_) => "transformation",
        }
    }
}

/// A query over the inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sql {
    /// One `SELECT`. The inputs are tables of the nodes' names; `$name` is a parameter.
    #[schemars(length(min = 1, max = 65536))]
    pub query: String,
}

/// New columns from old ones, row by row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mapping {
    /// The columns, in order.
    #[schemars(length(min = 1, max = 2000))]
    pub columns: Vec<MappedColumn>,
    /// What becomes of the columns that no entry mentions. Default: Drop.
    #[serde(default)]
    pub others: OtherColumns,
}

/// One column of a mapping: `from` or `expression`, then `cast`, then `default`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MappedColumn {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The column it is copied from. Default, without `expression`: the one of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The SQL expression it is computed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// The Arrow type it becomes, as `Int32` or `Timestamp(Microsecond, UTC)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cast: Option<String>,
    /// The value in place of null, as text of the column's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What becomes of a row whose value cannot be cast. Default: Reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnCastError>,
}

/// What becomes of a row whose value cannot be cast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnCastError {
    /// The row is rejected.
    #[default]
    Reject,
    /// The value is null. (Not `Null`, which YAML reads as no value at all.)
    SetNull,
    /// The value is the column's default.
    Default,
}

/// What becomes of the columns that no entry mentions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OtherColumns {
    /// They are left out.
    #[default]
    Drop,
    /// They follow the mapped ones.
    Keep,
}

/// Rows for which an expression holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// A SQL expression; rows for which it is false or null are filtered out.
    #[serde(rename = "where")]
    #[schemars(length(min = 1))]
    pub predicate: String,
}

/// One row for each key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deduplicate {
    /// The columns that name a row.
    #[schemars(length(min = 1))]
    pub key: Vec<String>,
    /// What comes first among the rows of a key.
    #[schemars(length(min = 1))]
    pub order_by: Vec<OrderBy>,
    /// Which of them stays. Default: First.
    #[serde(default)]
    pub keep: Keep,
}

/// One column of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderBy {
    /// The column.
    pub column: String,
    /// Its direction. Default: Ascending. Nulls come last.
    #[serde(default)]
    pub direction: SortDirection,
}

/// A direction of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SortDirection {
    /// Small values first.
    #[default]
    Ascending,
    /// Large values first.
    Descending,
}

/// Which row of a key stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Keep {
    /// The first in order.
    #[default]
    First,
    /// The last in order.
    Last,
}

/// All rows of all inputs; columns are matched by name, missing ones are null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Union {
    /// Equal rows become one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub distinct: bool,
}

/// Rows of two inputs that belong together. The first of `from` is the left one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Join {
    /// Which rows without a partner stay. Default: Inner (none).
    #[serde(default, rename = "type")]
    pub join_type: JoinType,
    /// The columns that must be equal.
    #[schemars(length(min = 1))]
    pub keys: Vec<JoinKey>,
    /// The columns to keep, as `left_node.column` or `column AS name` would be: SQL select items. Default: all of the left, then those
    /// of the right whose name is not taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub select: Vec<String>,
}

/// Which rows without a partner stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum JoinType {
    /// None.
    #[default]
    Inner,
    /// Those of the left.
    Left,
    /// Those of the right.
    Right,
    /// Those of both.
    Full,
    /// Rows of the left that have a partner, once.
    LeftSemi,
    /// Rows of the left that have none.
    LeftAnti,
}

/// Two columns that must be equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinKey {
    /// The left input's column.
    pub left: String,
    /// The right input's column.
    pub right: String,
}

/// One row for each group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Aggregate {
    /// The columns or expressions that make a group; none makes one group of all rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_by: Vec<String>,
    /// What is computed for each group.
    #[schemars(length(min = 1))]
    pub measures: Vec<Measure>,
}

/// One value computed for each group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Measure {
    /// The column's name.
    pub name: String,
    /// A SQL expression with an aggregate function, as `count(*)` or `avg(delay)`.
    pub expression: String,
}

/// One row for each element of a list column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unnest {
    /// The list column.
    pub column: String,
    /// The element's column. Default: the same name.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Rows whose list is empty or null stay, with a null. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keep_empty: bool,
}

/// Columns made unreadable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mask {
    /// Which, and how.
    #[schemars(length(min = 1))]
    pub columns: Vec<MaskedColumn>,
    /// A column that the input lacks is passed over. Default: it is an error.
    #[serde(default, skip_serializing_if = "is_false")]
    pub if_present: bool,
}

/// One masked column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaskedColumn {
    /// The column.
    pub name: String,
    /// How its values become unreadable. Nulls stay null.
    pub method: MaskMethod,
    /// For Partial: how many characters at the end stay. Default: 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// For Hash: text that goes in before the value, so that equal values of other systems hash differently. Not a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
}

/// How values become unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MaskMethod {
    /// SHA-256, as 64 hexadecimal digits: equal values stay equal.
    Hash,
    /// `***`.
    Redact,
    /// `*` for each character but the last ones.
    Partial,
}

/// Rows that keep the rules; the others are rejected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validate {
    /// The rules, in order; the first that a row breaks is its reason.
    #[schemars(length(min = 1))]
    pub rules: Vec<ValidationRule>,
}

/// What must hold for each row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidationRule {
    /// The rule's name, shown with a rejected row.
    #[schemars(length(min = 1))]
    pub name: String,
    /// A SQL expression; a row for which it is false or null is rejected.
    pub expression: String,
}

/// A Transformation object, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransformationRef {
    /// The Transformation's name.
    #[serde(rename = "ref")]
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its parameters; a value that begins with `$` is a parameter of this pipeline.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}
