//! Runs on rows in memory: the tests inside Transformations and beside Pipelines.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::graph::{CompiledPipeline, NodeKind};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use super::error::RunError;
use super::graph::{Graph, SourceRows, SourceStreams, ancestors, counters};
use super::plans::Plans;
use super::session::{Resources, machine, session};
use crate::connector::{Buffers, Size};
use crate::engine::{NodeCounters, NodeOutput, NodePlanner};
use crate::ledger::EntryKind;
use crate::rejects::{NodeRejects, RejectLane};

/// What a step made of its rows.
#[derive(Debug)]
pub struct StepRows {
    /// The rows that came out.
    pub batches: Vec<RecordBatch>,
    /// The rows that were rejected, in order.
    pub rejects: Vec<NodeRejects>,
}

/// What a Pipeline made of its rows.
#[derive(Debug)]
pub struct PipelineRows {
    /// The rows that each sink would have written.
    pub sinks: BTreeMap<String, Vec<RecordBatch>>,
    /// The rows that were rejected.
    pub rejects: Vec<NodeRejects>,
}

/// A session of one thread, so that rows keep their order.
fn in_order(resources: &Resources) -> datafusion::error::Result<SessionState> {
    let resources = Resources { threads: 1, ..resources.clone() };
    Ok(session(&resources, Buffers::beside(resources.memory), &machine(&resources)?))
}

fn in_memory(schema: &SchemaRef, batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let stream = futures::stream::iter(batches.into_iter().map(Ok));
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), stream))
}

/// Runs one plan, whose table scan is named `input`, on rows.
///
/// # Errors
/// When the plan fails on the rows.
pub async fn run_step(plan: &LogicalPlan, input: RecordBatch, resources: &Resources) -> Result<StepRows, RunError> {
    let failed = |error| RunError::from_stream("step", &error);
    let state = in_order(resources).map_err(failed)?;
    let (lane, mut received) = RejectLane::open();
    let schema = input.schema();
    let source = NodeOutput::new(NodeCounters::new("input", EntryKind::Source), Arc::clone(&schema), Size::default());
    let planner = NodePlanner {
        counters: NodeCounters::new("step", EntryKind::RowTransform),
        inputs: BTreeMap::from([("input".to_owned(), Arc::clone(&source))]),
        lane,
    };
    let plan = state.optimize(plan).map_err(failed)?;
    let plan = planner.plan(&state, &plan).await.map_err(failed)?;
    source.connect(in_memory(&schema, vec![input]), state.runtime_env());
    let mut stream = plan.execute(0, state.task_ctx()).map_err(failed)?;
    let mut rows = StepRows { batches: Vec::new(), rejects: Vec::new() };
    loop {
        tokio::select! {
            biased;
            Some(group) = received.recv() => rows.rejects.push(group),
            batch = stream.next() => match batch {
                Some(batch) => rows.batches.push(batch.map_err(failed)?),
                None => break,
            },
        }
    }
    while let Ok(group) = received.try_recv() {
        rows.rejects.push(group);
    }
    Ok(rows)
}

/// Runs a whole graph on rows: each source node's come from `sources`, each sink's are collected.
///
/// # Errors
/// When a source has no rows in `sources`, or a node fails on its rows.
pub async fn run_pipeline_on_rows(
    pipeline: &CompiledPipeline,
    sources: BTreeMap<String, RecordBatch>,
    resources: &Resources,
) -> Result<PipelineRows, RunError> {
    let state = in_order(resources).map_err(|error| RunError::from_stream("session", &error))?;
    let names: Vec<&str> = pipeline
        .nodes
        .iter()
        .filter(|node| matches!(node.kind, NodeKind::Sink(_)))
        .map(|node| node.name.as_str())
        .collect();
    let mut pipeline = pipeline.clone();
    pipeline.quality.clear();
    let wanted = ancestors(&pipeline, names);
    let own = counters(&pipeline, &wanted);
    let (lane, mut received) = RejectLane::open();
    let streams: SourceStreams = sources
        .into_iter()
        .map(|(name, batch)| (name, SourceRows::whole(in_memory(&batch.schema(), vec![batch]))))
        .collect();
    let plans = Plans::new(&pipeline, &wanted, &state)?;
    let (_graph, ends) = Graph::build(&pipeline, &plans, &own, streams, None, &lane, &state).await?;
    drop(lane);
    let collecting = ends.collect_sinks();
    tokio::pin!(collecting);
    let mut rejects = Vec::new();
    let sinks = loop {
        tokio::select! {
            biased;
            Some(group) = received.recv() => rejects.push(group),
            sinks = &mut collecting => break sinks?,
        }
    };
    while let Ok(group) = received.try_recv() {
        rejects.push(group);
    }
    Ok(PipelineRows { sinks, rejects })
}
