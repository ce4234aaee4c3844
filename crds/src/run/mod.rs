//! The PipelineRun: one execution of a Pipeline.

mod outcome;
mod status;

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use outcome::{AttemptOutcome, AttemptResult, ShardState, TERMINATION_MESSAGE_BYTES};
pub use status::{
    CommitNote, LedgerVerdict, NodeCounters, POD_VARIABLE, PipelineRunStatus, RetryState, RunCost, RunPhase,
    RunProgress, RunTotals, ShardProgress,
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
    /// For the mode Preview: which rows are shown. Default: 100 of each sink.
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

impl std::fmt::Display for Backfill {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.from, self.to)
    }
}

/// An interval as ISO 8601 writes it: two times with a slash between them. A date is its midnight in UTC.
impl std::str::FromStr for Backfill {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = |text: &str| {
            let time = text.parse::<jiff::Timestamp>().ok();
            let date = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
            time.or_else(|| Some(date()?.timestamp()))
                .ok_or_else(|| format!("`{text}` is no time: write 2026-01-31 or 2026-01-31T12:00:00Z"))
        };
        let (from, to) = text.split_once('/').ok_or("write two times, as 2026-01-01/2026-02-01")?;
        let interval = Self { from: time(from)?, to: time(to)? };
        if interval.from < interval.to { Ok(interval) } else { Err("the second time is not after the first".into()) }
    }
}

/// The key of a ConfigMap under which a preview keeps its rows: `{"nodes": [{"node", "columns", "rows", "rejects",
/// "truncated"}]}`, as `aggregator preview -o json` shows each.
pub const PREVIEW: &str = "preview.json";
/// The most bytes of them.
pub const PREVIEW_BYTES: usize = 512 * 1024;

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
    /// Streams that have begun are read to their ends and committed; no other begins.
    Graceful,
    /// At once; nothing more is committed.
    Immediate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_reads_as_it_is_written() {
        for (text, whole) in [
            ("2026-01-01/2026-02-01", "2026-01-01T00:00:00Z/2026-02-01T00:00:00Z"),
            ("2026-01-01T10:00:00+02:00/2026-01-01T08:00:00.5Z", "2026-01-01T08:00:00Z/2026-01-01T08:00:00.5Z"),
        ] {
            let interval: Backfill = text.parse().expect(text);
            assert_eq!(interval.to_string(), whole);
            assert_eq!(whole.parse(), Ok(interval));
        }
        for text in ["", "2026-01-01", "2026-01-01/", "2026-01-01/2026-01-01", "2026-02-01/2026-01-01", "a/b"] {
            assert!(text.parse::<Backfill>().is_err(), "{text}");
        }
    }
}
