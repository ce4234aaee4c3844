//! A compiled graph as running streams: every wanted node gets an output, every edge a reader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aggregator_compiler::graph::{CompiledPipeline, Grain, NodeKind};
use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionState;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::TryStreamExt;

use super::error::{NodeError, RunError};
use super::plans::Plans;
use crate::connector::Size;
use crate::engine::{NodeCounters, NodeOutput, NodePlanner, Reader, start};
use crate::ledger::{Edge, EntryKind, Ledger};
use crate::rejects::RejectLane;

/// The rows of a source, about to be read.
pub(super) struct SourceRows {
    pub(super) stream: SendableRecordBatchStream,
    pub(super) size: Size,
}

impl SourceRows {
    /// With every column, and of a size that nobody knows.
    pub(super) fn whole(stream: SendableRecordBatchStream) -> Self {
        Self { stream, size: Size::default() }
    }
}

/// Rows of sources by node name.
pub(super) type SourceStreams = BTreeMap<String, SourceRows>;

/// The name of the reader that is not a node: a preview's.
pub(super) const WATCHER: &str = "_preview";

/// A graph that is ready to be read from its ends.
pub(super) struct Graph {
    /// In the pipeline's order: each after the ones it reads.
    outputs: Vec<Arc<NodeOutput>>,
    /// Of all nodes, sinks too, in the pipeline's order.
    pub(super) counters: Vec<Arc<NodeCounters>>,
}

/// Where a graph's rows come out.
#[derive(Default)]
pub(super) struct Ends {
    /// What each sink reads, by the sink's name.
    pub(super) sinks: BTreeMap<String, Reader>,
    /// The result of each quality rule, by the rule's name.
    pub(super) quality: BTreeMap<String, SendableRecordBatchStream>,
}

/// The nodes that the given ones need, themselves included.
pub(super) fn ancestors<'a>(
    pipeline: &'a CompiledPipeline,
    ends: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    let mut wanted: BTreeSet<&str> = ends.into_iter().collect();
    for node in pipeline.nodes.iter().rev() {
        if wanted.contains(node.name.as_str()) {
            wanted.extend(node.inputs.iter().map(String::as_str));
        }
    }
    wanted
}

/// The counters of a pipeline's wanted nodes, in its order.
pub(super) fn counters(pipeline: &CompiledPipeline, wanted: &BTreeSet<&str>) -> BTreeMap<String, Arc<NodeCounters>> {
    let nodes = pipeline.nodes.iter().filter(|node| wanted.contains(node.name.as_str()));
    nodes
        .map(|node| {
            let kind = match &node.kind {
                NodeKind::Source(_) => EntryKind::Source,
                NodeKind::Transform(transform) => match transform.grain {
                    Grain::Row => EntryKind::RowTransform,
                    Grain::Changed => EntryKind::GrainTransform,
                },
                NodeKind::Sink(_) => EntryKind::Sink,
            };
            (node.name.clone(), NodeCounters::new(&node.name, kind))
        })
        .collect()
}

impl Graph {
    /// Plans every wanted node and connects the streams. Nothing is read yet. With `watched`, that node gets a reader
    /// of its own, as if it were read by one more sink of the name [`WATCHER`].
    ///
    /// # Errors
    /// Those of DataFusion's planner.
    pub(super) async fn build(
        pipeline: &CompiledPipeline,
        compiled: &Plans,
        counters: &BTreeMap<String, Arc<NodeCounters>>,
        mut sources: SourceStreams,
        watched: Option<&str>,
        lane: &RejectLane,
        state: &SessionState,
    ) -> Result<(Self, Ends), RunError> {
        let mut outputs: BTreeMap<String, Arc<NodeOutput>> = BTreeMap::new();
        let mut plans: BTreeMap<String, Arc<dyn ExecutionPlan>> = BTreeMap::new();
        let (mut graph, mut ends) = (Self { outputs: vec![], counters: vec![] }, Ends::default());
        let planner = |counters: &Arc<NodeCounters>, outputs: &BTreeMap<String, Arc<NodeOutput>>| NodePlanner {
            counters: Arc::clone(counters),
            inputs: outputs.clone(),
            lane: lane.clone(),
        };
        for node in &pipeline.nodes {
            let failed = |error: DataFusionError| RunError::from_stream(&node.name, &error);
            // Nodes that are not wanted have no counters.
            let Some(own) = counters.get(&node.name) else { continue };
            let (mut schema, mut size) = (Arc::clone(&node.schema), Size::default());
            graph.counters.push(Arc::clone(own));
            match &node.kind {
                NodeKind::Sink(_) => {
                    if let Some(input) = node.inputs.first().and_then(|input| outputs.get(input)) {
                        ends.sinks.insert(node.name.clone(), input.reader(&node.name));
                    }
                    continue;
                }
                NodeKind::Source(_) => {
                    if let Some(source) = sources.get(&node.name) {
                        // Columns that nobody reads were left out.
                        schema = source.stream.schema();
                        size = source.size;
                    }
                }
                NodeKind::Transform(_) => {
                    let Some(plan) = compiled.transforms.get(&node.name) else { continue };
                    let plan = planner(own, &outputs).plan(state, plan).await.map_err(failed)?;
                    size = Size::of(plan.as_ref());
                    plans.insert(node.name.clone(), plan);
                }
            }
            let output = NodeOutput::new(Arc::clone(own), schema, size);
            graph.outputs.push(Arc::clone(&output));
            outputs.insert(node.name.clone(), output);
        }
        let mut quality: Vec<(String, Arc<dyn ExecutionPlan>)> = Vec::new();
        for check in pipeline.quality.iter().filter(|check| outputs.contains_key(&check.node)) {
            let name = format!("quality rule {}", check.name);
            let own = NodeCounters::new(&name, EntryKind::GrainTransform);
            let Some(plan) = compiled.quality.get(&check.name) else { continue };
            let plan = planner(&own, &outputs)
                .plan(state, plan)
                .await
                .map_err(|error| RunError::from_stream(&name, &error))?;
            quality.push((check.name.clone(), plan));
        }
        if let Some(output) = watched.and_then(|name| outputs.get(name)) {
            ends.sinks.insert(WATCHER.to_owned(), output.reader(WATCHER));
        }
        for output in &graph.outputs {
            let stream = match plans.remove(output.name()) {
                Some(plan) => start(plan, state),
                None => {
                    let opened = sources.remove(output.name()).map(|source| source.stream);
                    opened.ok_or_else(|| RunError::Query {
                        node: output.name().into(),
                        detail: "the source was not opened".into(),
                    })?
                }
            };
            output.connect(named(output.name(), stream), state.runtime_env());
        }
        ends.quality.extend(quality.into_iter().map(|(name, plan)| (name, start(plan, state))));
        Ok((graph, ends))
    }

    /// Lets the edges go on counting from where another movement of the same rows' kind had ended.
    pub(super) fn carry(&self, before: &[Edge]) {
        for (edge, before) in self.outputs.iter().flat_map(|output| output.edges()).zip(before) {
            edge.rows.add(before.rows);
        }
    }

    /// Reads what no reader wanted, nearest to the sinks first.
    pub(super) async fn finish(&self) -> Result<(), RunError> {
        for output in self.outputs.iter().rev() {
            output.finish().await.map_err(|error| RunError::from_stream(output.name(), &error))?;
        }
        Ok(())
    }

    /// The figures so far.
    pub(super) fn ledger(&self) -> Ledger {
        let edges: Vec<Edge> = self
            .outputs
            .iter()
            .flat_map(|output| output.edges())
            .map(|edge| Edge { from: edge.from.clone(), to: edge.to.clone(), rows: edge.rows.get() })
            .collect();
        let nodes = self
            .counters
            .iter()
            .map(|counters| {
                let mut entry = counters.entry();
                if matches!(entry.kind, EntryKind::RowTransform | EntryKind::GrainTransform) {
                    entry.taken = edges.iter().filter(|edge| edge.to == entry.name).map(|edge| edge.rows).sum();
                }
                entry
            })
            .collect();
        Ledger { nodes, edges }
    }
}

impl Ends {
    /// All rows of all sinks.
    pub(super) async fn collect_sinks(self) -> Result<BTreeMap<String, Vec<RecordBatch>>, RunError> {
        let sinks = self.sinks.into_iter().map(|(name, reader)| async move {
            let stream = reader.stream().map_err(|error| RunError::from_stream(&name, &error))?;
            let batches = stream.try_collect().await.map_err(|error| RunError::from_stream(&name, &error))?;
            Ok::<_, RunError>((name, batches))
        });
        Ok(futures::future::try_join_all(sinks).await?.into_iter().collect())
    }
}

/// The stream of a node, its errors naming it.
fn named(name: &str, stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let (name, schema) = (name.to_owned(), stream.schema());
    Box::pin(RecordBatchStreamAdapter::new(schema, stream.map_err(move |error| NodeError::wrap(&name, error))))
}
