//! Named points of a run, at which a test lets the process end as if its power had failed, or stop until it is woken.
//!
//! Only debug builds have them: with `AGGREGATOR_DIE_AT` set to a point's name, the process ends by SIGKILL as it passes;
//! with `AGGREGATOR_STOP_AT`, it is stopped by SIGSTOP. `committed:2` means the second time that it passes, and no other.

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

/// All points within what sinks make durable; `commit` and, of tables, `save split` are those of a transaction, which was not
/// asked for yet.
pub const OF_SINKS: [&str; 16] = [
    "upload",
    "save split",
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
    "commit",
];

/// Passes a point.
#[cfg(all(debug_assertions, unix))]
pub(crate) fn pass(point: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};

    use nix::sys::signal::Signal;

    /// How often the point was passed that each variable counts.
    static PASSED: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

    let variables = [("AGGREGATOR_DIE_AT", Signal::SIGKILL), ("AGGREGATOR_STOP_AT", Signal::SIGSTOP)];
    for ((variable, signal), passed) in variables.into_iter().zip(&PASSED) {
        let is_wanted = std::env::var(variable).is_ok_and(|wanted| match wanted.split_once(':') {
            None => wanted == point,
            Some((name, time)) => {
                name == point && time.parse().is_ok_and(|time: u32| passed.fetch_add(1, Ordering::Relaxed) + 1 == time)
            }
        });
        if is_wanted {
            // To this thread, which goes no step further: another one might have to be woken first.
            let sent = nix::sys::signal::raise(signal);
            tracing::debug!(?sent, point, "the process was to end or stop here");
        }
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
