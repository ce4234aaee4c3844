//! What is known of a Pipeline: how it is, what the compiler says of it, and what its last edit means for the data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;

/// What is known of the pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PipelineStatus {
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// A word for people, derived from the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// `Ready`, `Valid`, `ConnectorsReady`, `Healthy`, `CheckpointFresh`, and `Stalled` while it waits for an edit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What `aggregator lint` says of it with what was found at its Connectors, errors and warnings, at most 20: of more, the
    /// errors first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub diagnostics: Vec<PipelineDiagnostic>,
    /// What the edit that has made the newest revision means for the data; absent while there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_edit: Option<LastEdit>,
    /// When the last run ended that wrote into its sinks and succeeded; those that a backfill asks for do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit_time: Option<jiff::Timestamp>,
    /// The last runs that have ended, by name, newest first, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_runs: Vec<String>,
    /// Rows written by the last run that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rows: Option<u64>,
    /// Bytes read by the last run that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_bytes: Option<u64>,
}

/// One mistake, or one thing worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PipelineDiagnostic {
    /// Whether it must be mended.
    pub severity: DiagnosticSeverity,
    /// A stable word for the kind of mistake, as `UnknownColumn`.
    #[schemars(length(max = 100))]
    pub code: String,
    /// The object that it is about, as `Connector demo/files`; absent when it is this Pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 600))]
    pub object: Option<String>,
    /// The field that it is about, as `spec.transforms[2].sql.query`; absent when it is the whole object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 400))]
    pub path: Option<String>,
    /// What is wrong, in a sentence.
    #[schemars(length(max = 1000))]
    pub message: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub help: Option<String>,
}

/// Whether something must be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DiagnosticSeverity {
    /// It cannot run.
    Error,
    /// It can run; checks are weaker, or something is unused.
    Warning,
}

/// What an edit of the spec means for the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastEdit {
    /// The number of the revision that it has made.
    pub revision: i64,
    /// When that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<jiff::Timestamp>,
    /// What it means, in a word: of several fields, the gravest.
    pub class: EditClass,
    /// The fields that were changed, as `spec.sources[orders].sync.cursor`, at most 20: the gravest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub fields: Vec<String>,
    /// What it means, for people.
    #[schemars(length(max = 4096))]
    pub message: String,
}

/// What an edit means for the data, from the least to the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum EditClass {
    /// Nothing that a run does changes.
    Cosmetic,
    /// It counts from the next run on; what was delivered before stays as it is.
    Forward,
    /// What the Checkpoint has of a source does not fit any more, or is not used: rows are read again, or left out.
    Positions,
    /// A sink writes to another place, or otherwise than what is there was written.
    Target,
}
