//! What is known of a PipelineRun: its phase, its ledger and its cost.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::AttemptOutcome;
use crate::condition::Condition;

/// What is known of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PipelineRunStatus {
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// A word for people, derived from the condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RunPhase>,
    /// The revision of the Pipeline that is run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The attempt that goes on, or the last one; from 1. A sink refuses what an older one sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What is known of attempts that failed, while the run goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryState>,
    /// When the first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<jiff::Timestamp>,
    /// When the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<jiff::Timestamp>,
    /// `Succeeded`: Unknown while the run goes on, then True or False, once; and `Reconciling` until then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The ledger: what became of the rows at each node, at most 100 entries; all of them are in the run's report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeCounters>,
    /// How many entries `nodes` leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_omitted: Option<u64>,
    /// Sums over all sources and sinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<RunTotals>,
    /// Whether every row is accounted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerVerdict>,
    /// What the run used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<RunCost>,
    /// Counters while the run goes on; written by the worker, and by nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<RunProgress>,
    /// The same of each of several processes that share the run (`execution.shards`); each writes its own entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub shards: Vec<ShardProgress>,
    /// Workers that were let commit, by their Pods, but for those that have said that they did not: unless the run has
    /// succeeded, each of them may have. Each writes its own entry, so that there are at most as many as Pods of all attempts;
    /// where there is room for no more, nothing more is committed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 2000))]
    pub commits: BTreeMap<String, CommitNote>,
    /// The Job that carries the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

/// Attempts that failed, and when the next one begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryState {
    /// The last attempt that failed.
    pub attempt: u32,
    /// How many attempts have failed since the last one that saved something.
    pub failures: u32,
    /// When the next attempt begins.
    pub next: jiff::Timestamp,
    /// Why the last attempt failed.
    pub reason: String,
    /// Why, for people.
    #[serde(default)]
    pub message: String,
}

/// A word for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunPhase {
    /// It waits: for the run before it, or for a Pod.
    Pending,
    /// It goes on.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
    /// It was ended before its time.
    Cancelled,
}

/// What became of the rows at one node, in rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCounters {
    /// The node's name.
    pub name: String,
    /// The stream, where the node stands for many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// For a source: rows the system gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<u64>,
    /// Rows that came in.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// Rows that a filter left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtered: Option<u64>,
    /// Rows that went to the rejects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<u64>,
    /// Rows left out because another has their key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplicated: Option<u64>,
    /// Rows that went out.
    #[serde(default, rename = "out", skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// For a sink: rows the target says it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<u64>,
    /// Bytes read from or written to the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Sums over all sources and sinks, in rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunTotals {
    /// Rows read by all sources.
    #[serde(default)]
    pub read: u64,
    /// Rows written by all sinks, rejects left out.
    #[serde(default)]
    pub written: u64,
    /// Rows rejected at all nodes.
    #[serde(default)]
    pub rejected: u64,
}

/// Whether every row is accounted for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerVerdict {
    /// Every node's and every edge's equation holds.
    pub balanced: bool,
    /// The equations that do not hold, in words, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mismatches: Vec<String>,
}

/// What a run used, over all attempts and shards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunCost {
    /// CPU time in seconds, as `"1.9"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<String>,
    /// The most memory a Pod of the run held at once, as `143Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<String>,
    /// Of a run, from the first attempt's begin to the last one's end, as `12s`; of an attempt, its worker's own time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Bytes read from all sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_read: Option<u64>,
    /// Bytes written to all sinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_written: Option<u64>,
}

/// The variable that tells a worker its Pod's name.
pub const POD_VARIABLE: &str = "AGGREGATOR_POD";

/// That a worker was let commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitNote {
    /// The UID of the run that it works for. A status takes what is said of an earlier run of its name, too.
    pub run: String,
    /// The attempt that it makes.
    pub attempt: u32,
}

/// Counters while the run goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunProgress {
    /// The UID of the run that they speak of. A status takes what is said of an earlier run of its name, too.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// The attempt that they speak of.
    pub attempt: u32,
    /// When they were taken.
    pub time: jiff::Timestamp,
    /// What became of the rows at each node so far, at most 100 entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeCounters>,
    /// How the attempt ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AttemptOutcome>,
}

/// Counters of one of several processes that share the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShardProgress {
    /// Which one, from 0.
    pub index: u32,
    /// The UID of the run that they speak of.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// The attempt that they speak of.
    pub attempt: u32,
    /// When they were taken.
    pub time: jiff::Timestamp,
    /// What became of the rows at each node so far: the fewer entries, the more shards there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeCounters>,
    /// How the shard ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AttemptOutcome>,
}
