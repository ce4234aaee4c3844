//! What the tests of plans share: objects from JSON, and errands that are carried out.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::action::{Action, Kind};
use crate::errand::Errands;

/// An object as JSON writes it.
pub(crate) fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}"))
}

impl Errands {
    /// Carries out a write to one of them; false when it is to something else.
    pub(crate) fn carry_out(&mut self, action: &Action) -> bool {
        match action {
            Action::Create { kind: Kind::ConfigMap, object: made } => self.plans.push(Arc::new(object(made.clone()))),
            Action::Create { kind: Kind::Job, object: made } => {
                let mut made = made.clone();
                made["metadata"]["uid"] = "uid-job".into();
                self.jobs.push(Arc::new(object(made)));
            }
            Action::Delete { target, .. } => {
                self.jobs.retain(|job| job.metadata.name.as_deref() != Some(&target.name));
                self.plans.retain(|plan| plan.metadata.name.as_deref() != Some(&target.name));
                self.pods.clear();
            }
            _ => return false,
        }
        true
    }

    /// The Job has a Pod of that status.
    pub(crate) fn pod_is(&mut self, status: Value) {
        let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "uid-job", "controller": true});
        self.pods =
            vec![Arc::new(object(json!({"metadata": {"name": "p", "ownerReferences": [owner]}, "status": status})))];
    }

    /// The worker of the Job says this.
    pub(crate) fn worker_said(&mut self, outcome: &Value) {
        let state = json!({"terminated": {"exitCode": 0, "message": outcome.to_string()}});
        self.pod_is(json!({"phase": "Succeeded", "containerStatuses": [
            {"name": "worker", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}
        ]}));
    }
}
