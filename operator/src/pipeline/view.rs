//! What is known of a Pipeline and of what it names.

use std::sync::Arc;

use aggregator_compiler::catalogue::Catalogues;
use aggregator_crds::{Connector, Pipeline, PipelineRun, Transformation};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::ResourceExt;

use super::revision;
use crate::world::World;
use crate::{connector, run};

/// What is known of a Pipeline and of what it names.
#[derive(Clone, Debug)]
pub struct View {
    /// The Pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Its revisions, the newest first.
    pub revisions: Vec<Arc<ControllerRevision>>,
    /// The namespace's Connectors.
    pub connectors: Vec<Arc<Connector>>,
    /// The namespace's Transformations.
    pub transformations: Vec<Arc<Transformation>>,
    /// What was found at the Connectors that it names, by their names.
    pub catalogues: Catalogues,
    /// Its runs, the newest first.
    pub runs: Vec<Arc<PipelineRun>>,
}

/// Looks at everything that a Pipeline touches.
#[must_use]
pub fn observe(world: &World, pipeline: &Arc<Pipeline>) -> View {
    let namespace = pipeline.namespace().unwrap_or_default();
    let name = pipeline.name_any();
    let mut runs =
        world.runs.filter(|run| run.namespace().as_deref() == Some(&namespace) && run.spec.pipeline_ref.name == name);
    runs.sort_by_key(|run| std::cmp::Reverse((run.creation_timestamp().map(|time| time.0), run.name_any())));
    let connectors = world.connectors.of(&namespace);
    let named = run::connectors_of(&pipeline.spec);
    let named = connectors.iter().filter(|connector| named.contains(connector.name_any().as_str()));
    let catalogues = named.filter_map(|it| Some((it.name_any(), connector::catalogue(world, it)?))).collect();
    View {
        revisions: revision::of(world, Some(pipeline)),
        connectors,
        catalogues,
        transformations: world.transformations.of(&namespace),
        runs,
        pipeline: Arc::clone(pipeline),
    }
}
