//! A namespace with operators of its own, on a control plane and a node that the tests share.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aggregator_tests::control_plane::{ControlPlane, Namespace, Node, Request};
use aggregator_tests::process::Process;
use aggregator_tests::wait::eventually;
use aggregator_tests::{folder, operator};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The image of the workers: the node runs this build's binary for it.
pub(crate) const IMAGE: &str = "aggregator.dev/aggregator";

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
            let cluster = Arc::new(Self::of(ControlPlane::shared()));
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    }

    fn of(plane: Arc<ControlPlane>) -> Self {
        plane.install();
        let settings = json!({
            "programs": {"images": {IMAGE: folder::binary("aggregator")}},
            "hostPaths": [std::env::temp_dir()],
        });
        let node = plane.node("runner", &settings);
        Self { plane, node }
    }
}

/// A namespace with operators of its own, and a folder that its Connectors may name.
pub(crate) struct Project {
    // Fields are dropped in their order: first who works, then where.
    pub(crate) operators: Vec<Process>,
    /// Whether the operators act under a Lease.
    leased: bool,
    /// The image of the workers, for operators that are started from now on.
    pub(crate) image: String,
    /// What else the operators are told that are started from now on.
    pub(crate) arguments: Vec<String>,
    /// Variables of the operators that are started from now on, as `NAME=value`.
    pub(crate) variables: Vec<String>,
    started: u32,
    pub(crate) namespace: Namespace,
    folder: TempDir,
    /// The folder below it where relative paths of Connectors start.
    base: &'static str,
    cluster: Arc<Cluster>,
}

impl Project {
    /// With one operator.
    pub(crate) fn new() -> Self {
        let mut project = Self::without_operator(false);
        project.start();
        project
    }

    /// With operators that act under a Lease.
    pub(crate) fn leased(operators: u32) -> Self {
        let mut project = Self::without_operator(true);
        for _ in 0..operators {
            project.start();
        }
        project
    }

    /// The namespace of `config/samples`, which only one test may have, with one operator. Paths of the samples lead into
    /// the project's folder, and not into this clone.
    pub(crate) fn of_samples() -> Self {
        let cluster = Cluster::shared();
        let namespace = folder::workspace().join("config/samples/00-namespace.yaml").display().to_string();
        cluster.plane.kubectl(["apply", "--filename", &namespace]);
        let mut project = Self::within(cluster.plane.namespace_of("demo"), cluster, "config/samples");
        project.start();
        project
    }

    /// With one operator, on a control plane and a node of its own: for what would be in the way of others.
    pub(crate) fn alone() -> Self {
        let cluster = Arc::new(Cluster::of(Arc::new(ControlPlane::start())));
        let mut project = Self::within(cluster.plane.namespace(), cluster, "");
        project.start();
        project
    }

    pub(crate) fn without_operator(leased: bool) -> Self {
        let cluster = Cluster::shared();
        let mut project = Self::within(cluster.plane.namespace(), cluster, "");
        project.leased = leased;
        project
    }

    fn within(namespace: Namespace, cluster: Arc<Cluster>, base: &'static str) -> Self {
        let folder = tempfile::Builder::new().prefix("aggregator-project-").tempdir().expect("a folder");
        Self {
            operators: Vec::new(),
            leased: false,
            image: IMAGE.to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            started: 0,
            namespace,
            folder,
            base,
            cluster,
        }
    }

    /// Starts an operator.
    pub(crate) fn start(&mut self) {
        let own = self.folder.path().display().to_string();
        let base = self.folder.path().join(self.base).display().to_string();
        let mut arguments: Vec<String> = [
            "operator",
            "--namespace",
            self.namespace.name(),
            "--worker-image",
            &self.image,
            "--allow-host-paths",
            &own,
            "--host-path-base",
            &base,
            "--health-address",
            "127.0.0.1:0",
            "-v",
        ]
        .map(str::to_owned)
        .into();
        if self.leased {
            arguments.extend(["--lease".to_owned(), format!("{}/aggregator", self.namespace.name())]);
        }
        arguments.extend(self.arguments.iter().cloned());
        let kubeconfig = format!("KUBECONFIG={}", self.operators_kubeconfig().display());
        let binary = folder::binary("aggregator").display().to_string();
        let words = std::iter::once(kubeconfig).chain(self.variables.iter().cloned());
        let words = words.chain([binary]).chain(arguments);
        self.started += 1;
        let log = self.folder.path().join(format!("operator-{}.log", self.started));
        self.operators.push(Process::start("env".as_ref(), words, &log));
    }

    /// A kubeconfig of a ServiceAccount that has, in this namespace, what `config/rbac` gives the operator, and nothing else.
    fn operators_kubeconfig(&self) -> PathBuf {
        let file = self.path("kubeconfig");
        if !file.exists() {
            self.give_rights();
            std::fs::write(&file, self.cluster.plane.kubeconfig_as(&self.user("operator"))).expect("a kubeconfig");
        }
        file
    }

    /// Gives that ServiceAccount its rights in this namespace.
    pub(crate) fn give_rights(&self) {
        self.give_rights_in(&self.namespace);
    }

    /// Another namespace of the same control plane.
    pub(crate) fn another(&self) -> Namespace {
        self.cluster.plane.namespace()
    }

    /// Gives the ServiceAccount of the operators its rights in that namespace.
    pub(crate) fn give_rights_in(&self, namespace: &Namespace) {
        let name = self.namespace.name();
        namespace.apply(&format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: operator}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: aggregator-operator}}
subjects: [{{kind: ServiceAccount, name: operator, namespace: {name}}}]
"
        ));
    }

    /// Whether all operators that were started still work.
    pub(crate) fn alive(&mut self) -> bool {
        self.operators.iter_mut().all(|operator| !operator.ended())
    }

    /// The user name of a ServiceAccount of the namespace.
    fn user(&self, service_account: &str) -> String {
        format!("system:serviceaccount:{}:{service_account}", self.namespace.name())
    }

    /// What a ServiceAccount of the namespace has asked the API server for.
    pub(crate) fn requests(&self, service_account: &str) -> Vec<Request> {
        self.cluster.plane.requests(&self.user(service_account))
    }

    /// A kubeconfig of somebody who may do everything.
    pub(crate) fn admin(&self) -> String {
        std::fs::read_to_string(self.cluster.plane.kubeconfig()).expect("a kubeconfig")
    }

    /// Everything that the operators have put out.
    pub(crate) fn log(&self) -> String {
        self.operators.iter().map(|operator| operator.log(usize::MAX)).collect()
    }

    /// Makes the definitions of our kinds what they were.
    pub(crate) fn reinstall(&self) {
        self.cluster.plane.install();
    }

    /// The node, of a control plane that this project has for itself.
    pub(crate) fn node(&mut self) -> &mut Node {
        &mut Arc::get_mut(&mut self.cluster).expect("nobody else has it").node
    }

    /// Sends the operators a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        for operator in &self.operators {
            let id = i32::try_from(operator.id()).expect("a process id");
            kill(Pid::from_raw(id), signal).expect("a signal");
        }
    }

    /// Sends the API server a signal, of a control plane that this project has for itself.
    pub(crate) fn signal_api_server(&self, signal: Signal) {
        let id = i32::try_from(self.cluster.plane.api_server().id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("a signal");
    }

    /// Kills the operators.
    pub(crate) fn kill(&mut self) {
        self.operators.clear();
    }

    /// Kills the operator that acts.
    pub(crate) fn kill_holder(&mut self) {
        let acts = |operator: &Process| operator.log(1000).contains("the operator acts");
        let holder = self.operators.iter().position(acts).expect("one of them acts");
        self.operators.remove(holder);
    }

    /// Asks the operators to end, and waits until they have.
    pub(crate) fn stop(&mut self) {
        for operator in &mut self.operators {
            operator.terminate();
            eventually("the operator's end", || operator.ended().then_some(()));
        }
        self.operators.clear();
    }

    /// What the first operator answers to a request for its health or metrics.
    pub(crate) fn ask_operator(&self, path: &str) -> String {
        Self::ask(self.operators.first().expect("an operator"), path)
    }

    /// What an operator answers to such a request.
    pub(crate) fn ask(operator: &Process, path: &str) -> String {
        let address = eventually("the address of the operator", || operator::address(operator));
        operator::ask(&address, path).expect("an answer").1
    }

    /// Does what a command says, as at a shell's prompt in the project's folder, where `kubectl` is for this namespace. Gives what
    /// it puts out, or how it failed.
    pub(crate) fn type_in(&self, command: &str) -> Result<String, String> {
        let programs = self.path("programs");
        if !programs.exists() {
            self.write("programs/kubectl", &self.kubectl_script());
            let executable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(programs.join("kubectl"), executable).expect("a program");
        }
        let search = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        let shell = Command::new("bash").args(["-c", command]).env("PATH", search).current_dir(self.path("")).output();
        let output = shell.expect("a shell");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(stdout)
        } else {
            Err(format!("{command}: {}\n{stdout}{}", output.status, String::from_utf8_lossy(&output.stderr)))
        }
    }

    /// A program `kubectl` for this namespace, as a shell script.
    fn kubectl_script(&self) -> String {
        let (program, kubeconfig) = (self.cluster.plane.program().display(), self.cluster.plane.kubeconfig());
        let (kubeconfig, namespace) = (kubeconfig.display(), self.namespace.name());
        format!("#!/bin/sh\nexec '{program}' kubectl --kubeconfig='{kubeconfig}' --namespace='{namespace}' \"$@\"\n")
    }

    /// A file or folder of its own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.folder.path().join(file)).expect("a file");
    }

    /// The lines of all files below a folder, sorted.
    pub(crate) fn lines(&self, folder: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let mut folders = vec![self.path(folder)];
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
        self.namespace.get(kind, name)
    }

    pub(crate) fn list(&self, kind: &str) -> Vec<Value> {
        self.namespace.list(kind)
    }

    /// The names of the Jobs of runs. Those of checks of Connectors go some time after their end.
    pub(crate) fn jobs_of_runs(&self) -> Vec<String> {
        let jobs = self.list("jobs").into_iter();
        let names = jobs.filter_map(|job| job["metadata"]["name"].as_str().map(str::to_owned));
        names.filter(|name| !name.contains("-check-")).collect()
    }

    /// A run, once it has its end.
    pub(crate) fn ended(&self, run: &str) -> Value {
        eventually(&format!("an end of {run}"), || {
            // What asks for it may have been answered before it is made.
            let run = self.namespace.find("pipelinerun", run).expect("an answer")?;
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
            for operator in &self.operators {
                eprintln!("== the log of an operator\n{}", operator.log(80));
            }
            eprintln!("{}", self.cluster.node.log());
        }
    }
}
