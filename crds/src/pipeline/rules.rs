//! Quality rules and rejects.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What must hold over all rows of a node before anything is committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QualityRule {
    /// The rule's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The node whose rows are looked at.
    #[schemars(length(min = 1))]
    pub node: String,
    /// A SQL expression of aggregate functions that is true when the rule holds, as `count(*) > 0`.
    #[schemars(length(min = 1))]
    pub expression: String,
    /// What a broken rule does. Default: Error.
    #[serde(default)]
    pub severity: Severity,
}

/// What a broken rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Severity {
    /// The run fails before it commits.
    #[default]
    Error,
    /// It is reported.
    Warning,
}

/// Where rows go that cannot be read, converted, validated or written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rejects {
    /// The Connector to write them to.
    #[schemars(length(min = 1))]
    pub connector: String,
    /// The folder or table.
    #[schemars(length(min = 1))]
    pub stream: String,
    /// How many are too many. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<RejectBudget>,
}

/// How many rejects are too many: past either, the run fails before it commits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RejectBudget {
    /// The most rejected rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The greatest share of all rows read, in percent, as `"0.5"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<String>,
}
