//! What is known of a Connector and of its checks.

use std::sync::Arc;

use aggregator_compiler::catalogue::Catalogue;
use aggregator_crds::Connector;
use aggregator_crds::connector::CATALOGUE;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;

use super::probe::catalogue_name;
use crate::identity::{self, Who};
use crate::labels;
use crate::settings::Settings;
use crate::world::World;

/// What is known of a Connector and of its checks.
#[derive(Clone, Debug)]
pub struct View {
    /// The Connector.
    pub connector: Arc<Connector>,
    /// The Jobs of its checks.
    pub jobs: Vec<Arc<Job>>,
    /// Their Pods.
    pub pods: Vec<Arc<Pod>>,
    /// What they check.
    pub plans: Vec<Arc<ConfigMap>>,
    /// Whether who checks has an identity and rights in the namespace.
    pub identity: bool,
}

/// What was found at a Connector, if its last discovery is of this version of it and can be read.
#[must_use]
pub fn catalogue(world: &World, connector: &Connector) -> Option<Catalogue> {
    let last = connector.status.as_ref()?.last_check.as_ref()?;
    if last.generation != connector.metadata.generation {
        return None;
    }
    let kept = world.config_maps.get(&connector.namespace()?, &catalogue_name(&connector.name_any()))?;
    if !labels::is_owned(kept.as_ref(), &connector.uid()?) {
        return None;
    }
    let text = kept.data.as_ref()?.get(CATALOGUE)?;
    serde_json::from_str(text).inspect_err(|error| tracing::warn!(%error, "a catalogue cannot be read")).ok()
}

/// Looks at everything that a Connector touches.
#[must_use]
pub fn observe(world: &World, connector: &Arc<Connector>, settings: &Settings) -> View {
    let (namespace, uid) = (connector.namespace().unwrap_or_default(), connector.uid().unwrap_or_default());
    let jobs = world.jobs.filter(|job| labels::is_owned(job, &uid));
    let pods = world.pods.filter(|pod| jobs.iter().filter_map(|job| job.uid()).any(|job| labels::is_owned(pod, &job)));
    let catalogue = catalogue_name(&connector.name_any());
    let plans = world.config_maps.filter(|config| labels::is_owned(config, &uid) && config.name_any() != catalogue);
    View {
        jobs,
        pods,
        plans,
        identity: identity::is_there(world, &namespace, Who::Probe, settings),
        connector: Arc::clone(connector),
    }
}
