//! What all plays share: a control plane, a node that is one by name only, and what is seen of the cluster.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aggregator_tests::control_plane::{ControlPlane, Plane};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{Namespace, Node};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use crate::reference::Reference;
use crate::seen::{Place, Seen};

/// How many plays go on at a time: a control plane mostly waits (the Job controller collects changes for a second). The real one
/// needs two cores for so many, the embedded one for twice as many.
const AT_A_TIME: usize = 14;
/// The node on which all Pods are.
pub(crate) const NODE: &str = "faults";
/// How often the node says that it lives.
const BEAT: Duration = Duration::from_secs(5);
/// How long the control plane may take for what it does by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// What all plays share.
pub(crate) struct Stage {
    /// A client that no fault touches.
    pub(crate) client: Client,
    /// What is seen of the cluster.
    pub(crate) seen: Arc<Seen>,
    /// Which control plane it is.
    pub(crate) plane: &'static str,
    /// Who may play now.
    pub(crate) turns: Semaphore,
    /// How undisturbed plays go, by workload.
    pub(crate) references: Mutex<HashMap<&'static str, Arc<OnceCell<Arc<Reference>>>>>,
    namespaces: AtomicU32,
}

/// The stage, with what it stands on.
pub(crate) struct Harness {
    // Fields are dropped in their order: first who asks, then who answers.
    runtime: Runtime,
    pub(crate) stage: Arc<Stage>,
    _plane: Arc<ControlPlane>,
}

impl Harness {
    /// The one that the tests of this process share.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Harness>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let harness = Arc::new(Self::start());
            *shared = Arc::downgrade(&harness);
            harness
        })
    }

    fn start() -> Self {
        let plane = ControlPlane::shared();
        plane.install();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads");
        let stage = runtime.block_on(Stage::set(&plane)).expect("a control plane that answers");
        Self { runtime, stage: Arc::new(stage), _plane: plane }
    }

    /// Does something with all threads of the stage.
    pub(crate) fn play<F: Future>(&self, play: F) -> F::Output {
        self.runtime.block_on(play)
    }
}

impl Stage {
    async fn set(plane: &ControlPlane) -> Result<Self, kube::Error> {
        let config = Kubeconfig::read_from(plane.kubeconfig()).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.expect("a kubeconfig");
        let client = Client::try_from(config)?;
        let seen = Arc::new(Seen::default());
        seen.begin(&client).await?;
        add_node(&client).await?;
        let (plane, turns) = match Plane::chosen() {
            Plane::Real => ("real", AT_A_TIME),
            Plane::Embedded => ("embedded", 2 * AT_A_TIME),
        };
        Ok(Self {
            client,
            seen,
            plane,
            turns: Semaphore::new(turns),
            references: Mutex::default(),
            namespaces: AtomicU32::new(0),
        })
    }

    /// A namespace in which Pods can be made, and what is seen of it.
    pub(crate) async fn namespace(&self) -> Result<(String, Arc<Place>), String> {
        // Of one length: no name is part of another one.
        let name = format!("faults-{:05}", self.namespaces.fetch_add(1, Ordering::Relaxed));
        let place = self.seen.look_at(&name);
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let made = namespaces.create(&PostParams::default(), &namespace).await;
        made.map_err(|error| format!("no namespace: {error}"))?;
        let deadline = Instant::now() + PATIENCE;
        let both = place.until("what each namespace has", deadline, |inside| {
            inside.get("ServiceAccount", "default")?;
            inside.get("ConfigMap", "kube-root-ca.crt").map(drop)
        });
        both.await?;
        Ok((name, place))
    }
}

fn now() -> MicroTime {
    MicroTime(Timestamp::now())
}

/// Adds a node that says that it is ready. Nobody runs anything there: what a kubelet would say of the Pods is said by
/// [`crate::node`].
async fn add_node(client: &Client) -> Result<(), kube::Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let metadata = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let node = Node { metadata: metadata(NODE), ..Node::default() };
    nodes.create(&PostParams::default(), &node).await?;
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
    let spec = LeaseSpec {
        holder_identity: Some(NODE.to_owned()),
        lease_duration_seconds: Some(40),
        renew_time: Some(now()),
        ..LeaseSpec::default()
    };
    let lease = Lease { metadata: metadata(NODE), spec: Some(spec) };
    leases.create(&PostParams::default(), &lease).await?;
    let at = Timestamp::now();
    let room = json!({"cpu": "10000", "memory": "10000Gi", "ephemeral-storage": "10000Gi", "pods": "1000000"});
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "it is one by name",
        "lastHeartbeatTime": at, "lastTransitionTime": at,
    });
    let status = json!({"status": {"capacity": &room, "allocatable": &room, "conditions": [ready]}});
    nodes.patch_status(NODE, &PatchParams::default(), &Patch::Merge(&status)).await?;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(BEAT).await;
            let renewed: Value = json!({"spec": {"renewTime": now()}});
            // One that is missed is followed by the next.
            leases.patch(NODE, &PatchParams::default(), &Patch::Merge(&renewed)).await.map(drop).unwrap_or_default();
        }
    });
    let deadline = Instant::now() + PATIENCE;
    loop {
        let node = nodes.get(NODE).await?;
        let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
        if taints.is_empty() {
            return Ok(());
        }
        assert!(Instant::now() < deadline, "the node is not taken for ready: {taints:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
