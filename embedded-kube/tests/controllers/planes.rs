//! Two control planes: one with the controllers of the release, and one with ours.

use std::sync::Arc;
use std::time::Duration;

use aggregator_embedded_kube::api::controllers::{Options, run};
use aggregator_tests::control_plane::{ControlPlane, Node};
use futures::future::LocalBoxFuture;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio_util::sync::CancellationToken;

use super::stage::Stage;

/// How long an outcome may take to become the same on both.
const SETTLES: Duration = Duration::from_secs(40);

/// A control plane with a node.
pub(crate) struct Plane {
    pub(crate) plane: Arc<ControlPlane>,
    pub(crate) node: Node,
}

/// Both of them.
pub(crate) struct Planes {
    pub(crate) real: Plane,
    pub(crate) ours: Plane,
    stop: CancellationToken,
    controllers: Option<JoinHandle<()>>,
}

/// Something that is done on both, and what is to be the same of it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) drive: fn(Stage) -> LocalBoxFuture<'static, ()>,
    pub(crate) outcome: fn(Stage) -> LocalBoxFuture<'static, Value>,
}

/// The settings of a node that runs shells.
pub(crate) fn settings() -> Value {
    json!({
        "programs": {"images": {"tests/shell": "/bin/sh"}},
        "restartDelay": "1s",
        "capacity": {"cpus": 4, "memory": 8_589_934_592_u64, "storage": 8_589_934_592_u64, "pods": 200},
    })
}

/// A client of somebody who may do everything.
pub(crate) async fn client(plane: &ControlPlane) -> Client {
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// The settings of our controllers, with the certificate that the other ones have.
pub(crate) fn options(plane: &ControlPlane) -> Options {
    let certificate = std::fs::read_to_string(plane.authority()).unwrap();
    Options { certificate: Some(certificate.into()), ..Options::default() }
}

impl Planes {
    pub(crate) async fn start() -> Self {
        let real = tokio::task::spawn_blocking(|| Arc::new(ControlPlane::start()));
        let ours = tokio::task::spawn_blocking(|| Arc::new(ControlPlane::bare()));
        let (real, ours) = (real.await.unwrap(), ours.await.unwrap());
        let stop = CancellationToken::new();
        let (client, options, stopped) = (client(&ours).await, options(&ours), stop.clone());
        let controllers = tokio::spawn(async move { run(client, options, stopped).await.unwrap() });
        let node = |plane: &Arc<ControlPlane>| {
            let plane = Arc::clone(plane);
            tokio::task::spawn_blocking(move || {
                let node = plane.node("main", &settings());
                Plane { plane, node }
            })
        };
        let (real, ours) = (node(&real), node(&ours));
        let (real, ours) = (real.await.unwrap(), ours.await.unwrap());
        Self { real, ours, stop, controllers: Some(controllers) }
    }

    /// Does the same on both, everything at the same time, and compares.
    pub(crate) async fn compare(&self, scenarios: Vec<Scenario>) {
        let done = scenarios.into_iter().map(|scenario| self.one(scenario));
        let done = LocalSet::new().run_until(futures::future::join_all(done)).await;
        let failures: Vec<String> = done.into_iter().flatten().collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    async fn one(&self, scenario: Scenario) -> Option<String> {
        let name = scenario.name;
        let stage = |plane: &Plane, whose: &'static str| {
            let (client, node) = (client_of(plane), plane.node.name().to_owned());
            let shared = plane.node.shared().display().to_string();
            async move {
                let stage = Stage::open(client.await, name, node, shared, whose).await;
                (scenario.drive)(stage.clone()).await;
                stage
            }
        };
        let (real, ours) = (stage(&self.real, "real"), stage(&self.ours, "ours"));
        let (real, ours) = futures::future::join(spawn_local(real), spawn_local(ours)).await;
        let (real, ours) = match (real, ours) {
            (Ok(real), Ok(ours)) => (real, ours),
            (real, ours) => return Some(format!("== {name}: {:?} {:?}", real.err(), ours.err())),
        };
        let started = tokio::time::Instant::now();
        loop {
            let (there, here) = ((scenario.outcome)(real.clone()).await, (scenario.outcome)(ours.clone()).await);
            if there == here {
                assert!(!there.is_null(), "{name} has no outcome");
                return None;
            }
            if started.elapsed() > SETTLES {
                let text = |value: &Value| serde_json::to_string_pretty(value).unwrap();
                return Some(format!("== {name}\nreal: {}\nours: {}", text(&there), text(&here)));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Ends our controllers.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Some(controllers) = self.controllers.take() {
            controllers.await.unwrap();
        }
        // Nodes and control planes end their processes as they are dropped, which takes a moment.
        tokio::task::spawn_blocking(move || drop(self)).await.unwrap();
    }
}

fn client_of(plane: &Plane) -> impl Future<Output = Client> + Send + use<> {
    let plane = Arc::clone(&plane.plane);
    async move { client(&plane).await }
}
