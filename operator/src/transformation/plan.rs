//! What is to be done for a Transformation now: a pure decision.

use std::time::Duration;

use aggregator_crds::Reason;
use aggregator_crds::condition::{Condition, ConditionStatus, ConditionType};
use aggregator_crds::transformation::{TestsOutcome, TransformationStatus};
use jiff::Timestamp;

use super::tests_of::{DEADLINE, about, arguments, job_name, labels_of};
use super::view::View;
use crate::action::{Action, Kind, Plan, Target};
use crate::conditions::{Said, find, known, kstatus, led_by, renew};
use crate::errand::{self, Errand, GRACE, Progress, Why};
use crate::run;
use crate::settings::Settings;
use crate::worker::{Mounts, Worker};

/// The most Pipelines that the status names.
const USERS: usize = 50;
/// Tests that could not be run are run again after this time.
const AGAIN: Duration = Duration::from_secs(60);

/// What is to be done for a Transformation now.
#[must_use]
pub fn plan(view: &View, settings: &Settings, now: Timestamp) -> Plan {
    let transformation = &view.transformation;
    if transformation.metadata.deletion_timestamp.is_some() {
        return Plan::nothing();
    }
    let about = about(transformation);
    let valid = match run::check_transformation(&about) {
        Ok(()) => Said::holds(ConditionType::Valid, true, Reason::Compiled, "no mistake was found in it"),
        Err(error) => Said::holds(ConditionType::Valid, false, error.reason(), error.to_string()),
    };
    if valid.status == ConditionStatus::False {
        let passed =
            Said::new(ConditionType::TestsPassed, ConditionStatus::Unknown, Reason::NotChecked, "it does not compile");
        return view.tests.clean(None).and(view.says(valid, passed, now));
    }
    if transformation.spec.tests.is_empty() {
        let passed = Said::holds(ConditionType::TestsPassed, true, Reason::NoTests, "it has no tests");
        return view.tests.clean(None).and(view.says(valid, passed, now));
    }
    let wanted = job_name(transformation);
    match (view.known(), view.tests.job(&wanted)) {
        (Some(last), _) if last.status != ConditionStatus::Unknown => {
            let (reason, message) = known(&last.reason, last.message.clone());
            let passed = Said::new(ConditionType::TestsPassed, last.status, reason, message);
            view.tests.clean(None).and(view.says(valid, passed, now))
        }
        (_, Some(job)) => match view.tests.progress::<TestsOutcome>(job, DEADLINE, now) {
            Progress::Going => view.says(valid, going(), now),
            Progress::Unheard(left) => view.says(valid, going(), now).again_in(left),
            Progress::Stuck(why) => view.says(valid, unknown(&why), now),
            Progress::Said(outcome) => view.says(valid, told(&outcome), now),
            Progress::Lost(why) => {
                let said = view.says(valid, unknown(&why), now);
                // The Job stays for a while, so that it is not made again at once.
                match errand::left(job, AGAIN, now) {
                    Some(left) => said.again_in(left),
                    None => view.tests.clean(None).and(said),
                }
            }
        },
        (_, None) => {
            let mounts = Mounts::default();
            let worker = Worker {
                plan: &wanted,
                service_account: None,
                arguments: arguments(),
                mounts: &mounts,
                resources: None,
                grace_seconds: GRACE,
                shards: None,
            };
            let errand = Errand { name: &wanted, labels: labels_of(), worker, deadline: DEADLINE };
            let begin = view.tests.begin(transformation.as_ref(), &about, errand, settings);
            view.tests.clean(Some(&wanted)).and(begin).and(view.says(valid, going(), now))
        }
    }
}

/// What is said of a Transformation when a write that it needs is refused again and again.
#[must_use]
pub fn blocked(view: &View, why: &Why, now: Timestamp) -> Plan {
    let transformation = &view.transformation;
    let before = transformation.status.as_ref();
    let said = Said::holds(ConditionType::Ready, false, why.reason, why.message.clone());
    let generation = transformation.metadata.generation;
    let conditions = before.map_or(&[][..], |status| &status.conditions);
    let conditions = led_by(said, conditions.to_vec(), conditions, generation, now);
    let before_or_new = before.cloned().unwrap_or_default();
    let status = TransformationStatus { observed_generation: generation, conditions, ..before_or_new };
    if before == Some(&status) {
        return Plan::nothing();
    }
    Plan::nothing().then(Action::status(Target::of(Kind::Transformation, &transformation.metadata), &status))
}

fn going() -> Said {
    Said::new(ConditionType::TestsPassed, ConditionStatus::Unknown, Reason::Testing, "its tests are about to be run")
}

fn unknown(why: &Why) -> Said {
    Said::new(
        ConditionType::TestsPassed,
        ConditionStatus::Unknown,
        why.reason,
        format!("its tests could not be run: {}", why.message),
    )
}

fn told(outcome: &TestsOutcome) -> Said {
    let all = outcome.passed + outcome.failed;
    let tests = if all == 1 { "1 test" } else { &format!("{all} tests") };
    if outcome.failed == 0 {
        let verb = if all == 1 { "has" } else { "have" };
        return Said::holds(ConditionType::TestsPassed, true, Reason::Passed, format!("{tests} {verb} passed"));
    }
    let first = outcome.first.as_ref();
    let first = first.map(|it| format!("; `{}`: {}", it.name, it.difference)).unwrap_or_default();
    Said::holds(
        ConditionType::TestsPassed,
        false,
        Reason::TestFailed,
        format!("{} of {tests} failed{first}", outcome.failed),
    )
}

impl View {
    /// What is known of the tests of this version.
    fn known(&self) -> Option<&Condition> {
        let status = self.transformation.status.as_ref()?;
        let generation = self.transformation.metadata.generation;
        find(&status.conditions, ConditionType::TestsPassed).filter(|known| known.observed_generation == generation)
    }

    fn says(&self, valid: Said, passed: Said, now: Timestamp) -> Plan {
        let transformation = &self.transformation;
        let before = transformation.status.as_ref();
        let bad = [&valid, &passed].into_iter().find(|said| said.status == ConditionStatus::False);
        let ready = match bad {
            Some(bad) => Said::holds(ConditionType::Ready, false, bad.reason, bad.message.clone()),
            None => Said::holds(ConditionType::Ready, true, Reason::Compiled, valid.message.clone()),
        };
        // It is ready while its tests run.
        let beside = kstatus(bad.unwrap_or(&passed));
        let said = [ready, valid, passed].into_iter().chain(beside).collect();
        let conditions = before.map_or(&[][..], |status| &status.conditions);
        let generation = transformation.metadata.generation;
        let status = TransformationStatus {
            observed_generation: generation,
            conditions: renew(conditions, said, generation, now),
            used_by: self.users.iter().take(USERS).cloned().collect(),
        };
        if before == Some(&status) {
            return Plan::nothing();
        }
        Plan::nothing().then(Action::status(Target::of(Kind::Transformation, &transformation.metadata), &status))
    }
}
