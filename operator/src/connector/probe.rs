//! A check: its name, what it is about, and what its worker is told.

use std::collections::BTreeMap;

use aggregator_crds::{Connector, ConnectorSpec};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::due::requested;
use crate::labels::{self, labels};
use crate::names;
use crate::worker;

/// The longest a check may take, in seconds.
pub(super) const DEADLINE: i64 = 180;

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

/// The labels of both.
pub(super) fn labels_of(connector: &Connector) -> BTreeMap<String, String> {
    labels([(labels::CONNECTOR, &names::label(&connector.name_any()))])
}

/// What is checked: the Connector with the paths that the Pod will see.
#[must_use]
pub fn about(connector: &Connector, spec: ConnectorSpec) -> Connector {
    let metadata = ObjectMeta {
        name: connector.metadata.name.clone(),
        namespace: connector.metadata.namespace.clone(),
        ..ObjectMeta::default()
    };
    Connector { metadata, spec, status: None }
}

/// What the worker is told.
#[must_use]
pub(super) fn arguments(connector: &Connector) -> Vec<String> {
    let name = connector.name_any();
    let options = vec![
        ("secrets", worker::SECRETS.to_owned()),
        ("namespace", connector.namespace().unwrap_or_default()),
        ("connector", name.clone()),
        ("connector-uid", connector.uid().unwrap_or_default()),
        ("catalogue", catalogue_name(&name)),
        ("generation", connector.metadata.generation.unwrap_or_default().to_string()),
    ];
    worker::arguments("probe", options)
}
