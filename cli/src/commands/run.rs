//! `aggregator run`.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use aggregator_worker::checkpoint::LocalStore;
use aggregator_worker::connector::Effects;
use aggregator_worker::ledger::EntryKind;
use aggregator_worker::run::{
    Outcome, Progress, Resources, RunMode, RunReport, RunRequest, SecretSource, run as run_pipeline,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::{Global, Mode, Output, RunArgs};
use crate::failure::Failure;
use crate::output::count;
use crate::{manifests, output, progress};

pub(crate) async fn run(args: RunArgs, global: &Global) -> Result<u8, Failure> {
    let manifests = Arc::new(manifests::load(&args.selection.files)?);
    let (namespace, pipeline) = manifests::select(&manifests, &args.selection)?;
    let mode = match args.mode {
        Mode::Preview => return super::preview::sinks(&manifests, &namespace, &pipeline, &args, global).await,
        Mode::Full => RunMode::Full,
        Mode::Incremental => RunMode::Incremental,
        Mode::DryRun => RunMode::DryRun,
    };
    let mut resources = Resources::of_this_machine();
    if let Some(memory) = args.memory {
        resources.memory = memory;
    }
    // Opened before anything is moved: a run whose report cannot be written does not begin.
    let report_file = match args.report {
        Some(path) => {
            let file = std::fs::File::create(&path).map_err(|error| unwritable(&path, &error))?;
            Some((path, file))
        }
        None => None,
    };
    let cancel = cancel_on_signals()?;
    let shown = Progress::default();
    let request = RunRequest {
        manifests,
        namespace,
        pipeline,
        params: args.selection.params.into_iter().collect(),
        mode,
        secrets: SecretSource { folder: args.selection.secrets },
        resources,
        cancel,
        progress: shown.clone(),
    };
    let store = LocalStore::new(&args.state.state);
    let done = CancellationToken::new();
    let drawing = (output::watched() && global.output == Output::Table)
        .then(|| tokio::spawn(progress::draw(shown, done.clone())));
    let report = run_pipeline(request, &store).await;
    done.cancel();
    if let Some(drawing) = drawing {
        drawing.await.map_err(std::io::Error::other)?;
    }
    if let Some((path, mut file)) = report_file {
        let text = serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?;
        file.write_all(text.as_bytes()).map_err(|error| unwritable(&path, &error))?;
    }
    match global.output {
        Output::Json => {
            output::json(&report)?;
            Ok(report.error.map_or(0, |error| error.exit_code))
        }
        Output::Table => {
            show(&report);
            match report.error {
                Some(error) => Err(error.into()),
                None => Ok(0),
            }
        }
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot write {}: {error}", path.display()), "check the path given with --report")
}

/// A token that SIGINT and SIGTERM cancel. A second signal ends the process at once.
fn cancel_on_signals() -> Result<CancellationToken, Failure> {
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

fn show(report: &RunReport) {
    for warning in &report.warnings {
        output::error_line(&warning.to_string());
    }
    if report.nodes.is_empty() {
        return;
    }
    if report.completed_earlier_attempt {
        output::line("an earlier attempt had committed everything before it died; its checkpoint was stored first");
    }
    for sink in &report.committed_earlier {
        output::line(&format!("{sink}: an earlier attempt of this run has committed it; it was left as it is"));
    }
    let mut table =
        output::table(["NODE", "READ", "IN", "OUT", "FILTERED", "REJECTED", "DEDUPLICATED", "WRITTEN", "ROWS/S", ""]);
    let cell = |number: u64| if number == 0 { "·".to_owned() } else { count(number) };
    for node in &report.nodes {
        let entry = &node.entry;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people")]
        let rate = node.rows_per_second as u64;
        table.add_row([
            entry.name.clone(),
            if entry.kind == EntryKind::Source { count(entry.read) } else { "·".to_owned() },
            cell(entry.taken),
            if matches!(entry.kind, EntryKind::Sink | EntryKind::Rejects) { "·".to_owned() } else { count(entry.out) },
            cell(entry.filtered),
            cell(entry.rejected),
            cell(entry.deduplicated),
            if matches!(entry.kind, EntryKind::Sink | EntryKind::Rejects) {
                count(entry.written)
            } else {
                "·".to_owned()
            },
            cell(rate),
            node.note.clone().or_else(|| node.effects.as_ref().map(Effects::words)).unwrap_or_default(),
        ]);
    }
    output::figures(&mut table, 1..=8);
    output::show(&table);
    for rule in report.quality.iter().filter(|rule| rule.passed == Some(false)) {
        output::line(&format!(
            "quality rule {} is broken ({:?}): {} on {}",
            rule.name, rule.severity, rule.expression, rule.node
        ));
    }
    for group in &report.rejects.groups {
        let column = group.column.as_ref().map(|column| format!(", column {column}")).unwrap_or_default();
        output::line(&format!("rejected at {}: {} × {}{column}", group.node, count(group.rows), group.reason));
    }
    output::line(&summary(report));
}

fn summary(report: &RunReport) -> String {
    let sum = |figure: fn(&aggregator_worker::ledger::Entry) -> u64| -> u64 {
        report.nodes.iter().map(|node| figure(&node.entry)).sum()
    };
    let ledger = match (report.ledger.balanced, &report.error) {
        (true, _) => "the ledger is balanced",
        (false, Some(error)) if error.reason != "LedgerMismatch" => "the ledger was not closed, the run failed first",
        (false, _) => "the ledger is not balanced",
    };
    // What was staged is written only once it is committed.
    let written = if report.error.is_some() { "staged and given up" } else { "written" };
    let outcome = match report.outcome {
        Outcome::Succeeded if report.mode == RunMode::DryRun => "dry run succeeded",
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "was interrupted",
    };
    let resumed = if report.resumed { ", continuing an earlier attempt" } else { "" };
    format!(
        "{} {outcome} ({:?}, attempt {}{resumed}): {} rows read, {} {written}, {} rejected in {:.2} s, {ledger}",
        report.pipeline,
        report.mode,
        report.attempt,
        count(sum(|entry| entry.read)),
        count(
            report.nodes.iter().filter(|node| node.entry.kind == EntryKind::Sink).map(|node| node.entry.written).sum()
        ),
        count(report.rejects.total),
        report.seconds,
    )
}
