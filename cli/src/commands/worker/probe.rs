//! `aggregator worker probe`: a check of a Connector.

use std::sync::Arc;

use aggregator_crds::Reason;
use aggregator_crds::connector::{CATALOGUE, ProbeFailure, ProbeStep};
use aggregator_operator::{labels, names};
use aggregator_worker::cluster::{keep, probe as look_at};
use aggregator_worker::run::Places;
use kube::api::ObjectMeta;

use super::super::run::cancel_on_signals;
use super::{client, owner};
use crate::args::WorkerProbeArgs;
use crate::failure::Failure;
use crate::{manifests, output};

/// Checks a Connector, keeps its catalogue, and says how that ended. What does not hold is no failure of the check.
pub(super) async fn probe(args: WorkerProbeArgs) -> Result<u8, Failure> {
    let WorkerProbeArgs { of, connector_uid, catalogue: name, generation } = args;
    let manifests = Arc::new(manifests::load(&of.files)?);
    let places = Places::new(manifests, &of.namespace, manifests::secrets(of.secrets)?);
    let cancel = cancel_on_signals()?;
    let probed = cancel.run_until_cancelled(look_at(&places, &of.connector)).await;
    let Some((mut outcome, catalogue)) = probed else { return Ok(130) };
    if let Some(catalogue) = catalogue {
        let owner = owner("Connector", &of.connector, connector_uid);
        let metadata = ObjectMeta {
            name: Some(name),
            namespace: Some(of.namespace),
            labels: Some(labels::labels([(labels::CONNECTOR, &names::label(&of.connector))])),
            annotations: Some([(labels::GENERATION.to_owned(), generation.to_string())].into()),
            ..ObjectMeta::default()
        };
        let text = serde_json::to_string(&catalogue).map_err(std::io::Error::from)?;
        if let Err(error) = keep(&client().await?, metadata, owner, CATALOGUE, text).await {
            // What was found out about the system stands all the same.
            outcome.failure = Some(ProbeFailure {
                step: ProbeStep::Discover,
                reason: Reason::CatalogueNotKept.to_string(),
                message: format!("the catalogue cannot be kept: {error}"),
                remedy: Some("look whether the worker's ServiceAccount may create and patch ConfigMaps".into()),
            });
        }
    }
    output::log_result(&outcome)?;
    std::fs::write(of.termination_log, serde_json::to_string(&outcome).map_err(std::io::Error::from)?)?;
    Ok(0)
}
