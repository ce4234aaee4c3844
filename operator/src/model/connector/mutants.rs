//! Ways in which a Connector's controller is wrong: the model finds each of them.

use std::sync::Arc;

use serde_json::Value;

use super::{Checking, Edit, Version, shipped, viewed};
use crate::action::{Action, Kind, Plan, Target};
use crate::model::check::finds;
use crate::model::recovery::LAW;
use crate::model::subject::{Bounds, Mutation, Rules, Scene};

fn bounds() -> Bounds {
    Bounds { lag: 2, recovery: 100, ..Bounds::CALM }
}

/// Checks of all versions have one name, and what one has found is told of the version that is there.
fn of_any_version(scene: &Scene<'_>, plan: Plan) -> Plan {
    let Some(mut view) = viewed(scene) else { return plan };
    let connector = Arc::make_mut(&mut view.connector);
    let generation = connector.metadata.generation.replace(1);
    if let Some(last) = connector.status.as_mut().and_then(|status| status.last_check.as_mut()) {
        // One of an earlier version is none.
        last.generation = if last.generation == generation { Some(1) } else { None };
    }
    let mut plan = shipped::plan(&view, scene.settings, scene.now);
    let generation = Value::from(generation);
    for action in &mut plan.actions {
        if let Action::Status { status, .. } = action {
            status["observedGeneration"] = generation.clone();
            if let Some(last) = status.get_mut("lastCheck") {
                last["generation"] = generation.clone();
            }
        }
    }
    plan
}

#[test]
fn a_check_that_is_not_named_by_its_version_tells_of_another() {
    let mutation = Mutation::of_plan("checks of all versions with one name", of_any_version);
    let edits = &[Edit::Spec(Version::Two)];
    let law = "what a check has found is told of the version that it is of";
    finds(Checking { edits, times: 1, ..Checking::of("a mutant", bounds()) }, mutation, law);
}

/// What is done is not cleaned up.
fn never_clean(_: &Scene<'_>, mut plan: Plan) -> Plan {
    plan.actions.retain(|action| !matches!(action, Action::Delete { .. }));
    plan
}

#[test]
fn a_check_that_stays_when_it_is_done_is_found() {
    let mutation = Mutation::of_plan("checks that stay when they are done", never_clean);
    finds(Checking::of("a mutant", bounds()), mutation, LAW);
}

/// What was asked for is not kept.
fn forgetful(_: &Scene<'_>, mut plan: Plan) -> Plan {
    for action in &mut plan.actions {
        if let Action::Status { status, .. } = action
            && let Some(last) = status.get_mut("lastCheck").and_then(Value::as_object_mut)
        {
            last.remove("requestedAt");
        }
    }
    plan
}

#[test]
fn a_check_that_is_made_again_and_again_is_found() {
    let mutation = Mutation::of_plan("a request that is forgotten when it is answered", forgetful);
    let edits = &[Edit::Ask("1")];
    finds(Checking { edits, times: 1, ..Checking::of("a mutant", bounds()) }, mutation, LAW);
}

/// A check goes before it is noted what it has found.
fn hasty(scene: &Scene<'_>, mut plan: Plan) -> Plan {
    let Some(view) = viewed(scene) else { return plan };
    let tells = |action: &Action| matches!(action, Action::Status { status, .. } if !status["lastCheck"].is_null());
    if plan.actions.iter().any(tells) {
        let jobs = view.checks.jobs.iter().map(|job| Action::Delete {
            target: Target::of(Kind::Job, &job.metadata).any_version(),
            foreground: false,
        });
        plan.actions.splice(0..0, jobs.collect::<Vec<_>>());
    }
    plan
}

#[test]
fn a_check_that_goes_before_it_is_told_is_made_again() {
    let mutation = Mutation::of_plan("checks that go before it is noted what they found", hasty);
    let bounds = Bounds { crashes: 1, ..bounds() };
    finds(Checking::of("a mutant", bounds), mutation, "a check is made once for each asking");
}

#[test]
fn a_connector_that_is_deleted_by_its_name_is_another_one() {
    let rules = Rules { uid: false, version: false, ..Rules::SHIPPED };
    let mutation = Mutation::of_rules("a Connector that is deleted by its name", rules);
    let edits = &[Edit::Expires(true), Edit::Gone, Edit::Made];
    let bounds = Bounds { ticks: 1, ..bounds() };
    let law = "no Connector is deleted that is to stay";
    finds(Checking { edits, times: 3, ..Checking::of("a mutant", bounds) }, mutation, law);
}

/// A Connector whose time has come is deleted, whatever somebody has made of it since.
fn of_whatever_version(_: &Scene<'_>, mut plan: Plan) -> Plan {
    for action in &mut plan.actions {
        if let Action::Delete { target, .. } = action
            && target.kind == Kind::Connector
        {
            target.resource_version = None;
        }
    }
    plan
}

#[test]
fn a_connector_that_was_just_asked_to_stay_is_deleted() {
    let mutation = Mutation::of_plan("a Connector that is deleted in whatever version", of_whatever_version);
    let edits = &[Edit::Expires(true), Edit::Stays];
    let bounds = Bounds { ticks: 1, ..bounds() };
    let law = "no Connector is deleted that is to stay";
    finds(Checking { edits, times: 2, ..Checking::of("a mutant", bounds) }, mutation, law);
}
