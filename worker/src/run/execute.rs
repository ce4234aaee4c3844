//! The course of one run, from its sinks' fences to its checkpoint.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aggregator_compiler::graph::CompiledPipeline;
use aggregator_compiler::manifest::Manifests;
use aggregator_crds::pipeline::Severity;
use datafusion::execution::context::SessionState;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::info_span;

use super::error::RunError;
use super::graph::ancestors;
use super::movement::Traffic;
use super::pieces::Pieces;
use super::places::Places;
use super::quality::Verdict;
use super::read::{self, OpenSource};
use super::rejected::within;
use super::report::{
    Cost, LedgerReport, NodeReport, Outcome, QualityReport, RejectsReport, ReportedError, RunReport, ShardReport,
    ShardState,
};
use super::session::{Machine, session};
use super::sinks::{self, NamedSink, Records};
use super::spill::Spill;
use super::traced::{self, TRACE};
use super::{Live, RunMode, RunRequest, Subject, backfill};
use crate::checkpoint::{Begun, CheckpointError, CheckpointStore, Joined, Positions, RunKind, Shard, Unfinished};
use crate::connector::{Attempt, ConnectorError, ErrorKind};
use crate::engine::SourceOutcome;
use crate::ledger::{EntryKind, Ledger};
use crate::{points, rejects};

/// What the runs of all streams of one Pipeline share.
pub(super) struct Shared<'a> {
    pub(super) request: &'a RunRequest,
    pub(super) places: &'a Places,
    /// The memory and the spill files.
    pub(super) machine: Machine,
    pub(super) store: &'a dyn CheckpointStore,
    /// Cancelled when the run has taken longer than it may; everything else is cancelled then, too.
    pub(super) late: CancellationToken,
}

impl Shared<'_> {
    /// Why the run did not succeed: what was interrupted because it was late has timed out.
    pub(super) fn why(&self, error: RunError) -> RunError {
        match (error, self.request.timeout) {
            (RunError::Interrupted, Some(timeout)) if self.late.is_cancelled() => RunError::TimedOut(timeout),
            (error, _) => error,
        }
    }
}

/// The report of a run that has not begun.
pub(super) fn unbegun(request: &RunRequest) -> RunReport {
    RunReport {
        pipeline: format!("{}/{}", request.namespace, request.pipeline),
        run: String::new(),
        attempt: 0,
        resumed: false,
        completed_earlier_attempt: false,
        committed_earlier: Vec::new(),
        splits: None,
        progressed: false,
        shard: None,
        mode: request.mode,
        backfill: request.backfill.clone(),
        outcome: Outcome::Succeeded,
        error: None,
        started: jiff::Timestamp::now(),
        seconds: 0.0,
        streams: Vec::new(),
        nodes: Vec::new(),
        edges: Vec::new(),
        ledger: LedgerReport::default(),
        quality: Vec::new(),
        rejects: RejectsReport::default(),
        cost: Cost::default(),
        warnings: Vec::new(),
    }
}

impl RunReport {
    /// Notes why a run did not succeed.
    pub(super) fn fail(&mut self, error: &RunError) {
        self.outcome = if matches!(error, RunError::Interrupted) { Outcome::Interrupted } else { Outcome::Failed };
        self.error = Some(ReportedError::from(error));
        tracing::debug!(pipeline = self.pipeline, error = ?error, "the run did not succeed");
    }
}

/// Runs a Pipeline, or one of its many streams, once. The report says how it ended, whatever happened.
pub(super) async fn one(shared: &Shared<'_>, manifests: &Manifests, stream: Option<&str>) -> RunReport {
    let started = Instant::now();
    let mut report = unbegun(shared.request);
    let mut ended = attempt(shared, manifests, stream, &mut report).await;
    let complete = shared.store.shard().is_some() || shared.request.backfill.is_some();
    if ended.is_ok() && report.completed_earlier_attempt && !complete {
        // That was the last run's affair; this one was asked for what is there now. Where processes share a run, the others
        // would not know of one more; and an interval is the same as before.
        report.committed_earlier.clear();
        ended = attempt(shared, manifests, stream, &mut report).await;
    }
    if let Err(error) = ended {
        report.fail(&shared.why(error));
    }
    report.seconds = started.elapsed().as_secs_f64();
    report
}

async fn attempt(
    shared: &Shared<'_>,
    manifests: &Manifests,
    stream: Option<&str>,
    report: &mut RunReport,
) -> Result<(), RunError> {
    let Shared { request, places, store, .. } = *shared;
    let subject =
        Subject { manifests, namespace: &request.namespace, name: &request.pipeline, params: &request.params };
    let span = info_span!(target: TRACE, "compile", "error.type" = Empty);
    let compiling = traced::within(span, subject.live(places));
    let opened = request.cancel.run_until_cancelled(compiling).await;
    let Live { mut pipeline, warnings } = opened.unwrap_or(Err(RunError::Interrupted))?;
    pipeline.stream = stream.map(str::to_owned);
    if let Some(interval) = &request.backfill {
        backfill::check(&pipeline, interval)?;
    }
    report.warnings = warnings;
    let state = session(&request.resources, places.buffers(), &shared.machine);
    let spill = &*shared.machine.spill;
    if request.mode == RunMode::DryRun {
        let positions = store.positions(&pipeline.id()).await?;
        let begun =
            Begun { attempt: Attempt { run: "dry-run".into(), epoch: 0 }, resumed: false, positions, committed: None };
        let sinks = sinks::discarding(&pipeline);
        let mut course = Course { request, pipeline: &pipeline, places, state: &state, spill, report };
        let (sinks, _) = course.move_rows(&begun, sinks, &Positions::new()).await?;
        give_up(sinks).await;
        return Ok(());
    }

    let kind = if request.mode == RunMode::Full { RunKind::Full } else { RunKind::Incremental };
    let plan = fingerprint(request, manifests);
    let course = Course { request, pipeline: &pipeline, places, state: &state, spill, report };
    // Of many streams, each is one shard's alone.
    if let Some(shard) = store.shard().filter(|_| stream.is_none()) {
        return share(course, store, shard, kind, &plan).await;
    }
    let (sinks, epoch) = course.open().await?;
    let begun = store.begin(&pipeline.id(), kind, &plan, epoch).await?;
    complete(course, store, begun, sinks).await
}

/// An attempt that ends the run: from the fences to the checkpoint.
async fn complete(
    mut course: Course<'_>,
    store: &dyn CheckpointStore,
    mut begun: Begun,
    sinks: Vec<NamedSink>,
) -> Result<(), RunError> {
    course.begins(&begun);
    let pipeline = course.pipeline.id();
    let positions = course.fence_move_commit(store, &mut begun, sinks).await;
    let positions = course.unless_overtaken(&begun, positions).await;
    let positions = ended(store, &pipeline, &begun, positions).await?;
    let has_committed = !course.report.completed_earlier_attempt;
    let noting = async {
        match store.succeed(&pipeline, &begun.attempt, &positions).await {
            // What is in the sinks stays there: whoever has overtaken this attempt since then finds it, and notes it.
            Err(CheckpointError::Superseded { .. }) if has_committed => Ok(()),
            noted => noted.map_err(RunError::from),
        }
    };
    let span = info_span!(target: TRACE, "checkpoint", "error.type" = Empty);
    traced::within(span, noting).await?;
    points::pass("recorded");
    Ok(())
}

/// What one of several processes does for the run that they share, step by step.
async fn share(
    mut course: Course<'_>,
    store: &dyn CheckpointStore,
    shard: Shard,
    kind: RunKind,
    plan: &str,
) -> Result<(), RunError> {
    let (request, pipeline) = (course.request, course.pipeline.id());
    loop {
        let (sinks, epoch) = course.open().await?;
        let joined = request.cancel.run_until_cancelled(store.join(&pipeline, kind, plan, epoch)).await;
        let joined = joined.ok_or(RunError::Interrupted)??;
        let said = |state| Some(ShardReport::new(shard, state));
        match joined {
            Joined::Divide(mut begun) => {
                course.begins(&begun);
                course.report.shard = said(ShardState::Working);
                let divided = match course.divide(&mut begun, sinks).await {
                    Ok(sharing) => store.divided(&pipeline, &begun.attempt, &sharing).await.map_err(RunError::from),
                    Err(error) => Err(error),
                };
                // Another shard may have taken this one for dead, and divides the run in its place.
                if !matches!(divided, Err(RunError::Checkpoint(CheckpointError::Superseded { .. }))) {
                    ended(store, &pipeline, &begun, divided).await?;
                }
            }
            Joined::Work(mut begun, splits) => {
                course.begins(&begun);
                course.report.shard = said(ShardState::Working);
                let worked = course.work(&mut begun, splits, shard, sinks).await;
                let worked = course.unless_overtaken(&begun, worked).await;
                ended(store, &pipeline, &begun, worked).await?;
                store.saved(&pipeline, &begun.attempt).await?;
            }
            Joined::Finish(begun) => {
                course.report.shard = said(ShardState::Completing);
                return complete(course, store, begun, sinks).await;
            }
            Joined::Idle(run, why) => {
                course.report.run = run;
                course.report.shard = said(why.into());
                if course.report.nodes.is_empty() {
                    // Of no rows, every one is accounted for.
                    course.report.ledger.told(Vec::new());
                }
                return Ok(());
            }
        }
    }
}

/// Notes an attempt that did not end well.
async fn ended<T>(
    store: &dyn CheckpointStore,
    pipeline: &str,
    begun: &Begun,
    ended: Result<T, RunError>,
) -> Result<T, RunError> {
    if let Err(error) = &ended {
        let how = if matches!(error, RunError::Interrupted) { Unfinished::Interrupted } else { Unfinished::Failed };
        if let Err(unstored) = store.end(pipeline, &begun.attempt, how).await {
            tracing::warn!(error = %unstored, "could not note how the attempt ended");
        }
    }
    ended
}

/// A text that changes when what the run would do changes: a hash of all objects it may name, and its parameters.
fn fingerprint(request: &RunRequest, manifests: &Manifests) -> String {
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
    let all = serde_json::json!([pipeline, connectors, transformations, request.params, request.backfill]);
    Sha256::digest(all.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One attempt on its way.
pub(super) struct Course<'a> {
    pub(super) request: &'a RunRequest,
    pub(super) pipeline: &'a CompiledPipeline,
    pub(super) places: &'a Places,
    pub(super) state: &'a SessionState,
    pub(super) spill: &'a Spill,
    pub(super) report: &'a mut RunReport,
}

impl<'a> Course<'a> {
    /// Opens the sinks; gives the greatest epoch that one of them has seen as well.
    async fn open(&self) -> Result<(Vec<NamedSink>, u64), RunError> {
        let opening = async {
            let mut sinks = sinks::open(self.pipeline, self.places, self.pipeline.rejects.is_some()).await?;
            let epoch = Records::read(&mut sinks).await?.epoch();
            Ok((sinks, epoch))
        };
        self.request.cancel.run_until_cancelled(opening).await.unwrap_or(Err(RunError::Interrupted))
    }

    /// What an attempt that was overtaken meets is a consequence: its staged rows are gone, or its connections. Then that
    /// is what to tell.
    async fn unless_overtaken<T>(&self, begun: &Begun, ended: Result<T, RunError>) -> Result<T, RunError> {
        let Err(RunError::Connector { error, .. }) = &ended else { return ended };
        if matches!(error.kind, ErrorKind::Fenced | ErrorKind::Interrupted | ErrorKind::Config) {
            return ended;
        }
        match tokio::time::timeout(LOOKING, self.open()).await {
            Ok(Ok((_, epoch))) if epoch > begun.attempt.epoch => {
                tracing::debug!(%error, "an attempt that was overtaken has failed");
                Err(overtaken_by(epoch))
            }
            _ => ended,
        }
    }

    /// Tells which attempt it is.
    fn begins(&mut self, begun: &Begun) {
        self.report.run.clone_from(&begun.attempt.run);
        self.report.attempt = begun.attempt.epoch;
        self.report.resumed = begun.resumed;
        self.request.progress.begins(&begun.attempt);
        points::pass("begun");
    }

    /// Takes the sinks over, and settles where the attempt starts reading. Gives what the sinks have committed, if the
    /// run has committed in some of them.
    pub(super) async fn fence(
        &mut self,
        begun: &mut Begun,
        sinks: &mut [NamedSink],
    ) -> Result<Option<Records>, RunError> {
        for named in &mut *sinks {
            let span = info_span!(target: TRACE, "fence sink", aggregator.sink = named.node, "error.type" = Empty);
            let fencing = async {
                let fenced = self.request.cancel.run_until_cancelled(named.sink.fence(&begun.attempt)).await;
                fenced.ok_or(RunError::Interrupted)?.map_err(|error| named.failed(error))
            };
            traced::within(span, fencing).await?;
        }
        points::pass("fenced");
        // Read once nobody else can commit any more: a commit that was on its way has arrived or is refused.
        let records = Records::read(sinks).await?;
        if records.epoch() > begun.attempt.epoch {
            return Err(overtaken_by(records.epoch()));
        }
        begun.positions = self.start(&records, begun)?;
        Ok(records.committed_by(&begun.attempt.run).is_some().then_some(records))
    }

    /// Where an attempt starts reading.
    pub(super) fn start(&mut self, records: &Records, begun: &Begun) -> Result<Positions, RunError> {
        if self.request.mode == RunMode::Full {
            return Ok(Positions::new());
        }
        // Where an interval begins, positions say nothing of.
        let told = records.overrule(begun).filter(|_| self.request.backfill.is_none());
        // Who divides a run, works at it and completes it begins three times.
        let told = told.filter(|told| !self.report.warnings.contains(told));
        self.report.warnings.extend(told);
        records.start(begun)
    }

    /// The nodes that rows go through on their way to the sinks.
    pub(super) fn traffic(&self, begun: &Begun, sinks: &[NamedSink]) -> Result<Traffic<'a>, RunError> {
        let pipeline = self.pipeline;
        let written = pipeline.nodes.iter().filter(|node| sinks.iter().any(|named| named.node == node.name));
        let judged = pipeline.quality.iter().map(|check| check.node.as_str());
        let wanted = ancestors(pipeline, written.map(|node| node.name.as_str()).chain(judged));
        let cancel = self.request.cancel.child_token();
        Traffic::new(pipeline, wanted, self.state, &begun.attempt.run, cancel)
    }

    /// The sources of these nodes; read up to `to`, where there is one.
    pub(super) async fn sources(
        &self,
        traffic: &Traffic<'a>,
        begun: &Begun,
        to: &Positions,
    ) -> Result<Vec<OpenSource<'a>>, RunError> {
        read::open(traffic, self.request, self.places, begun, to).await
    }

    async fn fence_move_commit(
        &mut self,
        store: &dyn CheckpointStore,
        begun: &mut Begun,
        mut sinks: Vec<NamedSink>,
    ) -> Result<Positions, RunError> {
        let mut to = Positions::new();
        if let Some(records) = self.fence(begun, &mut sinks).await? {
            // An earlier attempt of this run died between its sinks' commits: those that have it are done.
            let run = Some(begun.attempt.run.as_str());
            let done = |named: &NamedSink| records.0.get(&named.node).is_some_and(|it| it.run.as_deref() == run);
            self.report.committed_earlier.extend(sinks.iter().filter(|named| done(named)).map(|it| it.node.clone()));
            sinks.retain(|named| !done(named));
            to = records.committed_by(&begun.attempt.run).cloned().unwrap_or_default();
        }
        if sinks.is_empty() {
            self.report.ledger.balanced = true;
            self.report.completed_earlier_attempt = true;
            return Ok(merged(begun.positions.clone(), to));
        }
        let order: Vec<String> = sinks.iter().map(|named| named.node.clone()).collect();
        let (mut sinks, positions) = self.move_rows(begun, sinks, &to).await?;
        // What another sink has committed in this run stands, whatever was read again for the others.
        let positions = match self.request.backfill {
            None => merged(merged(begun.positions.clone(), positions), to),
            Some(_) => begun.positions.clone(),
        };
        if let Err(error) = store.commits(&self.pipeline.id()).await {
            give_up(sinks).await;
            return Err(error.into());
        }
        // Rejects first: a run that is completed later can find them, but not make them again for a sink that is done. The others
        // follow as the Pipeline has them, whichever was ready first.
        let place = |named: &NamedSink| order.iter().position(|node| *node == named.node);
        sinks.sort_by_key(|named| (named.node != rejects::NODE, place(named)));
        for index in 0..sinks.len() {
            let named = &mut sinks[index];
            points::pass("committing");
            let span = info_span!(target: TRACE, "commit sink", aggregator.sink = named.node, "error.type" = Empty);
            let committing = async { named.sink.commit(&positions).await.map_err(|error| named.failed(error)) };
            if let Err(error) = traced::within(span, committing).await {
                if !error.may_be_committed() {
                    store.refused(&self.pipeline.id());
                }
                give_up(sinks.split_off(index)).await;
                return Err(error);
            }
            points::pass("committed");
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
        let mut traffic = self.traffic(begun, &sinks)?;
        self.request.progress.show(self.pipeline.stream.as_deref(), traffic.shown());
        let mut sources = self.sources(&traffic, begun, to).await?;
        let completing = !self.report.committed_earlier.is_empty();
        let moved = match Pieces::of(&mut traffic, &mut sources, sinks, completing).await {
            Ok((sinks, Some(mut pieces))) => {
                let moved = pieces.run(&mut traffic, sources, sinks).await;
                self.report.saved(pieces.report());
                moved
            }
            Ok((sinks, None)) => whole(&mut traffic, self.request, sources, sinks).await,
            Err((sinks, error)) => Moved { sinks, outcomes: BTreeMap::new(), result: Err(error) },
        };
        points::pass("moved");
        self.note(&traffic, &moved.outcomes);
        // Of rows that stopped on their way, nothing is judged.
        self.report.ledger.balanced &= moved.result.is_ok();
        if let Err(error) = moved.result.and_then(|()| self.verdict(&traffic.ledger, &traffic.verdicts)) {
            give_up(moved.sinks).await;
            return Err(error);
        }
        points::pass("checked");
        let positions =
            moved.outcomes.iter().filter_map(|(node, outcome)| Some((node.clone(), outcome.position()?))).collect();
        Ok((moved.sinks, positions))
    }

    /// Writes what is known so far into the report.
    pub(super) fn note(&mut self, traffic: &Traffic<'_>, outcomes: &BTreeMap<String, SourceOutcome>) {
        let report = &mut *self.report;
        let Traffic { ledger, verdicts, .. } = traffic;
        report.rejects = traffic.rejects.clone();
        report.nodes = ledger
            .nodes
            .iter()
            .map(|entry| {
                let own = if entry.kind == EntryKind::Rejects {
                    Some(&traffic.rejects_counters)
                } else {
                    traffic.counters.get(&entry.name)
                };
                let note = outcomes.get(&entry.name).and_then(SourceOutcome::note);
                NodeReport::new(entry.clone(), own.map(AsRef::as_ref), note)
            })
            .collect();
        report.edges.clone_from(&ledger.edges);
        report.ledger = LedgerReport::of(ledger);
        report.cost = Cost::of_this_process(ledger, self.spill.written());
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
        within(budget, ledger.rejected(), ledger.read())?;
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

/// What is left when all rows were moved, or could not be.
pub(super) struct Moved {
    pub(super) sinks: Vec<NamedSink>,
    /// What the sources said at their ends.
    pub(super) outcomes: BTreeMap<String, SourceOutcome>,
    pub(super) result: Result<(), RunError>,
}

/// Moves everything in one go.
async fn whole(
    traffic: &mut Traffic<'_>,
    request: &RunRequest,
    sources: Vec<OpenSource<'_>>,
    sinks: Vec<NamedSink>,
) -> Moved {
    let lane = traffic.lane();
    match read::whole(traffic, request, sources, &lane.lane).await {
        Ok((streams, outcomes)) => {
            let (sinks, result) = traffic.go(streams, lane, sinks, true).await;
            Moved { sinks, outcomes, result }
        }
        Err(error) => Moved { sinks, outcomes: BTreeMap::new(), result: Err(error) },
    }
}

/// How long an attempt that failed looks whether it was overtaken.
const LOOKING: Duration = Duration::from_secs(2);

fn overtaken_by(epoch: u64) -> RunError {
    let detail = format!("attempt {epoch} has taken over");
    let error = ConnectorError::new(ErrorKind::Fenced, "go on with the run", detail)
        .remedy("nothing to do: the newer attempt does the work");
    RunError::Connector { node: None, error }
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
