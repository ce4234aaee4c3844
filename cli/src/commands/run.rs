//! `aggregator run`.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use aggregator_worker::checkpoint::LocalStore;
use aggregator_worker::run::{Progress, Resources, RunMode, RunReport, RunRequest, TRACE, run as run_pipeline};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use crate::args::{Global, Mode, Output, RunArgs};
use crate::failure::Failure;
use crate::telemetry::Telemetry;
use crate::{manifests, output, progress, report};

pub(crate) async fn run(args: RunArgs, global: &Global, telemetry: &Telemetry) -> Result<u8, Failure> {
    if let Some(pipeline) = args.name.clone() {
        // What a server runs, its own workers trace.
        return Box::pin(super::objects::start::run(&pipeline, args, global)).await;
    }
    let manifests = Arc::new(manifests::load(&args.selection.files)?);
    let (namespace, pipeline) = manifests::select(&manifests, &args.selection)?;
    telemetry.say("namespace", &namespace);
    telemetry.say("pipeline", &pipeline);
    let mode = match args.mode {
        Mode::Preview if args.shard.is_some() => return Err(alone("Preview")),
        Mode::Preview if args.backfill.is_some() => {
            return Err(Failure::usage("--mode Preview reads from the start", "leave --backfill out, or use DryRun"));
        }
        Mode::Preview => return super::preview::sinks(&manifests, &namespace, &pipeline, &args, global).await,
        Mode::Full => RunMode::Full,
        Mode::Incremental => RunMode::Incremental,
        Mode::DryRun => RunMode::DryRun,
    };
    if args.shard.is_some() && mode == RunMode::DryRun {
        return Err(alone("DryRun"));
    }
    if args.backfill.is_some() && mode == RunMode::Full {
        return Err(Failure::usage("--mode Full reads everything", "leave --backfill out, or --mode"));
    }
    let mut resources = Resources::of_this_machine();
    if let Some(memory) = args.memory {
        resources.memory = memory;
    }
    // Opened before anything is moved: a run whose report cannot be written does not begin.
    let report_file = match args.report {
        Some(path) => {
            let file = File::create(&path).map_err(|error| unwritable(&path, &error))?;
            Some((path, file))
        }
        None => None,
    };
    let timeout = manifests
        .pipeline(&namespace, &pipeline)
        .and_then(|located| located.object.spec.execution.as_ref()?.timeout.as_deref())
        // What is no length of time is told when the Pipeline is compiled.
        .and_then(|text| aggregator_crds::parse_duration(text).ok());
    let cancel = cancel_on_signals()?;
    let told = telemetry.clone();
    let shown = Progress::telling(move |attempt| told.begun(attempt));
    let span = info_span!(
        target: TRACE, "run", k8s.namespace.name = namespace, aggregator.pipeline = pipeline,
        aggregator.mode = ?mode, aggregator.run = Empty, aggregator.attempt = Empty, aggregator.outcome = Empty,
        aggregator.rows.read = Empty, aggregator.rows.written = Empty, aggregator.rows.rejected = Empty,
        aggregator.bytes.read = Empty, aggregator.bytes.written = Empty, "error.type" = Empty
    );
    let request = RunRequest {
        manifests,
        namespace,
        pipeline,
        params: manifests::params(args.selection.params)?,
        mode,
        backfill: args.backfill,
        secrets: manifests::secrets(args.selection.secrets)?,
        resources,
        timeout,
        cancel,
        // Nobody asks for it: who stops a process wants it to stop.
        wind_down: CancellationToken::new(),
        progress: shown.clone(),
    };
    let store = LocalStore::of_shard(&args.state.state, args.shard);
    let done = CancellationToken::new();
    let drawing = (output::watched() && !output::in_lines() && global.output == Output::Table)
        .then(|| tokio::spawn(progress::draw(shown, done.clone())));
    let report = run_pipeline(request, &store).instrument(span.clone()).await;
    if !report.run.is_empty() {
        span.record("aggregator.run", &report.run).record("aggregator.attempt", report.attempt);
    }
    report.record(&span);
    if output::in_lines() {
        // Who keeps the log finds there how the run ended, wherever the report goes.
        span.in_scope(|| tracing::info!(seconds = report.seconds, "the run has ended"));
    }
    drop(span);
    done.cancel();
    if let Some(drawing) = drawing {
        drawing.await.map_err(std::io::Error::other)?;
    }
    // What the run did is shown, whatever becomes of the file.
    let lost = report_file.and_then(|(path, file)| write(&report, &path, file).err());
    let ended = match global.output {
        Output::Json => {
            output::json(&report)?;
            Ok(report.error.map_or(0, |error| error.exit_code))
        }
        Output::Table => {
            report::show(&report);
            match report.error {
                Some(error) => Err(error.into()),
                None => Ok(0),
            }
        }
    };
    match (lost, ended) {
        (None, ended) => ended,
        (Some(lost), Ok(0)) => Err(lost),
        // How the run ended counts more; both are told.
        (Some(lost), ended) => {
            lost.show(global);
            ended
        }
    }
}

/// Writes the report. One that does not fit is taken back: nobody is to take a part for the whole.
fn write(report: &RunReport, path: &Path, mut file: File) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(report).map_err(std::io::Error::from)?;
    file.write_all(text.as_bytes()).map_err(|error| {
        if let Err(error) = file.set_len(0) {
            tracing::debug!(%error, "a part of the report stays in its file");
        }
        Failure::unreported(path, &error)
    })
}

fn alone(mode: &str) -> Failure {
    Failure::usage(format!("--mode {mode} writes nothing that processes could share"), "leave --shard out")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot write {}: {error}", path.display()), "check the path given with --report")
}

/// A token that SIGINT and SIGTERM cancel. A second signal ends the process at once.
pub(super) fn cancel_on_signals() -> Result<CancellationToken, Failure> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancel = CancellationToken::new();
    let told = cancel.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        told.cancel();
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        std::process::exit(130);
    });
    Ok(cancel)
}
