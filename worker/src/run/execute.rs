//! The course of one run, from its sinks' fences to its checkpoint.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregator_compiler::graph::{CompiledPipeline, NodeKind, QualityCheck, SourceNode};
use aggregator_compiler::types;
use aggregator_crds::pipeline::{Severity, SyncMode};
use arrow::datatypes::Schema;
use datafusion::execution::context::SessionState;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::error::RunError;
use super::graph::{Graph, SourceStreams, ancestors, counters};
use super::places::Places;
use super::quality::Verdict;
use super::rejected::{collect, within_percent};
use super::report::{Cost, LedgerReport, NodeReport, Outcome, QualityReport, RejectsReport, ReportedError, RunReport};
use super::session::session;
use super::sinks::{self, NamedSink, Records};
use super::{Live, RunMode, RunRequest, compile_live};
use crate::checkpoint::{Begun, CheckpointStore, Positions, RunKind, Unfinished};
use crate::connector::{Attempt, ConnectorError, ErrorKind, SourceRequest};
use crate::cursor::{self, CursorTracker, Known};
use crate::engine::{NodeCounters, SourceOutcome, source_stream};
use crate::ledger::{EntryKind, Ledger};
use crate::rejects::{self, RejectLane};

/// Runs a Pipeline once. The report says how it ended, whatever happened.
pub async fn run(request: RunRequest, store: &dyn CheckpointStore) -> RunReport {
    let started = Instant::now();
    let mut report = RunReport {
        pipeline: format!("{}/{}", request.namespace, request.pipeline),
        run: String::new(),
        attempt: 0,
        resumed: false,
        completed_earlier_attempt: false,
        committed_earlier: Vec::new(),
        mode: request.mode,
        outcome: Outcome::Succeeded,
        error: None,
        started: jiff::Timestamp::now(),
        seconds: 0.0,
        nodes: Vec::new(),
        edges: Vec::new(),
        ledger: LedgerReport::default(),
        quality: Vec::new(),
        rejects: RejectsReport::default(),
        cost: Cost::default(),
        warnings: Vec::new(),
    };
    let mut ended = attempt(&request, store, &mut report).await;
    if ended.is_ok() && report.completed_earlier_attempt {
        // That was the last run's affair; this one was asked for what is there now.
        report.committed_earlier.clear();
        ended = attempt(&request, store, &mut report).await;
    }
    if let Err(error) = ended {
        report.outcome = if matches!(error, RunError::Interrupted) { Outcome::Interrupted } else { Outcome::Failed };
        report.error = Some(ReportedError::from(&error));
        tracing::debug!(pipeline = report.pipeline, error = ?error, "the run did not succeed");
    }
    report.seconds = started.elapsed().as_secs_f64();
    report
}

async fn attempt(request: &RunRequest, store: &dyn CheckpointStore, report: &mut RunReport) -> Result<(), RunError> {
    let opening =
        compile_live(&request.manifests, &request.namespace, &request.pipeline, &request.params, &request.secrets);
    let opened = request.cancel.run_until_cancelled(opening).await;
    let Live { pipeline, warnings, mut places } = opened.unwrap_or(Err(RunError::Interrupted))?;
    report.warnings = warnings;
    let state = session(&request.resources).map_err(|error| RunError::from_stream("the session", &error))?;
    if request.mode == RunMode::DryRun {
        let positions = store.positions(&pipeline.id()).await?;
        let begun =
            Begun { attempt: Attempt { run: "dry-run".into(), epoch: 0 }, resumed: false, positions, committed: None };
        let sinks = sinks::discarding(&pipeline);
        let mut course = Course { request, pipeline: &pipeline, places: &mut places, state: &state, report };
        let (sinks, _) = course.move_rows(&begun, sinks, &Positions::new()).await?;
        give_up(sinks).await;
        return Ok(());
    }

    let opening = async {
        let mut sinks = sinks::open(&pipeline, &mut places, pipeline.rejects.is_some()).await?;
        let epoch = Records::read(&mut sinks).await?.epoch();
        Ok((sinks, epoch))
    };
    let (sinks, epoch) = request.cancel.run_until_cancelled(opening).await.unwrap_or(Err(RunError::Interrupted))?;
    let kind = if request.mode == RunMode::Full { RunKind::Full } else { RunKind::Incremental };
    let mut begun = store.begin(&pipeline.id(), kind, &fingerprint(request), epoch).await?;
    report.run.clone_from(&begun.attempt.run);
    report.attempt = begun.attempt.epoch;
    report.resumed = begun.resumed;
    let ended = {
        let mut course = Course { request, pipeline: &pipeline, places: &mut places, state: &state, report };
        course.fence_move_commit(&mut begun, sinks).await
    };
    match ended {
        Ok(positions) => Ok(store.succeed(&pipeline.id(), &begun.attempt, &positions).await?),
        Err(error) => {
            let how = if matches!(error, RunError::Interrupted) { Unfinished::Interrupted } else { Unfinished::Failed };
            if let Err(unstored) = store.end(&pipeline.id(), &begun.attempt, how).await {
                tracing::warn!(error = %unstored, "could not note how the attempt ended");
            }
            Err(error)
        }
    }
}

/// A text that changes when what the run would do changes: a hash of all objects it may name, and its parameters.
fn fingerprint(request: &RunRequest) -> String {
    let manifests = &request.manifests;
    let here = |namespace: &str| namespace == request.namespace;
    let pipeline = manifests.pipeline(&request.namespace, &request.pipeline).map(|located| &located.object.spec);
    let connectors: BTreeMap<&str, _> = manifests
        .connectors()
        .filter(|located| here(&located.namespace))
        .map(|located| (located.name.as_str(), &located.object.spec.connector_type))
        .collect();
    let transformations: BTreeMap<&str, _> = manifests
        .transformations()
        .filter(|located| here(&located.namespace))
        .map(|located| (located.name.as_str(), &located.object.spec.step))
        .collect();
    let all = serde_json::json!([pipeline, connectors, transformations, request.params]);
    Sha256::digest(all.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One attempt on its way.
struct Course<'a> {
    request: &'a RunRequest,
    pipeline: &'a CompiledPipeline,
    places: &'a mut Places,
    state: &'a SessionState,
    report: &'a mut RunReport,
}

impl Course<'_> {
    async fn fence_move_commit(&mut self, begun: &mut Begun, mut sinks: Vec<NamedSink>) -> Result<Positions, RunError> {
        for named in &mut sinks {
            let fenced = self.request.cancel.run_until_cancelled(named.sink.fence(&begun.attempt)).await;
            fenced.ok_or(RunError::Interrupted)?.map_err(|error| named.failed(error))?;
        }
        // Read once nobody else can commit any more: a commit that was on its way has arrived or is refused.
        let records = Records::read(&mut sinks).await?;
        begun.positions = if self.request.mode == RunMode::Full { Positions::new() } else { records.start(begun)? };
        let committed = records.committed_by(&begun.attempt.run).cloned();
        if committed.is_some() {
            // An earlier attempt of this run died between its sinks' commits: those that have it are done.
            for named in &sinks {
                if records.0.get(&named.node).is_some_and(|record| record.run.as_deref() == Some(&begun.attempt.run)) {
                    self.report.committed_earlier.push(named.node.clone());
                }
            }
            sinks.retain(|named| {
                records.0.get(&named.node).is_none_or(|record| record.run.as_deref() != Some(&begun.attempt.run))
            });
        }
        let to = committed.unwrap_or_default();
        if sinks.is_empty() {
            self.report.ledger.balanced = true;
            self.report.completed_earlier_attempt = true;
            return Ok(merged(begun.positions.clone(), to));
        }
        let (mut sinks, positions) = self.move_rows(begun, sinks, &to).await?;
        // What another sink has committed in this run stands, whatever was read again for the others.
        let positions = merged(merged(begun.positions.clone(), positions), to);
        // Rejects first: a run that is completed later can find them, but not make them again for a sink that is done.
        sinks.sort_by_key(|named| named.node != rejects::NODE);
        for index in 0..sinks.len() {
            let named = &mut sinks[index];
            if let Err(error) = named.sink.commit(&positions).await {
                let error = named.failed(error);
                give_up(sinks.split_off(index)).await;
                return Err(error);
            }
        }
        Ok(positions)
    }

    /// Reads all sources into the sinks and checks what came out. Gives the staged sinks back, and where the sources ended.
    async fn move_rows(
        &mut self,
        begun: &Begun,
        sinks: Vec<NamedSink>,
        to: &Positions,
    ) -> Result<(Vec<NamedSink>, Positions), RunError> {
        let pipeline = self.pipeline;
        let ends: Vec<&str> = sinks
            .iter()
            .map(|named| named.node.as_str())
            .chain(pipeline.quality.iter().map(|check| check.node.as_str()))
            .collect();
        let wanted = ancestors(pipeline, ends.iter().copied().filter(|name| *name != rejects::NODE));
        let counters = counters(pipeline, &wanted);
        let cancel = self.request.cancel.child_token();
        let (lane, received) = match pipeline.rejects {
            Some(_) => {
                let (lane, received) = RejectLane::open();
                (lane, Some(received))
            }
            None => (RejectLane::Strict, None),
        };
        let (streams, outcomes) = self.open_sources(begun, to, &wanted, &counters, &lane).await?;
        let (graph, mut ends) = Graph::build(pipeline, &wanted, &counters, streams, None, &lane, self.state).await?;
        let rejects_counters = NodeCounters::new(rejects::NODE, EntryKind::Rejects);
        let mut shown = graph.counters.clone();
        if received.is_some() {
            shown.push(Arc::clone(&rejects_counters));
        }
        self.request.progress.show(shown);

        let (rejects_sink, data_sinks): (Vec<_>, Vec<_>) =
            sinks.into_iter().partition(|named| named.node == rejects::NODE);
        let closed = CancellationToken::new();
        // A run that completes an earlier attempt may find its rejects committed already: then nobody keeps them twice.
        let rejects_sink = rejects_sink.into_iter().next().or_else(|| {
            let discard = sinks::discarding(pipeline).into_iter().find(|named| named.node == rejects::NODE);
            discard.filter(|_| received.is_some())
        });
        let collector = match (rejects_sink, received) {
            (Some(sink), Some(received)) => {
                let budget = pipeline.rejects.as_ref().and_then(|target| target.budget.clone());
                let collecting = collect(
                    sink,
                    received,
                    Arc::clone(&rejects_counters),
                    budget,
                    begun.attempt.run.clone(),
                    closed.clone(),
                    cancel.clone(),
                );
                Some(tokio::spawn(collecting))
            }
            _ => None,
        };
        let mut driving = JoinSet::new();
        for named in data_sinks {
            let (Some(reader), Some(own)) = (ends.sinks.remove(&named.node), counters.get(&named.node)) else {
                continue;
            };
            driving.spawn(sinks::drive(named, reader, Arc::clone(own), cancel.clone()));
        }
        let quality = judge(&pipeline.quality, std::mem::take(&mut ends.quality), cancel.clone());
        let (mut staged, mut failure) = (Vec::new(), None);
        let (verdicts, ()) = tokio::join!(quality, async {
            while let Some(driven) = driving.join_next().await {
                match driven {
                    Ok((named, result)) => {
                        let result = match result {
                            Ok(done) => match counters.get(&named.node) {
                                Some(own) => lane.send(own, done.rejects).await.map_err(|error| named.failed(error)),
                                None => Ok(()),
                            },
                            Err(error) => Err(error),
                        };
                        keep_cause(&mut failure, result.err());
                        staged.push(named);
                    }
                    Err(panic) => {
                        cancel.cancel();
                        keep_cause(&mut failure, Some(panicked(&panic)));
                    }
                }
            }
        });
        let verdicts = match verdicts {
            Ok(verdicts) => verdicts,
            Err(error) => {
                cancel.cancel();
                keep_cause(&mut failure, Some(error));
                BTreeMap::new()
            }
        };
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
                    self.report.rejects = collected.report;
                    keep_cause(&mut failure, collected.result.err());
                    staged.push(collected.sink);
                }
                Err(panic) => keep_cause(&mut failure, Some(panicked(&panic))),
            }
        }
        let mut ledger = graph.ledger();
        if pipeline.rejects.is_some() {
            ledger.nodes.push(rejects_counters.entry());
        }
        drop(graph);
        self.note(&ledger, &counters, &rejects_counters, &outcomes, &verdicts);
        let verdict = match failure {
            Some(error) => Err(error),
            None => self.verdict(&ledger, &verdicts),
        };
        if let Err(error) = verdict {
            give_up(staged).await;
            return Err(error);
        }
        let positions =
            outcomes.iter().filter_map(|(node, outcome)| Some((node.clone(), outcome.position()?))).collect();
        Ok((staged, positions))
    }

    async fn open_sources(
        &mut self,
        begun: &Begun,
        to: &Positions,
        wanted: &std::collections::BTreeSet<&str>,
        counters: &BTreeMap<String, Arc<NodeCounters>>,
        lane: &RejectLane,
    ) -> Result<(SourceStreams, BTreeMap<String, SourceOutcome>), RunError> {
        let mut streams = SourceStreams::new();
        let mut outcomes = BTreeMap::new();
        for node in self.pipeline.nodes.iter().filter(|node| wanted.contains(node.name.as_str())) {
            let (NodeKind::Source(source), Some(own)) = (&node.kind, counters.get(&node.name)) else { continue };
            let failed = |error| RunError::Connector { node: Some(node.name.clone()), error };
            let plan = ReadPlan::new(&node.name, source, self.request.mode, begun, to).map_err(failed)?;
            let connector = self.places.connector(&source.connector).map_err(failed)?;
            // A cursor's position is the engine's: the connector only hears of the window.
            let by_position = plan.window.is_none();
            let reading = async {
                let reader = connector
                    .source(SourceRequest {
                        stream: source.stream.clone(),
                        columns: None,
                        window: plan.window.clone(),
                        incremental: plan.incremental && by_position,
                        from: plan.from.clone().filter(|_| by_position),
                        to: plan.to.clone().filter(|_| by_position),
                        rejects: matches!(lane, RejectLane::Open(_)),
                        batch_rows: self.request.resources.batch_rows,
                    })
                    .await?;
                let schema = reader.schema();
                Ok((schema, reader.read().await?))
            };
            let opened = self.request.cancel.run_until_cancelled(reading).await;
            let (schema, events) = opened.ok_or(RunError::Interrupted)?.map_err(failed)?;
            if let Some(difference) = difference(&node.schema, &schema) {
                let operation = format!("read stream `{}`", source.stream);
                return Err(failed(
                    ConnectorError::new(
                        ErrorKind::Transient,
                        operation,
                        format!("it changed while the run began: {difference}"),
                    )
                    .remedy("run again"),
                ));
            }
            let tracker = match &plan.window {
                Some(window) => {
                    let now = jiff::Timestamp::now();
                    let known = Known { from: plan.from, to: plan.to };
                    Some(CursorTracker::new(&node.name, &schema, window, &source.key, known, now).map_err(failed)?)
                }
                None => None,
            };
            let outcome = SourceOutcome::default();
            outcomes.insert(node.name.clone(), outcome.clone());
            let stream = source_stream(
                schema,
                events,
                Arc::clone(own),
                lane.clone(),
                tracker,
                self.places.pace(&source.connector),
                outcome,
            );
            streams.insert(node.name.clone(), stream);
        }
        Ok((streams, outcomes))
    }

    /// Writes what is known so far into the report.
    fn note(
        &mut self,
        ledger: &Ledger,
        counters: &BTreeMap<String, Arc<NodeCounters>>,
        rejects_counters: &Arc<NodeCounters>,
        outcomes: &BTreeMap<String, SourceOutcome>,
        verdicts: &BTreeMap<String, Verdict>,
    ) {
        let report = &mut *self.report;
        report.nodes = ledger
            .nodes
            .iter()
            .map(|entry| {
                let own =
                    if entry.kind == EntryKind::Rejects { Some(rejects_counters) } else { counters.get(&entry.name) };
                let note = outcomes.get(&entry.name).and_then(SourceOutcome::note);
                NodeReport::new(entry.clone(), own.map(AsRef::as_ref), note)
            })
            .collect();
        report.edges.clone_from(&ledger.edges);
        report.ledger = LedgerReport::of(ledger);
        report.cost = Cost::of_this_process(ledger);
        report.quality = self
            .pipeline
            .quality
            .iter()
            .map(|check| QualityReport {
                name: check.name.clone(),
                node: check.node.clone(),
                expression: check.expression.clone(),
                severity: check.severity,
                passed: verdicts.get(&check.name).map(|verdict| verdict.passed),
                values: verdicts.get(&check.name).map_or_else(Vec::new, |verdict| verdict.values.clone()),
            })
            .collect();
    }

    /// Whether what was moved may be committed.
    fn verdict(&self, ledger: &Ledger, verdicts: &BTreeMap<String, Verdict>) -> Result<(), RunError> {
        let imbalances = ledger.imbalances();
        if !imbalances.is_empty() {
            return Err(RunError::LedgerMismatch(imbalances));
        }
        let budget = self.pipeline.rejects.as_ref().and_then(|target| target.budget.as_ref());
        within_percent(budget, ledger.rejected(), ledger.read())?;
        let broken: Vec<String> = self
            .pipeline
            .quality
            .iter()
            .filter(|check| check.severity == Severity::Error)
            .filter_map(|check| verdicts.get(&check.name).filter(|found| !found.passed).map(|found| found.words(check)))
            .collect();
        if broken.is_empty() { Ok(()) } else { Err(RunError::Quality(broken)) }
    }
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
    window: Option<crate::connector::CursorWindow>,
    from: Option<crate::connector::Position>,
    to: Option<crate::connector::Position>,
}

impl ReadPlan {
    fn new(
        name: &str,
        source: &SourceNode,
        mode: RunMode,
        begun: &Begun,
        to: &Positions,
    ) -> Result<Self, crate::connector::ConnectorError> {
        let incremental = source.sync == SyncMode::Incremental;
        if !incremental {
            return Ok(Self { incremental, window: None, from: None, to: None });
        }
        // A full run of an incremental source reads everything and remembers where it ended.
        let from = if mode == RunMode::Full { None } else { begun.positions.get(name).cloned() };
        let to = to.get(name).cloned();
        let window = match &source.cursor {
            Some(column) => Some(cursor::window(name, column, source.lag, from.as_ref(), to.as_ref())?),
            None => None,
        };
        Ok(Self { incremental, window, from, to })
    }
}

/// The verdict of each quality rule.
async fn judge(
    checks: &[QualityCheck],
    mut streams: BTreeMap<String, SendableRecordBatchStream>,
    cancel: CancellationToken,
) -> Result<BTreeMap<String, Verdict>, RunError> {
    let judged = checks.iter().filter_map(|check| {
        let mut stream = streams.remove(&check.name)?;
        Some(async move {
            let mut verdict = Verdict::default();
            let failed = |error| RunError::from_stream(&format!("quality rule {}", check.name), &error);
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(failed)?;
                if batch.num_rows() > 0 {
                    verdict = Verdict::read(check, &batch).map_err(|error| failed(error.into()))?;
                }
            }
            Ok::<_, RunError>((check.name.clone(), verdict))
        })
    });
    let all = futures::future::try_join_all(judged);
    let verdicts = cancel.run_until_cancelled(all).await.unwrap_or(Err(RunError::Interrupted));
    if verdicts.is_err() {
        cancel.cancel();
    }
    Ok(verdicts?.into_iter().collect())
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

/// How long a failed or interrupted run waits for its sinks to remove what they had staged.
const GIVING_UP: Duration = Duration::from_secs(1);

/// Removes what was staged. What cannot be removed now is invisible, and the next attempt clears it away.
async fn give_up(sinks: Vec<NamedSink>) {
    let aborting = sinks.into_iter().map(|mut named| async move {
        match tokio::time::timeout(GIVING_UP, named.sink.abort()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(sink = named.node, %error, "could not remove what was staged"),
            Err(_) => tracing::warn!(sink = named.node, "gave up waiting for what was staged to be removed"),
        }
    });
    futures::future::join_all(aborting).await;
}

/// Positions of the last run, with those of this one in place of the old.
fn merged(mut old: Positions, new: Positions) -> Positions {
    old.extend(new);
    old
}
