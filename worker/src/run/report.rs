//! What a run says when it has ended: stable JSON, documented in `docs/report.md`.

use std::collections::BTreeMap;

use aggregator_compiler::diagnostic::{Diagnostic, Place};
use aggregator_crds::run::Backfill;
pub use aggregator_crds::run::ShardState;
use serde::Serialize;

use super::error::RunError;
use super::{RunMode, memory};
use crate::checkpoint::{Idle, Shard};
use crate::connector::{Effects, Reject};
use crate::engine::NodeCounters;
use crate::ledger::{Edge, EntryKind, Imbalance, Ledger, is_zero};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// Everything was committed.
    Succeeded,
    /// Nothing was committed, or not everything.
    Failed,
    /// It was asked to stop.
    Interrupted,
}

/// What a run says when it has ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    /// The Pipeline, as `namespace/name`.
    pub pipeline: String,
    /// The run's identity; empty when it never began.
    pub run: String,
    /// Which attempt it was, over all runs of the Pipeline; 0 when it never began.
    pub attempt: u64,
    /// Whether an earlier attempt of the same run was continued.
    pub resumed: bool,
    /// Whether an earlier attempt had committed everything and died before it could say so: this run only stored its
    /// checkpoint, and then did its own work.
    pub completed_earlier_attempt: bool,
    /// Sinks that an earlier attempt of this run had committed; they were left as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub committed_earlier: Vec<String>,
    /// Into how many pieces the run was divided, so that an interruption loses little; none when it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub splits: Option<SplitsReport>,
    /// Whether this process has saved splits, also where it has then completed the run, of which `splits` tells.
    #[serde(skip)]
    pub progressed: bool,
    /// For one of several processes that share the run: which it is, and how far the run is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardReport>,
    /// What was asked for.
    pub mode: RunMode,
    /// The interval of the cursors that was read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Backfill>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ReportedError>,
    /// When it began, in UTC.
    pub started: jiff::Timestamp,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// For a source of many streams: how each of them ended. The figures below are then sums over all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamReport>,
    /// The figures of each node.
    pub nodes: Vec<NodeReport>,
    /// The figures of each edge.
    pub edges: Vec<Edge>,
    /// Whether every row is accounted for.
    pub ledger: LedgerReport,
    /// The quality rules, in order.
    pub quality: Vec<QualityReport>,
    /// The rejected rows.
    pub rejects: RejectsReport,
    /// What the run took.
    pub cost: Cost,
    /// What is worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Diagnostic>,
}

/// How one of many streams ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamReport {
    /// The stream.
    pub stream: String,
    /// The identity of its run.
    pub run: String,
    /// Which attempt it was.
    pub attempt: u64,
    /// Whether an earlier attempt was continued.
    pub resumed: bool,
    /// Whether an earlier attempt had committed the stream and died before it could say so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub completed_earlier_attempt: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ReportedError>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The figures of each node.
    pub nodes: Vec<NodeReport>,
    /// Whether every row is accounted for.
    pub ledger: LedgerReport,
    /// Its rejected rows.
    pub rejected: u64,
}

impl StreamReport {
    pub(super) fn of(stream: String, report: RunReport) -> Self {
        Self {
            stream,
            run: report.run,
            attempt: report.attempt,
            resumed: report.resumed,
            completed_earlier_attempt: report.completed_earlier_attempt,
            outcome: report.outcome,
            error: report.error,
            seconds: report.seconds,
            nodes: report.nodes,
            ledger: report.ledger,
            rejected: report.rejects.total,
        }
    }
}

impl RunReport {
    /// Tells of the pieces of the run.
    pub(super) fn saved(&mut self, splits: SplitsReport) {
        self.progressed |= splits.saved > 0;
        self.splits = Some(splits);
    }

    /// Adds the figures of another run of the same graph.
    pub(super) fn sum(&mut self, other: &Self) {
        let ledger = |report: &Self| Ledger {
            nodes: report.nodes.iter().map(|node| node.entry.clone()).collect(),
            edges: report.edges.clone(),
        };
        let sum = ledger(self).plus(&ledger(other));
        let node = |name: &str, of: &Self| of.nodes.iter().find(|node| node.entry.name == name).cloned();
        self.nodes = sum
            .nodes
            .into_iter()
            .filter_map(|entry| {
                let seconds = |of: &Self| node(&entry.name, of).map_or(0.0, |node| node.seconds);
                let seconds = seconds(self) + seconds(other);
                Some(NodeReport {
                    entry: entry.clone(),
                    seconds,
                    ..node(&entry.name, other).or(node(&entry.name, self))?
                })
            })
            .map(|mut node| {
                node.note = None;
                node.rows_per_second = rate(&node.entry, node.seconds);
                node
            })
            .collect();
        self.edges = sum.edges;
        // What one has committed is done, whatever becomes of the others.
        let committed = other.outcome == Outcome::Succeeded && !other.completed_earlier_attempt;
        self.progressed |= other.progressed || committed;
        self.ledger.balanced &= other.ledger.balanced;
        self.ledger.imbalances.extend(other.ledger.imbalances.iter().cloned());
        self.rejects.merge(&other.rejects);
        // The process is the same one: its time, memory and spill files are not to be added up.
        self.cost.cpu_seconds = self.cost.cpu_seconds.max(other.cost.cpu_seconds);
        self.cost.peak_memory_bytes = self.cost.peak_memory_bytes.max(other.cost.peak_memory_bytes);
        self.cost.spilled_bytes = self.cost.spilled_bytes.max(other.cost.spilled_bytes);
        self.cost.bytes_read += other.cost.bytes_read;
        self.cost.bytes_written += other.cost.bytes_written;
        for warning in &other.warnings {
            if !self.warnings.contains(warning) {
                self.warnings.push(warning.clone());
            }
        }
    }
}

/// Rows a second: out of a source or transform, into a sink.
fn rate(entry: &crate::ledger::Entry, seconds: f64) -> f64 {
    let rows = if matches!(entry.kind, EntryKind::Sink | EntryKind::Rejects) { entry.taken } else { entry.out };
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = if seconds > 0.0 { rows as f64 / seconds } else { 0.0 };
    rate
}

/// Why a run did not succeed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedError {
    /// A stable word, as `LedgerMismatch`.
    pub reason: &'static str,
    /// The node at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What happened.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Where the manifest says what cannot be, when one place does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Box<Place>>,
    /// For manifests that do not compile: each mistake.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
    /// The process's exit code.
    pub exit_code: u8,
    /// Whether the same run may succeed when it is started again without any change.
    pub retryable: bool,
}

impl ReportedError {
    /// What happened, with the node at fault.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.node {
            Some(node) if !self.message.contains(&format!("node `{node}`")) => {
                format!("node `{node}`: {}", self.message)
            }
            _ => self.message.clone(),
        }
    }
}

impl From<&RunError> for ReportedError {
    fn from(error: &RunError) -> Self {
        Self {
            reason: error.reason(),
            node: error.node().map(str::to_owned),
            message: error.to_string(),
            remedy: error.remedy(),
            place: error.place().cloned().map(Box::new),
            diagnostics: if let RunError::Invalid(diagnostics) = error { diagnostics.clone() } else { Vec::new() },
            exit_code: error.exit_code(),
            retryable: error.retryable(),
        }
    }
}

/// The figures of one node.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeReport {
    /// The ledger's figures.
    #[serde(flatten)]
    pub entry: crate::ledger::Entry,
    /// The time from the run's start to the node's end, in seconds.
    pub seconds: f64,
    /// Rows a second over that time: out of a source or transform, into a sink.
    pub rows_per_second: f64,
    /// What the connector says, as `3 files, 1 already read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What a sink's rows did to the target, apart from being written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects: Option<Effects>,
}

impl NodeReport {
    pub(super) fn new(entry: crate::ledger::Entry, counters: Option<&NodeCounters>, note: Option<String>) -> Self {
        let seconds = counters.map_or(0.0, |counters| counters.elapsed().as_secs_f64());
        let rows_per_second = rate(&entry, seconds);
        let effects = counters.and_then(NodeCounters::effects).filter(|effects| !effects.is_empty()).cloned();
        Self { entry, seconds, rows_per_second, note, effects }
    }
}

/// Whether every row is accounted for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerReport {
    /// No equation is broken.
    pub balanced: bool,
    /// The broken ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imbalances: Vec<Imbalance>,
}

impl LedgerReport {
    pub(super) fn of(ledger: &Ledger) -> Self {
        let mut report = Self::default();
        report.told(ledger.imbalances());
        report
    }

    /// Takes over what is known.
    pub(super) fn told(&mut self, imbalances: Vec<Imbalance>) {
        *self = Self { balanced: imbalances.is_empty(), imbalances };
    }
}

/// One quality rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QualityReport {
    /// The rule's name.
    pub name: String,
    /// The node whose rows were looked at.
    pub node: String,
    /// The expression.
    pub expression: String,
    /// `Error` or `Warning`.
    pub severity: aggregator_crds::pipeline::Severity,
    /// Whether it held; None when the run ended before it was known.
    pub passed: Option<bool>,
    /// The values of what it compares, when it is one comparison; literals are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<QualityValue>,
}

/// The value of a side of a quality rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QualityValue {
    /// The side, as `max(mean_delay)`.
    pub expression: String,
    /// Its value as JSON has it: a number, a text, true, false, or null.
    pub value: serde_json::Value,
}

impl QualityValue {
    /// The value as SQL has it.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.value {
            serde_json::Value::Null => "NULL".to_owned(),
            serde_json::Value::String(text) => format!("'{text}'"),
            other => other.to_string(),
        }
    }
}

/// What one of several processes that share a run says of it. Unless it has completed the run, the report's figures are
/// of what it moved itself, and its sinks have written nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardReport {
    /// Which one, from 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
    /// How far the run is.
    pub state: ShardState,
}

impl ShardReport {
    /// What a shard says of a run.
    pub(super) fn new(shard: Shard, state: ShardState) -> Self {
        Self { index: shard.index, of: shard.of, state }
    }
}

impl From<Idle> for ShardState {
    fn from(why: Idle) -> Self {
        match why {
            Idle::Waiting => Self::Waiting,
            Idle::Finishing => Self::Finishing,
            Idle::Succeeded => Self::Succeeded,
        }
    }
}

/// The pieces of a run that was divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SplitsReport {
    /// How many there are.
    pub total: u64,
    /// How many of them an earlier attempt had saved: they were not read again.
    pub saved_earlier: u64,
    /// How many of them this attempt has saved.
    pub saved: u64,
}

/// The rejected rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectsReport {
    /// How many there are.
    pub total: u64,
    /// How many of them an earlier attempt of the run had found: they are with the others in the rejects sink, but not in
    /// `groups` and `samples`.
    #[serde(skip_serializing_if = "is_zero")]
    pub found_earlier: u64,
    /// How many by node, column and reason.
    pub groups: Vec<RejectGroup>,
    /// The first ones.
    pub samples: Vec<RejectSample>,
}

/// Rejected rows of one node, column and reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectGroup {
    /// The node that found them.
    pub node: String,
    /// The column at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub rows: u64,
}

/// One rejected row.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectSample {
    /// The node that found it.
    pub node: String,
    /// The row.
    #[serde(flatten)]
    pub reject: Reject,
}

impl RejectsReport {
    /// The most rows shown.
    const SAMPLES: usize = 20;
    /// The most groups counted apart; the rest is in `total`.
    const GROUPS: usize = 1000;

    /// Counts rows that an earlier attempt of the run has found.
    pub(super) fn found_earlier(&mut self, rows: u64) {
        self.total += rows;
        self.found_earlier += rows;
    }

    /// Adds those of another run of the same graph.
    pub(super) fn merge(&mut self, other: &Self) {
        self.total += other.total;
        self.found_earlier += other.found_earlier;
        for group in &other.groups {
            let same = |known: &&mut RejectGroup| {
                (&known.node, &known.column, known.reason) == (&group.node, &group.column, group.reason)
            };
            if let Some(known) = self.groups.iter_mut().find(same) {
                known.rows += group.rows;
            } else if self.groups.len() < Self::GROUPS {
                self.groups.push(group.clone());
            }
        }
        let room = Self::SAMPLES.saturating_sub(self.samples.len());
        self.samples.extend(other.samples.iter().take(room).cloned());
    }

    pub(super) fn add(&mut self, group: &crate::rejects::NodeRejects) {
        self.total += group.rejects.len() as u64;
        let mut counts: BTreeMap<(Option<&str>, &'static str), u64> = BTreeMap::new();
        for reject in &group.rejects {
            *counts.entry((reject.column.as_deref(), reject.reason.as_str())).or_default() += 1;
        }
        for ((column, reason), rows) in counts {
            let known = self.groups.iter().position(|known| {
                known.node == group.node && known.column.as_deref() == column && known.reason == reason
            });
            if let Some(index) = known {
                self.groups[index].rows += rows;
            } else if self.groups.len() < Self::GROUPS {
                let (node, column) = (group.node.clone(), column.map(str::to_owned));
                self.groups.push(RejectGroup { node, column, reason, rows });
            }
        }
        let room = Self::SAMPLES.saturating_sub(self.samples.len());
        self.samples.extend(group.rejects.iter().take(room).map(|reject| {
            let raw: String = reject.raw.chars().take(500).collect();
            RejectSample { node: group.node.clone(), reject: Reject { raw, ..reject.clone() } }
        }));
    }
}

/// What a run took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// CPU time of this process, user and system, in seconds.
    pub cpu_seconds: f64,
    /// The most memory this process had resident, in bytes.
    pub peak_memory_bytes: u64,
    /// Bytes read from sources.
    pub bytes_read: u64,
    /// Bytes written to sinks.
    pub bytes_written: u64,
    /// Bytes of rows that did not fit into memory, written to local disk.
    pub spilled_bytes: u64,
}

impl Cost {
    pub(super) fn of_this_process(ledger: &Ledger, spilled_bytes: u64) -> Self {
        let sum = |kinds: [EntryKind; 2]| -> u64 {
            ledger.nodes.iter().filter(|entry| kinds.contains(&entry.kind)).map(|entry| entry.bytes).sum()
        };
        let mut cost = Self {
            bytes_read: sum([EntryKind::Source, EntryKind::Source]),
            bytes_written: sum([EntryKind::Sink, EntryKind::Rejects]),
            spilled_bytes,
            ..Self::default()
        };
        cost.measure();
        cost
    }

    /// Measures the process, from its beginning to now.
    pub(super) fn measure(&mut self) {
        use nix::sys::resource::{UsageWho, getrusage};
        use nix::sys::time::TimeValLike;
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return };
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        self.cpu_seconds = std::time::Duration::from_micros(u64::try_from(micros).unwrap_or(0)).as_secs_f64();
        // Linux gives kibibytes.
        let since_started = || u64::try_from(usage.max_rss()).unwrap_or(0) * 1024;
        self.peak_memory_bytes = memory::peak().unwrap_or_else(since_started);
    }
}
