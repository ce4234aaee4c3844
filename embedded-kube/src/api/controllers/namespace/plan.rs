//! What is to be done for a namespace now: a pure decision.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use serde_json::json;

use super::View;
use super::remains::conditions;
use crate::api::controllers::action::{Action, Plan, Propagation, Target};
use crate::api::controllers::garbage::Item;
use crate::api::controllers::resource::{CONFIG_MAP, NAMESPACE, SERVICE_ACCOUNT};

/// The ConfigMap with the certificate of the API server's authority.
pub const AUTHORITY: &str = "kube-root-ca.crt";
/// The name of Pods as a resource.
pub(super) const PODS: &str = "pods.";
/// The finalizer that says that a namespace is not empty yet.
const FINALIZER: &str = "kubernetes";
/// How soon it is looked again at a namespace that is not empty yet.
const PAUSE: Duration = Duration::from_secs(1);

const DESCRIPTION: &str = "kubernetes.io/description";
/// What the ConfigMap says of itself, to the letter.
const DESCRIBED: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints \
     such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of \
     Kubernetes clusters.";

/// What is to be done for a namespace now.
#[must_use]
pub fn plan(view: &View, now: Timestamp) -> Plan {
    if view.namespace.metadata.deletion_timestamp.is_some() {
        return leaving(view, now);
    }
    let namespace = view.namespace.metadata.name.as_deref().unwrap_or_default();
    let mut plan = Plan::nothing();
    if !view.account {
        let object = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace},
        });
        plan = plan.then(Action::Create { resource: SERVICE_ACCOUNT, object, refused: None });
    }
    let Some(certificate) = &view.certificate else { return plan };
    match &view.authority {
        None => {
            let object = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": AUTHORITY, "namespace": namespace, "annotations": {DESCRIPTION: DESCRIBED}},
                "data": {"ca.crt": certificate.as_ref()},
            });
            plan.then(Action::Create { resource: CONFIG_MAP, object, refused: None })
        }
        Some(there) if !is_right(there, certificate) => {
            let patch = json!({
                "metadata": {"annotations": {DESCRIPTION: DESCRIBED}},
                "data": data(there, certificate),
            });
            plan.then(Action::Merge { target: Target::of(&CONFIG_MAP, &there.metadata), part: None, patch })
        }
        Some(_) => plan,
    }
}

fn is_right(there: &ConfigMap, certificate: &str) -> bool {
    let only = there
        .data
        .as_ref()
        .is_some_and(|data| data.len() == 1 && data.get("ca.crt").is_some_and(|there| there == certificate));
    let annotations = there.metadata.annotations.as_ref();
    only && annotations.and_then(|all| all.get(DESCRIPTION)).is_some_and(|text| !text.is_empty())
}

/// What the ConfigMap should have, and nothing else of what it has.
fn data(there: &ConfigMap, certificate: &str) -> serde_json::Value {
    let mut data = json!({});
    for key in there.data.iter().flat_map(|data| data.keys()) {
        data[key] = serde_json::Value::Null;
    }
    data["ca.crt"] = certificate.into();
    data
}

/// Deletes what is in a namespace, Pods first, and then lets it go.
fn leaving(view: &View, now: Timestamp) -> Plan {
    let namespace = view.namespace.as_ref();
    let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_deref()).unwrap_or_default();
    if finalizers.is_empty() {
        return Plan::nothing();
    }
    let target = Target::of(&NAMESPACE, &namespace.metadata);
    let stage: Vec<&Item> = match view.content.get(PODS) {
        Some(pods) => pods.iter().collect(),
        None => view.content.values().flatten().collect(),
    };
    let stays: Vec<&&Item> = stage.iter().filter(|item| item.metadata.deletion_timestamp.is_none()).collect();
    if !stays.is_empty() {
        let deleted = stays.into_iter().map(|item| Action::Delete {
            target: Target::of(&item.resource, &item.metadata).any_version(),
            propagation: Some(Propagation::Background),
            grace: None,
        });
        // At once: what has no finalizer is gone then.
        return deleted.fold(Plan::nothing(), Plan::then).again_in(Duration::ZERO);
    }
    let mut plan = Plan::nothing();
    let before = namespace.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    let conditions = conditions(view, now);
    if conditions != before {
        let patch = json!({"status": {"phase": "Terminating", "conditions": conditions}});
        return plan.then(Action::Merge { target, part: Some("status"), patch }).again_in(Duration::ZERO);
    }
    if stage.is_empty() {
        let left: Vec<&String> = finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).collect();
        if left.len() < finalizers.len() {
            plan = plan.then(Action::Replace { target, part: "finalize", object: finalized(namespace, &left) });
        }
        return plan;
    }
    plan.again_in(PAUSE)
}

fn finalized(namespace: &Namespace, left: &[&String]) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": namespace.metadata, "spec": {"finalizers": left},
    })
}
