//! The PipelineRun: one execution of a Pipeline.

mod outcome;
mod status;

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use outcome::{AttemptOutcome, AttemptResult, TERMINATION_MESSAGE_BYTES};
pub use status::{
    LedgerVerdict, NodeCounters, PipelineRunStatus, RetryState, RunCost, RunPhase, RunProgress, RunTotals,
};

/// One execution of a Pipeline. Nothing of the spec may change but `cancel`.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "aggregator.dev",
    version = "v1alpha1",
    kind = "PipelineRun",
    plural = "pipelineruns",
    shortname = "arun",
    category = "aggregator",
    doc = "One execution of a Pipeline.",
    namespaced,
    status = "PipelineRunStatus",
    derive = "PartialEq",
    printcolumn(name = "Pipeline", type_ = "string", json_path = ".spec.pipelineRef.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Succeeded\")].reason"),
    printcolumn(name = "Read", type_ = "integer", json_path = ".status.totals.read"),
    printcolumn(name = "Written", type_ = "integer", json_path = ".status.totals.written"),
    printcolumn(name = "Rejected", type_ = "integer", json_path = ".status.totals.rejected"),
    printcolumn(name = "Duration", type_ = "string", json_path = ".status.cost.duration"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", priority = 1),
    printcolumn(name = "Attempt", type_ = "integer", json_path = ".status.attempt", priority = 1),
    printcolumn(name = "Job", type_ = "string", json_path = ".status.job", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Succeeded\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineRunSpec {
    /// What is run.
    pub pipeline_ref: PipelineRevisionRef,
    /// How much of it. Default: Incremental.
    #[serde(default)]
    pub mode: RunMode,
    /// Values of the Pipeline's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Read this interval of the cursors again instead of what is new. Checkpoints stay where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Backfill>,
    /// For the mode Preview: which rows are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// End the run; the only field that may change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<CancelMode>,
}

/// A Pipeline of the same namespace, and one of its revisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineRevisionRef {
    /// The Pipeline's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The revision. Default: the newest valid one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub revision: Option<i64>,
}

/// How much of a Pipeline is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunMode {
    /// Every source reads everything.
    Full,
    /// Every source reads as its `sync` says.
    #[default]
    Incremental,
    /// Everything but the writing: nothing is committed, no checkpoint moves.
    DryRun,
    /// The first rows of a node, written nowhere.
    Preview,
}

/// An interval of the cursors: `from` belongs to it, `to` does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backfill {
    /// The first time that is read, as RFC 3339.
    pub from: jiff::Timestamp,
    /// The first time that is not read, as RFC 3339.
    pub to: jiff::Timestamp,
}

/// Which rows a preview shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preview {
    /// The node whose rows are shown.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"), length(max = 63))]
    pub node: String,
    /// The most rows. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub limit: Option<u32>,
}

/// How a run is ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CancelMode {
    /// What is read is still written and committed; the checkpoint is that of a whole run up to there.
    Graceful,
    /// At once; nothing more is committed.
    Immediate,
}
