//! The memory that this process may use, and the most that it has used.

/// Bytes: the lowest of the limits of the process's cgroup, of those around it, and the machine's memory. None when
/// nothing of it can be read.
pub(super) fn limit() -> Option<u64> {
    lowest(|path| std::fs::read_to_string(path).ok())
}

/// As [`limit`], from files that `read` gives.
///
/// The process's cgroup is in `/proc/self/cgroup` (cgroups(7)). In a container that is `/`, and the files at the top are
/// its own; elsewhere each cgroup on the way to it may have a limit, and all of them hold.
fn lowest(read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let own = read("/proc/self/cgroup").unwrap_or_default();
    let paths = own.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        if controllers.is_empty() {
            return Some(("/sys/fs/cgroup", path, "memory.max"));
        }
        let memory = controllers.split(',').any(|controller| controller == "memory");
        memory.then_some(("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"))
    });
    // Where the hierarchy cannot be told, the top of either version is looked at.
    let tops = [("/sys/fs/cgroup", "/", "memory.max"), ("/sys/fs/cgroup/memory", "/", "memory.limit_in_bytes")];
    let limits = paths.chain(tops).flat_map(|(root, path, file)| {
        let folders = std::path::Path::new(path).ancestors();
        folders.map(move |folder| format!("{root}{}/{file}", folder.display().to_string().trim_end_matches('/')))
    });
    // Without a limit the file says `max`, or a number beyond all memory.
    let cgroup = limits.filter_map(|path| read(&path)?.trim().parse::<u64>().ok()).min();
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1024)
    });
    cgroup.into_iter().chain(machine).min()
}

/// The most bytes that this process has held at once: what the kernel has counted since the program began (`VmHWM` of
/// proc_pid_status(5)). None when it does not say.
///
/// `getrusage` also counts what the process was before: a copy of the one that started it.
pub(super) fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: (&str, &str) = ("/proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
    const MIB: u64 = 1 << 20;

    fn of(files: &[(&str, &str)]) -> Option<u64> {
        lowest(|path| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn what_was_held_once_stays_the_peak() {
        const HELD: usize = 64 << 20;
        let held = vec![1_u8; HELD];
        assert!(peak().is_some_and(|peak| peak > HELD as u64), "at {:p}", held.as_ptr());
        drop(held);
        assert!(peak().is_some_and(|peak| peak > HELD as u64));
    }

    #[test]
    fn the_machine_is_the_limit_of_who_has_none() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[MACHINE]), Some(16 * MIB));
        let top = ("/proc/self/cgroup", "0::/\n");
        assert_eq!(of(&[MACHINE, top, ("/sys/fs/cgroup/memory.max", "max\n")]), Some(16 * MIB));
    }

    #[test]
    fn a_container_sees_its_own_limit_at_the_top() {
        let two = [MACHINE, ("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", "4194304\n")];
        assert_eq!(of(&two), Some(4 * MIB));
        let one = [
            MACHINE,
            ("/proc/self/cgroup", "12:cpu,cpuacct:/a\n4:memory:/docker/of-the-host\n1:name=systemd:/\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2097152\n"),
        ];
        assert_eq!(of(&one), Some(2 * MIB));
    }

    #[test]
    fn every_cgroup_on_the_way_down_holds() {
        let own = ("/proc/self/cgroup", "0::/user.slice/user-1000.slice/run:1.scope\n");
        let scope = "/sys/fs/cgroup/user.slice/user-1000.slice/run:1.scope/memory.max";
        let slice = "/sys/fs/cgroup/user.slice/memory.max";
        assert_eq!(of(&[MACHINE, own, (scope, "max\n"), (slice, "8388608\n")]), Some(8 * MIB));
        assert_eq!(of(&[MACHINE, own, (scope, "3145728\n"), (slice, "8388608\n")]), Some(3 * MIB));
        let old = ("/proc/self/cgroup", "4:memory:/batch/job\n");
        let job = ("/sys/fs/cgroup/memory/batch/job/memory.limit_in_bytes", "1048576\n");
        let top = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(of(&[MACHINE, old, job, top]), Some(MIB));
    }
}
