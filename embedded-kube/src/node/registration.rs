//! The Node object and its Lease: what the node says of itself, and that it still lives.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference, Time};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::context::{Context, PATIENCE};
use super::machine;

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
    /// The port of the log endpoint.
    pub(crate) port: u16,
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
        let status = status(self.context, self.port, ready, &before, Timestamp::now());
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

/// The error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The Node's labels: those that each node has, and its own.
fn labels(name: &str, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let each = [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", machine::architecture()),
    ];
    each.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().chain(own.clone()).collect()
}

fn status(context: &Context, port: u16, ready: bool, before: &[NodeCondition], now: Timestamp) -> NodeStatus {
    let has = &context.capacity;
    let capacity: BTreeMap<String, Quantity> = [
        ("cpu", has.cpus.to_string()),
        ("memory", has.memory.to_string()),
        ("ephemeral-storage", has.storage.to_string()),
        ("pods", has.pods.to_string()),
    ]
    .map(|(name, amount)| (name.to_owned(), Quantity(amount)))
    .into();
    let address = |kind: &str, address: String| NodeAddress { type_: kind.to_owned(), address };
    NodeStatus {
        addresses: Some(vec![
            address("InternalIP", context.address().to_string()),
            address("Hostname", context.options.name.clone()),
        ]),
        allocatable: Some(capacity.clone()),
        capacity: Some(capacity),
        conditions: Some(conditions(ready, before, now)),
        daemon_endpoints: Some(NodeDaemonEndpoints { kubelet_endpoint: Some(DaemonEndpoint { port: port.into() }) }),
        node_info: Some(machine::info()),
        ..NodeStatus::default()
    }
}

fn conditions(ready: bool, before: &[NodeCondition], now: Timestamp) -> Vec<NodeCondition> {
    let condition = |kind: &str, holds: bool, reason: &str, message: &str| {
        let status = if holds { "True" } else { "False" };
        let same = before.iter().find(|old| old.type_ == kind && old.status == status);
        let since = same.and_then(|old| old.last_transition_time.clone());
        NodeCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_heartbeat_time: Some(Time(now)),
            last_transition_time: Some(since.unwrap_or(Time(now))),
        }
    };
    let ready = if ready {
        condition("Ready", true, "KubeletReady", "the node runner is ready")
    } else {
        condition("Ready", false, "KubeletNotReady", "the node runner was stopped")
    };
    vec![
        condition("MemoryPressure", false, "NotMeasured", "the node runner does not measure it"),
        condition("DiskPressure", false, "NotMeasured", "the node runner does not measure it"),
        condition("PIDPressure", false, "NotMeasured", "the node runner does not measure it"),
        ready,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_its_time_while_it_holds() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = conditions(true, &[], at(1));
        let second = conditions(true, &first, at(2));
        let third = conditions(false, &second, at(3));
        let times = |conditions: &[NodeCondition]| {
            let ready = conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
            let time = |time: &Option<Time>| time.as_ref().unwrap().0.as_second();
            (ready.status.clone(), time(&ready.last_transition_time), time(&ready.last_heartbeat_time))
        };
        assert_eq!(times(&first), ("True".into(), 1, 1));
        assert_eq!(times(&second), ("True".into(), 1, 2));
        assert_eq!(times(&third), ("False".into(), 3, 3));
    }

    #[test]
    fn a_node_has_the_labels_that_schedulers_ask_for() {
        let own = [("zone".to_owned(), "a".to_owned())].into();
        let labels = labels("n", &own);
        assert_eq!(labels["kubernetes.io/hostname"], "n");
        assert_eq!(labels["kubernetes.io/os"], "linux");
        assert_eq!(labels["zone"], "a");
    }
}
