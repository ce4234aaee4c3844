//! How an attempt ended, in the words of its run's status.

use aggregator_crds::run::{AttemptOutcome, AttemptResult, LedgerVerdict, NodeCounters, RunCost, RunTotals};

use crate::ledger::{Entry, EntryKind};
use crate::run::{Outcome, ReportedError, RunReport};

/// The most nodes, and the most mismatches, of an outcome.
const NODES: usize = 100;
const MISMATCHES: usize = 20;

/// One node's entry of the ledger, as a run's status shows it.
#[must_use]
pub fn counters(entry: &Entry) -> NodeCounters {
    let some = |figure: u64| (figure > 0).then_some(figure);
    let source = entry.kind == EntryKind::Source;
    let sink = matches!(entry.kind, EntryKind::Sink | EntryKind::Rejects);
    NodeCounters {
        name: entry.name.clone(),
        stream: None,
        read: source.then_some(entry.read),
        input: (!source).then_some(entry.taken),
        filtered: some(entry.filtered),
        rejected: some(entry.rejected),
        deduplicated: some(entry.deduplicated),
        output: (!sink).then_some(entry.out),
        written: sink.then_some(entry.written),
        bytes: some(entry.bytes),
    }
}

/// How an attempt ended.
#[must_use]
pub fn outcome(report: &RunReport) -> AttemptOutcome {
    let error = report.error.as_ref();
    let mut nodes: Vec<NodeCounters> = report.nodes.iter().map(|node| counters(&node.entry)).collect();
    let omitted = nodes.len().saturating_sub(NODES);
    nodes.truncate(NODES);
    let sum = |kind: EntryKind, figure: fn(&Entry) -> u64| {
        report.nodes.iter().filter(|node| node.entry.kind == kind).map(|node| figure(&node.entry)).sum()
    };
    AttemptOutcome {
        result: match report.outcome {
            Outcome::Succeeded => AttemptResult::Succeeded,
            Outcome::Failed => AttemptResult::Failed,
            Outcome::Interrupted => AttemptResult::Interrupted,
        },
        reason: error.map(|error| error.reason.to_owned()),
        message: error.map(|error| first_mistake(error).map_or_else(|| error.sentence(), |(message, _)| message)),
        remedy: error.and_then(|error| first_mistake(error).map_or_else(|| error.remedy.clone(), |(_, help)| help)),
        retryable: error.is_some_and(|error| error.retryable),
        progressed: report.progressed,
        shard: report.shard.map(|shard| shard.state),
        totals: RunTotals {
            read: sum(EntryKind::Source, |entry| entry.read),
            written: sum(EntryKind::Sink, |entry| entry.written),
            rejected: report.rejects.total,
        },
        ledger: LedgerVerdict {
            balanced: report.ledger.balanced,
            mismatches: report.ledger.imbalances.iter().take(MISMATCHES).map(ToString::to_string).collect(),
        },
        cost: RunCost {
            cpu_seconds: Some(format!("{:.1}", report.cost.cpu_seconds)),
            peak_memory: Some(mebibytes(report.cost.peak_memory_bytes)),
            duration: Some(format!("{:.1}s", report.seconds)),
            bytes_read: Some(report.cost.bytes_read),
            bytes_written: Some(report.cost.bytes_written),
        },
        nodes,
        nodes_omitted: (omitted > 0).then_some(omitted as u64),
    }
}

/// Of manifests that do not compile, the first mistake and what helps: a condition shows no list.
fn first_mistake(error: &ReportedError) -> Option<(String, Option<String>)> {
    let first = error.diagnostics.first()?;
    let place = first.place.as_ref().map(|place| format!("{}: ", place.path)).unwrap_or_default();
    let more = match error.diagnostics.len() {
        1 => String::new(),
        all => format!(" (and {} more)", all - 1),
    };
    Some((format!("{place}{}{more}", first.message), first.help.clone()))
}

fn mebibytes(bytes: u64) -> String {
    format!("{}Mi", bytes.div_ceil(1 << 20))
}
