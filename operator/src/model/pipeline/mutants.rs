//! Ways in which a Pipeline's controller is wrong: the model finds each of them.

use std::sync::Arc;

use super::{Compiling, KEPT, edited, shipped, viewed};
use crate::action::{Action, Kind, Plan, Target};
use crate::model::check::finds;
use crate::model::recovery::LAW;
use crate::model::subject::{Bounds, Mutation, Rules, Scene};
use crate::pipeline::revision;

/// What a mutant has around it.
fn mutant(times: u8, history: u32) -> Compiling {
    edited("a mutant", Bounds { lag: 1, ..Bounds::CALM }, times, history)
}

/// Nobody looks whether it can run.
fn unchecked(scene: &Scene<'_>, plan: Plan) -> Plan {
    let Some(mut view) = viewed(scene) else { return plan };
    view.checked = Arc::default();
    shipped::plan(&view, scene.now)
}

#[test]
fn a_version_that_cannot_run_and_is_kept_is_found() {
    let mutation = Mutation::of_plan("versions that are kept without a look", unchecked);
    finds(mutant(1, 2), mutation, "what cannot run is not kept");
}

/// Of all revisions, the newest is let go.
fn newest_first(scene: &Scene<'_>, mut plan: Plan) -> Plan {
    let Some(newest) = viewed(scene).and_then(|view| view.revisions.first().cloned()) else { return plan };
    for action in &mut plan.actions {
        if let Action::Delete { target, .. } = action {
            *target = Target::of(Kind::ControllerRevision, &newest.metadata);
        }
    }
    plan
}

#[test]
fn who_lets_the_newest_version_go_is_found() {
    let mutation = Mutation::of_plan("the newest version that goes first", newest_first);
    finds(mutant(1, 1), mutation, "the newest version stays");
}

/// A version has the number of how many there are.
fn counted(scene: &Scene<'_>, mut plan: Plan) -> Plan {
    let Some(view) = viewed(scene) else { return plan };
    let number = i64::try_from(view.revisions.len()).unwrap_or(i64::MAX);
    for action in &mut plan.actions {
        if let Action::Create { kind: Kind::ControllerRevision, .. } = action {
            *action = Action::create(Kind::ControllerRevision, &revision::keep(&view.pipeline, number));
        }
    }
    plan
}

#[test]
fn who_numbers_versions_by_how_many_there_are_is_found() {
    let mutation = Mutation::of_plan("numbers that are told from how many versions there are", counted);
    finds(mutant(2, 1), mutation, LAW);
}

/// The status is written whether it says anything new or not.
fn talkative(scene: &Scene<'_>, mut plan: Plan) -> Plan {
    let Some(view) = viewed(scene) else { return plan };
    if let (true, Some(status)) = (plan.actions.is_empty(), &view.pipeline.status) {
        plan.actions.push(Action::status(Target::of(Kind::Pipeline, &view.pipeline.metadata), status));
    }
    plan
}

#[test]
fn who_writes_although_nothing_has_changed_is_found() {
    let mutation = Mutation::of_plan("a status that is written again and again", talkative);
    finds(mutant(0, 2), mutation, LAW);
}

/// The caches have not seen the revision that was just made, and one of that name is taken for the next one.
#[test]
fn who_does_not_wait_for_its_own_writes_to_be_seen_is_found() {
    let mutation = Mutation::of_rules("no guard against stale caches", Rules { guard: false, ..Rules::SHIPPED });
    finds(mutant(2, 10), mutation, KEPT);
}
