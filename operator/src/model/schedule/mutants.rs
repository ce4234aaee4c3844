//! Ways in which a Schedule's controller is wrong: the model finds each of them.

use std::sync::Arc;

use aggregator_crds::schedule::ConcurrencyPolicy;
use jiff::Timestamp;
use serde_json::json;

use super::clock::Firing;
use super::requests::Waiting;
use super::{planned, viewed};
use crate::action::{Action, Kind, Plan, Target};
use crate::index::Tie;
use crate::model::check::finds;
use crate::model::subject::{Bounds, Mutation, Rules, Scene};
use crate::run::is_over;

/// What a mutant has around it.
fn firing(policy: &str, bounds: Bounds) -> Firing {
    Firing::of("a mutant", json!({"concurrencyPolicy": policy}), bounds)
}

fn bounds() -> Bounds {
    Bounds { ticks: 1, lag: 2, ..Bounds::CALM }
}

/// Runs are named by the time at which they are made, and not by their fires alone.
fn named_by_the_time(scene: &Scene<'_>, mut plan: Plan) -> Plan {
    for action in &mut plan.actions {
        if let Action::Create { kind: Kind::PipelineRun, object } = action {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            object["metadata"]["name"] = format!("{name}-{}", scene.now.as_second()).into();
        }
    }
    plan
}

#[test]
fn a_run_that_is_not_named_by_its_fire_is_made_twice() {
    let mutation = Mutation::of_plan("names of runs that are told from the time", named_by_the_time);
    finds(firing("Allow", Bounds { crashes: 1, ..bounds() }), mutation, "no fire has two runs");
}

/// It is noted that a run has started, and then it is made.
fn noted_first(_: &Scene<'_>, mut plan: Plan) -> Plan {
    plan.actions.sort_by_key(|action| !matches!(action, Action::Status { .. }));
    plan
}

#[test]
fn a_fire_that_is_noted_before_its_run_is_made_is_lost() {
    let mutation = Mutation::of_plan("a fire that is noted before its run is made", noted_first);
    finds(firing("Forbid", bounds()), mutation, "what is counted is what became of the fires");
}

/// The time up to which fires are decided is noted in whole minutes, rounded up.
fn rounded_up(_: &Scene<'_>, mut plan: Plan) -> Plan {
    for action in &mut plan.actions {
        if let Action::Status { status, .. } = action
            && let Some(until) = status["decidedUntil"].as_str().and_then(|until| until.parse::<Timestamp>().ok())
        {
            let minutes = (until.as_millisecond() + 59_999).div_euclid(60_000);
            let rounded = Timestamp::from_second(60 * minutes).expect("a time of this millennium");
            status["decidedUntil"] = rounded.to_string().into();
        }
    }
    plan
}

#[test]
fn a_cursor_that_is_rounded_up_loses_a_fire() {
    let mutation = Mutation::of_plan("a cursor that is rounded up", rounded_up);
    finds(firing("Forbid", bounds()), mutation, "what is counted is what became of the fires");
}

#[test]
fn a_status_that_names_no_version_undoes_a_later_one() {
    let rules = Rules { version: false, ..Rules::SHIPPED };
    let mutation = Mutation::of_rules("statuses that name no version", rules);
    finds(firing("Forbid", Bounds { delays: 1, ..bounds() }), mutation, "what is decided stays so");
}

#[test]
fn a_status_that_names_no_version_forgets_a_request() {
    let rules = Rules { version: false, ..Rules::SHIPPED };
    let mutation = Mutation::of_rules("statuses that name no version", rules);
    let waiting = Waiting { name: "a mutant", bounds: bounds() };
    finds(waiting, mutation, "no request is forgotten");
}

/// What goes on is not looked at.
fn whatever_goes_on(scene: &Scene<'_>, plan: Plan) -> Plan {
    let Some(mut view) = viewed(scene) else { return plan };
    Arc::make_mut(&mut view.schedule).spec.concurrency_policy = ConcurrencyPolicy::Allow;
    planned(&view, scene)
}

#[test]
fn forbid_that_does_not_look_at_what_goes_on_is_found() {
    let mutation = Mutation::of_plan("Forbid that does not look at what goes on", whatever_goes_on);
    finds(firing("Forbid", bounds()), mutation, "two runs of Forbid never go on at once");
}

/// Ended runs of that tie go, whether it is noted that they were made or not.
fn let_go(scene: &Scene<'_>, tie: &Tie, mut plan: Plan) -> Plan {
    let ended = scene.world.runs.tied(&scene.key.namespace, tie).into_iter().filter(|run| is_over(run));
    let gone = ended.map(|run| Action::Delete {
        target: Target::of(Kind::PipelineRun, &run.metadata).any_version(),
        foreground: false,
    });
    plan.actions.splice(0..0, gone.collect::<Vec<_>>());
    plan
}

/// Runs go as soon as they have ended.
fn hasty(scene: &Scene<'_>, plan: Plan) -> Plan {
    let uid = viewed(scene).and_then(|view| view.schedule.metadata.uid.clone()).unwrap_or_default();
    let_go(scene, &Tie::Owner(uid), plan)
}

#[test]
fn a_run_that_goes_before_it_is_noted_comes_again() {
    let mutation = Mutation::of_plan("runs that go before it is noted that they were made", hasty);
    let bounds = Bounds { crashes: 1, losses: 1, ticks: 0, ..bounds() };
    finds(firing("Allow", bounds), mutation, "no fire has two runs");
}

/// Every run of the Pipeline is taken for one of the Schedule's.
fn anybodys(scene: &Scene<'_>, plan: Plan) -> Plan {
    let_go(scene, &Tie::Runs(super::PIPELINE.to_owned()), plan)
}

#[test]
fn who_takes_every_run_of_the_pipeline_for_its_own_is_found() {
    let mutation = Mutation::of_plan("runs of others that are taken for its own", anybodys);
    finds(firing("Forbid", bounds()), mutation, "runs of others are let be");
}

/// What is decided is open again as soon as the clock shows an earlier time.
fn believes_the_clock(scene: &Scene<'_>, plan: Plan) -> Plan {
    let Some(mut view) = viewed(scene) else { return plan };
    let now = super::moment(scene);
    if let Some(status) = &mut Arc::make_mut(&mut view.schedule).status {
        status.decided_until = status.decided_until.map(|until| until.min(now));
    }
    planned(&view, scene)
}

#[test]
fn who_believes_a_clock_that_went_back_is_found() {
    let mutation = Mutation::of_plan("a clock that went back and is believed", believes_the_clock);
    finds(firing("Forbid", Bounds { ticks: 2, ..bounds() }), mutation, "what is decided stays so");
}
