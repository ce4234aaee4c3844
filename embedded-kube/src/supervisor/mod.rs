//! The small process between the node runner and a container's program: it makes the container's view of the file
//! system, starts the program, and ends everything that the program has started when the program ends, when it is told
//! to, or when the runner is gone, however that went.
//!
//! It is the same executable as the runner, started with a word of its own as the first argument, because what it does
//! (leaving a mount namespace, becoming the reaper of orphans) can safely be done by a process of one thread only.

mod error;
mod execute;
mod family;
mod layout;
mod order;
mod run;
mod space;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::chain;

pub(crate) use order::{KILL, Mount, Order, Report, TERMINATE, frame};

/// The first argument of a process that supervises.
pub(crate) const SUPERVISE: &str = "embedded-kube-supervise";
/// The first argument of a process that is about to become a container's program.
pub(crate) const EXECUTE: &str = "embedded-kube-execute";
/// The first argument of a process that finds out whether mounts can be made.
pub(crate) const PROBE: &str = "embedded-kube-probe";

/// Does the work of a supervisor, if this process was started as one, and gives back the code to exit with.
///
/// A program that runs a [`crate::node::Node`] calls this first of all, before it starts a thread, and exits when there
/// is a code.
#[must_use]
pub fn take_over() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let role = arguments.next()?;
    let outcome = match role.to_str()? {
        SUPERVISE => run::supervise(),
        EXECUTE => execute::execute(arguments),
        PROBE => space::probe(Path::new(&arguments.next()?)),
        _ => return None,
    };
    Some(outcome.map_or_else(complain, |()| ExitCode::SUCCESS))
}

fn complain(error: error::Error) -> ExitCode {
    // When even this cannot be written, nobody is left to read it.
    writeln!(std::io::stderr(), "{}", chain(&error)).unwrap_or_default();
    ExitCode::FAILURE
}
