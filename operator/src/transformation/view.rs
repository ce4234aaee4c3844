//! What is known of a Transformation, of its tests, and of who uses it.

use std::sync::Arc;

use aggregator_crds::Transformation;
use kube::ResourceExt;

use crate::errand::Errands;
use crate::index::Tie;
use crate::world::World;

/// What is known of a Transformation, of its tests, and of who uses it.
#[derive(Clone, Debug)]
pub struct View {
    /// The Transformation.
    pub transformation: Arc<Transformation>,
    /// The runs of its tests.
    pub tests: Errands,
    /// The Pipelines that name it, sorted.
    pub users: Vec<String>,
}

/// Looks at everything that a Transformation touches.
#[must_use]
pub fn observe(world: &World, transformation: &Arc<Transformation>) -> View {
    let namespace = transformation.namespace().unwrap_or_default();
    let users = world.pipelines.tied(&namespace, &Tie::Transformation(transformation.name_any()));
    View {
        tests: Errands::of(world, transformation.as_ref()),
        transformation: Arc::clone(transformation),
        users: users.iter().map(|pipeline| pipeline.name_any()).collect(),
    }
}
