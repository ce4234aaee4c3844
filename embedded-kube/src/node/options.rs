//! How a node is set up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Deserialize;

use super::spec::program::Programs;

/// How a node is set up. Durations in JSON are text, such as `10s` or `5m`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// The node's name.
    pub name: String,
    /// The folder for volumes and logs, which belongs to one runner at a time. It is created with what is missing of it.
    pub data: PathBuf,
    /// Which programs Pods may run.
    pub programs: Programs,
    /// Where the node serves the logs of its containers. Without it, nobody outside this process reads them.
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
    /// The folders of this machine that Pods may have as `hostPath` volumes, with everything in them.
    #[serde(default)]
    pub host_paths: Vec<PathBuf>,
    /// Labels of the Node, beside those that each has.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Variables of every container, which it may override.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Where containers reach the API server, as `127.0.0.1:6443`; without it, containers are not told.
    #[serde(default)]
    pub api_server: Option<SocketAddr>,
    /// How containers see their volumes.
    #[serde(default)]
    pub view: View,
    /// What the node has; by default, what the machine has.
    #[serde(default)]
    pub capacity: Option<Capacity>,
    /// How long a container waits that has failed twice; it then waits twice as long each time.
    #[serde(default = "ten_seconds")]
    pub restart_delay: SignedDuration,
    /// The longest that a failing container waits.
    #[serde(default = "five_minutes")]
    pub longest_restart_delay: SignedDuration,
    /// About how many bytes are kept of what one run of a container puts out: the newest.
    #[serde(default = "ten_mebibytes")]
    pub log_bytes: u64,
    /// How long containers may take to end when the runner is stopped.
    #[serde(default = "ten_seconds")]
    pub shutdown_grace: SignedDuration,
    /// The program that supervises containers, whose `main` begins with [`crate::supervisor::take_over`]; by default
    /// the running one.
    #[serde(default)]
    pub supervisor: Option<PathBuf>,
}

/// Where a node serves logs, and to whom.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// The address of the node, and the port; port 0 is any free one. The API server connects to it.
    pub address: SocketAddr,
    /// A PEM file with the certificate for that address.
    pub certificate: PathBuf,
    /// A PEM file with its key.
    pub key: PathBuf,
    /// A PEM file with the authority whose certificates may read every log: that of the API server's kubelet client, and
    /// of nobody else.
    pub clients: PathBuf,
}

/// How containers see their volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum View {
    /// As [`View::Mounts`] where the machine lets us, and else as [`View::Rewrite`].
    #[default]
    Detect,
    /// Each container has a mount namespace of its own, in which its volumes are at their mount paths.
    Mounts,
    /// Mount paths in arguments and in variables are replaced by the paths of the volumes' folders.
    Rewrite,
}

/// What a node has to give.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capacity {
    /// Processors.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of disk.
    pub storage: u64,
    /// Pods.
    pub pods: u32,
}

fn ten_seconds() -> SignedDuration {
    SignedDuration::from_secs(10)
}

fn five_minutes() -> SignedDuration {
    SignedDuration::from_mins(5)
}

fn ten_mebibytes() -> u64 {
    10 << 20
}

impl Options {
    /// A node with nothing but what it must have.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        data: impl Into<PathBuf>,
        programs: Programs,
        endpoint: Option<Endpoint>,
    ) -> Self {
        Self {
            name: name.into(),
            data: data.into(),
            programs,
            endpoint,
            host_paths: Vec::new(),
            labels: BTreeMap::new(),
            environment: BTreeMap::new(),
            api_server: None,
            view: View::default(),
            capacity: None,
            restart_delay: ten_seconds(),
            longest_restart_delay: five_minutes(),
            log_bytes: ten_mebibytes(),
            shutdown_grace: ten_seconds(),
            supervisor: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_needs_no_port() {
        let mut settings = json!({"name": "n", "data": "/d", "programs": {"images": {}}});
        let options: Options = serde_json::from_value(settings.clone()).unwrap();
        assert!(options.endpoint.is_none());
        settings["endpoint"] = json!({"address": "127.0.0.1:0", "certificate": "c", "key": "k", "clients": "a"});
        let options: Options = serde_json::from_value(settings).unwrap();
        assert_eq!(options.endpoint.map(|endpoint| endpoint.clients), Some(PathBuf::from("a")));
    }
}
