//! Ends what an earlier runner of the same folder has left, which happens only when its supervisors were killed too.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

/// The variable by which the processes of a runner are known. Its value is the folder's mark.
pub(crate) const OWNER: &str = "EMBEDDED_KUBE_OWNER";

/// Kills every process that carries the mark, until there is none, and says how many there were.
pub(crate) fn sweep(owner: &str) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    loop {
        // One that is gone meanwhile is what we want, and one that has become another user's is not ours to kill.
        let killed: Vec<Pid> =
            marked(owner).into_iter().filter(|process| kill(*process, Signal::SIGKILL).is_ok()).collect();
        if killed.is_empty() {
            return seen.len();
        }
        seen.extend(killed);
        // A killed process is marked until the kernel has taken it apart.
        std::thread::yield_now();
    }
}

/// The processes with the mark in their environment. It is inherited, and unlike a process id it is never given to
/// another program.
fn marked(owner: &str) -> Vec<Pid> {
    let mark = format!("{OWNER}={owner}");
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(Pid::from_raw);
    let marked = |process: &Pid| {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        *process != getpid() && environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    processes.filter(marked).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use aggregator_tests::wait::eventually;

    use super::*;

    #[test]
    fn only_marked_processes_are_ended() {
        let start = |owner: &str| Command::new("sleep").arg("60").env(OWNER, owner).spawn().unwrap();
        let owner = format!("test-{}", getpid());
        let (mut ours, mut other) = (start(&owner), start("another"));
        let id = |child: &std::process::Child| Pid::from_raw(child.id().try_into().unwrap());
        // A program that has just been started may have no environment for a moment.
        eventually("two programs with marks", || {
            (!marked(&owner).is_empty() && !marked("another").is_empty()).then_some(())
        });
        assert_eq!(marked(&owner), [id(&ours)]);
        // A child that has ended but is not waited for has no environment any more.
        assert_eq!(sweep(&owner), 1);
        assert_eq!(ours.wait().unwrap().signal(), Some(9));
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
