//! The sinks of a run: fenced before anything is read, staged, then committed or given up together.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::graph::{CompiledPipeline, NodeKind, SinkNode};
use aggregator_crds::pipeline::WriteMode;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::error::RunError;
use super::places::Places;
use crate::checkpoint::Positions;
use crate::connector::{Attempt, CommitRecord, ConnectorError, PlannedChange, Sink, SinkRequest, Staged, WriteOptions};
use crate::engine::{NodeCounters, Pace, Reader};
use crate::rejects;

/// A sink with the name of its node.
pub(super) struct NamedSink {
    pub(super) node: String,
    pub(super) sink: Box<dyn Sink>,
    pub(super) pace: Option<Pace>,
}

impl NamedSink {
    pub(super) fn failed(&self, error: ConnectorError) -> RunError {
        RunError::Connector { node: Some(self.node.clone()), error }
    }
}

/// Opens the sinks of the graph, the rejects sink last. Changes nothing in any target.
pub(super) async fn open(
    pipeline: &CompiledPipeline,
    places: &mut Places,
    rejects: bool,
) -> Result<Vec<NamedSink>, RunError> {
    let mut sinks = Vec::new();
    for node in &pipeline.nodes {
        let NodeKind::Sink(sink) = &node.kind else { continue };
        let request = SinkRequest {
            pipeline: pipeline.id(),
            node: node.name.clone(),
            stream: sink.stream.clone(),
            schema: Arc::clone(&node.schema),
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
    WriteOptions { mode: sink.mode, key: sink.key.clone(), partition_by: sink.partition_by.clone() }
}

async fn open_one(places: &mut Places, connector: &str, request: SinkRequest) -> Result<NamedSink, RunError> {
    let node = request.node.clone();
    let failed = |error| RunError::Connector { node: Some(node.clone()), error };
    let open = places.connector(connector).map_err(failed)?;
    let sink = open.sink(request).await.map_err(failed)?;
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

    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        self.rows += batch.num_rows() as u64;
        Ok(())
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

    /// The positions that all sinks agree on: the truth when the checkpoints are lost.
    ///
    /// # Errors
    /// [`RunError::Diverged`] when they do not agree.
    pub(super) fn agreed(&self) -> Result<Positions, RunError> {
        let committed: Vec<(&String, &CommitRecord)> =
            self.0.iter().filter(|(_, record)| record.run.is_some()).collect();
        let Some((_, first)) = committed.first() else { return Ok(Positions::new()) };
        if committed.iter().all(|(_, record)| record.positions == first.positions) {
            return Ok(first.positions.clone());
        }
        let detail = committed
            .iter()
            .map(|(node, record)| {
                format!("`{node}` was last written by run {}", record.run.as_deref().unwrap_or("none"))
            })
            .collect::<Vec<_>>()
            .join(", ");
        Err(RunError::Diverged { detail })
    }
}

/// Reads a node to its end into a sink and stages it. Gives the sink back, whatever happened.
pub(super) async fn drive(
    mut named: NamedSink,
    reader: Reader,
    counters: Arc<NodeCounters>,
    cancel: CancellationToken,
) -> (NamedSink, Result<Staged, RunError>) {
    let schema = reader.schema();
    let driven = cancel.run_until_cancelled(write_all(&mut named, reader, &counters, schema)).await;
    let staged = driven.unwrap_or(Err(RunError::Interrupted));
    if staged.is_err() {
        cancel.cancel();
    }
    counters.end();
    (named, staged)
}

async fn write_all(
    named: &mut NamedSink,
    reader: Reader,
    counters: &NodeCounters,
    schema: SchemaRef,
) -> Result<Staged, RunError> {
    let from = reader.from().to_owned();
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
        if let Some(pace) = &named.pace {
            pace.pass(batch.num_rows()).await;
        }
        named.sink.write(batch).await.map_err(|error| named.failed(error))?;
    }
    let staged = named.sink.stage().await.map_err(|error| named.failed(error))?;
    counters.written.add(staged.written);
    counters.deduplicated.add(staged.deduplicated);
    counters.bytes.add(staged.bytes);
    Ok(staged)
}
