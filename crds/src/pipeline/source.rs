//! Source nodes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sink::SchemaPolicy;

/// A node that reads from a Connector: one `stream`, or many `streams`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// The node's name.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"), length(max = 63))]
    pub name: String,
    /// The Connector to read from.
    #[schemars(length(min = 1))]
    pub connector: String,
    /// What to read; what it means depends on the Connector's type: a table, a query, a glob over files, an endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Many streams at once, found by discovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<StreamSelection>,
    /// Whether each run reads everything, or what is new. Default: `{mode: FullRefresh}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<Sync>,
    /// What differs for some of the `streams`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<StreamOverride>,
}

impl Source {
    /// Whether it, or one of its streams, is read from where the last run has come to.
    #[must_use]
    pub fn is_incremental(&self) -> bool {
        let own = self.sync.as_ref().is_some_and(|sync| sync.mode == SyncMode::Incremental);
        let differs = |it: &StreamOverride| it.sync.as_ref().and_then(|sync| sync.mode) == Some(SyncMode::Incremental);
        own || self.overrides.iter().any(differs)
    }
}

/// Many streams: those that match `include` and not `exclude`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamSelection {
    /// Globs over stream names.
    #[schemars(length(min = 1))]
    pub include: Vec<String>,
    /// Globs over stream names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// Whether each run reads everything, or what is new.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sync {
    /// Everything, or what is new.
    #[serde(default)]
    pub mode: SyncMode,
    /// The column that grows with time. File connectors also work without one: they remember the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows younger than this wait for a later run, as `10m`: time for writers that commit late. Only for cursors that are times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<String>,
    /// The columns that name a row, to tell rows with the same cursor apart. Default: the primary key, else the whole row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<String>>,
    /// What a stream without the cursor column does. Default: it is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackMode>,
}

/// Everything, or what is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SyncMode {
    /// Each run reads everything.
    #[default]
    FullRefresh,
    /// Each run reads what is new since the last one that succeeded.
    Incremental,
}

/// What a stream without the cursor column does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FallbackMode {
    /// It is read whole by each run.
    FullRefresh,
}

/// What differs for one of many streams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamOverride {
    /// A glob over stream names.
    pub stream: String,
    /// The fields of `sync` that differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncOverride>,
    /// The fields of `schemaPolicy` that differ, for every sink with tables. The others are as the sink has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_policy: Option<SchemaPolicy>,
}

/// The fields of `sync` that differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyncOverride {
    /// Everything, or what is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SyncMode>,
    /// The column that grows with time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows younger than this wait for a later run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<String>,
}
