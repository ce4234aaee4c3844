//! A running `aggregator up`, and what is left when it is killed.

use std::fs::{DirEntry, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

/// How long it may take until it is there, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long what it has started may outlive it.
const SOON: Duration = Duration::from_secs(5);
/// The variable that marks what a node has started.
const OWNER: &str = "EMBEDDED_KUBE_OWNER";

/// A running `aggregator up`. Dropping it kills it.
pub(crate) struct Cluster {
    pub(crate) child: Child,
    /// From its start until it said where it is.
    pub(crate) ready: Duration,
    kubeconfig: PathBuf,
    log: PathBuf,
}

impl Cluster {
    /// Starts one in a folder, and waits until it is there.
    pub(crate) fn start(program: &Path, folder: &Path, arguments: &[&str]) -> Self {
        let log = folder.join("up.log");
        let errors = File::options().create(true).append(true).open(&log).expect("a log");
        let mut command = Command::new(program);
        command.args(["up", "--port", "0", "--output", "json"]).args(arguments).current_dir(folder);
        for name in ["RUST_LOG", "RUST_BACKTRACE", "AGGREGATOR_LOG_FORMAT"] {
            command.env_remove(name);
        }
        let begun = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn();
        let mut child = child.expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (sender, told) = channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            for line in lines.map_while(Result::ok) {
                text.push_str(&line);
                if line == "}" {
                    // Nobody waits for more.
                    return sender.send((Instant::now(), text)).is_ok();
                }
            }
            false
        });
        let told = told.recv_timeout(PATIENCE);
        let mut cluster = Self { child, ready: Duration::ZERO, kubeconfig: PathBuf::new(), log };
        let (at, told) = told.expect("it says that it is there");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        cluster.kubeconfig = PathBuf::from(told["kubeconfig"].as_str().expect("a file"));
        cluster.ready = at.duration_since(begun);
        cluster
    }

    /// A client over TLS, as whoever has started it.
    pub(crate) async fn client(&self) -> Client {
        let file = Kubeconfig::read_from(&self.kubeconfig).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        Client::try_from(config.expect("a configuration")).expect("a client")
    }

    /// Kills it, and nothing else.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a process of ours");
        self.child.wait().expect("a process of ours");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may have ended before; either way it is waited for.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last = log.lines().count().saturating_sub(80);
            println!("== what `aggregator up` has said\n{}", log.lines().skip(last).collect::<Vec<_>>().join("\n"));
        }
    }
}

/// The processes of Pods that the cluster of a folder has started, and their supervisors.
pub(crate) fn processes(data: &Path) -> Vec<i32> {
    let mark = std::fs::read_to_string(data.join("node/owner")).expect("the mark of the folder's node");
    let variable = format!("{OWNER}={mark}");
    let entries = std::fs::read_dir("/proc").expect("processes").map_while(Result::ok);
    let is_marked = |entry: &DirEntry| {
        let environment = std::fs::read(entry.path().join("environ"));
        environment.is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == variable.as_bytes()))
    };
    entries.filter(is_marked).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// How long it takes until none of them is left.
pub(crate) fn until_none(data: &Path) -> Duration {
    let begun = Instant::now();
    loop {
        let (left, waited) = (processes(data).len(), begun.elapsed());
        if left == 0 {
            return waited;
        }
        assert!(waited < SOON, "{left} processes are left after {waited:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
