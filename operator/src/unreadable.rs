//! Objects that cannot be read: nothing is done for them, and that is said of them.
//!
//! The API server lets pass what the schema of a kind allows, and keeps what another release has written.

use std::fmt;

use aggregator_crds::Reason;
use aggregator_crds::condition::{ConditionStatus, ConditionType};
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, ObjectMeta, Patch, PatchParams};
use kube::core::error_boundary::InvalidObject;
use serde_json::json;

use crate::action::Kind;
use crate::conditions::{Said, renew};
use crate::execute::FIELD_MANAGER;

/// Who says it: the fields that the operator has written before are left as they are.
const UNREADABLE: &str = "aggregator-operator-unreadable";

/// An object that cannot be read.
#[derive(Clone, Debug)]
pub struct Unreadable {
    kind: Option<Kind>,
    metadata: ObjectMeta,
    error: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "it cannot be read: {}; `aggregator lint` says where the mistake is", self.error)
    }
}

impl Unreadable {
    /// An object of that kind.
    #[must_use]
    pub fn new(kind: &str, invalid: InvalidObject) -> Self {
        Self {
            kind: Kind::OURS.into_iter().find(|it| it.name() == kind),
            metadata: invalid.metadata,
            error: invalid.error,
        }
    }

    /// The condition that tells of it; None where there is no place for it. `Stalled` does not stand beside it: it would be of
    /// this owner, and the operator could not take it away when the object can be read again.
    fn said(&self) -> Option<Said> {
        match self.kind? {
            Kind::Connector | Kind::Pipeline | Kind::Transformation | Kind::Schedule => {
                Some(Said::holds(ConditionType::Ready, false, Reason::Unreadable, self.to_string()))
            }
            Kind::PipelineRun => {
                let ours = |manager: Option<&String>| manager.is_some_and(|it| it == FIELD_MANAGER);
                // It may have its end, which nobody may take from it.
                let known = self.metadata.managed_fields.iter().flatten().any(|it| ours(it.manager.as_ref()));
                let said =
                    Said::new(ConditionType::Succeeded, ConditionStatus::Unknown, Reason::Unreadable, self.to_string());
                (!known).then_some(said)
            }
            _ => None,
        }
    }

    /// Says it in the object's status.
    ///
    /// # Errors
    /// When the API server refuses it, or cannot be reached.
    pub async fn tell(&self, client: &Client) -> Result<(), kube::Error> {
        let (Some(kind), Some(said)) = (self.kind, self.said()) else { return Ok(()) };
        let ObjectMeta { name, namespace, uid, resource_version, generation, .. } = &self.metadata;
        let name = name.as_deref().unwrap_or_default();
        let conditions = renew(&[], vec![said], *generation, Timestamp::now());
        let resource = kind.resource();
        let status = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name, "uid": uid, "resourceVersion": resource_version},
            "status": {"observedGeneration": generation, "conditions": conditions},
        });
        let namespace = namespace.as_deref().unwrap_or_default();
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        match api.patch_status(name, &PatchParams::apply(UNREADABLE).force(), &Patch::Apply(&status)).await {
            // It has changed, or is gone: then there is news of it.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            told => told.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: &str, managed_fields: &serde_json::Value) -> Option<(ConditionType, ConditionStatus, Reason)> {
        let metadata = json!({"name": "it", "namespace": "demo", "managedFields": managed_fields});
        let metadata = serde_json::from_value(metadata).expect("metadata");
        let said = Unreadable::new(kind, InvalidObject { error: "expected a string".into(), metadata }).said()?;
        assert_eq!(said.message, "it cannot be read: expected a string; `aggregator lint` says where the mistake is");
        Some((said.condition_type, said.status, said.reason))
    }

    #[test]
    fn the_leading_condition_tells_of_it_and_a_run_keeps_its_end() {
        let ready = Some((ConditionType::Ready, ConditionStatus::False, Reason::Unreadable));
        for kind in ["Connector", "Pipeline", "Transformation", "Schedule"] {
            assert_eq!(said(kind, &json!([{"manager": FIELD_MANAGER}])), ready, "{kind}");
        }
        let run = Some((ConditionType::Succeeded, ConditionStatus::Unknown, Reason::Unreadable));
        assert_eq!(said("PipelineRun", &json!([{"manager": "kubectl"}])), run);
        assert_eq!(said("PipelineRun", &json!([{"manager": "kubectl"}, {"manager": FIELD_MANAGER}])), None);
        for kind in ["Checkpoint", "Pod", "Job"] {
            assert_eq!(said(kind, &json!([])), None, "{kind}");
        }
    }
}
