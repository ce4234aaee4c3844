//! The processes that descend from this one, which is their reaper: no child gets lost by losing its parent.

use std::collections::BTreeMap;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

/// Bytes of memory that the descendants of this process have in use.
pub(super) fn memory() -> u64 {
    // The kernel's own lists of children cost a look at the family only. They may leave out one that is just being born,
    // which then counts at the next look. Not every kernel has them.
    let family = listed().unwrap_or_else(descendants);
    resident(&family)
}

/// The descendants by the kernel's lists of children; nothing on a kernel without them.
fn listed() -> Option<Vec<Pid>> {
    let mut found = children(getpid())?;
    let mut seen = 0;
    while let Some(&parent) = found.get(seen) {
        // It may have ended meanwhile.
        found.extend(children(parent).unwrap_or_default());
        seen += 1;
    }
    Some(found)
}

/// The children of a process, which are those of its threads.
fn children(process: Pid) -> Option<Vec<Pid>> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let mut found = Vec::new();
    for thread in threads.flatten() {
        let text = std::fs::read_to_string(thread.path().join("children")).ok()?;
        found.extend(text.split_whitespace().filter_map(|id| id.parse().ok()).map(Pid::from_raw));
    }
    Some(found)
}

/// Every process that descends from this one.
fn descendants() -> Vec<Pid> {
    let mut found = vec![getpid().as_raw()];
    let parents = parents();
    let mut seen = 0;
    while let Some(&parent) = found.get(seen) {
        found.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(process, _)| *process));
        seen += 1;
    }
    found.into_iter().skip(1).map(Pid::from_raw).collect()
}

/// The parent of each process that can be seen.
fn parents() -> BTreeMap<i32, i32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|process: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        Some((process, parent(&stat)?))
    })
    .collect()
}

/// The parent's id in the text of `/proc/PID/stat`, whose second field is the program's name and may hold anything.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Bytes of memory that the processes have in use.
fn resident(processes: &[Pid]) -> u64 {
    let size = |process: &Pid| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    processes.iter().filter_map(size).map(|kibibytes| kibibytes * 1024).sum()
}

/// Reaps what has ended, and gives back how the main process has, if it is among them.
pub(super) fn reap(main: Pid) -> Option<WaitStatus> {
    let mut ended = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return ended,
            Ok(status) if status.pid() == Some(main) => ended = Some(status),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Kills and reaps every descendant, and gives back how the main process ended, if it was still there.
pub(super) fn end(main: Pid) -> Option<WaitStatus> {
    let mut ended = None;
    loop {
        // Most programs leave nobody behind, and then no other process of the machine need be looked at.
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return ended,
            Ok(WaitStatus::StillAlive) | Err(_) => {}
            Ok(status) => {
                if status.pid() == Some(main) {
                    ended = Some(status);
                }
                continue;
            }
        }
        for process in descendants() {
            // It may have ended meanwhile.
            kill(process, Signal::SIGKILL).unwrap_or_default();
        }
        match waitpid(None, None) {
            // None is left. A child whose parent was killed becomes ours before the parent can be reaped.
            Err(Errno::ECHILD) => return ended,
            Ok(status) if status.pid() == Some(main) => ended = Some(status),
            Ok(_) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_past_any_program_name() {
        assert_eq!(parent("12 (sh) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a) S 3 (b)) R 8 12"), Some(8));
        assert_eq!(parent("12 (sh"), None);
    }

    #[test]
    fn a_child_is_a_descendant_that_takes_memory() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Pid::from_raw(child.id().try_into().unwrap());
        assert!(descendants().contains(&process));
        assert!(listed().is_none_or(|family| family.contains(&process)));
        assert!(resident(&[process]) > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(resident(&[process]), 0);
    }
}
