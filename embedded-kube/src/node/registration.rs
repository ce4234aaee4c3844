//! The Node object and its Lease: what the node says of itself, and that it still lives.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::context::{Context, PATIENCE};
use super::describe::{labels, status};
use crate::chain;

/// How often the Lease is renewed.
const BEAT: Duration = Duration::from_secs(10);
/// How long the node is taken to live without a renewal.
const LEASE_SECONDS: i32 = 40;
/// After how many beats the status is written again.
const BEATS_PER_STATUS: u32 = 30;
/// How soon what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Where the Leases of nodes are.
const NAMESPACE: &str = "kube-node-lease";

/// The node as it says that it is.
pub(crate) struct Registration<'a> {
    pub(crate) context: &'a Context,
    /// The port of the log endpoint, if there is one.
    pub(crate) port: Option<u16>,
}

impl Registration<'_> {
    /// Registers the node, and says that it lives until the end; then says that it is not ready any more.
    pub(crate) async fn keep(&self, stop: &CancellationToken) {
        let mut beats = 0u32;
        loop {
            let done = self.beat(beats).await;
            let wait = match done {
                Ok(()) => {
                    beats = beats.wrapping_add(1);
                    BEAT
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the node could not say that it lives");
                    // Somebody may have removed the Node, and the Lease with it.
                    beats = 0;
                    RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        if let Err(error) = self.status(false).await {
            tracing::warn!(error = %chain(&error), "the node could not say that it goes");
        }
    }

    async fn beat(&self, beats: u32) -> Result<(), kube::Error> {
        if beats.is_multiple_of(BEATS_PER_STATUS) {
            let node = self.register().await?;
            self.status(true).await?;
            self.renew(Some(&node)).await
        } else {
            self.renew(None).await
        }
    }

    /// Creates the Node, or gives the one of that name our labels.
    async fn register(&self) -> Result<Node, kube::Error> {
        let api: Api<Node> = Api::all(self.context.client.clone());
        let name = &self.context.options.name;
        let labels = labels(name, &self.context.options.labels);
        if within(api.get_opt(name)).await?.is_some() {
            let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
            return within(api.patch(name, &PatchParams::default(), &patch)).await;
        }
        let metadata = ObjectMeta { name: Some(name.clone()), labels: Some(labels), ..ObjectMeta::default() };
        within(api.create(&PostParams::default(), &Node { metadata, ..Node::default() })).await
    }

    async fn status(&self, ready: bool) -> Result<(), kube::Error> {
        let api: Api<Node> = Api::all(self.context.client.clone());
        let name = &self.context.options.name;
        let node = within(api.get(name)).await?;
        let before = node.status.and_then(|status| status.conditions).unwrap_or_default();
        let (name_and_address, capacity) = ((name.as_str(), self.context.address()), &self.context.capacity);
        let status = status(name_and_address, self.port, capacity, ready, &before, Timestamp::now());
        let patch = Patch::Strategic(json!({"status": status}));
        within(api.patch_status(name, &PatchParams::default(), &patch)).await.map(drop)
    }

    async fn renew(&self, node: Option<&Node>) -> Result<(), kube::Error> {
        let api: Api<Lease> = Api::namespaced(self.context.client.clone(), NAMESPACE);
        let name = &self.context.options.name;
        let now = MicroTime(Timestamp::now());
        if node.is_none() {
            let patch = Patch::Merge(json!({"spec": {"renewTime": now}}));
            return within(api.patch(name, &PatchParams::default(), &patch)).await.map(drop);
        }
        let owner = node.map(|node| OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: name.clone(),
            uid: node.metadata.uid.clone().unwrap_or_default(),
            ..OwnerReference::default()
        });
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(name.clone()),
                lease_duration_seconds: Some(LEASE_SECONDS),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        };
        if within(api.get_opt(name)).await?.is_some() {
            let patch = Patch::Merge(lease);
            return within(api.patch(name, &PatchParams::default(), &patch)).await.map(drop);
        }
        within(api.create(&PostParams::default(), &lease)).await.map(drop)
    }
}

/// The answer, if it comes in time.
async fn within<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let late = |_| kube::Error::Service(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
    timeout(PATIENCE, answer).await.map_err(late)?
}
