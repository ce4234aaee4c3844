//! Live progress of a run on a terminal: one line a node.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aggregator_compiler::plural::counted;
use aggregator_worker::engine::NodeCounters;
use aggregator_worker::ledger::EntryKind;
use aggregator_worker::run::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::output::count;

const TICK: Duration = Duration::from_millis(120);

/// Draws until `done`; clears what it drew.
pub(crate) async fn draw(progress: Progress, done: CancellationToken) {
    let screen = MultiProgress::new();
    let mut lines: Vec<(Arc<NodeCounters>, ProgressBar)> = Vec::new();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = done.cancelled() => break,
            _ = ticks.tick() => {}
        }
        if lines.is_empty() {
            let nodes = progress.nodes();
            let width = nodes.iter().map(|node| node.name.len()).max().unwrap_or(0);
            for node in nodes {
                let bar = screen.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {msg}") {
                    bar.set_style(style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏✓"));
                }
                bar.set_prefix(format!("{:width$}", node.name));
                lines.push((node, bar));
            }
        }
        for (node, bar) in &lines {
            bar.set_message(figures(node));
            if node.ended.load(Ordering::Relaxed) { bar.finish() } else { bar.tick() }
        }
    }
    // The terminal may be gone; the report follows anyway.
    drop(screen.clear());
}

fn figures(node: &NodeCounters) -> String {
    let entry = node.entry();
    let (rows, verb) = match entry.kind {
        EntryKind::Sink | EntryKind::Rejects => (entry.taken, "in"),
        _ => (entry.out, "out"),
    };
    let seconds = node.elapsed().as_secs_f64();
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
