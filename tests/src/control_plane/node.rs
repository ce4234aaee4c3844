//! A node of a control plane's, whose Pods are processes of this machine.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::program::program;
use super::{ControlPlane, file};
use crate::process::Process;
use crate::wait::{PATIENCE, eventually};

/// A node runner: the program `embedded-kube` as a process of its own. Dropping it kills it, and so its Pods' processes.
pub struct Node {
    plane: Arc<ControlPlane>,
    name: String,
    home: PathBuf,
    process: Option<Process>,
}

impl Node {
    pub(super) fn start(plane: Arc<ControlPlane>, name: &str, settings: &Value) -> Self {
        let folder = plane.home.path();
        let identity = plane.identity(name, "127.0.0.1");
        let mut config = json!({
            "kubeconfig": identity.kubeconfig,
            "node": {
                "name": name,
                "data": file(folder, &format!("{name}.data")),
                "programs": {"images": {}},
                "hostPaths": [file(folder, &format!("{name}.shared"))],
                "apiServer": format!("127.0.0.1:{}", plane.port),
                "endpoint": {
                    "address": "127.0.0.1:0",
                    "certificate": identity.certificate,
                    "key": identity.key,
                    "clients": identity.clients,
                },
            },
        });
        for (key, value) in settings.as_object().unwrap() {
            config["node"][key] = value.clone();
        }
        std::fs::create_dir_all(folder.join(format!("{name}.shared"))).unwrap();
        std::fs::write(folder.join(format!("{name}.json")), config.to_string()).unwrap();
        let home = folder.to_owned();
        let mut node = Self { plane, name: name.to_owned(), home, process: None };
        node.restart();
        node
    }

    /// Starts the runner again, after [`Self::kill`] or [`Self::stop`], and waits until the node is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn restart(&mut self) {
        let config = self.home.join(format!("{}.json", self.name));
        let since = self.lease();
        self.process = Some(Process::start(&program(), [config], &self.log_file()));
        eventually("a ready node", || {
            let process = self.process.as_mut().unwrap();
            assert!(!process.ended(), "the node runner has ended\n{}", process.log(60));
            let ready = r#"--output=jsonpath={.status.conditions[?(@.type=="Ready")].status} {.spec.taints}"#;
            let ready = self.plane.ask(["get", "node", &self.name, ready]).is_ok_and(|ready| ready == "True ");
            (ready && self.lease() != since).then_some(())
        });
    }

    fn lease(&self) -> Option<String> {
        let renewed = "--output=jsonpath={.spec.renewTime}";
        self.plane.ask(["get", "lease", &self.name, "--namespace=kube-node-lease", renewed]).ok()
    }

    /// Its name, by which a Pod is bound to it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The runner's process id.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process.as_ref().expect("the runner is started").id()
    }

    /// The folder with its volumes and logs.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.home.join(format!("{}.data", self.name))
    }

    /// A folder that the node's Pods may have as a `hostPath` volume, and may write to by its path.
    #[must_use]
    pub fn shared(&self) -> PathBuf {
        self.home.join(format!("{}.shared", self.name))
    }

    /// Kills the runner, which then cannot do anything any more.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        drop(self.process.take().expect("the runner is started"));
    }

    /// Asks the runner to end, and waits until it has.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("the runner is started");
        process.terminate();
        let started = std::time::Instant::now();
        while !process.ended() {
            assert!(started.elapsed() < PATIENCE, "the node runner does not end\n{}", process.log(60));
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// The last lines of what the runner has written.
    #[must_use]
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn log_file(&self) -> PathBuf {
        self.home.join(format!("{}.log", self.name))
    }
}

impl Drop for Node {
    #[expect(clippy::print_stderr, reason = "the test's own output, which is shown when it fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("== the log of the node {}\n{}", self.name, self.log());
        }
    }
}
