//! What is known of a Transformation, of its tests, and of who uses it.

use std::sync::Arc;

use aggregator_crds::Transformation;
use kube::ResourceExt;

use crate::errand::Errands;
use crate::run::transformations_of;
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
    let name = transformation.name_any();
    let users = world.pipelines.filter(|pipeline| {
        pipeline.namespace() == transformation.namespace() && transformations_of(&pipeline.spec).contains(name.as_str())
    });
    let mut users: Vec<String> = users.iter().map(|pipeline| pipeline.name_any()).collect();
    users.sort();
    View {
        tests: Errands::of(world, &transformation.uid().unwrap_or_default()),
        transformation: Arc::clone(transformation),
        users,
    }
}
