//! The sinks of a run: fenced before anything is read, staged, then committed or given up together.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::diagnostic::Diagnostic;
use aggregator_compiler::graph::{CompiledPipeline, NodeKind, SinkNode};
use aggregator_crds::pipeline::WriteMode;
use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::error::RunError;
use super::marking::{self, Marking};
use super::places::Places;
use super::traced::{self, TRACE};
use crate::checkpoint::{Begun, Positions};
use crate::connector::{
    Attempt, CommitRecord, ConnectorError, ErrorKind, PlannedChange, Reject, Sink, SinkRequest, Staged, WriteOptions,
};
use crate::engine::{NodeCounters, Reader};
use crate::pace::Pace;
use crate::points;
use crate::rejects::{self, RejectLane};

/// A sink with the name of its node.
pub(super) struct NamedSink {
    pub(super) node: String,
    pub(super) sink: Box<dyn Sink>,
    pub(super) pace: Option<Pace>,
}

impl NamedSink {
    pub(super) fn failed(&self, error: ConnectorError) -> RunError {
        if error.kind == ErrorKind::Interrupted {
            return RunError::Interrupted;
        }
        RunError::Connector { node: Some(self.node.as_str().into()), error }
    }
}

/// Opens the sinks of the graph, the rejects sink last. Changes nothing in any target.
pub(super) async fn open(
    pipeline: &CompiledPipeline,
    places: &Places,
    rejects: bool,
) -> Result<Vec<NamedSink>, RunError> {
    let mut sinks = Vec::new();
    for node in &pipeline.nodes {
        let NodeKind::Sink(sink) = &node.kind else { continue };
        let request = SinkRequest {
            pipeline: pipeline.id(),
            node: node.name.clone(),
            stream: sink.stream.clone(),
            schema: marking::sent(&node.schema, sink),
            write: write_options(sink),
            rejects,
        };
        sinks.push(open_one(places, &sink.connector, request).await?);
    }
    if let Some(target) = &pipeline.rejects {
        let request = SinkRequest {
            pipeline: pipeline.id(),
            node: rejects::NODE.into(),
            stream: target.stream.clone(),
            schema: rejects::schema(),
            write: WriteOptions { mode: WriteMode::Append, ..WriteOptions::default() },
            rejects: false,
        };
        sinks.push(open_one(places, &target.connector, request).await?);
    }
    Ok(sinks)
}

fn write_options(sink: &SinkNode) -> WriteOptions {
    WriteOptions {
        mode: sink.mode,
        key: sink.key.clone(),
        partition_by: sink.partition_by.clone(),
        deletes: sink.deletes.is_some(),
        missing: sink.missing,
        history: sink.history.clone(),
        policy: sink.policy.clone(),
    }
}

async fn open_one(places: &Places, connector: &str, request: SinkRequest) -> Result<NamedSink, RunError> {
    let node = request.node.clone();
    let failed = |error| RunError::Connector { node: Some(node.as_str().into()), error };
    let open = places.connector(connector).map_err(failed)?;
    let span = info_span!(target: TRACE, "open sink", aggregator.sink = node, "error.type" = Empty);
    let sink = traced::within(span, async { open.sink(request).await.map_err(failed) }).await?;
    Ok(NamedSink { node, sink, pace: places.pace(connector) })
}

/// Sinks that only count: for runs that write nothing.
pub(super) fn discarding(pipeline: &CompiledPipeline) -> Vec<NamedSink> {
    let mut sinks: Vec<NamedSink> = pipeline
        .nodes
        .iter()
        .filter(|node| matches!(node.kind, NodeKind::Sink(_)))
        .map(|node| NamedSink { node: node.name.clone(), sink: Box::new(Discard::default()), pace: None })
        .collect();
    if pipeline.rejects.is_some() {
        sinks.push(NamedSink { node: rejects::NODE.into(), sink: Box::new(Discard::default()), pace: None });
    }
    sinks
}

/// Counts rows and forgets them.
#[derive(Debug, Default)]
struct Discard {
    rows: u64,
}

#[async_trait]
impl Sink for Discard {
    async fn plan(&mut self) -> Result<Vec<PlannedChange>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn last_commit(&mut self) -> Result<Option<CommitRecord>, ConnectorError> {
        Ok(None)
    }

    async fn fence(&mut self, _: &Attempt) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<Vec<Reject>, ConnectorError> {
        self.rows += batch.num_rows() as u64;
        Ok(Vec::new())
    }

    async fn stage(&mut self) -> Result<Staged, ConnectorError> {
        Ok(Staged { written: self.rows, ..Staged::default() })
    }

    async fn commit(&mut self, _: &Positions) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
}

/// What the sinks say of earlier commits.
#[derive(Debug, Default)]
pub(super) struct Records(pub(super) BTreeMap<String, CommitRecord>);

impl Records {
    pub(super) async fn read(sinks: &mut [NamedSink]) -> Result<Self, RunError> {
        let mut records = BTreeMap::new();
        for named in sinks {
            let record = named.sink.last_commit().await;
            if let Some(record) = record.map_err(|error| named.failed(error))? {
                records.insert(named.node.clone(), record);
            }
        }
        Ok(Self(records))
    }

    /// The greatest epoch that any sink has seen.
    pub(super) fn epoch(&self) -> u64 {
        self.0.values().map(|record| record.epoch).max().unwrap_or(0)
    }

    /// The positions that the given run has already committed somewhere.
    pub(super) fn committed_by(&self, run: &str) -> Option<&Positions> {
        self.0.values().find(|record| record.run.as_deref() == Some(run)).map(|record| &record.positions)
    }

    /// Where an attempt starts reading: at the checkpoint, unless a sink was committed by a run that the checkpoint does
    /// not know (it was lost, or an old copy was put in its place). Then at what the sinks stored with their data.
    ///
    /// # Errors
    /// [`RunError::Diverged`] when the checkpoint is behind and the sinks do not agree.
    pub(super) fn start(&self, begun: &Begun) -> Result<Positions, RunError> {
        let Some((_, ahead)) = self.ahead(begun) else { return Ok(begun.positions.clone()) };
        if self.earlier(begun).all(|(_, record)| record.positions == ahead.positions) {
            return Ok(ahead.positions.clone());
        }
        let said = self.earlier(begun).map(|(node, record)| {
            format!("`{node}` was last written by run {}", record.run.as_deref().unwrap_or("none"))
        });
        Err(RunError::Diverged { detail: said.collect::<Vec<_>>().join(", ") })
    }

    /// What is worth knowing when an attempt does not start where the checkpoint says, because that is behind the sinks: say,
    /// because somebody has made it anew from an old copy.
    pub(super) fn overrule(&self, begun: &Begun) -> Option<Diagnostic> {
        let (node, record) = self.ahead(begun)?;
        // One that was lost says nothing.
        let says_nothing = begun.committed.is_none() && begun.positions.is_empty();
        if says_nothing || record.positions == begun.positions {
            return None;
        }
        let known = begun.committed.as_ref().map_or("no run".to_owned(), |known| format!("run {}", known.run));
        let run = record.run.as_deref().unwrap_or("none");
        let message = format!(
            "the checkpoint is of {known}, and `{node}` was written by run {run} since then: reading begins where that ended"
        );
        let help = "to begin where the checkpoint said, set its positions once more when this run has ended";
        Some(Diagnostic::warning("CheckpointBehind", message).help(help))
    }

    /// What runs before this one have committed: what this very run has committed is where it ends, not where it starts.
    fn earlier<'a>(&'a self, begun: &'a Begun) -> impl Iterator<Item = (&'a String, &'a CommitRecord)> {
        self.0.iter().filter(move |(_, record)| record.run.as_deref().is_some_and(|run| run != begun.attempt.run))
    }

    /// A sink that was committed by a run that the checkpoint does not know.
    fn ahead<'a>(&'a self, begun: &'a Begun) -> Option<(&'a String, &'a CommitRecord)> {
        self.earlier(begun).find(|(_, record)| match &begun.committed {
            None => true,
            Some(known) => record.run.as_ref() != Some(&known.run) && record.epoch > known.epoch,
        })
    }
}

/// Reads a node to its end into a sink; with `stage`, the sink then stages what it has. Gives the sink back, whatever
/// happened.
pub(super) async fn drive(
    mut named: NamedSink,
    reader: Reader,
    counters: Arc<NodeCounters>,
    marking: Option<Marking>,
    lane: RejectLane,
    cancel: CancellationToken,
    stage: bool,
) -> (NamedSink, Result<(), RunError>) {
    let span = info_span!(
        target: TRACE, "write sink", aggregator.sink = named.node, aggregator.staged = stage,
        aggregator.rows.taken = Empty, aggregator.bytes.written = Empty, "error.type" = Empty
    );
    let (rows, bytes) = (counters.taken.get(), counters.bytes.get());
    let writing = write_all(&mut named, reader, &counters, marking.as_ref(), &lane, stage).instrument(span.clone());
    let result = cancel.run_until_cancelled(writing).await.unwrap_or(Err(RunError::Interrupted));
    span.record("aggregator.rows.taken", counters.taken.get() - rows);
    span.record("aggregator.bytes.written", counters.bytes.get() - bytes);
    if let Err(error) = &result {
        traced::failed(&span, error);
        cancel.cancel();
    }
    counters.end();
    (named, result)
}

async fn write_all(
    named: &mut NamedSink,
    reader: Reader,
    counters: &NodeCounters,
    marking: Option<&Marking>,
    lane: &RejectLane,
    stage: bool,
) -> Result<(), RunError> {
    let (from, schema) = (reader.from().to_owned(), reader.schema());
    let mut stream = reader.stream().map_err(|error| RunError::from_stream(&from, &error))?;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| RunError::from_stream(&from, &error))?;
        if batch.num_rows() == 0 {
            continue;
        }
        // Plans may relax nullability or metadata; the sink was promised this very schema.
        let batch = batch
            .with_schema(Arc::clone(&schema))
            .map_err(|error| RunError::Query { node: from.clone(), detail: error.to_string() })?;
        counters.taken.add(batch.num_rows() as u64);
        let batch = match marking {
            Some(marking) => marking.mark(&batch).map_err(|error| RunError::from_stream(&named.node, &error))?,
            None => batch,
        };
        if let Some(pace) = &named.pace {
            pace.pass(batch.num_rows()).await;
        }
        let refused = named.sink.write(batch).await.map_err(|error| named.failed(error))?;
        lane.send(counters, refused).await.map_err(|error| named.failed(error))?;
        points::pass("written");
    }
    let refused = named.sink.flush().await.map_err(|error| named.failed(error))?;
    lane.send(counters, refused).await.map_err(|error| named.failed(error))?;
    if stage {
        let staged = named.sink.stage().await.map_err(|error| named.failed(error))?;
        counters.written.add(staged.written);
        counters.deduplicated.add(staged.deduplicated);
        counters.bytes.add(staged.bytes);
        counters.tell(staged.effects);
        points::pass("staged");
        lane.send(counters, staged.rejects).await.map_err(|error| named.failed(error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::Position;

    fn at(value: u64) -> Positions {
        let position = Position { kind: "cursor".into(), version: 1, state: serde_json::json!(value) };
        Positions::from([("orders".to_owned(), position)])
    }

    fn records(of: &[(&str, Option<&str>, u64, u64)]) -> Records {
        let record = |run: Option<&str>, epoch, value| CommitRecord {
            epoch,
            run: run.map(str::to_owned),
            positions: at(value),
            rows: 1,
        };
        Records(of.iter().map(|(node, run, epoch, value)| ((*node).to_owned(), record(*run, *epoch, *value))).collect())
    }

    fn begun(run: &str, committed: Option<(&str, u64, u64)>) -> Begun {
        Begun {
            attempt: Attempt { run: run.into(), epoch: 99 },
            resumed: false,
            positions: committed.map(|(_, _, value)| at(value)).unwrap_or_default(),
            committed: committed.map(|(run, epoch, _)| Attempt { run: run.into(), epoch }),
        }
    }

    #[test]
    fn the_checkpoint_is_where_a_run_starts() {
        let same = records(&[("a", Some("r1"), 1, 10), ("b", Some("r1"), 1, 10)]);
        assert_eq!(same.start(&begun("r2", Some(("r1", 1, 10)))).expect("agreed"), at(10));
        // A failed attempt has fenced the sinks since, and committed nothing.
        let fenced = records(&[("a", Some("r1"), 7, 10), ("b", None, 7, 0)]);
        assert_eq!(fenced.start(&begun("r2", Some(("r1", 1, 10)))).expect("agreed"), at(10));
        // A sink that was away for some runs is behind, not ahead.
        let back = records(&[("a", Some("r5"), 5, 50), ("b", Some("r1"), 1, 10)]);
        assert_eq!(back.start(&begun("r6", Some(("r5", 5, 50)))).expect("agreed"), at(50));
        assert_eq!(records(&[]).start(&begun("r1", None)).expect("agreed"), Positions::new());
    }

    #[test]
    fn sinks_that_are_ahead_of_a_lost_or_old_checkpoint_are_the_truth() {
        let ahead = records(&[("a", Some("r3"), 3, 30), ("b", Some("r3"), 3, 30)]);
        assert_eq!(ahead.start(&begun("r4", None)).expect("agreed"), at(30), "lost");
        assert_eq!(ahead.start(&begun("r4", Some(("r1", 1, 10)))).expect("agreed"), at(30), "old");
    }

    #[test]
    fn a_checkpoint_that_is_overruled_is_told_and_one_that_was_lost_is_not() {
        let ahead = records(&[("a", Some("r3"), 3, 30)]);
        let told = |begun: &Begun| ahead.overrule(begun).map(|told| told.message);
        let of = |known: &str| {
            let since = "`a` was written by run r3 since then: reading begins where that ended";
            Some(format!("the checkpoint is of {known}, and {since}"))
        };
        assert_eq!(told(&begun("r4", Some(("r1", 1, 10)))), of("run r1"));
        // Somebody has written positions alone.
        assert_eq!(told(&Begun { positions: at(10), ..begun("r4", None) }), of("no run"));
        for begun in [begun("r4", None), begun("r4", Some(("r1", 1, 30))), begun("r4", Some(("r3", 3, 10)))] {
            assert_eq!(told(&begun), None, "{begun:?}");
        }
    }

    #[test]
    fn sinks_that_disagree_without_a_checkpoint_are_not_guessed_at() {
        let torn = records(&[("a", Some("r3"), 3, 30), ("b", Some("r2"), 3, 20)]);
        let refused = torn.start(&begun("r4", None)).expect_err("torn").to_string();
        assert!(refused.ends_with("`a` was last written by run r3, `b` was last written by run r2"), "{refused}");
    }

    #[test]
    fn what_this_run_has_committed_is_its_end_not_its_start() {
        let half = records(&[("a", Some("r2"), 2, 20), ("b", Some("r1"), 2, 10)]);
        assert_eq!(half.start(&begun("r2", Some(("r1", 1, 10)))).expect("agreed"), at(10));
        assert_eq!(half.start(&begun("r2", None)).expect("agreed"), at(10));
        assert_eq!(half.committed_by("r2"), Some(&at(20)));
    }
}
