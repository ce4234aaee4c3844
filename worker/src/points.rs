//! Named points of a run, at which a test lets the process end as if its power had failed.
//!
//! Only debug builds have them: with `AGGREGATOR_DIE_AT` set to a point's name, the process ends by SIGKILL as it passes.
//! A name that ends with `#2` means the second time.

/// All points that a run itself passes, in order. Sinks have their own within, as `rename record`.
pub const OF_A_RUN: [&str; 11] = [
    "begun",
    "fenced",
    "divided",
    "written",
    "split saved",
    "staged",
    "moved",
    "checked",
    "committing",
    "committed",
    "recorded",
];

/// All points within the commits of sinks that take several steps.
pub const OF_SINKS: [&str; 13] = [
    "write split",
    "rename split",
    "write record",
    "rename record",
    "move",
    "delete",
    "fence",
    "decide",
    "copy",
    "show",
    "delete replaced",
    "delete staged",
    "end",
];

/// Passes a point.
#[cfg(all(debug_assertions, unix))]
pub(crate) fn pass(point: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("AGGREGATOR_DIE_AT") else { return };
    let (name, times) = wanted.rsplit_once('#').unwrap_or((&wanted, "1"));
    if name == point && Ok(PASSED.fetch_add(1, Ordering::SeqCst) + 1) == times.parse::<u32>() {
        let ended = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
        tracing::error!(?ended, point, "the process was to end here");
    }
}

/// Passes a point.
#[cfg(not(all(debug_assertions, unix)))]
pub(crate) fn pass(_: &str) {}

/// Passes a step of a commit. It can fail where unit tests let it; here it cannot.
#[expect(clippy::unnecessary_wraps, reason = "the steps of a commit can fail where tests let them")]
pub(crate) fn step(name: &str) -> crate::connector::Result<()> {
    pass(name);
    Ok(())
}
