//! What stands between the marks of docs/benchmarks.md.

use std::time::Duration;

use aggregator_tests::figures::{Memory, at, head, mebibytes, row, times, with_verdict};

use crate::Options;
use crate::objects::Objects;
use crate::operator::Spent;

/// How the operator's start went.
pub(crate) struct Cold {
    /// Until all are Ready.
    pub(crate) time: Duration,
    /// Its own CPU time.
    pub(crate) own: Duration,
    /// What it has written.
    pub(crate) writes: u64,
    /// The CPU time of the control plane meanwhile.
    pub(crate) others: Duration,
}

impl Cold {
    pub(crate) fn words(&self) -> String {
        format!(
            "{:.1} s, {} writes; CPU time of the operator {:.1} s, of the control plane {:.1} s",
            self.time.as_secs_f64(),
            self.writes,
            self.own.as_secs_f64(),
            self.others.as_secs_f64()
        )
    }
}

/// Everything that was measured.
pub(crate) struct Figures {
    pub(crate) cold: Cold,
    pub(crate) at_rest: Memory,
    pub(crate) most: Memory,
    pub(crate) rest: Spent,
    pub(crate) edits: Vec<Duration>,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) begins: Vec<Duration>,
    pub(crate) fire_seconds: f64,
}

/// All of it, as GitHub's Markdown.
pub(crate) fn text(options: &Options, objects: &Objects, measured: &Figures, load: f64) -> String {
    let Figures { cold, at_rest, most, rest, edits, latencies, begins, fire_seconds } = measured;
    let mut text = head(jiff::Zoned::now().date(), &options.program, &objects.words(), load);
    text += &row(
        "from the operator's start until all are Ready",
        "≤ 60 s",
        &cold.words(),
        Some(cold.time <= Duration::from_secs(60)),
    );
    text += &row(
        "its resident memory then, and the most of the whole run",
        "≤ 150 MiB",
        &format!("{:.0} MiB, {:.0} MiB", mebibytes(at_rest.now), mebibytes(most.most)),
        Some(mebibytes(most.most) <= 150.0),
    );
    text += &row(
        &format!("CPU time while nothing changes, for {} s", options.rest),
        "≤ 1 % of a core",
        &format!("{:.2} %", rest.cpu_percent()),
        Some(rest.cpu_percent() <= 1.0),
    );
    text += &row("writes meanwhile, its Lease left out", "0", &rest.writes.to_string(), Some(rest.writes == 0));
    let p99 = at(latencies, 99);
    text += &row(
        &format!(
            "from a fire to its Job, {} fires at {} a second (in {fire_seconds:.0} s)",
            latencies.len(),
            options.rate
        ),
        "p99 ≤ 2 s",
        &times(latencies),
        Some(p99 <= Duration::from_secs(2)),
    );
    let soon = Duration::from_millis(500);
    text += &row(
        &format!("from the edit of a Pipeline to its conditions, {} times", edits.len()),
        "≤ 500 ms",
        &times(edits),
        Some(at(edits, 99) <= soon),
    );
    text += &row(
        &format!("from the begin of a Pod to its run's phase, {} times", begins.len()),
        "≤ 500 ms",
        &times(begins),
        Some(at(begins, 99) <= soon),
    );
    with_verdict(&text)
}
