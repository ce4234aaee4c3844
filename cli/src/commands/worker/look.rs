//! `aggregator worker look`: whether files have arrived.

use std::sync::Arc;

use aggregator_worker::cluster::look as look_for;
use aggregator_worker::run::Places;

use super::super::run::cancel_on_signals;
use crate::args::WorkerLookArgs;
use crate::failure::Failure;
use crate::{manifests, output};

/// Looks for files, and says how that ended. That nothing could be seen is no failure of the worker.
pub(super) async fn look(args: WorkerLookArgs) -> Result<u8, Failure> {
    let WorkerLookArgs { of, stream, settle } = args;
    let manifests = Arc::new(manifests::load(&of.files)?);
    let places = Places::new(manifests, &of.namespace, manifests::secrets(of.secrets)?);
    let settle = aggregator_crds::parse_duration(&settle)
        .map_err(|error| Failure::usage(error.to_string(), "write a length of time with --settle, as 30s"))?;
    let cancel = cancel_on_signals()?;
    let looked = cancel.run_until_cancelled(look_for(&places, &of.connector, &stream, settle)).await;
    let Some(outcome) = looked else { return Ok(130) };
    output::log_result(&outcome)?;
    std::fs::write(of.termination_log, serde_json::to_string(&outcome).map_err(std::io::Error::from)?)?;
    Ok(0)
}
