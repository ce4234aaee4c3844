//! What the Node object says of the node: pure but for what the machine is.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{DaemonEndpoint, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::machine;
use super::options::Capacity;

/// The Node's labels: those that each node has, and its own.
pub(crate) fn labels(name: &str, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let each = [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", machine::architecture()),
    ];
    each.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().chain(own.clone()).collect()
}

/// The Node's status, given its name and address, the port of its logs if it has one, and its conditions as they were.
pub(crate) fn status(
    (name, ip): (&str, IpAddr),
    port: Option<u16>,
    has: &Capacity,
    ready: bool,
    before: &[NodeCondition],
    now: Timestamp,
) -> NodeStatus {
    let capacity: BTreeMap<String, Quantity> = [
        ("cpu", has.cpus.to_string()),
        ("memory", has.memory.to_string()),
        ("ephemeral-storage", has.storage.to_string()),
        ("pods", has.pods.to_string()),
    ]
    .map(|(name, amount)| (name.to_owned(), Quantity(amount)))
    .into();
    let address = |kind: &str, address: String| NodeAddress { type_: kind.to_owned(), address };
    let endpoint = |port: u16| NodeDaemonEndpoints { kubelet_endpoint: Some(DaemonEndpoint { port: port.into() }) };
    NodeStatus {
        addresses: Some(vec![address("InternalIP", ip.to_string()), address("Hostname", name.to_owned())]),
        allocatable: Some(capacity.clone()),
        capacity: Some(capacity),
        conditions: Some(conditions(ready, before, now)),
        daemon_endpoints: port.map(endpoint),
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
    fn a_node_without_a_port_tells_none() {
        let has = Capacity { cpus: 2, memory: 1 << 30, storage: 1 << 40, pods: 10 };
        let told = |port| {
            let address = std::net::Ipv4Addr::LOCALHOST.into();
            let status = status(("n", address), port, &has, true, &[], Timestamp::UNIX_EPOCH);
            let endpoints = status.daemon_endpoints.and_then(|endpoints| endpoints.kubelet_endpoint);
            (endpoints.map(|endpoint| endpoint.port), status.addresses.map(|addresses| addresses.len()))
        };
        assert_eq!(told(Some(10250)), (Some(10250), Some(2)));
        assert_eq!(told(None), (None, Some(2)));
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
