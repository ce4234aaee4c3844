//! What is known of a Schedule and of its runs.

use std::sync::Arc;

use aggregator_crds::schedule::Trigger;
use aggregator_crds::{Connector, Pipeline, PipelineRun, Schedule};
use kube::ResourceExt;

use crate::errand::Errands;
use crate::index::Tie;
use crate::world::World;

/// What is known of a Schedule and of its runs.
#[derive(Clone, Debug)]
pub struct View {
    /// The Schedule.
    pub schedule: Arc<Schedule>,
    /// Its Pipeline.
    pub pipeline: Option<Arc<Pipeline>>,
    /// The runs that it made, the oldest first.
    pub runs: Vec<Arc<PipelineRun>>,
    /// For a Schedule that waits for another Pipeline's success: that Pipeline's runs.
    pub others: Vec<Arc<PipelineRun>>,
    /// For a Schedule that waits for files: the Connector where it looks.
    pub connector: Option<Arc<Connector>>,
    /// Its looks.
    pub looks: Errands,
}

/// Looks at everything that a Schedule touches.
#[must_use]
pub fn observe(world: &World, schedule: &Arc<Schedule>) -> View {
    let namespace = schedule.namespace().unwrap_or_default();
    let mut runs = world.runs.tied(&namespace, &Tie::Owner(schedule.uid().unwrap_or_default()));
    runs.sort_by_key(|run| (run.creation_timestamp().map(|time| time.0), run.name_any()));
    let others = match &schedule.spec.trigger {
        Trigger::PipelineSucceeded(other) => world.runs.tied(&namespace, &Tie::Runs(other.name.clone())),
        _ => Vec::new(),
    };
    let arrival = match &schedule.spec.trigger {
        Trigger::FileArrival(arrival) => Some(arrival),
        _ => None,
    };
    View {
        connector: arrival.and_then(|arrival| world.connectors.get(&namespace, &arrival.connector)),
        // A Schedule that waited for files before it was edited has some to clean up.
        looks: Errands::of(world, schedule.as_ref()),
        pipeline: world.pipelines.get(&namespace, &schedule.spec.pipeline_ref.name),
        schedule: Arc::clone(schedule),
        runs,
        others,
    }
}
