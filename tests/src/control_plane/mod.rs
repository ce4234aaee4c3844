//! A private Kubernetes control plane on a free loopback port, with certificates of its own: etcd, API server,
//! controller manager and scheduler of the published release, or [all of that inside one program](Plane). Pods stay
//! pending until a test starts a [`Node`].

mod audit;
mod certificates;
mod embedded;
mod namespace;
mod node;
mod parts;
mod plane;
mod program;
mod reader;
mod release;

use std::ffi::OsStr;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use rcgen::{Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use self::reader::Reader;
use crate::folder;
use crate::process::{Process, mortal};
use crate::wait::PATIENCE;

pub use audit::Request;
pub use certificates::Identity;
pub use namespace::Namespace;
pub use node::Node;
pub use plane::Plane;
pub use release::Release;

/// A running control plane. Dropping it ends the processes and removes their files.
pub struct ControlPlane {
    program: PathBuf,
    port: u16,
    parts: Vec<(&'static str, Process)>,
    namespaces: AtomicU32,
    authority: Issuer<'static, KeyPair>,
    reader: OnceLock<Reader>,
    // The last field, because fields are dropped in their order: the folder goes when nobody writes to it any more.
    home: TempDir,
}

impl ControlPlane {
    /// The control plane that the tests of this process share: started by the first that asks, stopped with the last
    /// that lets go of it. Each test takes a [`Self::namespace`] of its own.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<ControlPlane>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let plane = Arc::new(Self::start());
            *shared = Arc::downgrade(&plane);
            plane
        })
    }

    /// Starts a control plane.
    ///
    /// # Panics
    /// When a program is not built, or a part ends or is not ready in time.
    #[must_use]
    pub fn start() -> Self {
        Self::of(Plane::chosen(), true)
    }

    /// Starts a real one, whichever tests are to have.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn real() -> Self {
        Self::of(Plane::Real, true)
    }

    /// Starts the embedded one, whichever tests are to have.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn embedded() -> Self {
        Self::of(Plane::Embedded, true)
    }

    /// Starts a control plane without controllers and scheduler: nothing comes about in it by itself, and a test may do
    /// their work.
    ///
    /// # Panics
    /// When a program is not built, or a part ends or is not ready in time.
    #[must_use]
    pub fn bare() -> Self {
        Self::of(Plane::chosen(), false)
    }

    fn of(plane: Plane, controllers: bool) -> Self {
        let home = tempfile::Builder::new().prefix("aggregator-kube-").tempdir().unwrap();
        match plane {
            Plane::Real => Self::of_parts(home, controllers),
            Plane::Embedded => Self::of_one(home, controllers),
        }
    }

    fn of_parts(home: TempDir, controllers: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let authority = certificates::write(home.path(), &url(port));
        audit::write_policy(home.path());
        let program = Release::chosen().program();
        let mut plane = Self {
            program,
            port,
            parts: Vec::new(),
            namespaces: AtomicU32::new(0),
            authority,
            reader: OnceLock::new(),
            home,
        };
        plane.spawn("etcd", parts::etcd(plane.home.path()));
        plane.spawn(parts::API_SERVER, parts::api_server(plane.home.path(), port));
        plane.wait_until_ready();
        if controllers {
            // Not before: it gives up when the API server is not there for ten seconds.
            plane.spawn("kube-controller-manager", parts::controller_manager(plane.home.path()));
            plane.spawn("kube-scheduler", parts::scheduler(plane.home.path()));
        }
        plane
    }

    fn of_one(home: TempDir, controllers: bool) -> Self {
        let program = kubectl();
        let embedded::Started { process, port, authority } = embedded::start(home.path(), controllers);
        let parts = vec![(embedded::PART, process)];
        Self { program, port, parts, namespaces: AtomicU32::new(0), authority, reader: OnceLock::new(), home }
    }

    fn spawn(&mut self, part: &'static str, arguments: Vec<String>) {
        let log = self.home.path().join(format!("{part}.log"));
        let arguments = std::iter::once(part.to_owned()).chain(arguments);
        self.parts.push((part, Process::start(&self.program, arguments, &log)));
    }

    fn wait_until_ready(&mut self) {
        let started = Instant::now();
        // The port tells more cheaply than a program that there is nobody to ask yet.
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() || self.ask(["get", "--raw=/readyz"]).is_err() {
            let ended = self.parts.iter_mut().any(|(_, process)| process.ended());
            if ended || started.elapsed() > PATIENCE {
                panic!("the control plane did not start\n{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Makes our kinds known to it, and the operator's rights, or makes them again what they should be.
    ///
    /// # Panics
    /// When it does not take them.
    pub fn install(&self) {
        for part in ["crds/generated", "config/rbac/operator.yaml"] {
            let part = folder::workspace().join(part).display().to_string();
            self.kubectl(["apply", "--server-side", "--force-conflicts", "--filename", part.as_str()]);
        }
        for kind in ["connectors", "pipelines", "transformations", "schedules", "pipelineruns", "checkpoints"] {
            let kind = format!("crd/{kind}.aggregator.dev");
            self.kubectl(["wait", kind.as_str(), "--for=condition=Established", "--timeout=60s"]);
        }
    }

    /// The program of the published release: its sub-command `kubectl` is for either control plane, and the parts of the
    /// real one are others.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where the API server is.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The certificate of the authority by which servers of the control plane are known, as a PEM file.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.home.path().join(certificates::AUTHORITY)
    }

    /// A kubeconfig file of a user who may do everything.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.home.path().join(format!("{}.kubeconfig", certificates::ADMIN))
    }

    /// A kubeconfig, as JSON, of somebody who acts as that user: what they ask for is among [`Self::requests`].
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn kubeconfig_as(&self, user: &str) -> String {
        let own = self.home.path().join(format!("{}.kubeconfig", certificates::STAND_IN));
        let mut config: Value = serde_json::from_str(&std::fs::read_to_string(own).unwrap()).unwrap();
        config["users"][0]["user"]["as"] = user.into();
        config.to_string()
    }

    /// What a ServiceAccount, or somebody who acts as that user, has asked the API server for, the oldest first.
    ///
    /// # Panics
    /// When the audit log cannot be read.
    #[must_use]
    pub fn requests(&self, user: &str) -> Vec<Request> {
        audit::requests(self.home.path(), user)
    }

    /// The process that answers requests.
    ///
    /// # Panics
    /// When there is none, which is a mistake in here.
    #[must_use]
    pub fn api_server(&self) -> &Process {
        let answers = |part: &str| [parts::API_SERVER, embedded::PART].contains(&part);
        let found = self.processes().find(|(part, _)| answers(part));
        found.map(|(_, process)| process).expect("each control plane has one")
    }

    /// The processes of the control plane, by the names of the parts.
    pub fn processes(&self) -> impl Iterator<Item = (&'static str, &Process)> {
        self.parts.iter().map(|(part, process)| (*part, process))
    }

    /// What kubectl puts out.
    ///
    /// # Panics
    /// When it fails.
    pub fn kubectl(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> String {
        self.ask(arguments).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What kubectl puts out.
    ///
    /// # Errors
    /// What it says when it fails, with its arguments.
    pub fn ask(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<String, String> {
        self.run(arguments, "")
    }

    /// Starts a kubectl that goes on for long, and writes what it puts out into the file.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_kubectl(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>, output: &Path) -> Process {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig().display());
        let first = ["kubectl".into(), kubeconfig.into()];
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        Process::start(&self.program, first.into_iter().chain(arguments), output)
    }

    fn run(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>, input: &str) -> Result<String, String> {
        let mut command = mortal(&self.program);
        command.arg("kubectl").arg("--kubeconfig").arg(self.kubeconfig()).args(arguments);
        // Caches and preferences of the user are left alone.
        command.env("HOME", self.home.path()).env_remove("KUBECONFIG").env_remove("KUBERC");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A broken pipe: it ended without reading, and says why below.
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap_or_default();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout).unwrap());
        }
        Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }

    /// Who reads its objects.
    fn reader(&self) -> &Reader {
        self.reader.get_or_init(|| Reader::new(&self.kubeconfig()))
    }

    /// Creates a namespace, in which Pods can be created.
    ///
    /// # Panics
    /// When it does not come about.
    #[must_use]
    pub fn namespace(self: &Arc<Self>) -> Namespace {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed);
        Namespace::create(Arc::clone(self), format!("test-{number}"))
    }

    /// A namespace that somebody else has created.
    ///
    /// # Panics
    /// When no Pod can be created in it for long.
    #[must_use]
    pub fn namespace_of(self: &Arc<Self>, name: &str) -> Namespace {
        Namespace::of(Arc::clone(self), name.to_owned())
    }

    /// Starts a node that runs Pods as processes; `settings` are merged into the `node` object of its configuration.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn node(self: &Arc<Self>, name: &str, settings: &Value) -> Node {
        Node::start(Arc::clone(self), name, settings)
    }

    /// Who a node of another program is, which is asked at that address. A name keeps its first address.
    ///
    /// # Panics
    /// When its files cannot be written.
    #[must_use]
    pub fn identity(&self, node: &str, address: &str) -> Identity {
        certificates::write_node(&self.authority, self.home.path(), &self.url(), node, address)
    }

    /// The last lines that each part has written.
    fn logs(&self) -> String {
        let logs = self.processes().map(|(part, process)| format!("== the log of {part}\n{}", process.log(60)));
        logs.collect()
    }
}

/// The program of the published release, whose sub-command `kubectl` is kubectl.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn kubectl() -> PathBuf {
    Release::chosen().program()
}

/// Where the API server is that has that port.
fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// A file of the control plane's, as an argument.
fn file(home: &Path, name: &str) -> String {
    home.join(name).display().to_string()
}
