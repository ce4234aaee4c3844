//! Nodes.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cell::{self, flag, list, text, text_or};
use super::column::Head;

const STATUS: &str = "io.k8s.api.core.v1.NodeStatus";
const INFO: &str = "io.k8s.api.core.v1.NodeSystemInfo";

pub(super) const HEADS: [Head; 10] = [
    Head::NAME,
    Head::new("Status", "The status of the node"),
    Head::new("Roles", "The roles of the node"),
    Head::AGE,
    Head::of("Version", INFO, "kubeletVersion"),
    Head::of("Internal-IP", STATUS, "addresses").wide(),
    Head::of("External-IP", STATUS, "addresses").wide(),
    Head::of("OS-Image", INFO, "osImage").wide(),
    Head::of("Kernel-Version", INFO, "kernelVersion").wide(),
    Head::of("Container-Runtime", INFO, "containerRuntimeVersion").wide(),
];

pub(super) fn cells(node: &Value, now: Timestamp) -> Vec<Value> {
    let kernel = text_or(node, "/status/nodeInfo/kernelVersion", "<unknown>");
    let kernel = match text(node, "/status/nodeInfo/architecture") {
        "" => kernel.to_owned(),
        architecture => format!("{kernel} ({architecture})"),
    };
    vec![
        json!(cell::name(node)),
        json!(status(node)),
        json!(roles(node)),
        json!(cell::age(node, now)),
        json!(text(node, "/status/nodeInfo/kubeletVersion")),
        json!(address(node, "InternalIP")),
        json!(address(node, "ExternalIP")),
        json!(text_or(node, "/status/nodeInfo/osImage", "<unknown>")),
        json!(kernel),
        json!(text_or(node, "/status/nodeInfo/containerRuntimeVersion", "<unknown>")),
    ]
}

fn status(node: &Value) -> String {
    // The last one counts, if there are several.
    let ready = list(node, "/status/conditions").iter().rev().find(|condition| condition["type"] == "Ready");
    let status = match ready {
        None => "Unknown",
        Some(ready) if ready["status"] == "True" => "Ready",
        Some(_) => "NotReady",
    };
    let closed = if flag(node, "/spec/unschedulable") { ",SchedulingDisabled" } else { "" };
    format!("{status}{closed}")
}

fn roles(node: &Value) -> String {
    let labels = node.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    let role = |(key, value): (&'_ String, &'_ Value)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) => Some(role.to_owned()),
        None if key == "kubernetes.io/role" => value.as_str().map(str::to_owned),
        None => None,
    };
    let roles: BTreeSet<String> = labels.filter_map(role).filter(|role| !role.is_empty()).collect();
    if roles.is_empty() { "<none>".to_owned() } else { roles.into_iter().collect::<Vec<_>>().join(",") }
}

fn address<'a>(node: &'a Value, kind: &str) -> &'a str {
    let found = list(node, "/status/addresses").iter().find(|address| address["type"] == kind);
    found.map_or("<none>", |address| text(address, "/address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_or_not() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let node = json!({
            "metadata": {"name": "n", "labels": {
                "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/": "", "kubernetes.io/role": "boss",
            }},
            "spec": {"unschedulable": true},
            "status": {
                "conditions": [{"type": "Ready", "status": "Unknown"}],
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "nodeInfo": {"kubeletVersion": "v1", "kernelVersion": "6", "architecture": "amd64"},
            },
        });
        let expected = [
            "n",
            "NotReady,SchedulingDisabled",
            "boss,worker",
            "<unknown>",
            "v1",
            "127.0.0.1",
            "<none>",
            "<unknown>",
            "6 (amd64)",
            "<unknown>",
        ];
        assert_eq!(cells(&node, now), expected);
        assert_eq!(cells(&json!({}), now)[1..3], ["Unknown", "<none>"]);
    }
}
