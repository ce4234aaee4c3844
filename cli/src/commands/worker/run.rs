//! `aggregator worker run`: one attempt at a PipelineRun.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregator_worker::checkpoint::Shard;
use aggregator_worker::cluster::{Asked, ClusterStore, Reporter, RunName, outcome};
use aggregator_worker::ledger::EntryKind;
use aggregator_worker::run::{Progress, Resources, RunMode, RunRequest, TRACE, run as run_pipeline};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::super::run::cancel_on_signals;
use super::{client, owner};
use crate::args::{Mode, WorkerRunArgs};
use crate::failure::Failure;
use crate::telemetry::Telemetry;
use crate::{manifests, output, report as words};

/// The time between two lines that say how far a run is.
const EVERY: Duration = Duration::from_secs(10);
/// The most nodes of such a line.
const NODES: usize = 10;

/// One attempt at a run: what it needs is mounted, what it says goes into objects of the cluster.
pub(super) async fn run(args: WorkerRunArgs, telemetry: &Telemetry) -> Result<u8, Failure> {
    telemetry.say("run", &args.run);
    telemetry.say("run_uid", &args.run_uid);
    telemetry.of_run(&args.run_uid, Some(args.attempt));
    let manifests = Arc::new(manifests::load(&args.selection.files)?);
    let (namespace, pipeline) = manifests::select(&manifests, &args.selection)?;
    telemetry.say("namespace", &namespace);
    telemetry.say("pipeline", &pipeline);
    let mode = match args.mode {
        Mode::Full => RunMode::Full,
        Mode::Incremental => RunMode::Incremental,
        Mode::DryRun => RunMode::DryRun,
        Mode::Preview => return Err(Failure::usage("it is no run that shows rows", "use `worker preview`")),
    };
    let client = client().await?;
    let run = RunName { namespace: namespace.clone(), name: args.run, uid: args.run_uid, attempt: args.attempt };
    let owner = args.pipeline_uid.map(|uid| owner("Pipeline", &pipeline, uid));
    let which = args.shard.map(|Shard { index, of }| format!(", shard {index} of {of}")).unwrap_or_default();
    let span = info_span!(
        target: TRACE, "worker", k8s.namespace.name = namespace, aggregator.pipeline = pipeline,
        aggregator.mode = ?mode, aggregator.run = run.name, aggregator.attempt = run.attempt,
        aggregator.outcome = Empty, aggregator.rows.read = Empty, aggregator.rows.written = Empty,
        aggregator.rows.rejected = Empty, aggregator.bytes.read = Empty, aggregator.bytes.written = Empty,
        "error.type" = Empty
    );
    output::log_line(&format!(
        "run {} of the Pipeline {pipeline} in {namespace}: attempt {}, {mode:?}{which}",
        run.name, run.attempt
    ));
    let reporter = Reporter::new(&client, run, args.shard);
    let store = ClusterStore::new(&client, reporter.clone(), &pipeline, owner);
    let asked = Asked { stop: cancel_on_signals()?, wind_down: CancellationToken::new() };
    let (shown, ended) = (Progress::default(), CancellationToken::new());
    let request = RunRequest {
        manifests,
        namespace,
        pipeline,
        params: manifests::params(args.selection.params)?,
        mode,
        backfill: args.backfill,
        secrets: manifests::secrets(args.selection.secrets)?,
        resources: Resources::of_this_machine(),
        // The operator counts the time over all attempts.
        timeout: None,
        cancel: asked.stop.clone(),
        wind_down: asked.wind_down.clone(),
        progress: shown.clone(),
    };
    let following = tokio::spawn({
        let (reporter, ended) = (reporter.clone(), ended.clone());
        let telling = tell(shown.clone(), ended.clone());
        async move { tokio::join!(reporter.follow(shown, asked, ended), telling) }
    });
    let report = run_pipeline(request, &store).instrument(span.clone()).await;
    report.record(&span);
    drop(span);
    ended.cancel();
    following.await.map_err(std::io::Error::other)?;
    // What there is to be said of traces is said before: the last line is the report's.
    telemetry.finish().await;
    // The log has everything, for people and, as its last line, for programs; the status what fits.
    if !output::in_lines() {
        words::show(&report);
    }
    if let Some(error) = report.error.clone() {
        let failure = Failure::from(error);
        output::line(&output::failure_line(&failure).unwrap_or_else(|| output::harmless(&failure.text())));
    }
    output::line(&serde_json::to_string(&report).map_err(std::io::Error::from)?);
    reporter.finish(&outcome(&report), &args.termination_log).await?;
    Ok(report.error.map_or(0, |error| error.exit_code))
}

/// Says now and then how far the run is, for whoever follows the log.
async fn tell(progress: Progress, ended: CancellationToken) {
    let begun = Instant::now();
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let nodes = progress.nodes();
        let ends = nodes.iter().filter_map(|node| {
            let entry = &node.entry;
            match entry.kind {
                EntryKind::Source => Some(format!("{} has read {}", entry.name, output::count(entry.read))),
                EntryKind::Sink => Some(format!("{} has taken {}", entry.name, output::count(entry.taken))),
                _ => None,
            }
        });
        let ends: Vec<String> = ends.take(NODES).collect();
        let what = if ends.is_empty() { "no rows move yet".to_owned() } else { ends.join(", ") };
        output::log_line(&format!("after {} s: {what}", begun.elapsed().as_secs()));
    }
}
