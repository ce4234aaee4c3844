//! A namespace with an operator of its own, on a control plane and a node that the tests share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aggregator_tests::control_plane::{ControlPlane, Namespace, Node};
use aggregator_tests::folder;
use aggregator_tests::process::Process;
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The image of the workers: the node runs this build's binary for it.
const IMAGE: &str = "aggregator.dev/aggregator";

/// What the tests share.
struct Cluster {
    plane: Arc<ControlPlane>,
    node: Node,
}

impl Cluster {
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let plane = ControlPlane::shared();
            plane.kubectl(["apply", "--server-side", "--filename", crds().to_str().expect("a path")]);
            for kind in ["connectors", "pipelines", "transformations", "schedules", "pipelineruns", "checkpoints"] {
                let crd = format!("crd/{kind}.aggregator.dev");
                plane.kubectl(["wait", crd.as_str(), "--for=condition=Established", "--timeout=60s"]);
            }
            let settings = json!({
                "programs": {"images": {IMAGE: folder::binary("aggregator")}},
                "hostPaths": [std::env::temp_dir()],
            });
            let node = plane.node("runner", &settings);
            let cluster = Arc::new(Self { plane, node });
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    }
}

fn crds() -> PathBuf {
    folder::workspace().join("crds/generated")
}

/// A namespace with an operator of its own, and a folder that its Connectors may name.
pub(crate) struct Project {
    // Fields are dropped in their order: first who works, then where.
    operator: Option<Process>,
    pub(crate) namespace: Namespace,
    folder: TempDir,
    cluster: Arc<Cluster>,
}

impl Project {
    pub(crate) fn new() -> Self {
        let cluster = Cluster::shared();
        let namespace = cluster.plane.namespace();
        let folder = tempfile::Builder::new().prefix("aggregator-project-").tempdir().expect("a folder");
        let mut project = Self { operator: None, namespace, folder, cluster };
        project.start();
        project
    }

    /// Starts the operator.
    pub(crate) fn start(&mut self) {
        let own = self.folder.path().display().to_string();
        let arguments = [
            "operator",
            "--namespace",
            self.namespace.name(),
            "--worker-image",
            IMAGE,
            "--allow-host-paths",
            &own,
            "--host-path-base",
            &own,
            "-v",
        ];
        let kubeconfig = format!("KUBECONFIG={}", self.cluster.plane.kubeconfig().display());
        let binary = folder::binary("aggregator").display().to_string();
        let words = [kubeconfig.as_str(), &binary].into_iter().chain(arguments);
        let log = self.folder.path().join("operator.log");
        self.operator = Some(Process::start("env".as_ref(), words, &log));
    }

    /// Kills the operator.
    pub(crate) fn kill(&mut self) {
        self.operator = None;
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// The lines of all files below a folder, sorted.
    pub(crate) fn lines(&self, folder: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let mut folders = vec![self.folder.path().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let entry = entry.expect("an entry");
                let hidden = entry.file_name().to_string_lossy().starts_with(['.', '_']);
                if entry.path().is_dir() && !hidden {
                    folders.push(entry.path());
                } else if !hidden {
                    let text = std::fs::read_to_string(entry.path()).expect("text");
                    lines.extend(text.lines().map(str::to_owned));
                }
            }
        }
        lines.sort();
        lines
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Value {
        let text = self.namespace.kubectl(["get", kind, name, "--output=json"]);
        serde_json::from_str(&text).expect("JSON")
    }

    pub(crate) fn list(&self, kind: &str) -> Vec<Value> {
        let text = self.namespace.kubectl(["get", kind, "--output=json"]);
        let list: Value = serde_json::from_str(&text).expect("JSON");
        list["items"].as_array().expect("a list").clone()
    }

    /// A run, once it has its end.
    pub(crate) fn ended(&self, run: &str) -> Value {
        eventually(&format!("an end of {run}"), || {
            let run = self.get("pipelinerun", run);
            let condition = &run["status"]["conditions"][0];
            ["True", "False"].contains(&condition["status"].as_str()?).then_some(run)
        })
    }

    /// Files of a folder into another, as a Pipeline of that name.
    pub(crate) fn copy_files(&self, pipeline: &str, execution: &str) {
        self.namespace.apply(&format!(
            "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: in}}
spec: {{file: {{root: in, format: {{csv: {{}}}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: out}}
spec: {{file: {{root: out, format: {{ndjson: {{}}}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: {pipeline}}}
spec:
  sources: [{{name: rows, connector: in, stream: \"*.csv\", sync: {{mode: Incremental}}}}]
  sinks: [{{name: kept, from: rows, connector: out, stream: rows/}}]
  execution: {execution}
"
        ));
    }

    /// Changes what the Pipeline `move` reads: a Connector of that spec.
    pub(crate) fn read_from(&self, connector: &str, stream: &str) {
        let kept = self.list("controllerrevisions").len();
        self.namespace.apply(&format!(
            "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: in}}
spec: {connector}
"
        ));
        let patch = json!({"spec": {"sources": [{"name": "rows", "connector": "in", "stream": stream}]}}).to_string();
        self.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", &patch]);
        eventually("the edited Pipeline", || (self.list("controllerrevisions").len() > kept).then_some(()));
    }

    /// Asks for a run of the newest version of a Pipeline.
    pub(crate) fn run(&self, name: &str, pipeline: &str) {
        self.run_as(name, &format!("pipelineRef: {{name: {pipeline}}}"));
    }

    /// Asks for a run with that spec.
    pub(crate) fn run_as(&self, name: &str, spec: &str) {
        self.namespace.apply(&format!(
            "
apiVersion: aggregator.dev/v1alpha1
kind: PipelineRun
metadata: {{name: {name}}}
spec: {{{spec}}}
"
        ));
    }
}

impl Drop for Project {
    #[expect(clippy::print_stderr, reason = "the test's own output, which is shown when it fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(operator) = &self.operator {
                eprintln!("== the log of the operator\n{}", operator.log(80));
            }
            eprintln!("{}", self.cluster.node.log());
        }
    }
}
