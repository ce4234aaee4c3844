//! What is known of a run and of what it touches, at one moment.

use std::sync::Arc;

use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::run::RunMode;
use aggregator_crds::{Connector, Pipeline, PipelineRun, Transformation};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;

use super::job::{job_name, plan_name, who};
use super::material::{connectors_of, transformations_of};
use super::plan::MOST_ATTEMPTS;
use crate::conditions;
use crate::identity;
use crate::index::Tie;
use crate::labels;
use crate::pipeline::revision;
use crate::settings::Settings;
use crate::world::World;

/// What is known of a run and of what it touches.
#[derive(Clone, Debug)]
pub struct View {
    /// The run.
    pub run: Arc<PipelineRun>,
    /// Its Pipeline.
    pub pipeline: Option<Arc<Pipeline>>,
    /// The Pipeline's revisions, the newest first.
    pub revisions: Vec<Arc<ControllerRevision>>,
    /// Before there is a plan: the Connectors that the revision to be run names, as far as they are there.
    pub connectors: Vec<Arc<Connector>>,
    /// Its Transformations.
    pub transformations: Vec<Arc<Transformation>>,
    /// Its plan.
    pub plan: Option<Arc<ConfigMap>>,
    /// Whether its plan is known to be gone. Otherwise it may be one that is not seen yet: each kind has a watch of its own.
    pub plan_is_gone: bool,
    /// The Jobs of its attempts, the first attempt first.
    pub jobs: Vec<Arc<Job>>,
    /// The Pods of the last one.
    pub pods: Vec<Arc<Pod>>,
    /// Whether the workers of the namespace have their identity and rights.
    pub identity: bool,
    /// The run of the same Pipeline that goes before it, if one does.
    pub ahead: Option<String>,
}

/// Whether a run has its end.
#[must_use]
pub fn is_over(run: &PipelineRun) -> bool {
    let conditions = run.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions::find(conditions, ConditionType::Succeeded)
        .is_some_and(|condition| condition.status != ConditionStatus::Unknown)
}

/// Whether a run writes into its Pipeline's sinks, so that no other may do so at the same time.
#[must_use]
pub fn writes(run: &PipelineRun) -> bool {
    matches!(run.spec.mode, RunMode::Full | RunMode::Incremental)
}

/// Which of two runs goes first.
fn place(run: &PipelineRun) -> (Option<jiff::Timestamp>, String) {
    (run.creation_timestamp().map(|time| time.0), run.name_any())
}

/// Whether another run of the same Pipeline goes before one that has no Job: it was there earlier, or has one already. Times of
/// creation have whole seconds, so that of two of one second the later one may have the earlier place. Before one that holds its
/// turn goes only what has a Job: of the operator that acted before this one.
fn goes_before(other: &PipelineRun, run: &PipelineRun, holds: bool, has_job: impl FnOnce() -> bool) -> bool {
    let is_other = other.name_any() != run.name_any();
    is_other && writes(other) && !is_over(other) && ((!holds && place(other) < place(run)) || has_job())
}

/// Looks at everything that a run touches.
#[must_use]
pub fn observe(world: &World, run: &Arc<PipelineRun>, settings: &Settings) -> View {
    let namespace = run.namespace().unwrap_or_default();
    let uid = run.uid().unwrap_or_default();
    let pipeline_name = &run.spec.pipeline_ref.name;
    let pipeline = world.pipelines.get(&namespace, pipeline_name);
    let plan = world.config_maps.get(&namespace, &plan_name(run));
    let mut jobs = Vec::new();
    // Others may write a status, too.
    let told = run.status.as_ref().and_then(|status| status.attempt).unwrap_or(0).min(MOST_ATTEMPTS);
    // Attempts are numbered without gaps, and their Jobs are named so.
    for attempt in 1.. {
        let named = world.jobs.get(&namespace, &job_name(run, attempt));
        match named.filter(|job| labels::is_owned(job.as_ref(), &uid)) {
            Some(job) => jobs.push(job),
            None if attempt > told => break,
            None => {}
        }
    }
    let pods = match jobs.last().and_then(|job| job.uid()) {
        Some(job) => world.pods.tied(&namespace, &Tie::Owner(job)),
        None => Vec::new(),
    };
    let waits = jobs.is_empty() && writes(run);
    let ahead = waits.then(|| {
        let holder = world.turns.holder(run, &world.runs);
        let holds = holder.as_ref() == Some(&run.name_any());
        if !holds && holder.is_some() {
            return holder;
        }
        let others = world.runs.tied(&namespace, &Tie::Runs(pipeline_name.clone())).into_iter();
        let jobs = |other: &PipelineRun| world.jobs.tied(&namespace, &Tie::Owner(other.uid().unwrap_or_default()));
        let before = others.filter(|other| goes_before(other, run, holds, || !jobs(other).is_empty()));
        before.min_by_key(|other| place(other)).map(|other| other.name_any())
    });
    let plan = plan.filter(|plan| labels::is_owned(plan.as_ref(), &uid));
    let plan_is_gone = plan.is_none() && world.config_maps.is_gone(&namespace, &plan_name(run), &uid);
    let revisions = revision::of(world, pipeline.as_deref());
    // Once there is a plan, it holds what is needed of them.
    let spec = match &plan {
        None => revision::asked(&revisions, &run.spec.pipeline_ref).and_then(revision::spec),
        Some(_) => None,
    };
    let (connectors, transformations) = spec.as_ref().map_or_else(Default::default, |spec| {
        let connectors = world.connectors.named(&namespace, connectors_of(spec));
        (connectors, world.transformations.named(&namespace, transformations_of(spec)))
    });
    View {
        revisions,
        connectors,
        transformations,
        identity: identity::is_there(world, &namespace, who(run), settings),
        run: Arc::clone(run),
        pipeline,
        plan,
        plan_is_gone,
        jobs,
        pods,
        ahead: ahead.flatten(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::object;

    fn run(name: &str, second: u32, mode: &str, status: &str) -> PipelineRun {
        object(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun",
            "metadata": {"name": name, "namespace": "demo", "creationTimestamp": format!("2026-11-29T10:00:0{second}Z")},
            "spec": {"pipelineRef": {"name": "move"}, "mode": mode},
            "status": {"conditions": [{"type": "Succeeded", "status": status, "reason": "Running"}]},
        }))
    }

    #[test]
    fn a_run_waits_for_those_that_were_there_before_and_for_one_that_has_begun() {
        let own = run("b", 1, "Full", "Unknown");
        for (other, has_job, goes) in [
            (run("z", 0, "Full", "Unknown"), false, true),
            (run("a", 1, "Incremental", "Unknown"), false, true),
            // Of two that have not begun, one goes first.
            (run("c", 1, "Full", "Unknown"), false, false),
            (run("c", 1, "Full", "Unknown"), true, true),
            (run("a", 2, "Full", "Unknown"), true, true),
            // These are in nobody's way.
            (run("a", 0, "DryRun", "Unknown"), true, false),
            (run("a", 0, "Full", "False"), true, false),
            (own.clone(), true, false),
        ] {
            assert_eq!(goes_before(&other, &own, false, || has_job), goes, "{:?}", other.metadata.name);
            assert_eq!(goes_before(&other, &own, true, || has_job), goes && has_job, "{:?}", other.metadata.name);
        }
    }
}
