//! The two control planes: a real one, and the embedded one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aggregator_tests::control_plane::{ControlPlane, Node};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::manifests;
use crate::stage::Stage;

/// A control plane with a node, and who may ask it.
pub(crate) struct Plane {
    /// How it is called when it differs.
    pub(crate) name: &'static str,
    /// A client of somebody who may do everything.
    pub(crate) client: Client,
    /// A client of somebody who says nothing of themselves.
    pub(crate) stranger: Client,
    /// The program that has kubectl.
    pub(crate) kubectl: PathBuf,
    /// The kubeconfig of somebody who may do everything.
    pub(crate) kubeconfig: PathBuf,
    /// The kubeconfig of somebody who says nothing of themselves.
    pub(crate) nobody: PathBuf,
    home: TempDir,
    // In the order in which they end.
    _node: Node,
    _plane: Arc<ControlPlane>,
}

/// Both.
#[derive(Clone)]
pub(crate) struct Planes {
    pub(crate) real: Arc<Plane>,
    pub(crate) embedded: Arc<Plane>,
}

/// The settings of a node that runs shells.
fn settings() -> Value {
    json!({
        "programs": {"images": {"tests/shell": "/bin/sh"}},
        "restartDelay": "1s",
        "capacity": {"cpus": 4, "memory": 8_589_934_592_u64, "storage": 8_589_934_592_u64, "pods": 500},
    })
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a context");
    Client::try_from(config).expect("a client")
}

/// A kubeconfig without a user.
fn nobody(plane: &ControlPlane, home: &Path) -> PathBuf {
    let cluster = json!({"server": plane.url(), "certificate-authority": plane.authority()});
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "nobody"}}],
        "current-context": "tests",
    });
    let file = home.join("nobody.kubeconfig");
    std::fs::write(&file, config.to_string()).expect("a file");
    file
}

impl Plane {
    /// A folder for a case, which is empty.
    pub(crate) fn folder(&self, case: &str) -> PathBuf {
        let folder = self.home.path().join(case);
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// Takes a control plane, gives it a node, and makes the kinds of the cases known to it.
    async fn open(name: &'static str, start: fn() -> ControlPlane) -> Self {
        let started = tokio::task::spawn_blocking(move || {
            let plane = Arc::new(start());
            let node = plane.node(manifests::NODE, &settings());
            plane.install();
            (plane, node)
        });
        let (plane, node) = started.await.expect("a control plane");
        let home = tempfile::Builder::new().prefix("conformance-").tempdir().expect("a folder");
        let (kubeconfig, nobody) = (plane.kubeconfig(), nobody(&plane, home.path()));
        Self {
            name,
            client: client(&kubeconfig).await,
            stranger: client(&nobody).await,
            kubectl: plane.program().to_owned(),
            kubeconfig,
            nobody,
            home,
            _node: node,
            _plane: plane,
        }
    }
}

impl Planes {
    /// Starts both.
    pub(crate) async fn start() -> Self {
        let real = tokio::spawn(Plane::open("real", ControlPlane::real));
        let embedded = tokio::spawn(Plane::open("embedded", ControlPlane::embedded));
        let real = Arc::new(real.await.expect("a real one"));
        let embedded = Arc::new(embedded.await.expect("an embedded one"));
        for plane in [&real, &embedded] {
            Stage::prepare(Arc::clone(plane)).await;
        }
        Self { real, embedded }
    }

    /// Ends both.
    pub(crate) async fn stop(self) {
        // They end their processes as they are dropped, which takes a moment.
        tokio::task::spawn_blocking(move || drop(self)).await.expect("no panic");
    }
}
