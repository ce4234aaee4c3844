//! A run of one Pipeline: of its streams, one by one, or of all that its source stands for, several at a time.
//!
//! Each of many streams is a run of its own: its own attempt, ledger, positions and outcome. What they share is the
//! Connectors, the memory, and the report.

use std::sync::Arc;
use std::time::Instant;

use aggregator_compiler::catalogue::Stream;
use aggregator_compiler::manifest::{Located, Manifests};
use aggregator_compiler::plural::counted;
use aggregator_compiler::streams::{collision, of_stream, select, selecting};
use aggregator_crds::Pipeline;
use aggregator_crds::pipeline::StreamFailurePolicy;
use futures::StreamExt;
use futures::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::error::RunError;
use super::execute::{Shared, one, unbegun};
use super::places::Places;
use super::report::{Outcome, RunReport, ShardReport, ShardState, StreamReport};
use super::session::machine;
use super::traced::TRACE;
use super::{RunMode, RunRequest, Subject};
use crate::checkpoint::CheckpointStore;
use crate::connector::{Buffers, ConnectorError, ErrorKind};

/// The most streams that are moved at a time.
const AT_A_TIME: usize = 4;

/// Runs a Pipeline once. The report says how it ended, whatever happened.
pub async fn run(request: RunRequest, store: &dyn CheckpointStore) -> RunReport {
    let located = request.manifests.pipeline(&request.namespace, &request.pipeline);
    let places = Places::new(Arc::clone(&request.manifests), &request.namespace, request.secrets.clone());
    let holders = located.map_or(1, |located| holders(&places, located));
    let places = places.with_buffers(Buffers::beside(request.resources.memory).among(holders));
    let machine = match machine(&request.resources) {
        Ok(machine) => machine,
        Err(error) => {
            let mut report = unbegun(&request);
            report.fail(&RunError::from_stream("the session", &error));
            return report;
        }
    };
    let late = CancellationToken::new();
    let watch = request.timeout.map(|timeout| {
        let (late, cancel) = (late.clone(), request.cancel.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            // Who was asked to stop before has not timed out.
            if !cancel.is_cancelled() {
                late.cancel();
                cancel.cancel();
            }
        }))
    });
    let shared = Shared { request: &request, places: &places, machine, store, late };
    if request.mode != RunMode::DryRun && located.is_some_and(|located| located.object.spec.draft) {
        let mut report = unbegun(&request);
        report.fail(&RunError::Draft(request.pipeline.clone()));
        return report;
    }
    let mut report = match located.filter(|located| selecting(&located.object.spec).is_some()) {
        Some(located) => all(&shared, located).await,
        None => one(&shared, &request.manifests, None).await,
    };
    // Commits take their part, and so does what ends before any row has moved.
    report.cost.measure();
    drop(watch);
    report
}

/// Runs all streams that the Pipeline's source stands for.
async fn all(shared: &Shared<'_>, pipeline: &Located<Pipeline>) -> RunReport {
    let started = Instant::now();
    let request = shared.request;
    let mut report = unbegun(request);
    let found = request.cancel.run_until_cancelled(find(shared.places, &request.manifests, pipeline, request)).await;
    match found.unwrap_or(Err(RunError::Interrupted)) {
        Ok(mut streams) => {
            if let Some(shard) = shared.store.shard() {
                streams.retain(|stream| shard.takes(number(&stream.name)));
                report.shard = Some(ShardReport::new(shard, ShardState::Streams));
            }
            let ended = each(shared, pipeline, &streams).await;
            report.add_streams(ended);
        }
        Err(error) => report.fail(&shared.why(error)),
    }
    report.seconds = started.elapsed().as_secs_f64();
    report
}

/// The place of a stream among shards: by its name alone, so that they agree even if they list the streams at different times.
fn number(stream: &str) -> u64 {
    let digest = Sha256::digest(stream);
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

async fn find(
    places: &Places,
    manifests: &Manifests,
    pipeline: &Located<Pipeline>,
    request: &RunRequest,
) -> Result<Vec<Stream>, RunError> {
    let subject =
        Subject { manifests, namespace: &request.namespace, name: &request.pipeline, params: &request.params };
    subject.check()?;
    selected(places, manifests, pipeline).await
}

/// The streams that a Pipeline's source stands for now.
///
/// # Errors
/// When the Connector cannot be reached, nothing is selected, or two streams would be written to the same place.
pub(super) async fn selected(
    places: &Places,
    manifests: &Manifests,
    pipeline: &Located<Pipeline>,
) -> Result<Vec<Stream>, RunError> {
    let Some((source, selection)) = selecting(&pipeline.object.spec) else { return Ok(Vec::new()) };
    let failed = |error| RunError::Connector { node: Some(source.name.as_str().into()), error };
    let catalogue = places.discover(&source.connector).await.map_err(failed)?;
    let streams = select(selection, &catalogue.streams);
    let operation = format!("find the streams of source `{}`", source.name);
    if catalogue.truncated {
        let detail = format!(
            "`{}` has more streams than the {} that discovery lists",
            source.connector,
            catalogue.streams.len()
        );
        return Err(failed(ConnectorError::new(ErrorKind::Limit, operation, detail).remedy(
            "narrow the Connector's root to fewer folders, or give each of several Connectors a part of them",
        )));
    }
    if streams.is_empty() {
        let detail =
            format!("of the {} of `{}` none is selected", counted(catalogue.streams.len(), "stream"), source.connector);
        return Err(failed(ConnectorError::new(ErrorKind::NotFound, operation, detail).remedy(
            "compare `streams.include` and `streams.exclude` with what `aggregator connectors discover` names",
        )));
    }
    if let Some((sink, place, one, two)) = collision(manifests, pipeline, &streams) {
        let detail = format!("the sink `{sink}` would write both `{one}` and `{two}` to `{place}`");
        return Err(failed(
            ConnectorError::new(ErrorKind::Config, operation, detail)
                .remedy("exclude one of them, or give it a Pipeline of its own"),
        ));
    }
    Ok(streams.into_iter().cloned().collect())
}

/// Runs each stream; the reports come in the order of the streams.
async fn each(shared: &Shared<'_>, pipeline: &Located<Pipeline>, streams: &[Stream]) -> Vec<(String, RunReport)> {
    let policy =
        pipeline.object.spec.execution.as_ref().map(|execution| execution.on_stream_failure).unwrap_or_default();
    let at_a_time = at_a_time(shared.places, pipeline);
    // Boxed, so that the compiler need not prove for all lifetimes what holds for this one.
    let running: Vec<BoxFuture<'_, (usize, RunReport)>> = streams
        .iter()
        .enumerate()
        .map(|(number, stream)| Box::pin(numbered(number, shared, pipeline, stream, policy)) as BoxFuture<'_, _>)
        .collect();
    let mut ended: Vec<(usize, RunReport)> = futures::stream::iter(running).buffer_unordered(at_a_time).collect().await;
    ended.sort_by_key(|(number, _)| *number);
    ended.into_iter().map(|(number, report)| (streams[number].name.clone(), report)).collect()
}

async fn numbered(
    number: usize,
    shared: &Shared<'_>,
    pipeline: &Located<Pipeline>,
    stream: &Stream,
    policy: StreamFailurePolicy,
) -> (usize, RunReport) {
    if shared.request.wind_down.is_cancelled() {
        let mut report = unbegun(shared.request);
        report.fail(&RunError::Interrupted);
        return (number, report);
    }
    let manifests = of_stream(&shared.request.manifests, pipeline, stream);
    let span = info_span!(
        target: TRACE, "stream", aggregator.stream = stream.name, aggregator.outcome = Empty,
        aggregator.rows.read = Empty, aggregator.rows.written = Empty, aggregator.rows.rejected = Empty,
        aggregator.bytes.read = Empty, aggregator.bytes.written = Empty, "error.type" = Empty
    );
    let report = one(shared, &manifests, Some(&stream.name)).instrument(span.clone()).await;
    report.record(&span);
    if report.outcome != Outcome::Succeeded && policy == StreamFailurePolicy::Stop {
        shared.request.cancel.cancel();
    }
    (number, report)
}

/// How many read, or write, at a time: each has buffers of its own.
fn holders(places: &Places, pipeline: &Located<Pipeline>) -> usize {
    let spec = &pipeline.object.spec;
    let streams = if selecting(spec).is_some() { at_a_time(places, pipeline) } else { 1 };
    streams * spec.sources.len().max(spec.sinks.len())
}

/// How many streams at a time: each holds a connection for its source, one for each sink, one for the rejects.
fn at_a_time(places: &Places, pipeline: &Located<Pipeline>) -> usize {
    let spec = &pipeline.object.spec;
    let used = spec.sources.iter().map(|source| &source.connector);
    let used: Vec<&String> = used
        .chain(spec.sinks.iter().map(|sink| &sink.connector))
        .chain(spec.rejects.iter().map(|rejects| &rejects.connector))
        .collect();
    let allowed = used.iter().filter_map(|name| {
        let each = used.iter().filter(|other| ***other == **name).count();
        Some(places.connections(name)? as usize / each)
    });
    allowed.min().unwrap_or(AT_A_TIME).clamp(1, AT_A_TIME)
}

impl RunReport {
    /// Takes the reports of many streams together: sums of their figures, and how each ended.
    fn add_streams(&mut self, ended: Vec<(String, RunReport)>) {
        let all = ended.len();
        let mut failed = Vec::new();
        self.ledger.balanced = true;
        for (stream, report) in ended {
            self.sum(&report);
            if let Some(error) = &report.error {
                failed.push((report.outcome, stream.clone(), error.clone()));
            }
            self.streams.push(StreamReport::of(stream, report));
        }
        // A stream that failed may have stopped the others: it is the cause, wherever it stands.
        let cause = failed.iter().find(|(outcome, _, _)| *outcome == Outcome::Failed).or(failed.first());
        if let Some((outcome, first, error)) = cause {
            self.outcome = *outcome;
            let mut error = error.clone();
            error.message =
                format!("{} of {} did not succeed; `{first}`: {}", failed.len(), counted(all, "stream"), error.message);
            self.error = Some(error);
        }
    }
}
