//! The sources of a run: opened once, read whole or split by split.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::graph::{Node, NodeKind, SourceNode};
use aggregator_compiler::types;
use aggregator_crds::pipeline::SyncMode;
use arrow::datatypes::{Schema, SchemaRef};
use futures::StreamExt;
use tracing::field::Empty;
use tracing::{Span, info_span};

use super::error::RunError;
use super::graph::{SourceRows, SourceStreams};
use super::movement::Traffic;
use super::places::Places;
use super::traced::{self, TRACE};
use super::{RunMode, RunRequest, backfill};
use crate::checkpoint::{Begun, Positions};
use crate::connector::{
    ConnectorError, CursorWindow, ErrorKind, EventStream, Position, Size, Source, SourceEnd, SourceEvent,
    SourceRequest, Split,
};
use crate::cursor::{self, CursorTracker, Known};
use crate::engine::{SourceOutcome, source_stream};
use crate::pace::Pace;
use crate::rejects::RejectLane;

/// A source node's stream, ready to be read.
pub(super) struct OpenSource<'a> {
    pub(super) node: &'a Node,
    spec: &'a SourceNode,
    pub(super) source: Box<dyn Source>,
    schema: SchemaRef,
    plan: ReadPlan,
    pace: Option<Pace>,
    pub(super) outcome: SourceOutcome,
}

impl OpenSource<'_> {
    pub(super) fn failed(&self, error: ConnectorError) -> RunError {
        RunError::Connector { node: Some(self.node.name.as_str().into()), error }
    }

    /// About how large the columns are that are read.
    fn size(&self) -> Size {
        self.source.size().of_columns(self.schema.fields().len(), self.node.schema.fields().len())
    }

    fn tracker(&self) -> Result<Option<CursorTracker>, RunError> {
        let Some(window) = &self.plan.window else { return Ok(None) };
        let now = jiff::Timestamp::now();
        let known = Known { from: self.plan.from.clone(), to: self.plan.to.clone() };
        let tracker = CursorTracker::new(&self.node.name, &self.schema, window, &self.spec.key, known, now);
        tracker.map(Some).map_err(|error| self.failed(error))
    }
}

/// Opens the sources among the wanted nodes. Nothing is read yet.
pub(super) async fn open<'a>(
    traffic: &Traffic<'a>,
    request: &RunRequest,
    places: &Places,
    begun: &Begun,
    to: &Positions,
) -> Result<Vec<OpenSource<'a>>, RunError> {
    let wanted: Vec<(&Node, &SourceNode)> = traffic
        .pipeline
        .nodes
        .iter()
        .filter(|node| traffic.wanted.contains(node.name.as_str()))
        .filter_map(|node| match &node.kind {
            NodeKind::Source(spec) => Some((node, spec)),
            _ => None,
        })
        .collect();
    let mut sources = Vec::new();
    for &(node, spec) in &wanted {
        let failed = |error| RunError::Connector { node: Some(node.name.as_str().into()), error };
        let plan = ReadPlan::new(node, spec, request, begun, to).map_err(failed)?;
        let connector = places.connector(&spec.connector).map_err(failed)?;
        // A cursor's position is the engine's: the connector only hears of the window.
        let by_position = plan.window.is_none();
        let opening = connector.source(SourceRequest {
            stream: spec.stream.clone(),
            columns: traffic.plans.columns(&node.name).cloned(),
            window: plan.window.clone(),
            incremental: plan.incremental && by_position,
            from: plan.from.clone().filter(|_| by_position),
            to: plan.to.clone().filter(|_| by_position),
            rejects: traffic.pipeline.rejects.is_some(),
            batch_rows: request.resources.batch_rows,
            threads: request.resources.threads,
            together: wanted.iter().filter(|(_, other)| other.connector == spec.connector).count(),
        });
        let opened = request.cancel.run_until_cancelled(opening).await;
        let source = opened.ok_or(RunError::Interrupted)?.map_err(failed)?;
        let schema = source.schema();
        let expected = match traffic.plans.columns(&node.name) {
            Some(columns) => narrowed(&node.schema, columns),
            None => Arc::clone(&node.schema),
        };
        if let Some(difference) = difference(&expected, &schema) {
            let operation = format!("read stream `{}`", spec.stream);
            let detail = format!("it changed while the run began: {difference}");
            return Err(failed(ConnectorError::new(ErrorKind::Transient, operation, detail).remedy("run again")));
        }
        let (pace, outcome) = (places.pace(&spec.connector), SourceOutcome::default());
        sources.push(OpenSource { node, spec, source, schema, plan, pace, outcome });
    }
    Ok(sources)
}

/// The streams of all sources, whole, and what is known of each when it has been read.
pub(super) async fn whole(
    traffic: &Traffic<'_>,
    request: &RunRequest,
    sources: Vec<OpenSource<'_>>,
    lane: &RejectLane,
) -> Result<(SourceStreams, BTreeMap<String, SourceOutcome>), RunError> {
    let mut streams = SourceStreams::new();
    let mut outcomes = BTreeMap::new();
    for open in sources {
        let tracker = open.tracker()?;
        let name = open.node.name.clone();
        let failed = |error| RunError::Connector { node: Some(name.as_str().into()), error };
        let size = open.size();
        let span = reading(&name);
        let begins = async {
            let events = request.cancel.run_until_cancelled(open.source.read()).await;
            events.ok_or(RunError::Interrupted)?.map_err(failed)
        };
        let events = traced::within(span.clone(), begins).await?;
        let events = traced::events(span, &name, events);
        let Some(own) = traffic.counters.get(&name) else { continue };
        outcomes.insert(name.clone(), open.outcome.clone());
        let stream =
            source_stream(open.schema, events, Arc::clone(own), lane.clone(), tracker, open.pace, open.outcome);
        streams.insert(name, SourceRows { stream, size });
    }
    Ok((streams, outcomes))
}

/// The streams of all sources, in which only the given split of one source has rows, and what is known when it was read.
pub(super) async fn of_split(
    traffic: &Traffic<'_>,
    sources: &mut [OpenSource<'_>],
    only: Option<(&str, &Split)>,
    lane: &RejectLane,
) -> Result<(SourceStreams, SourceOutcome), RunError> {
    let mut streams = SourceStreams::new();
    let known = SourceOutcome::default();
    for open in sources {
        let (events, outcome) = match only {
            Some((node, split)) if node == open.node.name => {
                let span = reading(node);
                let begins = async {
                    let events = traffic.cancel.run_until_cancelled(open.source.read_split(split)).await;
                    events.ok_or(RunError::Interrupted)?.map_err(|error| open.failed(error))
                };
                let events = traced::within(span.clone(), begins).await?;
                (traced::events(span, node, events), known.clone())
            }
            _ => (nothing(), SourceOutcome::default()),
        };
        let Some(own) = traffic.counters.get(&open.node.name) else { continue };
        let schema = Arc::clone(&open.schema);
        let stream = source_stream(schema, events, Arc::clone(own), lane.clone(), None, open.pace.clone(), outcome);
        streams.insert(open.node.name.clone(), SourceRows { stream, size: open.size() });
    }
    Ok((streams, known))
}

fn reading(node: &str) -> Span {
    info_span!(
        target: TRACE, "read source", aggregator.source = node,
        aggregator.rows.read = Empty, aggregator.bytes.read = Empty, "error.type" = Empty
    )
}

fn nothing() -> EventStream {
    futures::stream::iter([Ok(SourceEvent::End(SourceEnd::default()))]).boxed()
}

/// The fields of these names.
fn narrowed(schema: &Schema, columns: &[String]) -> SchemaRef {
    let fields = columns.iter().filter_map(|name| schema.field_with_name(name).ok().cloned());
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The first column that a stream gives otherwise than it was compiled.
fn difference(compiled: &Schema, live: &Schema) -> Option<String> {
    let columns = |schema: &Schema| -> Vec<String> {
        schema.fields().iter().map(|field| format!("{} {}", field.name(), types::name(field.data_type()))).collect()
    };
    let (compiled, live) = (columns(compiled), columns(live));
    let index = (0..compiled.len().max(live.len())).find(|&index| compiled.get(index) != live.get(index))?;
    let said = |columns: &[String]| columns.get(index).cloned().unwrap_or_else(|| "no column".into());
    Some(format!("column {} was `{}` and is `{}`", index + 1, said(&compiled), said(&live)))
}

/// What is read of one source.
struct ReadPlan {
    incremental: bool,
    window: Option<CursorWindow>,
    from: Option<Position>,
    to: Option<Position>,
}

impl ReadPlan {
    fn new(
        node: &Node,
        source: &SourceNode,
        request: &RunRequest,
        begun: &Begun,
        to: &Positions,
    ) -> Result<Self, ConnectorError> {
        let incremental = source.sync == SyncMode::Incremental;
        if !incremental {
            return Ok(Self { incremental, window: None, from: None, to: None });
        }
        if let Some(backfill) = &request.backfill {
            let window = Some(backfill::window(source, &node.schema, backfill)?);
            return Ok(Self { incremental, window, from: None, to: None });
        }
        let name = node.name.as_str();
        // A full run of an incremental source reads everything and remembers where it ended.
        let from = if request.mode == RunMode::Full { None } else { begun.positions.get(name).cloned() };
        let to = to.get(name).cloned();
        let window = match &source.cursor {
            Some(column) => Some(cursor::window(name, column, source.lag, from.as_ref(), to.as_ref())?),
            None => None,
        };
        Ok(Self { incremental, window, from, to })
    }
}
