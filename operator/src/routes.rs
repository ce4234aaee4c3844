//! Who has to be looked at when something has changed, and how soon: pure functions of what is in the caches.

use std::collections::BTreeSet;

use aggregator_crds::{PipelineRun, Schedule};
use k8s_openapi::api::batch::v1::Job;
use kube::{Resource, ResourceExt};

use crate::action::Kind;
use crate::index::Tie;
use crate::queue::Lane;
use crate::run::{is_over, transformations_of};
use crate::schedule::is_asked;
use crate::world::{Changed, World};
use crate::{errand, labels, names, worker};

/// An object that has a controller of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// An object's key.
    pub fn of<K: Resource>(kind: Kind, object: &K) -> Self {
        Self { kind, namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }
}

/// Who has to be looked at.
#[must_use]
pub fn interested(changed: &Changed, world: &World) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    match changed {
        Changed::Run(run) => {
            keys.insert(Key::of(Kind::PipelineRun, run.as_ref()));
            let namespace = run.namespace().unwrap_or_default();
            let pipeline = &run.spec.pipeline_ref.name;
            keys.extend(owner(run.as_ref(), "Schedule", Kind::Schedule));
            // One that nothing holds back is gone without having been marked as deleted.
            let gone = world.runs.get(&namespace, &run.name_any()).is_none_or(|there| there.uid() != run.uid());
            if is_over(run) || run.metadata.deletion_timestamp.is_some() || gone {
                keys.insert(Key { kind: Kind::Pipeline, namespace: namespace.clone(), name: pipeline.clone() });
                // Those that waited for it, and Schedules that wait for its success.
                keys.extend(unfinished(world, &namespace, pipeline));
                keys.extend(schedules(world, &namespace, &Tie::After(pipeline.clone())));
            }
        }
        Changed::Pipeline(pipeline) => {
            keys.insert(Key::of(Kind::Pipeline, pipeline.as_ref()));
            let (namespace, name) = (pipeline.namespace().unwrap_or_default(), pipeline.name_any());
            keys.extend(schedules(world, &namespace, &Tie::Runs(name.clone())));
            keys.extend(unfinished(world, &namespace, &name));
            // Those that it names, and those that it did.
            let named = transformations_of(&pipeline.spec);
            let mut steps = world.transformations.tied(&namespace, &Tie::Neighbour);
            steps.retain(|step| {
                let known = step.status.as_ref().is_some_and(|status| status.used_by.contains(&name));
                known || named.contains(step.name_any().as_str())
            });
            keys.extend(steps.iter().map(|step| Key::of(Kind::Transformation, step.as_ref())));
        }
        Changed::Revision(revision) => {
            // One that somebody has taken from its owner says by its label whose it was.
            let namespace = revision.namespace().unwrap_or_default();
            let name = labels::label(revision.as_ref(), labels::PIPELINE).to_owned();
            let labelled = (!name.is_empty()).then_some(Key { kind: Kind::Pipeline, namespace, name });
            if let Some(pipeline) = owner(revision.as_ref(), "Pipeline", Kind::Pipeline).or(labelled) {
                keys.extend(unfinished(world, &pipeline.namespace, &pipeline.name));
                keys.insert(pipeline);
            }
        }
        Changed::Schedule(schedule) => {
            keys.insert(Key::of(Kind::Schedule, schedule.as_ref()));
            // How recent its Checkpoint should be. A Pipeline that it runs no more is told when it is looked at next.
            keys.extend(is_news(schedule, world).then(|| Key {
                kind: Kind::Pipeline,
                namespace: schedule.namespace().unwrap_or_default(),
                name: schedule.spec.pipeline_ref.name.clone(),
            }));
        }
        Changed::Connector(connector) => {
            keys.insert(Key::of(Kind::Connector, connector.as_ref()));
            let (namespace, tie) = (connector.namespace().unwrap_or_default(), Tie::Connector(connector.name_any()));
            // Those that look for files there.
            keys.extend(schedules(world, &namespace, &tie));
            keys.extend(users(world, &namespace, &tie));
        }
        Changed::Transformation(step) => {
            keys.insert(Key::of(Kind::Transformation, step.as_ref()));
            let namespace = step.namespace().unwrap_or_default();
            keys.extend(users(world, &namespace, &Tie::Transformation(step.name_any())));
        }
        Changed::Job(job) => {
            keys.extend(of_work(job.as_ref()));
            keys.extend(let_go(job, world));
        }
        Changed::ConfigMap(config) => {
            keys.extend(owner(config.as_ref(), "PipelineRun", Kind::PipelineRun));
            if let Some(connector) = owner(config.as_ref(), "Connector", Kind::Connector) {
                // It may be the catalogue.
                keys.extend(users(world, &connector.namespace, &Tie::Connector(connector.name.clone())));
                keys.insert(connector);
            }
            keys.extend(owner(config.as_ref(), "Transformation", Kind::Transformation));
            keys.extend(owner(config.as_ref(), "Schedule", Kind::Schedule));
        }
        Changed::Pod(pod) => {
            let namespace = pod.namespace().unwrap_or_default();
            let run = labels::label(pod.as_ref(), labels::RUN);
            if run.is_empty() {
                // Its Job tells what it works for, and is looked at itself when it arrives or goes.
                let job = labels::controller(pod.as_ref()).and_then(|job| world.jobs.get(&namespace, &job.name));
                keys.extend(job.and_then(|job| of_work(job.as_ref())));
            } else {
                keys.insert(Key { kind: Kind::PipelineRun, namespace, name: run.to_owned() });
            }
        }
        Changed::Checkpoint(checkpoint) => {
            let namespace = checkpoint.namespace().unwrap_or_default();
            keys.insert(Key { kind: Kind::Pipeline, namespace, name: checkpoint.spec.pipeline_ref.name.clone() });
        }
        Changed::Identity(namespace) => {
            keys.extend(going(world, namespace, &Tie::Neighbour));
            let connectors = world.connectors.tied(namespace, &Tie::Neighbour);
            keys.extend(connectors.iter().map(|connector| Key::of(Kind::Connector, connector.as_ref())));
        }
        // Nobody can look at it; those that name it are told that it is gone.
        Changed::Unreadable(_) => {}
        Changed::Anything => keys.extend(everything(world)),
    }
    keys
}

/// How soon an object is looked at for which something has changed.
#[must_use]
pub(crate) fn lane(key: &Key, changed: &Changed, world: &World) -> Lane {
    let presses = match changed {
        _ if key.kind == Kind::Schedule => {
            // Whoever has sent a request waits for its run.
            world.schedules.get(&key.namespace, &key.name).is_some_and(|schedule| is_asked(&schedule))
        }
        _ if key.kind != Kind::PipelineRun => false,
        // Somebody waits for what a worker does.
        Changed::Pod(pod) => worker::running(pod) || worker::has_ended(pod),
        Changed::Job(job) => errand::ended(job).is_some(),
        // The operator has made it itself, and its Job with it.
        Changed::ConfigMap(_) => false,
        _ => is_awaited(world, key),
    };
    if presses { Lane::Pressing } else { Lane::Ordinary }
}

/// Whether somebody waits for a run's first Job.
#[must_use]
pub(crate) fn is_awaited(world: &World, key: &Key) -> bool {
    let job = || world.jobs.get(&key.namespace, &names::job(&key.name, 1));
    world.runs.get(&key.namespace, &key.name).is_some_and(|run| is_new(&run) && job().is_none())
}

/// Whether a run has not come to its first attempt.
fn is_new(run: &PipelineRun) -> bool {
    !is_over(run) && run.status.as_ref().is_none_or(|status| status.attempt.is_none())
}

/// Every object that has a controller.
pub(crate) fn everything(world: &World) -> impl Iterator<Item = Key> {
    let runs = world.runs.all().into_iter().map(|it| Key::of(Kind::PipelineRun, it.as_ref()));
    let pipelines = world.pipelines.all().into_iter().map(|it| Key::of(Kind::Pipeline, it.as_ref()));
    let schedules = world.schedules.all().into_iter().map(|it| Key::of(Kind::Schedule, it.as_ref()));
    let connectors = world.connectors.all().into_iter().map(|it| Key::of(Kind::Connector, it.as_ref()));
    let steps = world.transformations.all().into_iter().map(|it| Key::of(Kind::Transformation, it.as_ref()));
    connectors.chain(steps).chain(runs).chain(pipelines).chain(schedules)
}

/// The runs of a Pipeline that have not ended: they may wait for what has changed.
fn unfinished(world: &World, namespace: &str, pipeline: &str) -> Vec<Key> {
    going(world, namespace, &Tie::Runs(pipeline.to_owned()))
}

/// The runs with that tie that have not ended.
fn going(world: &World, namespace: &str, tie: &Tie) -> Vec<Key> {
    let runs = world.runs.tied(namespace, tie);
    runs.iter().filter(|run| !is_over(run)).map(|run| Key::of(Kind::PipelineRun, run.as_ref())).collect()
}

/// Those that waited for a run because it had a Job, which is gone.
fn let_go(job: &Job, world: &World) -> Vec<Key> {
    let namespace = job.namespace().unwrap_or_default();
    let gone = world.jobs.get(&namespace, &job.name_any()).is_none();
    let run = owner(job, "PipelineRun", Kind::PipelineRun).filter(|_| gone);
    let run = run.and_then(|run| world.runs.get(&namespace, &run.name)).filter(|run| !is_over(run));
    run.map(|run| unfinished(world, &namespace, &run.spec.pipeline_ref.name)).unwrap_or_default()
}

/// The Schedules with that tie.
fn schedules(world: &World, namespace: &str, tie: &Tie) -> Vec<Key> {
    let schedules = world.schedules.tied(namespace, tie);
    schedules.iter().map(|schedule| Key::of(Kind::Schedule, schedule.as_ref())).collect()
}

/// Whether a Schedule is new, was edited, or is gone. What the operator says of each of its fires is a change as well, and no
/// news to anybody else.
fn is_news(schedule: &Schedule, world: &World) -> bool {
    let there = world.schedules.get(&schedule.namespace().unwrap_or_default(), &schedule.name_any());
    let told = schedule.status.as_ref().and_then(|status| status.observed_generation);
    told.is_none() || told != schedule.metadata.generation || there.is_none_or(|there| there.uid() != schedule.uid())
}

/// What a Job works for.
fn of_work(job: &Job) -> Option<Key> {
    let kinds = [
        ("PipelineRun", Kind::PipelineRun),
        ("Connector", Kind::Connector),
        ("Transformation", Kind::Transformation),
        ("Schedule", Kind::Schedule),
    ];
    kinds.into_iter().find_map(|(kind, told)| owner(job, kind, told))
}

fn owner<K: Resource>(object: &K, kind: &str, told: Kind) -> Option<Key> {
    let reference = labels::controller(object).filter(|reference| reference.kind == kind)?;
    Some(Key { kind: told, namespace: object.namespace().unwrap_or_default(), name: reference.name.clone() })
}

/// The Pipelines with that tie.
fn users(world: &World, namespace: &str, tie: &Tie) -> Vec<Key> {
    let users = world.pipelines.tied(namespace, tie);
    users.iter().map(|pipeline| Key::of(Kind::Pipeline, pipeline.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::object;
    use crate::world::Cache;

    #[test]
    fn a_schedule_is_news_to_its_pipeline_when_it_was_edited_and_not_when_it_fires() {
        let schedule = |uid: &str, generation: i64, status: Value| -> Schedule {
            object(json!({
                "apiVersion": aggregator_crds::API_VERSION, "kind": "Schedule",
                "metadata": {"name": "hourly", "namespace": "demo", "uid": uid, "generation": generation},
                "spec": {"pipelineRef": {"name": "move"}, "interval": {"every": "1h"}}, "status": status,
            }))
        };
        let told = |generation: i64| json!({"observedGeneration": generation});
        let world = World { schedules: Cache::of([Arc::new(schedule("uid", 2, told(2)))]), ..World::empty() };
        let looked_at = |schedule: Schedule, world: &World| -> Vec<String> {
            let keys = interested(&Changed::Schedule(Box::new(schedule)), world);
            keys.iter().map(|key| format!("{} {}", key.kind.name(), key.name)).collect()
        };
        let both = ["Pipeline move", "Schedule hourly"];
        assert_eq!(looked_at(schedule("uid", 2, told(2)), &world), ["Schedule hourly"], "it has fired");
        assert_eq!(looked_at(schedule("uid", 1, Value::Null), &world), both, "it is new");
        assert_eq!(looked_at(schedule("uid", 2, told(1)), &world), both, "it was edited");
        assert_eq!(looked_at(schedule("another", 2, told(2)), &world), both, "it is gone, and another one is there");
        assert_eq!(looked_at(schedule("uid", 2, told(2)), &World::empty()), both, "it is gone");
    }

    #[test]
    fn a_run_is_new_until_it_has_an_attempt_or_its_end() {
        let run = |status: Value| {
            let spec = json!({"pipelineRef": {"name": "move"}});
            is_new(&object::<PipelineRun>(json!({
                "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun",
                "metadata": {"name": "first", "namespace": "demo"}, "spec": spec, "status": status,
            })))
        };
        let said = |status: &str| json!([{"type": "Succeeded", "status": status, "reason": "WaitingForRun"}]);
        assert!(run(Value::Null));
        assert!(run(json!({"phase": "Pending", "conditions": said("Unknown")})));
        assert!(!run(json!({"phase": "Pending", "attempt": 1, "conditions": said("Unknown")})));
        assert!(!run(json!({"phase": "Failed", "conditions": said("False")})));
    }
}
