//! What is planned for a Transformation.

use std::sync::Arc;

use aggregator_crds::Transformation;
use aggregator_crds::transformation::TransformationStatus;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::plan::plan;
use super::view::View;
use crate::action::{Action, Plan};
use crate::errand::Errands;
use crate::fixture::object;
use crate::settings::Settings;

fn now() -> Timestamp {
    "2026-11-29T10:00:00Z".parse().expect("a time")
}

fn view(query: &str, tests: Value) -> View {
    let transformation: Transformation = object(json!({
        "apiVersion": "aggregator.dev/v1alpha1", "kind": "Transformation",
        "metadata": {"name": "clean", "namespace": "demo", "uid": "uid", "resourceVersion": "7", "generation": 1},
        "spec": {"sql": {"query": query}, "tests": tests},
    }));
    View { transformation: Arc::new(transformation), tests: Errands::default(), users: vec!["a".into(), "b".into()] }
}

fn tested() -> View {
    view("SELECT a FROM input", json!([{"name": "one", "rows": [{"a": 1}], "expect": {"rows": [{"a": 1}]}}]))
}

impl View {
    fn at(&self, now: Timestamp) -> Plan {
        plan(self, &Settings::of_tests(), now)
    }

    /// Planned and carried out until there is nothing left to do.
    fn settled(mut self, now: Timestamp) -> Self {
        for _ in 0..10 {
            let plan = self.at(now);
            if plan.actions.is_empty() {
                return self;
            }
            for action in plan.actions {
                match action {
                    Action::Status { status, .. } => {
                        let status = object::<TransformationStatus>(status);
                        Arc::make_mut(&mut self.transformation).status = Some(status);
                    }
                    other => assert!(self.tests.carry_out(&other), "{other}"),
                }
            }
        }
        panic!("it never comes to rest: {}", self.at(now));
    }

    fn said(mut self, outcome: &Value) -> Self {
        self.tests.worker_said(outcome);
        self
    }

    fn conditions(&self) -> Vec<String> {
        let conditions = self.transformation.status.iter().flat_map(|status| &status.conditions);
        conditions.map(|it| format!("{} {:?} {}: {}", it.condition_type, it.status, it.reason, it.message)).collect()
    }
}

#[test]
fn its_tests_are_run_once_for_each_version() {
    let begun = tested().settled(now());
    assert_eq!((begun.tests.jobs.len(), begun.tests.plans.len()), (1, 1));
    assert_eq!(
        begun.transformation.status.as_ref().map(|status| status.used_by.clone()),
        Some(vec!["a".into(), "b".into()])
    );
    assert_eq!(begun.conditions()[2], "TestsPassed Unknown Testing: its tests are about to be run");
    assert_eq!(begun.conditions()[3], "Reconciling True Testing: its tests are about to be run");
    let pod = begun.tests.jobs[0].spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).expect("a Pod");
    assert_eq!((pod.service_account_name.as_ref(), pod.automount_service_account_token), (None, Some(false)));

    let passed = begun.said(&json!({"passed": 1, "failed": 0})).settled(now());
    assert_eq!(passed.conditions()[0], "Ready True Compiled: no mistake was found in it");
    assert_eq!(passed.conditions()[2..], ["TestsPassed True Passed: 1 test has passed"]);
    assert!(passed.tests.jobs.is_empty() && passed.tests.plans.is_empty());
    assert_eq!(passed.at(now() + 100.hours()), Plan::nothing());

    let mut edited = passed;
    Arc::make_mut(&mut edited.transformation).metadata.generation = Some(2);
    assert_eq!(edited.settled(now()).tests.jobs.len(), 1);
}

#[test]
fn a_test_that_does_not_pass_is_told() {
    let outcome = json!({"passed": 2, "failed": 1, "first": {"name": "nulls", "difference": "row 1 is missing"}});
    let failed = tested().settled(now()).said(&outcome).settled(now());
    let message = "1 of 3 tests failed; `nulls`: row 1 is missing";
    assert_eq!(failed.conditions()[2], format!("TestsPassed False TestFailed: {message}"));
    assert_eq!(failed.conditions()[0], format!("Ready False TestFailed: {message}"));
    assert_eq!(failed.conditions()[3], format!("Stalled True TestFailed: {message}"));
}

#[test]
fn what_does_not_compile_is_not_tested() {
    let wrong = view("SELECT uper(a) FROM input", json!([])).settled(now());
    assert!(wrong.conditions()[1].starts_with("Valid False Invalid: spec.sql.query: there is no function `uper`"));
    assert_eq!(wrong.conditions()[2], "TestsPassed Unknown NotChecked: it does not compile");
    assert!(wrong.conditions()[3].starts_with("Stalled True Invalid: spec.sql.query"), "{:?}", wrong.conditions());
    let without = view("SELECT a FROM input", json!([])).settled(now());
    assert_eq!(without.conditions()[2..], ["TestsPassed True NoTests: it has no tests"]);
    assert!(without.tests.jobs.is_empty());
}

#[test]
fn tests_that_could_not_be_run_are_run_again_after_a_while() {
    let mut lost = tested().settled(now());
    let job = Arc::make_mut(&mut lost.tests.jobs[0]);
    let ended = json!({"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "lastTransitionTime": now()});
    job.status = Some(object(json!({"conditions": [ended]})));
    let lost = lost.settled(now());
    assert_eq!(
        lost.conditions()[2],
        "TestsPassed Unknown TimedOut: its tests could not be run: it took longer than 300 seconds; it is tried again by \
         itself"
    );
    assert!(lost.conditions()[3].starts_with("Reconciling True TimedOut: "), "{:?}", lost.conditions());
    assert_eq!(lost.at(now() + 10.seconds()).again, Some(std::time::Duration::from_secs(50)));
    let again = lost.settled(now() + 60.seconds());
    assert_eq!(again.tests.jobs.len(), 1);
    assert!(again.tests.jobs[0].status.is_none(), "it is another one");
}
