//! What is known of a Pipeline and of what it names.

use std::cmp::Reverse;
use std::sync::Arc;

use aggregator_crds::pipeline::Source;
use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::{Resource, ResourceExt};

use super::checks::Checked;
use super::revision;
use crate::index::Tie;
use crate::run::Around;
use crate::settings::Settings;
use crate::world::World;
use crate::{connector, run};

/// What is known of a Pipeline and of what it names.
#[derive(Clone, Debug)]
pub struct View {
    /// The Pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Its revisions, the newest first.
    pub revisions: Vec<Arc<ControllerRevision>>,
    /// The Connectors that it names, as far as they are there.
    pub connectors: Vec<Arc<Connector>>,
    /// The Transformations that it names, as far as they are there.
    pub transformations: Vec<Arc<Transformation>>,
    /// Whether it compiles, with what was found at the Connectors that it names.
    pub checked: Arc<Checked>,
    /// Its runs, the newest first.
    pub runs: Vec<Arc<PipelineRun>>,
    /// How far its sources were read, where one of them is incremental.
    pub checkpoint: Option<Arc<Checkpoint>>,
    /// Those that run it, where there is a Checkpoint.
    pub schedules: Vec<Arc<Schedule>>,
}

/// Looks at everything that a Pipeline touches.
#[must_use]
pub fn observe(world: &World, pipeline: &Arc<Pipeline>, settings: &Settings) -> View {
    let namespace = pipeline.namespace().unwrap_or_default();
    let mut runs = world.runs.tied(&namespace, &Tie::Runs(pipeline.name_any()));
    let noted = pipeline.status.as_ref().map_or(&[][..], |status| &status.last_runs);
    runs.sort_by_key(|run| Reverse(place(run, noted)));
    let connectors = world.connectors.named(&namespace, run::connectors_of(&pipeline.spec));
    let transformations = world.transformations.named(&namespace, run::transformations_of(&pipeline.spec));
    let check = || {
        let found = connectors.iter().filter_map(|it| Some((it.name_any(), connector::catalogue(world, it)?)));
        let around =
            Around { namespace: &namespace, connectors: &connectors, transformations: &transformations, settings };
        Checked::of(pipeline, &run::check(&around, &pipeline.name_any(), &pipeline.spec, &found.collect()))
    };
    let incremental = pipeline.spec.sources.iter().any(Source::is_incremental);
    let checkpoint = incremental.then(|| world.checkpoints.get(&namespace, &pipeline.name_any())).flatten();
    let schedules = checkpoint.as_ref().map(|_| world.schedules.tied(&namespace, &Tie::Runs(pipeline.name_any())));
    let uid = pipeline.uid().unwrap_or_default();
    let checked = world.checks.of(&uid, &versions(world, pipeline, &connectors, &transformations), check);
    View {
        revisions: revision::of(world, Some(pipeline)),
        connectors,
        transformations,
        checked,
        runs,
        checkpoint,
        schedules: schedules.unwrap_or_default(),
        pipeline: Arc::clone(pipeline),
    }
}

/// Everything that decides whether a Pipeline compiles, by versions.
fn versions(
    world: &World,
    pipeline: &Pipeline,
    connectors: &[Arc<Connector>],
    transformations: &[Arc<Transformation>],
) -> Vec<String> {
    let connectors = connectors.iter().map(|connector| {
        let found = connector::catalogue_version(world, connector).unwrap_or_default();
        format!("{} {found}", version(connector.as_ref()))
    });
    let steps = transformations.iter().map(|step| version(step.as_ref()));
    std::iter::once(version(pipeline)).chain(connectors).chain(steps).collect()
}

fn version<K: Resource>(object: &K) -> String {
    let metadata = object.meta();
    let generation = metadata.generation.unwrap_or_default();
    format!("{} {} {generation}", object.name_any(), metadata.uid.as_deref().unwrap_or_default())
}

/// Where a run stands among those of its Pipeline, by what the Pipeline has noted of its last runs, the newest first. Times
/// have whole seconds; of two that were made in one second, the one that ended later came later, as they run one after the
/// other, and of two that also ended in one second, the one that was noted later.
fn place(run: &PipelineRun, noted: &[String]) -> impl Ord + use<> {
    let name = run.name_any();
    let ended = run.status.as_ref().and_then(|status| status.completion_time);
    let newer = Reverse(noted.iter().position(|noted| *noted == name).map_or(0, |position| position + 1));
    (run.creation_timestamp().map(|time| time.0), ended.is_none(), ended, newer, name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::object;

    fn run(name: &str, second: u32, ended: Option<u32>) -> PipelineRun {
        object(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun",
            "metadata": {"name": name, "namespace": "demo", "creationTimestamp": format!("2026-11-29T10:00:0{second}Z")},
            "spec": {"pipelineRef": {"name": "move"}},
            "status": {"completionTime": ended.map(|second| format!("2026-11-29T10:00:0{second}Z"))},
        }))
    }

    #[test]
    fn runs_of_one_second_are_in_the_order_of_their_ends() {
        let mut runs =
            [run("a", 1, None), run("b", 1, Some(3)), run("c", 1, Some(2)), run("d", 0, Some(5)), run("e", 2, Some(4))];
        runs.sort_by_key(|run| place(run, &[]));
        let names: Vec<String> = runs.iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, ["d", "c", "b", "a", "e"]);
    }

    #[test]
    fn runs_that_also_ended_in_one_second_are_in_the_order_in_which_they_were_noted() {
        let mut runs = [run("a", 1, Some(1)), run("b", 1, Some(1)), run("c", 1, Some(1))];
        let mut ordered = |noted: &[&str]| {
            let noted: Vec<String> = noted.iter().map(ToString::to_string).collect();
            runs.sort_by_key(|run| Reverse(place(run, &noted)));
            runs.iter().map(ResourceExt::name_any).collect::<Vec<_>>()
        };
        assert_eq!(ordered(&["c"]), ["b", "a", "c"], "those that are new come first");
        assert_eq!(ordered(&["b", "a", "c"]), ["b", "a", "c"]);
        assert_eq!(ordered(&["b", "c"]), ["a", "b", "c"]);
    }
}
