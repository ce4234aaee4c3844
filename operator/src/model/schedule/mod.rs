//! Schedules: every fire becomes one run, or a recorded reason why not; files, successes and requests that start runs; and
//! the past that is read again.
//!
//! What is assumed: while some cache does not know of everything, a plan is half done or a write may still arrive, the clock
//! moves by seconds and not by a minute ([`is_behind`]). A watch that is silent for longer, and an operator that begins with
//! lists that are older, are in no walk.

mod clock;
mod events;
mod laws;
mod looks;
mod mutants;
mod past;
mod requests;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::check::MANY;
use super::fields::merged;
use super::object::{NAMESPACE, Object, Place, time};
use super::server::Server;
use super::stage::Stage;
use super::subject::{Looked, Scene};
use crate::action::{Kind, Plan};
use crate::errand::Why;
use crate::routes::Key;
use crate::schedule::{self as shipped, View};

/// The Schedule of the model.
const NAME: &str = "s";
/// The Pipeline that it runs.
const PIPELINE: &str = "move";

/// Where the Schedule is.
fn place() -> Place {
    Place::of(Kind::Schedule, NAME)
}

/// Whom the operators look at.
fn keys() -> Vec<Key> {
    vec![Key { kind: Kind::Schedule, namespace: NAMESPACE.into(), name: NAME.into() }]
}

/// An object of ours.
fn of_ours(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": aggregator_crds::API_VERSION, "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
    })
}

/// The Schedule, with these fields of its spec.
fn schedule(more: &Value) -> Value {
    let mut spec = json!({"pipelineRef": {"name": PIPELINE}});
    merged(&mut spec, more);
    of_ours("Schedule", NAME, &spec)
}

/// The Pipeline. What it does is nobody's affair here.
fn pipeline() -> Value {
    let spec = json!({
        "sources": [{"name": "rows", "connector": "files"}],
        "sinks": [{"name": "kept", "from": "rows", "connector": "files", "stream": "out/"}],
    });
    of_ours("Pipeline", PIPELINE, &spec)
}

/// The operator's clock, which shows parts of seconds as well.
fn moment(scene: &Scene<'_>) -> Timestamp {
    scene.now + SignedDuration::from_millis(700)
}

/// What the operator knows of the Schedule.
fn viewed(scene: &Scene<'_>) -> Option<View> {
    let schedule = scene.world.schedules.get(&scene.key.namespace, &scene.key.name)?;
    Some(shipped::observe(scene.world, &schedule))
}

/// The shipped plan of what it knows.
fn planned(view: &View, scene: &Scene<'_>) -> Plan {
    shipped::plan(view, scene.settings, moment(scene))
}

fn look(scene: &Scene<'_>) -> Option<Looked> {
    viewed(scene).map(|view| Looked::all(planned(&view, scene)))
}

fn blocked(scene: &Scene<'_>, why: &Why) -> Plan {
    viewed(scene).map_or_else(Plan::nothing, |view| shipped::blocked(&view, why, moment(scene)))
}

/// The runs of the Schedule that is there, by name.
fn runs(server: &Server) -> Vec<Object> {
    let Some(schedule) = server.at(place()) else { return Vec::new() };
    server.owned(Kind::PipelineRun, schedule.uid()).collect()
}

/// Those of its runs that go on.
fn active(server: &Server) -> Vec<Object> {
    runs(server).into_iter().filter(|run| !is_over(*run)).collect()
}

/// Those that were not there before a move.
fn new_runs<A>(before: &Stage<A>, after: &Stage<A>) -> Vec<Object> {
    let was_there = |run: Object| before.server.at(run.place()).is_some_and(|there| there.uid() == run.uid());
    runs(&after.server).into_iter().filter(|run| !was_there(*run)).collect()
}

/// Whether a run has its end.
fn is_over(run: Object) -> bool {
    let conditions = run.at("/status/conditions").as_array();
    conditions.into_iter().flatten().any(|it| it["type"] == "Succeeded" && it["status"] != "Unknown")
}

/// The operator says of a run that it has ended.
fn end(server: &mut Server, run: Place, well: bool) -> bool {
    let at = time(server.clock).to_string();
    let (what, status, reason) =
        if well { ("end well", "True", "LedgerBalanced") } else { ("end badly", "False", "WorkerFailed") };
    server.edit(run.kind(), run.name(), what, 0, |run| {
        let end = json!({"type": "Succeeded", "status": status, "reason": reason, "lastTransitionTime": at});
        run["status"] = json!({"completionTime": at, "conditions": [end]});
    })
}

/// The generation that an object's status speaks of.
fn observed(object: Object) -> Option<i64> {
    object.at("/status/observedGeneration").as_i64()
}

/// Whether the operator has told of the object as it stands.
fn is_told(object: Object) -> bool {
    observed(object).is_some() && observed(object) == object.at("/metadata/generation").as_i64()
}

/// How many fires became that.
fn count(schedule: Object, what: &str) -> u64 {
    schedule.at("/status/counts")[what].as_u64().unwrap_or(0)
}

/// Whether the Schedule says that no run goes on.
fn is_idle(schedule: Object) -> bool {
    count(schedule, "active") == 0 && schedule.at("/status/active").is_null()
}

/// Whether some cache does not know of everything, a plan is half done, or a write may still arrive. None of these
/// lasts as long as a minute (`schedule::plan`'s `AT_LEAST` rests on that), or as two fires are apart: so the clock
/// makes no great leap then.
fn is_behind<A>(stage: &Stage<A>) -> bool {
    !stage.flying.is_empty() || stage.operators.iter().any(|it| !it.news.is_empty() || it.rest.is_some())
}

/// How many states of a scene are walked through, where there are more.
const OF_A_SCENE: usize = 12_000;

#[test]
fn the_laws_of_schedules_hold_whatever_happens() {
    let others = events::walk(OF_A_SCENE) + looks::walk(OF_A_SCENE);
    let others = others + requests::walk(OF_A_SCENE) + past::walk(OF_A_SCENE);
    clock::walk(OF_A_SCENE, MANY, others).enough();
}
