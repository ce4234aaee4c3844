//! What is known of a Connector and of its checks.

use std::sync::Arc;

use aggregator_compiler::catalogue::Catalogue;
use aggregator_crds::Connector;
use aggregator_crds::connector::CATALOGUE;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

use super::plan::EXPIRES;
use super::probe::catalogue_name;
use crate::errand::Errands;
use crate::identity::{self, Who};
use crate::index::Tie;
use crate::labels;
use crate::settings::Settings;
use crate::world::World;

/// What is known of a Connector and of its checks.
#[derive(Clone, Debug)]
pub struct View {
    /// The Connector.
    pub connector: Arc<Connector>,
    /// Its checks.
    pub checks: Errands,
    /// Whether what was found at it is there.
    pub has_catalogue: bool,
    /// Whether who checks has an identity and rights in the namespace.
    pub identity: bool,
    /// A Pipeline that names it; of one that does not expire, nobody asks.
    pub named_by: Option<String>,
}

/// What was found at a Connector, if its last discovery is of this version of it and can be read.
#[must_use]
pub fn catalogue(world: &World, connector: &Connector) -> Option<Catalogue> {
    let kept = current(world, connector)?;
    let text = kept.data.as_ref()?.get(CATALOGUE)?;
    serde_json::from_str(text).inspect_err(|error| tracing::warn!(%error, "a catalogue cannot be read")).ok()
}

/// The version of what was found at a Connector, if its last discovery is of this version of it.
#[must_use]
pub fn catalogue_version(world: &World, connector: &Connector) -> Option<String> {
    current(world, connector)?.resource_version()
}

/// The ConfigMap with what was found at a Connector, if that was this version of it.
fn current(world: &World, connector: &Connector) -> Option<Arc<ConfigMap>> {
    let last = connector.status.as_ref()?.last_check.as_ref()?;
    if last.generation == connector.metadata.generation { kept(world, connector) } else { None }
}

/// The ConfigMap with what was found at a Connector, unless it says that it is of another version of it.
fn kept(world: &World, connector: &Connector) -> Option<Arc<ConfigMap>> {
    let kept = world.config_maps.get(&connector.namespace()?, &catalogue_name(&connector.name_any()))?;
    // A worker that outlived its Job may have come last, with what an earlier version has found.
    let of = kept.annotations().get(labels::GENERATION).and_then(|of| of.parse::<i64>().ok());
    let is_of_it = of.is_none() || of == connector.metadata.generation;
    (labels::is_owned(kept.as_ref(), &connector.uid()?) && is_of_it).then_some(kept)
}

/// Looks at everything that a Connector touches.
#[must_use]
pub fn observe(world: &World, connector: &Arc<Connector>, settings: &Settings) -> View {
    let namespace = connector.namespace().unwrap_or_default();
    let expires = connector.annotations().contains_key(EXPIRES);
    let pipelines = expires.then(|| world.pipelines.tied(&namespace, &Tie::Connector(connector.name_any())));
    View {
        checks: Errands::of(world, connector.as_ref()),
        has_catalogue: kept(world, connector).is_some(),
        identity: identity::is_there(world, &namespace, Who::Probe, settings),
        named_by: pipelines.and_then(|pipelines| pipelines.first().map(|pipeline| pipeline.name_any())),
        connector: Arc::clone(connector),
    }
}
