//! The first rows of a node, without running the rest. Changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::graph::NodeKind;
use aggregator_compiler::manifest::Manifests;
use aggregator_compiler::streams::{of_stream, selecting};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;

use super::error::RunError;
use super::graph::{Graph, SourceRows, SourceStreams, WATCHER, ancestors, counters};
use super::plans::Plans;
use super::report::RejectsReport;
use super::secrets::SecretSource;
use super::session::{Resources, machine, session};
use super::streams::selected;
use super::{Live, Places, Subject};
use crate::connector::{Buffers, ConnectorError, ErrorKind, SourceRequest};
use crate::engine::{SourceOutcome, source_stream};
use crate::rejects::RejectLane;

/// The first rows of a node.
#[derive(Debug)]
pub struct Preview {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows, at most as many as were asked for.
    pub batches: Vec<RecordBatch>,
    /// Rows that were rejected on the way.
    pub rejects: RejectsReport,
}

/// What is to be previewed.
pub struct PreviewRequest {
    /// All manifests.
    pub manifests: Arc<Manifests>,
    /// The Pipeline's namespace.
    pub namespace: String,
    /// The Pipeline's name.
    pub pipeline: String,
    /// Values of its parameters.
    pub params: BTreeMap<String, String>,
    /// Where secrets are.
    pub secrets: SecretSource,
    /// What may be used of the machine.
    pub resources: Resources,
    /// The node.
    pub node: String,
    /// The most rows.
    pub limit: usize,
}

/// Gives the first `limit` rows of a node; for a sink, of the node it reads. Sources are read from their start.
///
/// # Errors
/// When the Pipeline does not compile, there is no such node, or something on the way fails.
pub async fn preview(request: &PreviewRequest) -> Result<Preview, RunError> {
    let PreviewRequest { manifests, namespace, pipeline: name, params, secrets, resources, node, limit } = request;
    let limit = *limit;
    let buffers = Buffers::beside(resources.memory);
    let places = Places::new(Arc::clone(manifests), namespace, secrets.clone()).with_buffers(buffers);
    // Of many streams, the first one is shown.
    let own = match manifests.pipeline(namespace, name).filter(|located| selecting(&located.object.spec).is_some()) {
        Some(located) => {
            Subject { manifests, namespace, name, params }.check()?;
            let streams = selected(&places, manifests, located).await?;
            streams.first().map(|stream| of_stream(manifests, located, stream))
        }
        None => None,
    };
    let subject = Subject { manifests: own.as_ref().unwrap_or(manifests), namespace, name, params };
    let Live { mut pipeline, .. } = subject.live(&places).await?;
    let Some(asked) = pipeline.node(node) else {
        let known: Vec<&str> = pipeline.nodes.iter().map(|node| node.name.as_str()).collect();
        let error = ConnectorError::new(
            ErrorKind::Config,
            format!("preview Pipeline `{}`", pipeline.id()),
            format!("it has no node `{node}`"),
        )
        .remedy(format!("choose one of {}", known.join(", ")));
        return Err(RunError::Connector { node: None, error });
    };
    let read = match (&asked.kind, asked.inputs.first()) {
        (NodeKind::Sink(_), Some(input)) => input.clone(),
        _ => node.clone(),
    };
    pipeline.quality.clear();
    let wanted = ancestors(&pipeline, [read.as_str()]);
    let own = counters(&pipeline, &wanted);
    let machine = machine(resources).map_err(|error| RunError::from_stream(&read, &error))?;
    let state = session(resources, buffers, &machine);
    let (lane, mut received) = RejectLane::open();
    let mut streams = SourceStreams::new();
    for node in pipeline.nodes.iter().filter(|node| wanted.contains(node.name.as_str())) {
        let (NodeKind::Source(source), Some(own)) = (&node.kind, own.get(&node.name)) else { continue };
        let failed = |error| RunError::Connector { node: Some(node.name.as_str().into()), error };
        let connector = places.connector(&source.connector).map_err(failed)?;
        let request = SourceRequest {
            stream: source.stream.clone(),
            columns: None,
            window: None,
            incremental: false,
            from: None,
            to: None,
            rejects: true,
            batch_rows: resources.batch_rows.min(limit.max(1)),
            threads: 1,
            together: 1,
        };
        let reader = connector.source(request).await.map_err(failed)?;
        let schema = reader.schema();
        let events = reader.read().await.map_err(failed)?;
        let stream = source_stream(schema, events, Arc::clone(own), lane.clone(), None, None, SourceOutcome::default());
        streams.insert(node.name.clone(), SourceRows::whole(stream));
    }
    let plans = Plans::new(&pipeline, &wanted, &state)?;
    let (graph, mut ends) = Graph::build(&pipeline, &plans, &own, streams, Some(&read), &lane, &state).await?;
    let reader = ends
        .sinks
        .remove(WATCHER)
        .ok_or_else(|| RunError::Query { node: read.clone(), detail: "the node puts nothing out".into() })?;
    drop(lane);
    let mut rejects = RejectsReport::default();
    let (mut batches, mut rows) = (Vec::new(), 0);
    let schema = reader.schema();
    let mut stream = reader.stream().map_err(|error| RunError::from_stream(&read, &error))?;
    while rows < limit {
        tokio::select! {
            batch = stream.next() => {
                let Some(batch) = batch else { break };
                let batch = batch.map_err(|error| RunError::from_stream(&read, &error))?;
                let batch = batch.slice(0, batch.num_rows().min(limit - rows));
                rows += batch.num_rows();
                batches.push(batch);
            }
            Some(group) = received.recv() => rejects.add(&group),
        }
    }
    drop(stream);
    drop(graph);
    while let Ok(group) = received.try_recv() {
        rejects.add(&group);
    }
    Ok(Preview { schema, batches, rejects })
}
