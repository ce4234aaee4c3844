//! One movement of rows: from the sources' streams through a graph into the sinks.
//!
//! A run is one movement, or, when it can be taken in pieces, one a split and a last one that stages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aggregator_compiler::graph::CompiledPipeline;
use datafusion::execution::context::SessionState;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::error::RunError;
use super::graph::{Graph, SourceStreams};
use super::marking;
use super::plans::Plans;
use super::quality::{Verdict, judge};
use super::rejected::{Collector, collect};
use super::report::RejectsReport;
use super::sinks::{self, NamedSink};
use crate::engine::NodeCounters;
use crate::ledger::{EntryKind, Ledger};
use crate::rejects::{self, RejectLane};

/// What stays the same over all movements of a run.
pub(super) struct Traffic<'a> {
    pub(super) pipeline: &'a CompiledPipeline,
    /// Their plans.
    pub(super) plans: Plans,
    /// The nodes that rows go through.
    pub(super) wanted: BTreeSet<&'a str>,
    /// The counters of those nodes: over all movements.
    pub(super) counters: BTreeMap<String, Arc<NodeCounters>>,
    /// Those of the rejects sink.
    pub(super) rejects_counters: Arc<NodeCounters>,
    pub(super) state: &'a SessionState,
    /// The run's identity.
    pub(super) run: String,
    /// Asks the run to stop.
    pub(super) cancel: CancellationToken,
    /// The ledger as it was before the next movement.
    pub(super) ledger: Ledger,
    /// The rejected rows so far.
    pub(super) rejects: RejectsReport,
    /// What came of the quality rules.
    pub(super) verdicts: BTreeMap<String, Verdict>,
}

/// A lane for rejected rows, and where it ends.
pub(super) struct Lane {
    pub(super) lane: RejectLane,
    received: Option<tokio::sync::mpsc::Receiver<rejects::NodeRejects>>,
}

impl<'a> Traffic<'a> {
    pub(super) fn new(
        pipeline: &'a CompiledPipeline,
        wanted: BTreeSet<&'a str>,
        state: &'a SessionState,
        run: &str,
        cancel: CancellationToken,
    ) -> Result<Self, RunError> {
        Ok(Self {
            pipeline,
            plans: Plans::new(pipeline, &wanted, state)?,
            counters: super::graph::counters(pipeline, &wanted),
            wanted,
            rejects_counters: NodeCounters::new(rejects::NODE, EntryKind::Rejects),
            state,
            run: run.to_owned(),
            cancel,
            ledger: Ledger::default(),
            rejects: RejectsReport::default(),
            verdicts: BTreeMap::new(),
        })
    }

    /// The counters, in the graph's order, for whoever watches.
    pub(super) fn shown(&self) -> Vec<Arc<NodeCounters>> {
        let nodes = self.pipeline.nodes.iter().filter_map(|node| self.counters.get(&node.name));
        let rejects = self.pipeline.rejects.as_ref().map(|_| &self.rejects_counters);
        nodes.chain(rejects).map(Arc::clone).collect()
    }

    /// Takes figures over that an earlier attempt has come to.
    pub(super) fn carry(&mut self, ledger: &Ledger) {
        for entry in &ledger.nodes {
            let own = match entry.kind {
                EntryKind::Rejects => Some(&self.rejects_counters),
                _ => self.counters.get(&entry.name),
            };
            if let Some(own) = own {
                own.add(entry);
            }
        }
        self.rejects.found_earlier(ledger.rejected());
        self.ledger = self.ledger.plus(ledger);
    }

    /// A lane for the rejected rows of one movement.
    pub(super) fn lane(&self) -> Lane {
        match self.pipeline.rejects {
            Some(_) => {
                let (lane, received) = RejectLane::open();
                Lane { lane, received: Some(received) }
            }
            None => Lane { lane: RejectLane::Strict, received: None },
        }
    }

    /// Moves all rows of the streams into the sinks; with `stage`, these stage what they have at the end. Gives the sinks
    /// back, whatever happened.
    pub(super) async fn go(
        &mut self,
        streams: SourceStreams,
        lane: Lane,
        mut sinks: Vec<NamedSink>,
        stage: bool,
    ) -> (Vec<NamedSink>, Result<(), RunError>) {
        let cancel = self.cancel.child_token();
        let Lane { lane, received } = lane;
        for own in self.counters.values().chain([&self.rejects_counters]) {
            own.go_on();
        }
        let built = Graph::build(self.pipeline, &self.plans, &self.counters, streams, None, &lane, self.state);
        let (graph, mut ends) = match built.await {
            Ok(built) => built,
            Err(error) => return (sinks, Err(error)),
        };
        let mut markings = match marking::of(self.pipeline, self.state) {
            Ok(markings) => markings,
            Err(error) => return (sinks, Err(error)),
        };
        graph.carry(&self.ledger.edges);
        let rejects_sink = sinks.iter().position(|named| named.node == rejects::NODE).map(|at| sinks.remove(at));
        let closed = CancellationToken::new();
        // A run that completes an earlier attempt may find its rejects committed already: then nobody keeps them twice.
        let rejects_sink = rejects_sink.or_else(|| {
            let discard = sinks::discarding(self.pipeline).into_iter().find(|named| named.node == rejects::NODE);
            discard.filter(|_| received.is_some())
        });
        let collector = match (rejects_sink, received) {
            (Some(sink), Some(lane)) => {
                let collecting = collect(Collector {
                    sink,
                    lane,
                    counters: Arc::clone(&self.rejects_counters),
                    budget: self.pipeline.rejects.as_ref().and_then(|target| target.budget.clone()),
                    run: self.run.clone(),
                    report: self.rejects.clone(),
                    closed: closed.clone(),
                    cancel: cancel.clone(),
                    stage,
                });
                Some(tokio::spawn(collecting.in_current_span()))
            }
            _ => None,
        };
        let mut driving = JoinSet::new();
        let mut back = Vec::new();
        for named in sinks {
            match (ends.sinks.remove(&named.node), self.counters.get(&named.node)) {
                (Some(reader), Some(own)) => {
                    let marking = markings.remove(&named.node);
                    let (own, lane, cancel) = (Arc::clone(own), lane.clone(), cancel.clone());
                    driving.spawn(sinks::drive(named, reader, own, marking, lane, cancel, stage).in_current_span());
                }
                _ => back.push(named),
            }
        }
        let quality = judge(&self.pipeline.quality, std::mem::take(&mut ends.quality), cancel.clone());
        let mut failure = None;
        let (verdicts, ()) = tokio::join!(quality, async {
            while let Some(driven) = driving.join_next().await {
                match driven {
                    Ok((named, result)) => {
                        keep_cause(&mut failure, result.err());
                        back.push(named);
                    }
                    Err(panic) => {
                        cancel.cancel();
                        keep_cause(&mut failure, Some(panicked(&panic)));
                    }
                }
            }
        });
        match verdicts {
            Ok(verdicts) => self.verdicts = verdicts,
            Err(error) => {
                cancel.cancel();
                keep_cause(&mut failure, Some(error));
            }
        }
        if failure.is_none() {
            let finished = cancel.run_until_cancelled(graph.finish()).await;
            keep_cause(&mut failure, finished.unwrap_or(Err(RunError::Interrupted)).err());
        }
        if failure.is_some() {
            cancel.cancel();
        }
        closed.cancel();
        if let Some(collector) = collector {
            match collector.await {
                Ok(collected) => {
                    self.rejects = collected.report;
                    keep_cause(&mut failure, collected.result.err());
                    back.push(collected.sink);
                }
                Err(panic) => keep_cause(&mut failure, Some(panicked(&panic))),
            }
        }
        self.ledger = graph.ledger();
        if self.pipeline.rejects.is_some() {
            self.ledger.nodes.push(self.rejects_counters.entry());
        }
        (back, failure.map_or(Ok(()), Err))
    }
}

/// Keeps the error that came first; an interruption gives way, because the first error interrupts the others.
fn keep_cause(kept: &mut Option<RunError>, error: Option<RunError>) {
    if let Some(error) = error
        && (kept.is_none() || matches!(kept, Some(RunError::Interrupted)))
    {
        *kept = Some(error);
    }
}

fn panicked(error: &tokio::task::JoinError) -> RunError {
    RunError::Query { node: "a sink".into(), detail: format!("the program failed: {error}") }
}
