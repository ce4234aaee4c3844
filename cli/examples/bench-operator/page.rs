//! What stands between the marks of docs/benchmarks.md.

use std::time::Duration;

use aggregator_tests::folder;

use crate::objects::Objects;
use crate::operator::{Memory, Spent};
use crate::{Options, Outcome};

const BEGIN: &str = "<!-- operator: begin -->";
const END: &str = "<!-- operator: end -->";

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

/// The load average of the last minute.
pub(crate) fn load() -> Outcome<f64> {
    Ok(std::fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or_default().parse()?)
}

/// So many hundredths of the times are no longer than this.
fn at(times: &[Duration], hundredths: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get((sorted.len() * hundredths).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "**missed**" }
}

/// All of it, as GitHub's Markdown.
pub(crate) fn text(options: &Options, objects: &Objects, figures: &Figures, load: f64) -> Outcome<String> {
    let Figures { cold, at_rest, most, rest, edits, latencies, begins, fire_seconds } = figures;
    let version = std::process::Command::new(options.program.canonicalize()?).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let today = jiff::Zoned::now().date();
    let row =
        |what: &str, must: &str, is: String, holds: bool| format!("| {what} | {must} | {is} | {} |\n", verdict(holds));
    let times = |times: &[Duration]| {
        let [middle, ninety_nine, longest] = [50, 99, 100].map(|hundredths| milliseconds(at(times, hundredths)));
        format!("median {middle}, p99 {ninety_nine}, longest {longest}")
    };
    let mut text = format!(
        "Measured on {today} with {version}: {}; load average when it began {load:.2}.\n\n| what | must be | is | verdict |\n|---|---|---|---|\n",
        objects.words()
    );
    text += &row(
        "from the operator's start until all are Ready",
        "≤ 60 s",
        cold.words(),
        cold.time <= Duration::from_secs(60),
    );
    text += &row(
        "its resident memory then, and the most of the whole run",
        "≤ 150 MiB",
        format!("{:.0} MiB, {:.0} MiB", mebibytes(at_rest.now), mebibytes(most.most)),
        mebibytes(most.most) <= 150.0,
    );
    text += &row(
        &format!("CPU time while nothing changes, for {} s", options.rest),
        "≤ 1 % of a core",
        format!("{:.2} %", rest.cpu_percent()),
        rest.cpu_percent() <= 1.0,
    );
    text += &row("writes meanwhile, its Lease left out", "0", rest.writes.to_string(), rest.writes == 0);
    let p99 = at(latencies, 99);
    text += &row(
        &format!(
            "from a fire to its Job, {} fires at {} a second (in {fire_seconds:.0} s)",
            latencies.len(),
            options.rate
        ),
        "p99 ≤ 2 s",
        times(latencies),
        p99 <= Duration::from_secs(2),
    );
    let soon = Duration::from_millis(500);
    text += &row(
        &format!("from the edit of a Pipeline to its conditions, {} times", edits.len()),
        "≤ 500 ms",
        times(edits),
        at(edits, 99) <= soon,
    );
    text += &row(
        &format!("from the begin of a Pod to its run's phase, {} times", begins.len()),
        "≤ 500 ms",
        times(begins),
        at(begins, 99) <= soon,
    );
    Ok(text)
}

/// Puts it between the marks.
pub(crate) fn write(text: &str) -> Outcome<()> {
    let page = folder::workspace().join("docs/benchmarks.md");
    let before = std::fs::read_to_string(&page)?;
    let (head, rest) = before.split_once(BEGIN).ok_or("the page has no mark where the figures begin")?;
    let (_, tail) = rest.split_once(END).ok_or("the page has no mark where they end")?;
    std::fs::write(&page, format!("{head}{BEGIN}\n{text}{END}{tail}"))?;
    Ok(())
}
