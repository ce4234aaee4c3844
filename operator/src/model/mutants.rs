//! Operators and workers of runs that are wrong: each must be found, by the law that it breaks. They show that the model would
//! find the like in what is shipped.

use serde_json::{Value, json};

use super::check::finds;
use super::object::number;
use super::recovery;
use super::run::scenes::{CALM, ONCE as TRIES_ONCE};
use super::run::{Edit, FENCED, FOR_EVER, ONCE, ONE_JOB, OWN_JOB, PLANNED, Runs, Spare, TRUE, Wrong};
use super::subject::{Bounds, Mutation, Rules, Scene};
use crate::action::{Action, Kind, Plan, Target};
use crate::index::Tie;
use crate::run as shipped;

/// A plan, with its Jobs changed.
fn with_jobs(mut plan: Plan, mut change: impl FnMut(&mut Value)) -> Plan {
    for action in &mut plan.actions {
        if let Action::Create { kind: Kind::Job, object } = action {
            change(object);
        }
    }
    plan
}

/// A plan, with what it says of the run changed.
fn with_status(mut plan: Plan, mut change: impl FnMut(&mut Value)) -> Plan {
    for action in &mut plan.actions {
        if let Action::Status { status, .. } = action {
            change(status);
        }
    }
    plan
}

/// Children have names that are told from more than their owner: as good as random ones.
fn random_names(scene: &Scene<'_>, plan: Plan) -> Plan {
    let seen = number(&format!("{} {}", scene.now, scene.world.jobs.all().len()));
    with_jobs(plan, |job| {
        let name = job["metadata"]["name"].as_str().unwrap_or_default();
        job["metadata"]["name"] = format!("{name}-r{seen}").into();
    })
}

/// Nobody is the owner of Jobs.
fn not_owned(_: &Scene<'_>, plan: Plan) -> Plan {
    with_jobs(plan, |job| job["metadata"]["ownerReferences"] = Value::Null)
}

/// The next attempt has the name and the number of the first.
fn no_number(_: &Scene<'_>, plan: Plan) -> Plan {
    with_jobs(plan, |job| {
        let name = job["metadata"]["name"].as_str().and_then(|name| name.strip_suffix("-2")).map(str::to_owned);
        if let Some(name) = name {
            job["metadata"]["name"] = name.into();
        }
    })
}

/// An attempt that has failed for the moment is taken for the end.
fn stale_end(_: &Scene<'_>, plan: Plan) -> Plan {
    with_status(plan, |status| {
        if status["conditions"][0]["reason"] == "WaitingToRetry" {
            status["phase"] = "Failed".into();
            status["conditions"][0]["status"] = "False".into();
            status["retry"] = Value::Null;
        }
    })
}

/// When the next attempt begins is not written down.
fn lost_intent(_: &Scene<'_>, plan: Plan) -> Plan {
    with_status(plan, |status| status["retry"] = Value::Null)
}

/// An end says nothing of a commit that may still arrive.
fn sure_of_itself(_: &Scene<'_>, plan: Plan) -> Plan {
    with_status(plan, |status| {
        let message = status["conditions"][0]["message"].as_str().unwrap_or_default();
        let sure = message.split("; it was about to commit").next().unwrap_or_default().to_owned();
        status["conditions"][0]["message"] = sure.into();
    })
}

/// An end doubts whether it has committed, whatever has happened.
fn never_sure(_: &Scene<'_>, plan: Plan) -> Plan {
    with_status(plan, |status| {
        let end = &mut status["conditions"][0];
        if end["status"] == "False" {
            let message = format!("{}; it may have committed", end["message"].as_str().unwrap_or_default());
            end["message"] = message.into();
        }
    })
}

/// The Job of an attempt that has failed goes at once: the next one has its name, and its number.
fn tidied_up(scene: &Scene<'_>, mut plan: Plan) -> Plan {
    let retries = |action: &Action| match action {
        Action::Status { status, .. } => status["conditions"][0]["reason"] == "WaitingToRetry",
        _ => false,
    };
    let job = scene.world.jobs.get(&scene.key.namespace, &scene.key.name);
    if let Some(job) = job.filter(|_| plan.actions.iter().any(retries)) {
        let target = Target::of(Kind::Job, &job.metadata).any_version();
        plan.actions.push(Action::Delete { target, foreground: false });
    }
    plan
}

/// A run that was deleted is not waited for: its Job goes on, and a new run of its name takes that for its own. The operator
/// has no finalizers that it could miss: what makes the new run wait is that the names of its children are taken.
fn not_waited_for(scene: &Scene<'_>, plan: Plan) -> Plan {
    let Scene { world, key, settings, now, .. } = *scene;
    let found = (world.runs.get(&key.namespace, &key.name), world.jobs.get(&key.namespace, &key.name));
    let (Some(run), Some(job)) = found else { return plan };
    let mut view = shipped::observe(world, &run, settings);
    if !view.jobs.is_empty() {
        return plan;
    }
    view.pods = world.pods.tied(&key.namespace, &Tie::Owner(job.metadata.uid.clone().unwrap_or_default()));
    view.jobs.push(job);
    shipped::plan(&view, settings, now)
}

/// A run that users delete, and make again.
const AGAIN: Runs = Runs { bounds: Bounds { lag: 0, ..Bounds::CALM }, edits: &[Edit::Delete, Edit::Recreate], ..CALM };

/// A run whose workers may be killed once, and sleep once.
const ZOMBIE: Runs = Runs {
    bounds: Bounds { lag: 0, ..Bounds::CALM },
    spare: Spare { kills: 1, sleeps: 1, ..Spare::NONE },
    execution: TRIES_ONCE,
    ..CALM
};

#[test]
fn random_child_names() {
    // It never comes to rest, and need not be followed for long.
    let restless = Runs { bounds: Bounds { recovery: 40, ..CALM.bounds }, ..CALM };
    finds(restless, Mutation::of_plan("random child names", random_names), ONE_JOB);
}

#[test]
fn a_sink_that_checks_no_epoch() {
    let mutation = Mutation::of_surroundings("a sink that checks no epoch");
    finds(Runs { wrong: Wrong::ChecksNoEpoch, ..ZOMBIE }, mutation, FENCED);
}

#[test]
fn a_deletion_by_name() {
    let again = Runs {
        bounds: Bounds { ticks: 1, lag: 3, ..Bounds::CALM },
        edits: &[Edit::Delete, Edit::Recreate],
        ttl: 10,
        ..CALM
    };
    let rules = Rules { uid: false, version: false, ..Rules::SHIPPED };
    // Long before a run that goes on is deleted.
    finds(again, Mutation::of_rules("a deletion by name", rules), TRUE);
}

#[test]
fn a_failure_without_a_fence() {
    let mutation = Mutation::of_surroundings("a failure without a fence");
    finds(Runs { wrong: Wrong::AsksNobody, ..ZOMBIE }, mutation, TRUE);
}

#[test]
fn a_failure_of_the_moment_that_is_the_end() {
    let killed = Runs { spare: Spare { kills: 1, ..Spare::NONE }, ..CALM };
    finds(killed, Mutation::of_plan("a failure of the moment that is the end", stale_end), TRUE);
}

#[test]
fn an_intent_that_is_not_written_down() {
    let failed = Runs { spare: Spare { failures: 1, ..Spare::NONE }, ..CALM };
    finds(failed, Mutation::of_plan("an intent that is not written down", lost_intent), recovery::LAW);
}

#[test]
fn a_write_that_failed_and_is_passed_over() {
    let lost = Runs { bounds: Bounds { losses: 1, ..CALM.bounds }, ..CALM };
    let rules = Rules { stops: false, ..Rules::SHIPPED };
    finds(lost, Mutation::of_rules("a write that failed and is passed over", rules), PLANNED);
}

#[test]
fn a_status_of_no_version() {
    let late = Runs { bounds: Bounds { delays: 1, ..CALM.bounds }, ..CALM };
    let rules = Rules { version: false, ..Rules::SHIPPED };
    finds(late, Mutation::of_rules("a status of no version", rules), FOR_EVER);
}

#[test]
fn a_job_of_another_plan_than_the_one_that_was_found() {
    let edited = Runs {
        bounds: Bounds { operators: 2, leaders: 1, lag: 4, ..Bounds::CALM },
        execution: r#"{"timeout": "1h"}"#,
        edits: &[Edit::ChangePipeline],
        ..CALM
    };
    let rules = Rules { looks_again: false, ..Rules::SHIPPED };
    finds(edited, Mutation::of_rules("a Job of another plan than the one that was found", rules), PLANNED);
}

#[test]
fn an_attempt_without_a_number_of_its_own() {
    let failed = Runs { spare: Spare { failures: 1, ..Spare::NONE }, ..CALM };
    finds(failed, Mutation::of_plan("an attempt without a number of its own", no_number), recovery::LAW);
}

#[test]
fn an_attempt_whose_job_goes_when_it_has_failed() {
    let spare = Spare { failures: 1, ..Spare::NONE };
    let failed = Runs { bounds: Bounds { lag: 0, ..Bounds::CALM }, spare, ..CALM };
    finds(failed, Mutation::of_plan("an attempt whose Job goes when it has failed", tidied_up), ONE_JOB);
}

#[test]
fn a_deleted_run_that_is_not_waited_for() {
    finds(AGAIN, Mutation::of_plan("a deleted run that is not waited for", not_waited_for), TRUE);
}

#[test]
fn a_job_of_another_owner_that_is_taken_for_its_own() {
    let rules = Rules { owner: false, ..Rules::SHIPPED };
    finds(AGAIN, Mutation::of_rules("a Job of another owner that is taken for its own", rules), OWN_JOB);
}

#[test]
fn an_end_that_is_never_sure() {
    let cancelled = Runs { edits: &[Edit::Cancel], ..CALM };
    finds(cancelled, Mutation::of_plan("an end that is never sure", never_sure), TRUE);
}

#[test]
fn a_job_that_nobody_owns() {
    finds(CALM, Mutation::of_plan("a Job that nobody owns", not_owned), recovery::LAW);
}

#[test]
fn an_end_that_is_sure_of_what_it_does_not_know() {
    let cancelled = Runs { edits: &[Edit::Cancel], ..ZOMBIE };
    finds(cancelled, Mutation::of_plan("an end that is sure of what it does not know", sure_of_itself), TRUE);
}

#[test]
fn a_commit_that_is_told_as_a_failure() {
    let mutation = Mutation::of_surroundings("a commit that is told as a failure");
    finds(Runs { wrong: Wrong::HidesCommits, ..ZOMBIE }, mutation, TRUE);
}

#[test]
fn a_worker_that_does_not_look_for_the_commit_of_the_one_before() {
    let killed = Runs {
        bounds: Bounds { ticks: 1, ..CALM.bounds },
        spare: Spare { kills: 1, ..Spare::NONE },
        wrong: Wrong::LooksForNothing,
        ..CALM
    };
    let mutation = Mutation::of_surroundings("a worker that does not look for the commit of the one before");
    finds(killed, mutation, ONCE);
}

/// What a mutant does to a plan is what its name says.
#[test]
fn mutants_change_what_they_say() {
    let status = |reason: &str, message: &str| {
        let said = json!({"phase": "Pending", "retry": {"attempt": 1}, "conditions": [
            {"type": "Succeeded", "status": "Unknown", "reason": reason, "message": message}]});
        let target = crate::action::Target {
            kind: Kind::PipelineRun,
            namespace: String::new(),
            name: "first".into(),
            uid: String::new(),
            resource_version: None,
        };
        Plan::nothing().then(Action::status(target, &said))
    };
    let changed = |plan: Plan| match &plan.actions[0] {
        Action::Status { status, .. } => status.clone(),
        other => panic!("{other}"),
    };
    let world = super::typed::world(&[], crate::pipeline::Checks::default());
    let key = crate::routes::Key { kind: Kind::PipelineRun, namespace: String::new(), name: "first".into() };
    let settings = crate::settings::Settings::of_tests();
    let scene =
        Scene { world: &world, key: &key, settings: &settings, now: super::object::time(0), plan_is_gone: false };
    let ended = changed(stale_end(&scene, status("WaitingToRetry", "")));
    assert_eq!((&ended["phase"], &ended["conditions"][0]["status"]), (&json!("Failed"), &json!("False")));
    assert_eq!(changed(lost_intent(&scene, status("WaitingToRetry", "")))["retry"], Value::Null);
    let sure = changed(sure_of_itself(&scene, status("Killed", "killed; it was about to commit, and may have: wait")));
    assert_eq!(sure["conditions"][0]["message"], "killed");
}
