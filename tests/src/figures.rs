//! What benches read of processes, and how they tell it on a page.

use std::fmt::Display;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::folder;

/// Clock ticks in a second, as `/proc` counts them on every Linux.
const TICKS: f64 = 100.0;
/// Where the figures are.
const PAGE: &str = "docs/benchmarks.md";

/// Resident memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What it is.
    pub now: u64,
    /// The most that it was.
    pub most: u64,
}

/// The load average of the last minute.
///
/// # Panics
/// When the system cannot say.
#[must_use]
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// The CPU time that a process has used.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name may hold spaces; after it, user and system time are the twelfth and thirteenth fields.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().unwrap()).sum::<u32>();
    Duration::from_secs_f64(f64::from(ticks) / TICKS)
}

/// What a process has in memory.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn memory(process: u32) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    Memory { now: field("VmRSS:"), most: field("VmHWM:") }
}

/// So many hundredths of the times are no longer than this.
#[must_use]
pub fn at(times: &[Duration], hundredths: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get((sorted.len() * hundredths).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

/// The middle, the longest but for a hundredth, and the longest, in words.
#[must_use]
pub fn times(times: &[Duration]) -> String {
    let [middle, ninety_nine, longest] = [50, 99, 100].map(|hundredths| at(times, hundredths).as_millis());
    format!("median {middle} ms, p99 {ninety_nine} ms, longest {longest} ms")
}

/// Bytes as mebibytes.
#[must_use]
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What the table begins with: when what was measured of which program.
///
/// # Panics
/// When the program does not say its version.
#[must_use]
pub fn head(today: impl Display, program: &Path, what: &str, load: f64) -> String {
    let version = Command::new(program.canonicalize().unwrap()).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    format!(
        "Measured on {today} with {}: {what}; load average when it began {load:.2}.\n\n\
         | what | must be | is | verdict |\n|---|---|---|---|\n",
        version.trim()
    )
}

/// A line of the table; nothing is asked of what has no verdict.
#[must_use]
pub fn row(what: &str, must: &str, is: &str, holds: Option<bool>) -> String {
    let verdict = match holds {
        None => "",
        Some(true) => "holds",
        Some(false) => "**missed**",
    };
    format!("| {what} | {must} | {is} | {verdict} |\n")
}

/// A table, and below it each of its figures that is not what is asked. They are no failure of a bench.
#[must_use]
pub fn with_verdict(table: &str) -> String {
    let missed: Vec<String> = table.lines().filter_map(missed).collect();
    if missed.is_empty() {
        return format!("{table}\nNothing that is asked is missed.\n");
    }
    format!("{table}\n**Missed**, which is no error of the bench:\n\n{}", missed.concat())
}

/// A row that says so, as an item of a list.
fn missed(row: &str) -> Option<String> {
    let cells = row.strip_prefix("| ")?.strip_suffix(" | **missed** |")?;
    let [what, must, is]: [&str; 3] = cells.split(" | ").collect::<Vec<_>>().try_into().ok()?;
    Some(format!("- {what}: asked {must}, and it is {is}\n"))
}

/// Puts a text between the marks of that name.
///
/// # Panics
/// When the page has no such marks, or cannot be written.
pub fn write(name: &str, text: &str) {
    let page = folder::workspace().join(PAGE);
    let before = std::fs::read_to_string(&page).unwrap();
    let after = placed(&before, name, text);
    std::fs::write(&page, after.unwrap_or_else(|| panic!("{PAGE} has no marks of {name}"))).unwrap();
}

/// The page with that text between the marks of that name, if it has them.
#[must_use]
pub fn placed(page: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let (head, rest) = page.split_once(&begin)?;
    let (_, tail) = rest.split_once(&end)?;
    Some(format!("{head}{begin}\n{text}{end}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundredths_are_of_the_sorted_times() {
        let of = |milliseconds: &[u64]| milliseconds.iter().map(|it| Duration::from_millis(*it)).collect::<Vec<_>>();
        assert_eq!(times(&of(&[30, 10, 20])), "median 20 ms, p99 30 ms, longest 30 ms");
        let many: Vec<u64> = (1..=200).rev().collect();
        assert_eq!(times(&of(&many)), "median 100 ms, p99 198 ms, longest 200 ms");
        assert_eq!(at(&[], 50), Duration::ZERO);
    }

    #[test]
    fn what_a_process_uses_is_read() {
        let own = std::process::id();
        let Memory { now, most } = memory(own);
        assert!(now > 1 << 20 && most >= now, "{now} {most}");
        assert!(cpu(own) < Duration::from_secs(3600), "{:?}", cpu(own));
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n";
        let written = placed(page, "x", "new\n");
        assert_eq!(written.as_deref(), Some("a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n"));
        assert_eq!(placed(page, "y", ""), None);
    }

    #[test]
    fn what_is_missed_is_said_below_the_table() {
        let (good, bad) =
            (row("start", "≤ 1 s", "0.2 s", Some(true)), row("memory", "≤ 80 MiB", "90 MiB", Some(false)));
        let held = with_verdict(&good);
        assert!(held.ends_with("|\n\nNothing that is asked is missed.\n"), "{held}");
        let missed = with_verdict(&format!("{good}{bad}"));
        assert!(missed.ends_with("bench:\n\n- memory: asked ≤ 80 MiB, and it is 90 MiB\n"), "{missed}");
    }
}
