//! Live progress of a run on a terminal: one line a node.

use std::time::Duration;

use aggregator_compiler::plural::counted;
use aggregator_worker::ledger::EntryKind;
use aggregator_worker::run::{NodeProgress, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::output::count;

/// What turns while a node runs.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const TICK: Duration = Duration::from_millis(120);

/// Draws until `done`; clears what it drew.
pub(crate) async fn draw(progress: Progress, done: CancellationToken) {
    let screen = MultiProgress::new();
    let mut lines: Vec<ProgressBar> = Vec::new();
    let mut ticks = tokio::time::interval(TICK);
    for frame in SPINNER.iter().cycle() {
        tokio::select! {
            () = done.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let nodes = progress.nodes();
        let width = nodes.iter().map(|node| node.entry.name.len()).max().unwrap_or(0);
        while lines.len() < nodes.len() {
            let bar = screen.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{prefix}  {msg}") {
                bar.set_style(style);
            }
            lines.push(bar);
        }
        for (node, bar) in nodes.iter().zip(&lines) {
            // A line is never finished: of a run in pieces, a node ends with each and goes on with the next.
            let ended = node.ended && node.entry.out + node.entry.taken > 0;
            bar.set_prefix(format!("{} {:width$}", if ended { "✓" } else { *frame }, node.entry.name));
            bar.set_message(figures(node));
        }
    }
    // The terminal may be gone; the report follows anyway.
    drop(screen.clear());
}

fn figures(node: &NodeProgress) -> String {
    let entry = &node.entry;
    let (rows, verb) = match entry.kind {
        EntryKind::Sink | EntryKind::Rejects => (entry.taken, "in"),
        _ => (entry.out, "out"),
    };
    let seconds = node.elapsed.as_secs_f64();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for people"
    )]
    let rate = if seconds > 0.0 { (rows as f64 / seconds) as u64 } else { 0 };
    let rejected = if entry.rejected > 0 { format!(", {} rejected", count(entry.rejected)) } else { String::new() };
    format!("{} {verb} ({} rows/s){rejected}", counted(count(rows), "row"), count(rate))
}
