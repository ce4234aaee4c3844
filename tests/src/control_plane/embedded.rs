//! The control plane inside one program: how it is started, and where its keys are.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rcgen::{Issuer, KeyPair};
use serde_json::{Value, json};

use super::program::program;
use super::{audit, certificates};
use crate::process::Process;
use crate::wait::PATIENCE;

/// The only part of it.
pub(super) const PART: &str = "embedded-kube";
/// Its folder.
const FOLDER: &str = "cluster";

/// A running one.
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) port: u16,
    /// Who may certify nodes.
    pub(super) authority: Issuer<'static, KeyPair>,
}

/// Starts it, and gives its certificates and kubeconfigs the places that they have beside the real control plane.
pub(super) fn start(home: &Path, controllers: bool) -> Started {
    let mut process = Process::start(&program(), [write_config(home, controllers)], &home.join(format!("{PART}.log")));
    let started = Instant::now();
    let ready = loop {
        if let Some(ready) = said(&process.log(usize::MAX)) {
            break ready;
        }
        if process.ended() || started.elapsed() > PATIENCE {
            panic!("the embedded control plane did not start\n{}", process.log(60));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let port = text(&ready, "/url").rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let port = port.unwrap_or_else(|| panic!("there is no port in {ready}"));
    Started { process, port, authority: adopt(home, &ready) }
}

/// Writes what the program is told. Nodes are programs of their own, as beside the real control plane.
fn write_config(home: &Path, controllers: bool) -> PathBuf {
    let user = |name: &str| json!({"name": name, "groups": ["system:masters"]});
    let config = json!({"cluster": {
        "data": home.join(FOLDER),
        "port": 0,
        "users": [user(certificates::ADMIN), user(certificates::STAND_IN)],
        "controllers": controllers,
        "audit": home.join(audit::LOG),
    }});
    let path = home.join(format!("{PART}.json"));
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

/// What the program says when it is ready: a line of JSON, among those of its log.
fn said(log: &str) -> Option<Value> {
    log.lines().filter(|line| line.starts_with('{')).find_map(|line| serde_json::from_str(line).ok())
}

fn adopt(home: &Path, ready: &Value) -> Issuer<'static, KeyPair> {
    let own = Path::new(text(ready, "/home"));
    copy(&own.join("ca.crt"), &home.join(certificates::AUTHORITY));
    copy(&own.join("nodes/ca.crt"), &home.join(certificates::NODE_CLIENT_AUTHORITY));
    for user in [certificates::ADMIN, certificates::STAND_IN] {
        let kubeconfig = Path::new(text(ready, &format!("/kubeconfigs/{user}")));
        copy(kubeconfig, &home.join(format!("{user}.kubeconfig")));
    }
    certificates::read(&own.join("ca.crt"), &own.join("ca.key"))
}

fn text<'a>(ready: &'a Value, pointer: &str) -> &'a str {
    let found = ready.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("there is no {pointer} in {ready}"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}
