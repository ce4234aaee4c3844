//! What stands between the marks of docs/benchmarks.md.

use std::path::Path;
use std::time::Duration;

use aggregator_tests::figures::{at, head, mebibytes, row, times, with_verdict};

use crate::Options;
use crate::fires::Fires;
use crate::inside::Inside;
use crate::start::Start;
use crate::up_kills;
use crate::watchers::Told;
use crate::writes::Written;

/// Everything that was measured.
pub(crate) struct Figures {
    pub(crate) in_memory: Start,
    pub(crate) in_folder: Start,
    pub(crate) written_in_memory: Written,
    pub(crate) written_in_folder: Written,
    pub(crate) each: Told,
    pub(crate) everything: Told,
    pub(crate) most: u64,
    pub(crate) inside: Inside,
    pub(crate) fires: Fires,
    pub(crate) kills: up_kills::Figures,
}

/// What is asked.
const READY: Duration = Duration::from_secs(1);
const MEMORY: f64 = 80.0;
const RATE: f64 = 5_000.0;
const SOON: Duration = Duration::from_millis(300);

/// All of it, as GitHub's Markdown.
pub(crate) fn text(options: &Options, program: &Path, measured: &Figures, load: f64) -> String {
    let what = format!("clients and cluster on the same {} cores", cores());
    let mut text = head(jiff::Zoned::now().date(), program, &what, load);
    text += &started("in memory", &measured.in_memory);
    text += &started("in a folder", &measured.in_folder);
    text += &wrote("over TLS, in memory", options.writers, &measured.written_in_memory);
    text += &wrote("over TLS, in a folder", options.writers, &measured.written_in_folder);
    text += &wrote("without TLS, in memory", options.writers, &measured.inside.in_memory);
    text += &wrote("without TLS, in a folder", options.writers, &measured.inside.in_folder);
    text += &watched("one object each", "≥ 5 000/s", &measured.each, Some(measured.each.written.rate() >= RATE));
    // Nobody asks for so many events: it is how many there can be.
    text += &watched("everything", "", &measured.everything, None);
    text += &row("the most resident memory in all of this", "", &format!("{:.0} MiB", mebibytes(measured.most)), None);
    let Fires { seen, rows, ended } = &measured.fires;
    text += &row(
        &format!("from a fire to its rows in the sink's file, {} times", rows.len()),
        "≤ 300 ms",
        &times(rows),
        Some(at(rows, 99) <= SOON),
    );
    text += &row("from a fire until its run was seen", "", &times(seen), None);
    text += &row("from a fire until its run's end was seen", "", &times(ended), None);
    // Whatever did not hold has ended the bench.
    text += &row(
        "kill -9 under load: what was acknowledged is there, nobody is left, every run ends",
        "200 kills",
        &measured.kills.words(),
        Some(measured.kills.kills >= 200),
    );
    with_verdict(&text)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The middle of some numbers.
fn middle(of: &[u64]) -> u64 {
    let mut sorted = of.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn started(how: &str, start: &Start) -> String {
    let Start { ready, at_once, at_rest } = start;
    let (first, later) = (mebibytes(middle(at_once)), mebibytes(middle(at_rest)));
    row(
        &format!("from its start, {how}, until it is there, {} times", ready.len()),
        "≤ 1 s",
        &times(ready),
        Some(at(ready, 50) <= READY),
    ) + &row(
        "its resident memory then, and a second later (medians)",
        "≤ 80 MiB",
        &format!("{first:.0} MiB, {later:.0} MiB"),
        Some(first.max(later) <= MEMORY),
    )
}

fn wrote(how: &str, writers: usize, written: &Written) -> String {
    row(
        &format!("writes {how}: {} by {writers} clients", written.0.len()),
        "≥ 5 000/s",
        &format!("{:.0}/s; {}", written.rate(), times(&written.answers())),
        Some(written.rate() >= RATE),
    )
}

fn watched(what: &str, must: &str, told: &Told, holds: Option<bool>) -> String {
    let Told { written, watchers, events, time, latencies } = told;
    let rate = *events as f64 / time.as_secs_f64();
    row(
        &format!("{} writes while {watchers} watch {what}; until the last was told", written.0.len()),
        must,
        &format!("{:.0}/s, and {events} events told, {rate:.0}/s; {}", written.rate(), times(latencies)),
        holds,
    )
}
