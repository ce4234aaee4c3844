//! `aggregator worker`: what the operator's Jobs run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregator_crds::Reason;
use aggregator_crds::connector::{ProbeFailure, ProbeStep};
use aggregator_crds::run::{AttemptOutcome, AttemptResult, LedgerVerdict, RunCost, RunTotals};
use aggregator_crds::transformation::{FailedTest, TestsOutcome};
use aggregator_operator::{labels, names};
use aggregator_worker::cases::test_transformation;
use aggregator_worker::cluster::{ClusterStore, Reporter, RunName, keep_catalogue, outcome, probe as look_at};
use aggregator_worker::ledger::EntryKind;
use aggregator_worker::run::{Places, Progress, Resources, RunMode, RunRequest, run as run_pipeline};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::api::ObjectMeta;
use tokio_util::sync::CancellationToken;

use super::run::cancel_on_signals;
use crate::args::{Mode, WorkerArgs, WorkerCommand, WorkerProbeArgs, WorkerRunArgs, WorkerTestArgs};
use crate::failure::Failure;
use crate::{manifests, output, report as words};

/// The most characters of a difference that a status shows.
const DIFFERENCE: usize = 1000;
/// The time between two lines that say how far a run is.
const EVERY: Duration = Duration::from_secs(10);
/// The most nodes of such a line.
const NODES: usize = 10;

pub(crate) async fn worker(args: WorkerArgs) -> Result<u8, Failure> {
    let args = match args.command {
        WorkerCommand::Run(args) => args,
        WorkerCommand::Probe(args) => return probe(args).await,
        WorkerCommand::Test(args) => return test(args).await,
    };
    let message = args.termination_log.clone();
    let ended = run(args).await;
    if let Err(failure) = &ended {
        // The log is far away: what kept the run from beginning stands in the run's status as well.
        let outcome = AttemptOutcome {
            result: AttemptResult::Failed,
            reason: Some(failure.reason.to_owned()),
            message: Some(failure.message.clone()),
            remedy: failure.remedy.clone(),
            retryable: false,
            progressed: false,
            totals: RunTotals::default(),
            ledger: LedgerVerdict::default(),
            cost: RunCost::default(),
            nodes: Vec::new(),
            nodes_omitted: None,
        };
        std::fs::write(message, outcome.termination_message())?;
    }
    ended
}

/// Checks a Connector, keeps its catalogue, and says how that ended. What does not hold is no failure of the check.
async fn probe(args: WorkerProbeArgs) -> Result<u8, Failure> {
    let manifests = Arc::new(manifests::load(&args.files)?);
    let places = Places::new(manifests, &args.namespace, manifests::secrets(args.secrets)?);
    let cancel = cancel_on_signals()?;
    let probed = cancel.run_until_cancelled(look_at(&places, &args.connector)).await;
    let Some((mut outcome, catalogue)) = probed else { return Ok(130) };
    if let Some(catalogue) = catalogue {
        let owner = OwnerReference {
            api_version: aggregator_crds::API_VERSION.into(),
            kind: "Connector".into(),
            name: args.connector.clone(),
            uid: args.connector_uid,
            controller: Some(true),
            block_owner_deletion: Some(false),
        };
        let metadata = ObjectMeta {
            name: Some(args.catalogue),
            namespace: Some(args.namespace),
            labels: Some(labels::labels([(labels::CONNECTOR, &names::label(&args.connector))])),
            ..ObjectMeta::default()
        };
        if let Err(error) = keep_catalogue(&client().await?, metadata, owner, &catalogue).await {
            // What was found out about the system stands all the same.
            outcome.failure = Some(ProbeFailure {
                step: ProbeStep::Discover,
                reason: Reason::CatalogueNotKept.to_string(),
                message: format!("the catalogue cannot be kept: {error}"),
                remedy: Some("look whether the worker's ServiceAccount may create and patch ConfigMaps".into()),
            });
        }
    }
    output::json(&outcome)?;
    std::fs::write(args.termination_log, serde_json::to_string(&outcome).map_err(std::io::Error::from)?)?;
    Ok(0)
}

/// Runs the tests of a Transformation, and says how they ended. Tests that do not pass are no failure of the worker.
async fn test(args: WorkerTestArgs) -> Result<u8, Failure> {
    let (manifests, resources) = (manifests::load(&args.files)?, Resources::of_this_machine());
    let mut results = Vec::new();
    for located in manifests.transformations() {
        results.extend(test_transformation(located, &resources).await);
    }
    let failed = results.iter().filter(|result| !result.passed());
    let first = failed.clone().next().map(|result| FailedTest {
        name: result.name.clone(),
        difference: result.differences.join("; ").chars().take(DIFFERENCE).collect(),
    });
    let failed = failed.count() as u64;
    let outcome = TestsOutcome { passed: results.len() as u64 - failed, failed, first };
    output::json(&results)?;
    std::fs::write(args.termination_log, serde_json::to_string(&outcome).map_err(std::io::Error::from)?)?;
    Ok(0)
}

async fn client() -> Result<Client, Failure> {
    Client::try_default().await.map_err(|error| {
        Failure::usage(
            format!("the Kubernetes API cannot be reached: {error}"),
            "run this in a Pod that the operator has made, or set KUBECONFIG",
        )
    })
}

/// One attempt at a run: what it needs is mounted, what it says goes into objects of the cluster.
async fn run(args: WorkerRunArgs) -> Result<u8, Failure> {
    let manifests = Arc::new(manifests::load(&args.selection.files)?);
    let (namespace, pipeline) = manifests::select(&manifests, &args.selection)?;
    let mode = match args.mode {
        Mode::Full => RunMode::Full,
        Mode::Incremental => RunMode::Incremental,
        Mode::DryRun => RunMode::DryRun,
        Mode::Preview => return Err(Failure::usage("a worker shows no preview yet", "use the mode DryRun")),
    };
    let client = client().await?;
    let run = RunName { namespace: namespace.clone(), name: args.run, uid: args.run_uid, attempt: args.attempt };
    let owner = args.pipeline_uid.map(|uid| OwnerReference {
        api_version: aggregator_crds::API_VERSION.into(),
        kind: "Pipeline".into(),
        name: pipeline.clone(),
        uid,
        controller: Some(true),
        block_owner_deletion: Some(false),
    });
    output::line(&format!(
        "run {} of the Pipeline {pipeline} in {namespace}: attempt {}, {mode:?}",
        run.name, run.attempt
    ));
    let store = ClusterStore::new(&client, run.clone(), &pipeline, owner);
    let reporter = Reporter::new(&client, run);
    let (cancel, shown, ended) = (cancel_on_signals()?, Progress::default(), CancellationToken::new());
    let request = RunRequest {
        manifests,
        namespace,
        pipeline,
        params: manifests::params(args.selection.params)?,
        mode,
        secrets: manifests::secrets(args.selection.secrets)?,
        resources: Resources::of_this_machine(),
        // The operator counts the time over all attempts.
        timeout: None,
        cancel: cancel.clone(),
        progress: shown.clone(),
    };
    let following = tokio::spawn({
        let (reporter, ended) = (reporter.clone(), ended.clone());
        let telling = tell(shown.clone(), ended.clone());
        async move { tokio::join!(reporter.follow(shown, cancel, ended), telling) }
    });
    let report = run_pipeline(request, &store).await;
    ended.cancel();
    following.await.map_err(std::io::Error::other)?;
    // The log has everything, for people and, as its last line, for programs; the status what fits.
    words::show(&report);
    if let Some(error) = report.error.clone() {
        output::line(&output::harmless(&Failure::from(error).text()));
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
        output::line(&format!("after {} s: {what}", begun.elapsed().as_secs()));
    }
}
