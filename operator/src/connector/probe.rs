//! The objects of a check: what is checked, and the Job that does it.

use std::collections::BTreeMap;

use aggregator_crds::{Connector, ConnectorSpec};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::due::requested;
use crate::identity::Who;
use crate::labels::{self, labels};
use crate::names;
use crate::settings::Settings;
use crate::worker::{self, MANIFESTS, Mounts, Worker};

/// The longest a check may take, in seconds.
pub(super) const DEADLINE: i64 = 180;
/// How long the worker may take to stop, in seconds.
const GRACE: i64 = 5;

/// The name of the ConfigMap that holds what was found at a Connector.
#[must_use]
pub fn catalogue_name(connector: &str) -> String {
    names::child(connector, "catalogue")
}

/// Which check comes next: its name is told from what asks for it, so that it is made once.
fn number(connector: &Connector) -> String {
    let last = connector.status.as_ref().and_then(|status| status.last_check.as_ref());
    let (uid, generation) = (connector.uid().unwrap_or_default(), connector.metadata.generation.unwrap_or_default());
    // A check and the one before may be of the same second.
    let last = last.and_then(|last| last.job.clone()).unwrap_or_default();
    let asked = requested(connector).map(String::as_str).unwrap_or_default();
    names::hash(&[&uid, &generation.to_string(), asked, &last], 8)
}

/// The name of the Job of the next check, and of the ConfigMap with what it checks.
#[must_use]
pub(super) fn job_name(connector: &Connector) -> String {
    names::child(&connector.name_any(), &format!("check-{}", number(connector)))
}

fn labels_of(connector: &Connector) -> BTreeMap<String, String> {
    labels([(labels::CONNECTOR, &names::label(&connector.name_any()))])
}

/// What is checked: the Connector with the paths that the Pod will see. None when it cannot be written.
#[must_use]
pub(super) fn plan_of(connector: &Connector, spec: ConnectorSpec) -> Option<ConfigMap> {
    let seen = Connector {
        metadata: ObjectMeta {
            name: connector.metadata.name.clone(),
            namespace: connector.metadata.namespace.clone(),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    };
    let text = serde_saphyr::to_string(&seen).ok()?;
    Some(ConfigMap {
        metadata: labels::child_of(connector, job_name(connector), labels_of(connector)),
        data: Some([(MANIFESTS.to_owned(), text)].into()),
        immutable: Some(true),
        ..ConfigMap::default()
    })
}

/// The Job of the next check.
#[must_use]
pub(super) fn job_of(connector: &Connector, mounts: &Mounts, settings: &Settings) -> Job {
    let name = connector.name_any();
    let (plan, service_account) = (job_name(connector), Who::Probe.name(settings));
    let worker = Worker {
        plan: &plan,
        service_account: &service_account,
        arguments: worker::arguments(
            "probe",
            vec![
                ("namespace", connector.namespace().unwrap_or_default()),
                ("connector", name.clone()),
                ("connector-uid", connector.uid().unwrap_or_default()),
                ("catalogue", catalogue_name(&name)),
            ],
        ),
        mounts,
        resources: None,
        grace_seconds: GRACE,
    };
    let labels = labels_of(connector);
    Job {
        metadata: labels::child_of(connector, job_name(connector), labels.clone()),
        spec: Some(worker.job(labels, Some(DEADLINE), settings)),
        status: None,
    }
}
