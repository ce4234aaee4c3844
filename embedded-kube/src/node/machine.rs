//! What this machine is and has.

use std::fs;
use std::path::Path;

use k8s_openapi::api::core::v1::NodeSystemInfo;
use nix::sys::statvfs::statvfs;

use super::options::Capacity;

/// What the machine has to give, with the disk under that folder.
pub(crate) fn capacity(folder: &Path) -> Capacity {
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX));
    let storage = statvfs(folder).map_or(0, |disk| disk.blocks() * disk.fragment_size());
    Capacity { cpus, memory: memory(&text("/proc/meminfo")), storage, pods: 110 }
}

/// Bytes of memory, in the text of `/proc/meminfo`.
fn memory(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or_default() * 1024
}

/// What the Node says of the machine.
pub(crate) fn info() -> NodeSystemInfo {
    let version = env!("CARGO_PKG_VERSION");
    NodeSystemInfo {
        architecture: architecture().to_owned(),
        boot_id: text("/proc/sys/kernel/random/boot_id"),
        container_runtime_version: format!("process://{version}"),
        kernel_version: text("/proc/sys/kernel/osrelease"),
        kube_proxy_version: String::new(),
        // The release whose API it speaks, and what it is.
        kubelet_version: format!("v1.37.0-embedded-kube.{version}"),
        machine_id: text("/etc/machine-id"),
        operating_system: "linux".to_owned(),
        os_image: name(&text("/etc/os-release")).unwrap_or_else(|| "Linux".to_owned()),
        system_uuid: String::new(),
        ..NodeSystemInfo::default()
    }
}

/// The architecture, by Kubernetes' name.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The name in the text of `/etc/os-release`.
fn name(release: &str) -> Option<String> {
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_read() {
        assert_eq!(memory("MemTotal:       2048 kB\nMemFree: 1 kB"), 2 << 20);
        assert_eq!(name("ID=x\nPRETTY_NAME=\"An OS 1\"\n"), Some("An OS 1".into()));
        let capacity = capacity(Path::new("/"));
        assert!(capacity.cpus > 0 && capacity.memory > 0 && capacity.storage > 0, "{capacity:?}");
    }
}
