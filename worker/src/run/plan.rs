//! What a run would read, create, change and write where. Changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::catalogue::Column;
use aggregator_compiler::catalogue::Stream;
use aggregator_compiler::diagnostic::Diagnostic;
use aggregator_compiler::graph::{Lineage, NodeKind};
use aggregator_compiler::manifest::Manifests;
use aggregator_compiler::streams::{of_stream, selecting};
use aggregator_crds::pipeline::{SyncMode, WriteMode};
use serde::Serialize;

use super::error::RunError;
use super::places::Places;
use super::secrets::SecretSource;
use super::streams::selected;
use super::{Live, Subject, sinks};
use crate::checkpoint::CheckpointStore;
use crate::connector::{PlannedChange, Position};
use crate::rejects;

/// What a run would do.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelinePlan {
    /// The Pipeline, as `namespace/name`.
    pub pipeline: String,
    /// What it would read.
    pub sources: Vec<PlannedSource>,
    /// What each node in between would put out.
    pub transforms: Vec<PlannedTransform>,
    /// What it would write.
    pub sinks: Vec<PlannedSink>,
    /// What is worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Diagnostic>,
}

/// What a source would read.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedSource {
    /// The node.
    pub node: String,
    /// The Connector.
    pub connector: String,
    /// The stream.
    pub stream: String,
    /// Everything, or what is new.
    pub sync: SyncMode,
    /// Where it would go on; none: from the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Position>,
    /// The columns.
    pub columns: Vec<Column>,
}

/// What a transform would put out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedTransform {
    /// The node.
    pub node: String,
    /// The operation.
    pub operation: &'static str,
    /// The nodes it reads.
    pub from: Vec<String>,
    /// The columns.
    pub columns: Vec<Column>,
    /// Where each column comes from.
    pub lineage: Lineage,
}

/// What a sink would write.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedSink {
    /// The node.
    pub node: String,
    /// The Connector.
    pub connector: String,
    /// The stream.
    pub stream: String,
    /// How rows meet what is there.
    pub mode: WriteMode,
    /// The columns that name a row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// The columns.
    pub columns: Vec<Column>,
    /// What would change in the target.
    pub changes: Vec<PlannedChange>,
}

/// Says what a run of the Pipeline would do.
///
/// # Errors
/// When the Pipeline does not compile or a Connector cannot be reached.
pub async fn plan(
    manifests: &Arc<Manifests>,
    namespace: &str,
    name: &str,
    params: &BTreeMap<String, String>,
    secrets: &SecretSource,
    store: &dyn CheckpointStore,
) -> Result<PipelinePlan, RunError> {
    let places = Places::new(Arc::clone(manifests), namespace, secrets.clone());
    let many = manifests.pipeline(namespace, name).filter(|located| selecting(&located.object.spec).is_some());
    let Some(located) = many else {
        let subject = Subject { manifests, namespace, name, params };
        return one(&subject, None, &places, store).await;
    };
    Subject { manifests, namespace, name, params }.check()?;
    let mut whole: Option<PipelinePlan> = None;
    for stream in selected(&places, manifests, located).await? {
        let own = of_stream(manifests, located, &stream);
        let subject = Subject { manifests: &own, namespace, name, params };
        let plan = one(&subject, Some(&stream.name), &places, store).await?;
        match &mut whole {
            None => whole = Some(PipelinePlan { pipeline: format!("{namespace}/{name}"), ..plan }),
            Some(whole) => whole.add(plan),
        }
    }
    whole.ok_or_else(|| RunError::Query { node: name.to_owned(), detail: "no stream is selected".into() })
}

impl PipelinePlan {
    /// Takes the plan of another of many streams in.
    fn add(&mut self, other: Self) {
        self.sources.extend(other.sources);
        self.transforms.extend(other.transforms);
        self.sinks.extend(other.sinks);
        for warning in other.warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }
}

async fn one(
    subject: &Subject<'_>,
    stream: Option<&str>,
    places: &Places,
    store: &dyn CheckpointStore,
) -> Result<PipelinePlan, RunError> {
    let Live { mut pipeline, warnings } = subject.live(places).await?;
    pipeline.stream = stream.map(str::to_owned);
    let positions = store.positions(&pipeline.id()).await?;
    let mut changes = BTreeMap::new();
    for mut named in sinks::open(&pipeline, places, pipeline.rejects.is_some()).await? {
        let planned = named.sink.plan().await;
        changes.insert(named.node.clone(), planned.map_err(|error| named.failed(error))?);
    }
    let mut plan =
        PipelinePlan { pipeline: pipeline.id(), sources: vec![], transforms: vec![], sinks: vec![], warnings };
    for node in &pipeline.nodes {
        let columns = Stream::from_schema(&node.name, &node.schema).columns;
        match &node.kind {
            NodeKind::Source(source) => plan.sources.push(PlannedSource {
                node: node.name.clone(),
                connector: source.connector.clone(),
                stream: source.stream.clone(),
                sync: source.sync,
                from: positions.get(&node.name).filter(|_| source.sync == SyncMode::Incremental).cloned(),
                columns,
            }),
            NodeKind::Transform(transform) => plan.transforms.push(PlannedTransform {
                node: node.name.clone(),
                operation: transform.operation,
                from: node.inputs.clone(),
                columns,
                lineage: node.lineage.clone(),
            }),
            NodeKind::Sink(sink) => plan.sinks.push(PlannedSink {
                node: node.name.clone(),
                connector: sink.connector.clone(),
                stream: sink.stream.clone(),
                mode: sink.mode,
                key: sink.key.clone(),
                columns,
                changes: changes.remove(&node.name).unwrap_or_default(),
            }),
        }
    }
    if let Some(target) = &pipeline.rejects {
        plan.sinks.push(PlannedSink {
            node: rejects::NODE.into(),
            connector: target.connector.clone(),
            stream: target.stream.clone(),
            mode: WriteMode::Append,
            key: Vec::new(),
            columns: Stream::from_schema(rejects::NODE, &rejects::schema()).columns,
            changes: changes.remove(rejects::NODE).unwrap_or_default(),
        });
    }
    Ok(plan)
}
