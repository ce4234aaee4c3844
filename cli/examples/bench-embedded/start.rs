//! How long it takes until it is there, and what it has in memory then.

use std::path::Path;
use std::time::Duration;

use aggregator_tests::figures;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Outcome;
use crate::up_kills::Cluster;

/// How its starts went.
pub(crate) struct Start {
    /// Until it said where it is.
    pub(crate) ready: Vec<Duration>,
    /// What it had in memory then, in bytes.
    pub(crate) at_once: Vec<u64>,
    /// And a second later.
    pub(crate) at_rest: Vec<u64>,
}

/// Starts it that often. The first time, which is not counted, the kernel reads the program, and a folder is made.
pub(crate) fn measure(program: &Path, folder: &Path, arguments: &[&str], times: usize) -> Outcome<Start> {
    let mut start = Start { ready: Vec::new(), at_once: Vec::new(), at_rest: Vec::new() };
    for time in 0..=times {
        let cluster = Cluster::start(program, folder, arguments);
        let at_once = figures::memory(cluster.child.id()).now;
        std::thread::sleep(Duration::from_secs(1));
        let at_rest = figures::memory(cluster.child.id()).now;
        if time > 0 {
            start.ready.push(cluster.ready);
            start.at_once.push(at_once);
            start.at_rest.push(at_rest);
        }
        end(cluster)?;
    }
    Ok(start)
}

/// Asks it to end, and waits until it has: what it keeps nowhere is gone then.
pub(crate) fn end(mut cluster: Cluster) -> Outcome<()> {
    kill(Pid::from_raw(i32::try_from(cluster.child.id())?), Signal::SIGTERM)?;
    let status = cluster.child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("the cluster ended badly: {status}").into()) }
}
