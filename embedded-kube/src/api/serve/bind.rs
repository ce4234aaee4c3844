//! A Pod goes to a node (`v1 Binding`).

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::store::{Change, Expected, NotWritten};
use super::super::{Kind, Refusal};
use super::Api;
use super::admission::{AdmissionRequest, Operation};
use super::answer::Answer;
use super::registry::key;
use super::write::{AGAIN, Asking, unwritten};

/// What a Pod says of whether it has a node.
const CONDITION: &str = "PodScheduled";

impl Api {
    /// Gives a Pod a node.
    ///
    /// # Errors
    /// When it has one, is to go, or is not there, or it is not admitted.
    pub(super) async fn bind(&self, asking: &Asking<'_>) -> Result<Answer, Refusal> {
        let binding: Value =
            serde_json::from_slice(&asking.asked.body).map_err(|error| Refusal::bad_request(error.to_string()))?;
        self.admit(&AdmissionRequest {
            object: Some(&binding),
            ..AdmissionRequest::new(self, asking, Operation::Create)
        })?;
        let (kind, name) = (asking.kind, asking.path.name.as_deref().unwrap_or_default());
        let called = Kind { plural: "pods/binding".into(), ..kind.clone() };
        let key = key(kind, asking.path.namespace.as_deref(), name);
        for _ in 0..AGAIN {
            let there = self.0.store.get(&key).ok_or_else(|| Refusal::not_found(kind, name))?;
            let pod = bound(there.object.clone(), &binding, asking.now);
            let change = Change::Put(pod.map_err(|why| Refusal::conflict(&called, name, &why))?);
            if !asking.options.dry_run {
                match self.0.store.write(key.clone(), Expected::Version(there.version), change).await {
                    Ok(_) => {}
                    Err(NotWritten::Unexpected(_)) => continue,
                    Err(error) => return Err(unwritten(kind, name, error, false)),
                }
            }
            let status =
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
            return Ok(Answer::object(StatusCode::CREATED, &status));
        }
        Err(Refusal::modified(kind, name))
    }
}

/// A Pod with its node, or why it cannot have it.
fn bound(mut pod: Value, binding: &Value, now: Timestamp) -> Result<Value, String> {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, uid, node) = (text(&pod, "/metadata/name"), text(&pod, "/metadata/uid"), text(&pod, "/spec/nodeName"));
    let meant = text(binding, "/metadata/uid");
    if !meant.is_empty() && meant != uid {
        return Err(format!("Precondition failed: UID in precondition: {meant}, UID in object meta: {uid}"));
    }
    if !text(&pod, "/metadata/deletionTimestamp").is_empty() {
        return Err(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if !node.is_empty() {
        return Err(format!("pod {name} is already assigned to node \"{node}\""));
    }
    if pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
        return Err(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    pod["spec"]["nodeName"] = text(binding, "/target/name").into();
    let condition = json!({
        "type": CONDITION,
        "status": "True",
        "lastProbeTime": null,
        "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    match conditions.iter_mut().find(|one| one["type"] == CONDITION) {
        Some(one) => *one = condition,
        None => conditions.push(condition),
    }
    pod["status"]["conditions"] = conditions.into();
    Ok(pod)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_one_node_for_ever() {
        let binding = json!({"metadata": {"name": "p", "uid": "u"}, "target": {"kind": "Node", "name": "n"}});
        let waits = json!({"type": CONDITION, "status": "False", "reason": "Unschedulable"});
        let pod = json!({"metadata": {"name": "p", "uid": "u", "generation": 1}, "spec": {},
                         "status": {"conditions": [waits]}});
        let of = |pod: &Value| bound(pod.clone(), &binding, Timestamp::UNIX_EPOCH);
        let there = of(&pod).expect("it has none");
        assert_eq!((&there["spec"]["nodeName"], &there["metadata"]["generation"]), (&json!("n"), &json!(1)));
        assert_eq!(
            there["status"]["conditions"],
            json!([{"type": CONDITION, "status": "True", "lastProbeTime": null,
                    "lastTransitionTime": "1970-01-01T00:00:00Z"}])
        );
        assert_eq!(of(&there), Err("pod p is already assigned to node \"n\"".to_owned()));
        let with = |field: &str, value: Value| {
            let mut pod = pod.clone();
            *pod.pointer_mut(field).expect("a field") = value;
            of(&pod).expect_err("it is refused")
        };
        assert!(with("/metadata/uid", json!("other")).contains("UID in precondition: u, UID in object meta: other"));
        assert!(with("/spec", json!({"schedulingGates": [{"name": "g"}]})).contains("schedulingGates"));
        let going = json!({"name": "p", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert!(with("/metadata", going).contains("is being deleted"));
    }
}
