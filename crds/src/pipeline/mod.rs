//! The Pipeline: how data becomes what somebody needs, as a graph of named nodes.

mod execution;
mod operation;
mod rules;
mod sink;
mod source;
mod status;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::usual::is_false;

pub use execution::{Backoff, Execution, ResourceList, Resources, Retry, StreamFailurePolicy};
pub use operation::{
    Aggregate, Deduplicate, Filter, Join, JoinKey, JoinType, Keep, MappedColumn, Mapping, Mask, MaskMethod,
    MaskedColumn, Measure, OnCastError, Operation, OrderBy, OtherColumns, SortDirection, Sql, Transform,
    TransformationRef, Union, Unnest, Validate, ValidationRule,
};
pub use rules::{QualityRule, RejectBudget, Rejects, Severity};
pub use sink::{
    ChangePolicy, ColumnList, KeyColumns, MergeDelete, MissingRows, Scd2Columns, SchemaPolicy, Sink, TablePolicy,
    Write, WriteMode,
};
pub use source::{FallbackMode, Source, StreamOverride, StreamSelection, Sync, SyncMode, SyncOverride};
pub use status::{DiagnosticSeverity, EditClass, LastEdit, PipelineDiagnostic, PipelineStatus};

/// How data becomes what somebody needs: a graph of named nodes; data flows along `from`.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "aggregator.dev",
    version = "v1alpha1",
    kind = "Pipeline",
    plural = "pipelines",
    shortname = "apipe",
    category = "aggregator",
    doc = "How data becomes what somebody needs: a graph of named nodes.",
    namespaced,
    status = "PipelineStatus",
    derive = "PartialEq",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(
        name = "Connectors",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"ConnectorsReady\")].status"
    ),
    printcolumn(name = "Healthy", type_ = "string", json_path = ".status.conditions[?(@.type==\"Healthy\")].status"),
    printcolumn(name = "Last Run", type_ = "string", json_path = ".status.lastRuns[0]"),
    printcolumn(name = "Rows", type_ = "integer", json_path = ".status.lastRows"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", priority = 1),
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.sources[0].connector", priority = 1),
    printcolumn(name = "Sink", type_ = "string", json_path = ".spec.sinks[0].connector", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineSpec {
    /// What this pipeline delivers, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a run ends when the sources are read, or goes on. Default: Batch.
    #[serde(default)]
    pub mode: PipelineMode,
    /// A draft is validated, previewed and dry-run, never run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub draft: bool,
    /// For a streaming pipeline: what it should be doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_state: Option<DesiredState>,
    /// Values that a run may set; `$name` in expressions. They are bound, never spliced into text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub params: Vec<Param>,
    /// Where rows come from.
    #[schemars(length(min = 1, max = 200))]
    pub sources: Vec<Source>,
    /// What happens to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub transforms: Vec<Transform>,
    /// Where they go.
    #[schemars(length(min = 1, max = 200))]
    pub sinks: Vec<Sink>,
    /// What must hold before anything is committed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub quality: Vec<QualityRule>,
    /// Where rows go that cannot be read, converted, validated or written. Default: the first such row fails the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<Rejects>,
    /// What a run may use, and how often it is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Execution>,
    /// How many revisions are kept, the newest one included. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub revision_history_limit: Option<u32>,
}

/// Whether a run ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PipelineMode {
    /// A run ends when its sources are read.
    #[default]
    Batch,
    /// A run goes on until it is stopped.
    Streaming,
}

/// What a streaming pipeline should be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DesiredState {
    /// Move data.
    Running,
    /// Keep the position, move nothing.
    Paused,
    /// End.
    Stopped,
}

/// A value that a run may set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Param {
    /// Its name; `$name` in expressions.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Its Arrow type, as `Int64` or `Utf8`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// The value when a run sets none. Without it, every run must set one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
