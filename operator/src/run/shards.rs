//! An attempt that several Pods make, each with a shard of the run: what they say, taken together.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::plural::counted;
use aggregator_crds::run::{AttemptOutcome, AttemptResult, NodeCounters, RunCost, ShardProgress, ShardState};
use aggregator_crds::{Reason, parse_bytes};
use k8s_openapi::api::core::v1::Pod;

use super::ended::{Ended, ended, of_all};
use super::status::Phase;
use crate::worker;

/// The most nodes, and the most mismatches, that a run's status shows.
const NODES: usize = 100;
const MISMATCHES: usize = 20;

/// How the shards of an attempt ended, as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct Shards {
    of: u32,
    ended: BTreeMap<u32, Ended>,
}

impl Shards {
    /// By their Pods, and by what they have told the run's status.
    #[must_use]
    pub(super) fn new(of: u32, attempt: u32, pods: &[Arc<Pod>], told: &[&ShardProgress]) -> Self {
        let known = (0..of).filter_map(|index| {
            let pods = pods.iter().filter(|pod| worker::index(pod) == Some(index));
            let pods: Vec<Ended> = pods.filter_map(|pod| ended(pod)).collect();
            let told = told.iter().find(|told| (told.index, told.attempt) == (index, attempt));
            let told = told.and_then(|told| {
                let outcome = told.outcome.clone()?;
                let nodes = if outcome.nodes.is_empty() { told.nodes.clone() } else { outcome.nodes };
                Some(Ended::of(AttemptOutcome { nodes, ..outcome }))
            });
            let mut ended = of_all(&pods, told)?;
            // Another shard has overtaken it: that says nothing of the next attempt.
            ended.retryable |= ended.reason == Reason::Fenced;
            Some((index, ended))
        });
        Self { of, ended: known.collect() }
    }

    fn outcomes(&self) -> impl Iterator<Item = &AttemptOutcome> {
        self.ended.values().filter_map(|ended| ended.outcome.as_ref())
    }

    /// All as one. None when nothing is known of any.
    #[must_use]
    pub(super) fn together(&self) -> Option<Ended> {
        if self.ended.is_empty() {
            return None;
        }
        Some(match (self.committed(), self.worst()) {
            (Some(committed), _) => Ended::of(AttemptOutcome { cost: self.cost(&committed.cost), ..committed }),
            (None, Some((index, worst))) => self.failed(index, worst),
            (None, None) => {
                let missing = (0..self.of).find(|index| !self.ended.contains_key(index));
                let lost = Ended::lost();
                let message = missing.map(|index| format!("shard {index} of {} ended without saying how", self.of));
                let message = message.unwrap_or(lost.message);
                Ended { outcome: Some(self.figures(AttemptResult::Failed)), message, ..lost }
            }
        })
    }

    /// What was committed: by the shard that completed the run, or by all of them where each has streams of its own.
    fn committed(&self) -> Option<AttemptOutcome> {
        let good = |state: ShardState| {
            self.outcomes().filter(move |it| it.result == AttemptResult::Succeeded && it.shard == Some(state))
        };
        if let Some(completed) = good(ShardState::Completing).next() {
            return Some(completed.clone());
        }
        if good(ShardState::Streams).count() == self.of as usize {
            return Some(self.figures(AttemptResult::Succeeded));
        }
        // An earlier attempt has, and could not say so.
        let earlier = good(ShardState::Succeeded).next()?.clone();
        let unheard = Ended::unheard();
        Some(AttemptOutcome { reason: Some(unheard.reason.to_string()), message: Some(unheard.message), ..earlier })
    }

    /// Of those that did not end well, the one to tell of: what no other attempt helps against before what one may, and
    /// causes before what follows from them.
    fn worst(&self) -> Option<(u32, &Ended)> {
        let bad = self.ended.iter().filter(|(_, ended)| !ended.succeeded()).map(|(index, ended)| (*index, ended));
        bad.min_by_key(|(index, ended)| {
            let follows = matches!(ended.reason, Reason::Fenced | Reason::Interrupted);
            (ended.retryable, follows, *index)
        })
    }

    fn failed(&self, index: u32, worst: &Ended) -> Ended {
        let others = self.ended.values().filter(|ended| !ended.succeeded()).count() - 1;
        let others = if others == 0 { String::new() } else { format!(" (and {})", counted(others, "more shard")) };
        let message = format!("shard {index} of {}: {}{others}", self.of, worst.message);
        let figures = match &worst.outcome {
            // Its figures are the run's.
            Some(own) if own.shard == Some(ShardState::Completing) => {
                AttemptOutcome { cost: self.cost(&own.cost), progressed: self.progressed(), ..own.clone() }
            }
            Some(own) => self.figures(own.result),
            None => self.figures(AttemptResult::Failed),
        };
        Ended { outcome: Some(figures), message, ..worst.clone() }
    }

    /// Whether one of them has saved something that the next attempt need not do again.
    fn progressed(&self) -> bool {
        self.outcomes().any(|outcome| outcome.progressed)
    }

    /// The figures of all, summed up.
    fn figures(&self, result: AttemptResult) -> AttemptOutcome {
        let mut all = AttemptOutcome::new(result);
        let sum = |figure: fn(&RunCost) -> Option<u64>| self.outcomes().filter_map(|it| figure(&it.cost)).sum::<u64>();
        let bytes = RunCost {
            bytes_read: Some(sum(|cost| cost.bytes_read)),
            bytes_written: Some(sum(|cost| cost.bytes_written)),
            ..RunCost::default()
        };
        all.cost = self.cost(&bytes);
        all.progressed = self.progressed();
        // Of rows that stopped on their way, nothing is judged.
        all.ledger.balanced =
            result == AttemptResult::Succeeded && self.outcomes().all(|outcome| outcome.ledger.balanced);
        let mismatches = self.outcomes().flat_map(|outcome| &outcome.ledger.mismatches);
        all.ledger.mismatches = mismatches.take(MISMATCHES).cloned().collect();
        for outcome in self.outcomes() {
            all.totals.read += outcome.totals.read;
            all.totals.written += outcome.totals.written;
            all.totals.rejected += outcome.totals.rejected;
            outcome.nodes.iter().for_each(|node| add(&mut all.nodes, node));
        }
        // All have the same graph.
        let omitted = self.outcomes().filter_map(|outcome| outcome.nodes_omitted).max().unwrap_or(0);
        let omitted = omitted + all.nodes.len().saturating_sub(NODES) as u64;
        all.nodes.truncate(NODES);
        all.nodes_omitted = Some(omitted).filter(|omitted| *omitted > 0);
        all
    }

    /// What all of them have used; what was read and written, and the time, as it says here.
    fn cost(&self, of: &RunCost) -> RunCost {
        let costs = || self.outcomes().map(|outcome| &outcome.cost);
        let seconds = costs().filter_map(|cost| cost.cpu_seconds.as_ref()?.parse::<f64>().ok());
        let memory = costs().filter_map(|cost| cost.peak_memory.clone());
        RunCost {
            cpu_seconds: Some(format!("{:.1}", seconds.sum::<f64>())),
            peak_memory: memory.max_by_key(|memory| parse_bytes(memory).unwrap_or(0)),
            ..of.clone()
        }
    }
}

/// Adds a node's counters to those of the same name.
fn add(nodes: &mut Vec<NodeCounters>, more: &NodeCounters) {
    let same = |node: &&mut NodeCounters| (&node.name, &node.stream) == (&more.name, &more.stream);
    let Some(node) = nodes.iter_mut().find(same) else {
        nodes.push(more.clone());
        return;
    };
    let sum = |one: &mut Option<u64>, other: Option<u64>| {
        if let Some(other) = other {
            *one = Some(one.unwrap_or(0) + other);
        }
    };
    sum(&mut node.read, more.read);
    sum(&mut node.input, more.input);
    sum(&mut node.filtered, more.filtered);
    sum(&mut node.rejected, more.rejected);
    sum(&mut node.deduplicated, more.deduplicated);
    sum(&mut node.output, more.output);
    sum(&mut node.written, more.written);
    sum(&mut node.bytes, more.bytes);
}

/// What the Pods of an attempt do whose Job has not ended; None when there are none.
#[must_use]
pub(super) fn going(pods: &[Arc<Pod>], of: u32, winds_down: bool) -> Option<Phase> {
    let running = pods.iter().filter(|pod| worker::running(pod) && !worker::has_ended(pod)).count();
    let of_shard = |pod: &Arc<Pod>| worker::index(pod);
    let waiting = pods.iter().filter_map(|pod| Some((of_shard(pod)?, worker::waiting(pod)?)));
    let held = waiting.filter(|(_, waiting)| waiting.reason != Reason::PodStarting).min_by_key(|(index, _)| *index);
    if let Some((index, held)) = held {
        let others = match running {
            0 => String::new(),
            some => format!("; {} at work", counted(some, "other Pod")),
        };
        return Some(Phase::waits(held.reason, format!("shard {index} of {of}: {}{others}", held.message)));
    }
    // One that was taken from its node is followed by another one.
    let followed = |index: u32| {
        pods.iter().filter(|pod| of_shard(pod) == Some(index)).any(|pod| ended(pod).is_none_or(|it| it.succeeded()))
    };
    let bad = pods.iter().filter_map(|pod| Some((of_shard(pod)?, ended(pod)?)));
    let bad = bad.filter(|(index, ended)| !ended.succeeded() && !followed(*index)).min_by_key(|(index, _)| *index);
    let bad =
        bad.map(|(index, ended)| format!("; shard {index} of {of} has failed ({}): {}", ended.reason, ended.message));
    let bad = bad.unwrap_or_default();
    let over = pods.iter().filter(|pod| worker::has_ended(pod)).count();
    match running {
        0 if pods.is_empty() => None,
        0 if over < pods.len() => Some(Phase::waits(Reason::PodStarting, format!("the workers start{bad}"))),
        0 => Some(Phase::runs(Reason::Running, format!("{over} of {of} Pods have ended{bad}"))),
        _ if winds_down => {
            let text = "the Pods commit the streams that they have begun, and begin no others";
            Some(Phase::runs(Reason::Cancelling, format!("{text}{bad}")))
        }
        some => {
            let verb = if some == 1 { "moves" } else { "move" };
            Some(Phase::runs(Reason::Running, format!("{some} of {of} Pods {verb} rows{bad}")))
        }
    }
}
