//! What the API server was asked for: its audit log, of ServiceAccounts and of who acts as others, and of nobody else.

use std::path::Path;

use serde_json::{Value, json};

use super::certificates;

/// What is written down.
pub(super) const POLICY: &str = "audit-policy.json";
/// Where it is.
pub(super) const LOG: &str = "audit.log";

/// Writes what the API server is to write down into the folder. It looks at who asks, not at whom they act as.
pub(super) fn write_policy(home: &Path) {
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            // The controllers of the control plane.
            {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
            {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
            {"level": "Metadata", "users": [certificates::STAND_IN]},
        ],
    });
    std::fs::write(home.join(POLICY), policy.to_string()).unwrap();
}

/// A request, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What for, as rights have it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
    /// The API group, empty for the core.
    pub group: String,
    /// The resource, with the subresource behind a slash. Empty when it was for something else, as `/version`.
    pub resource: String,
    /// The namespace; empty when it was for none, or for all.
    pub namespace: String,
    /// The object; empty for a list, a watch, and most new objects.
    pub name: String,
    /// The status of the answer.
    pub code: u64,
    /// Why it was refused.
    pub message: String,
}

impl Request {
    fn of(event: &Value) -> Self {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (resource, part) = (text("/objectRef/resource"), text("/objectRef/subresource"));
        Self {
            verb: text("/verb"),
            group: text("/objectRef/apiGroup"),
            resource: if part.is_empty() { resource } else { format!("{resource}/{part}") },
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            code: event["responseStatus"]["code"].as_u64().unwrap_or(0),
            message: text("/responseStatus/message"),
        }
    }
}

/// What a user has asked for, or somebody who acts as them.
pub(super) fn requests(home: &Path, user: &str) -> Vec<Request> {
    let log = std::fs::read_to_string(home.join(LOG)).unwrap();
    // The last line may be half written.
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    // Most lines are of others.
    let lines = whole.lines().filter(|line| line.contains(user));
    let events = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let who = |event: &Value| match event.pointer("/impersonatedUser/username") {
        Some(acted) => acted == user,
        None => event["user"]["username"] == user,
    };
    events.filter(who).map(|event| Request::of(&event)).collect()
}
