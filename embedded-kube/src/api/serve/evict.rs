//! A Pod that is sent away (`policy/v1 Eviction`): it is told why, and then deleted. There are no disruption budgets.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::Refusal;
use super::super::lifecycle::DeleteOptions;
use super::super::store::{Change, Expected, NotWritten};
use super::Api;
use super::admission::{AdmissionRequest, Operation};
use super::answer::Answer;
use super::registry::key;
use super::write::{AGAIN, Asking, unwritten};

/// By which a Pod's Job knows that the Pod is not to blame.
const TARGET: &str = "DisruptionTarget";

impl Api {
    /// Sends a Pod away.
    ///
    /// # Errors
    /// When it is not there, changes all the time, or it is not admitted.
    pub(super) async fn evict(&self, asking: &Asking<'_>) -> Result<Answer, Refusal> {
        let bad = |error: serde_json::Error| Refusal::bad_request(error.to_string());
        let sent: Value = serde_json::from_slice(&asking.asked.body).map_err(bad)?;
        let options: DeleteOptions = match &sent["deleteOptions"] {
            Value::Null => DeleteOptions::default(),
            given => serde_json::from_value(given.clone()).map_err(bad)?,
        };
        let name = asking.path.name.as_deref().unwrap_or_default();
        if sent["metadata"]["name"] != name {
            return Err(Refusal::bad_request("name in URL does not match name in Eviction object"));
        }
        let key = key(asking.kind, asking.path.namespace.as_deref(), name);
        let dry = asking.options.dry_run || options.dry_run.iter().any(|what| what == "All");
        self.admit(&AdmissionRequest {
            object: Some(&sent),
            dry_run: dry,
            ..AdmissionRequest::new(self, asking, Operation::Create)
        })?;
        let mut tries = if dry { 0 } else { AGAIN };
        while tries > 0 {
            tries -= 1;
            let there = self.0.store.get(&key).ok_or_else(|| Refusal::not_found(asking.kind, name))?;
            let change = Change::Put(told(there.object.clone(), asking.now));
            match self.0.store.write(key.clone(), Expected::Version(there.version), change).await {
                Ok(_) => break,
                Err(NotWritten::Unexpected(Some(_))) if tries > 0 => {}
                Err(error) => return Err(unwritten(asking.kind, name, error, false)),
            }
        }
        self.remove(asking, &key, &options).await?;
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
        Ok(Answer::object(StatusCode::CREATED, &status))
    }
}

/// A Pod with the reason why it goes.
fn told(mut pod: Value, now: Timestamp) -> Value {
    let condition = json!({
        "type": TARGET,
        "status": "True",
        "lastProbeTime": null,
        "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    });
    let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.retain(|one| one["type"] != TARGET);
    conditions.push(condition);
    pod["status"]["conditions"] = conditions.into();
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_told_once_why_it_goes() {
        let pod = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let once = told(pod, Timestamp::UNIX_EPOCH);
        let twice = told(once.clone(), Timestamp::UNIX_EPOCH);
        assert_eq!(once, twice);
        let types: Vec<&Value> =
            twice["status"]["conditions"].as_array().unwrap().iter().map(|it| &it["type"]).collect();
        assert_eq!(types, ["Ready", TARGET]);
        assert_eq!(twice["status"]["conditions"][1]["lastTransitionTime"], "1970-01-01T00:00:00Z");
    }
}
