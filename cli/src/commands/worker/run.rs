//! `aggregator worker run`: one attempt at a PipelineRun.

use std::sync::Arc;

use aggregator_worker::cluster::{Asked, ClusterStore, Reporter, RunName, outcome};
use aggregator_worker::run::{Progress, Resources, RunMode, RunRequest, run as run_pipeline};
use tokio_util::sync::CancellationToken;

use super::super::run::cancel_on_signals;
use super::{client, owner};
use crate::args::{Mode, WorkerRunArgs};
use crate::failure::Failure;
use crate::{manifests, output};

/// One attempt at a run: what it needs is mounted, what it says goes into objects of the cluster.
pub(super) async fn run(args: WorkerRunArgs) -> Result<u8, Failure> {
    let manifests = Arc::new(manifests::load(&args.selection.files)?);
    let (namespace, pipeline) = manifests::select(&manifests, &args.selection)?;
    let mode = match args.mode {
        Mode::Full => RunMode::Full,
        Mode::Incremental => RunMode::Incremental,
        Mode::DryRun => RunMode::DryRun,
        Mode::Preview => return Err(Failure::usage("it is no run that shows rows", "use `worker preview`")),
    };
    let client = client().await?;
    let run = RunName { namespace: namespace.clone(), name: args.run, uid: args.run_uid, attempt: args.attempt };
    let owner = args.pipeline_uid.map(|uid| owner("Pipeline", &pipeline, uid));
    let store = ClusterStore::new(&client, run.clone(), &pipeline, owner);
    let reporter = Reporter::new(&client, run);
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
        async move { reporter.follow(shown, asked, ended).await }
    });
    let report = run_pipeline(request, &store).await;
    ended.cancel();
    following.await.map_err(std::io::Error::other)?;
    // The log has everything; the status what fits.
    output::json(&report)?;
    reporter.finish(&outcome(&report), &args.termination_log).await?;
    Ok(report.error.map_or(0, |error| error.exit_code))
}
