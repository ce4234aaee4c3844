//! What an object of a kind is before anything is set.
//!
//! Objects of built-in kinds are structs to the API server: parts that are always there are not new when an object is created,
//! so that nobody comes to own them.

use serde_json::{Value, json};

use crate::api::Kind;

pub(super) fn object(kind: &Kind) -> Value {
    let mut object = if kind.custom { json!({}) } else { parts(&kind.group, &kind.kind) };
    object["metadata"] = json!({});
    object
}

/// Parts of which others are parts, and values that may stay as they are. The others are the same to everybody.
fn parts(group: &str, kind: &str) -> Value {
    match (group, kind) {
        ("", "Pod") => json!({"spec": {"containers": null}, "status": {}}),
        ("batch", "Job") => {
            json!({"spec": {"template": {"metadata": {}, "spec": {"containers": null}}}, "status": {}})
        }
        ("", "Namespace") => json!({"spec": {}, "status": {}}),
        ("", "Node") => {
            json!({"spec": {}, "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}}, "nodeInfo": {}}})
        }
        ("", "Event") => json!({
            "involvedObject": {},
            "source": {},
            "firstTimestamp": null,
            "lastTimestamp": null,
            "eventTime": null,
            "reportingComponent": "",
            "reportingInstance": "",
        }),
        ("events.k8s.io", "Event") => json!({
            "regarding": {},
            "deprecatedSource": {},
            "deprecatedFirstTimestamp": null,
            "deprecatedLastTimestamp": null,
            "eventTime": null,
        }),
        ("authentication.k8s.io", "TokenRequest") => json!({
            "spec": {"audiences": null, "boundObjectRef": null},
            "status": {"token": "", "expirationTimestamp": null},
        }),
        ("authentication.k8s.io", "TokenReview") => json!({"spec": {}, "status": {"user": {}}}),
        ("authorization.k8s.io", _) => json!({"spec": {}, "status": {"allowed": false}}),
        ("apps", "ControllerRevision") => json!({"revision": 0}),
        ("coordination.k8s.io", "Lease") => json!({"spec": {}}),
        ("", "ResourceQuota") => json!({"spec": {}, "status": {}}),
        ("", "LimitRange") => json!({"spec": {"limits": null}}),
        ("networking.k8s.io", "NetworkPolicy") => json!({"spec": {"podSelector": {}}}),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => json!({"rules": null}),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            json!({"spec": {"names": {}, "versions": null}, "status": {"acceptedNames": {}, "conditions": null}})
        }
        _ => json!({}),
    }
}
