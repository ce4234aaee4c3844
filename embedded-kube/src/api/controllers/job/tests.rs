//! A Job's life, in a small world in which plans come true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aggregator_tests::random::Random;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::{Pauses, View, plan};
use crate::api::controllers::action::{Action, Plan};
use crate::api::controllers::owner::finalizers;
use crate::api::controllers::pod;

/// A Job and its Pods, and everything that was told.
struct World {
    job: Job,
    pods: BTreeMap<String, Pod>,
    now: Timestamp,
    versions: u64,
    told: Vec<String>,
    /// How many Pods there have ever been.
    made: usize,
}

impl World {
    fn new(spec: Value) -> Self {
        let mut job = json!({
            "metadata": {"name": "j", "namespace": "ns", "uid": "u", "resourceVersion": "0"},
            "spec": {
                "parallelism": 1, "completions": 1, "backoffLimit": 6,
                "template": {"metadata": {"labels": {"controller-uid": "u"}}, "spec": {"containers": [{"name": "m"}], "restartPolicy": "Never"}},
            },
        });
        merge(&mut job["spec"], &spec);
        Self {
            job: serde_json::from_value(job).unwrap(),
            pods: BTreeMap::new(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            versions: 0,
            told: Vec::new(),
            made: 0,
        }
    }

    fn plan(&self) -> Plan {
        let view = View {
            job: Arc::new(self.job.clone()),
            pods: self.pods.values().cloned().map(Arc::new).collect(),
            taken: self.pods.keys().cloned().collect(),
            pauses: Pauses::default(),
        };
        plan(&view, self.now)
    }

    /// Makes a write come true, as the API server does.
    fn apply(&mut self, action: &Action) {
        self.versions += 1;
        let version = Some(self.versions.to_string());
        match action {
            Action::Create { object, .. } => {
                let mut made: Pod = serde_json::from_value(object.clone()).unwrap();
                let name = made.metadata.name.clone().unwrap();
                made.metadata.uid = Some(format!("uid-{name}-{}", self.versions));
                made.metadata.resource_version = version;
                made.metadata.creation_timestamp = Some(Time(self.now));
                assert!(self.pods.insert(name.clone(), made).is_none(), "there is a Pod {name} already");
                self.made += 1;
            }
            Action::Replace { target, part: "status", object } => {
                assert_eq!(target.resource_version, self.job.metadata.resource_version, "the Job has changed");
                let new: Job = serde_json::from_value(object.clone()).unwrap();
                self.job.status = new.status;
                self.job.metadata.resource_version = version;
            }
            Action::Merge { target, part: None, patch } => {
                let pod = self.pods.get_mut(&target.name).expect("the Pod is there");
                assert_eq!(target.resource_version, pod.metadata.resource_version, "the Pod has changed");
                pod.metadata.finalizers = serde_json::from_value(patch["metadata"]["finalizers"].clone()).unwrap();
                pod.metadata.resource_version = version;
                self.sweep();
            }
            Action::Delete { target, .. } => {
                let pod = self.pods.get_mut(&target.name).expect("the Pod is there");
                assert_eq!(Some(&target.uid), pod.metadata.uid.as_ref());
                pod.metadata.deletion_timestamp = Some(Time(self.now));
                pod.metadata.resource_version = version;
                self.sweep();
            }
            Action::Tell(note) => self.told.push(format!("{} {}", note.reason, note.message)),
            other => panic!("{other}"),
        }
    }

    /// Pods that are over, to be deleted, and held by nobody are gone.
    fn sweep(&mut self) {
        self.pods.retain(|_, it| !(pod::is_deleted(it) && pod::is_over(it) && finalizers(&it.metadata).is_empty()));
    }

    /// Makes plans come true until there is nothing to do. Gives back the last one.
    fn rest(&mut self) -> Plan {
        for _ in 0..50 {
            let plan = self.plan();
            if plan.actions.is_empty() {
                return plan;
            }
            plan.actions.iter().for_each(|action| self.apply(action));
        }
        panic!("it does not come to rest: {}", self.plan())
    }

    fn wait(&mut self, seconds: i64) -> Plan {
        self.now += SignedDuration::from_secs(seconds);
        self.rest()
    }

    fn status(&self) -> JobStatus {
        self.job.status.clone().unwrap_or_default()
    }

    /// The conditions, as `type=status reason: message`.
    fn conditions(&self) -> Vec<String> {
        let conditions = self.status().conditions.unwrap_or_default();
        let text = |text: Option<String>| text.unwrap_or_default();
        conditions
            .into_iter()
            .map(|it| format!("{}={} {}: {}", it.type_, it.status, text(it.reason), text(it.message)))
            .collect()
    }

    /// `active ready terminating succeeded failed`.
    fn numbers(&self) -> [i32; 5] {
        let status = self.status();
        [status.active, status.ready, status.terminating, status.succeeded, status.failed]
            .map(Option::unwrap_or_default)
    }

    /// The names of the Pods that run, or will.
    fn active(&self) -> Vec<String> {
        self.pods.iter().filter(|(_, it)| pod::is_active(it)).map(|(name, _)| name.clone()).collect()
    }

    fn set(&mut self, name: &str, status: Value) {
        self.versions += 1;
        let pod = self.pods.get_mut(name).expect("the Pod is there");
        pod.status = serde_json::from_value(status).unwrap();
        pod.metadata.resource_version = Some(self.versions.to_string());
        self.sweep();
    }

    fn run(&mut self, name: &str) {
        self.set(name, json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
    }

    /// The Pod ends with that code.
    fn end(&mut self, name: &str, code: i32) {
        let state = json!({"terminated": {"exitCode": code, "finishedAt": Time(self.now)}});
        let container =
            json!({"name": "m", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        self.set(name, json!({"phase": phase, "containerStatuses": [container]}));
    }

    /// Somebody deletes the Pod.
    fn delete(&mut self, name: &str) {
        self.pods.get_mut(name).expect("the Pod is there").metadata.deletion_timestamp = Some(Time(self.now));
    }

    /// The active Pod of an index.
    fn index(&self, index: i32) -> String {
        let found = self.active().into_iter().find(|name| name.starts_with(&format!("j-{index}-")));
        found.unwrap_or_else(|| panic!("there is no Pod of index {index}"))
    }

    fn spec(&mut self, changes: Value) {
        let mut job = serde_json::to_value(&self.job).unwrap();
        merge(&mut job["spec"], &changes);
        self.job = serde_json::from_value(job).unwrap();
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.iter().for_each(|(key, value)| merge(into.entry(key.clone()).or_insert(Value::Null), value));
        }
        (into, from) => *into = from.clone(),
    }
}

const REACHED: [&str; 2] = [
    "SuccessCriteriaMet=True CompletionsReached: Reached expected number of succeeded pods",
    "Complete=True CompletionsReached: Reached expected number of succeeded pods",
];

fn failed(reason: &str, message: &str) -> Vec<String> {
    ["FailureTarget", "Failed"].map(|condition| format!("{condition}=True {reason}: {message}")).to_vec()
}

#[test]
fn a_job_makes_a_pod_and_is_complete_when_it_has_succeeded() {
    let mut world = World::new(json!({}));
    world.rest();
    assert_eq!(world.numbers(), [1, 0, 0, 0, 0]);
    assert_eq!(world.status().start_time, Some(Time(world.now)));
    let name = world.active().remove(0);
    assert_eq!(world.told, [format!("SuccessfulCreate Created pod: {name}")]);
    world.run(&name);
    world.rest();
    assert_eq!(world.numbers(), [1, 1, 0, 0, 0]);
    world.now += SignedDuration::from_secs(3);
    world.end(&name, 0);

    // First it is written down who is counted, and why the Job ends; then the Pod is let go; then it is over.
    let plan = world.plan();
    let texts: Vec<String> = plan.actions.iter().map(ToString::to_string).collect();
    assert_eq!(texts[0], "replace status of Job ns/j");
    assert_eq!(texts[1], format!("merge {{\"metadata\":{{\"finalizers\":null}}}} into Pod ns/{name}"));
    assert_eq!(texts.len(), 2, "{plan}");
    world.apply(&plan.actions[0]);
    let uncounted = world.status().uncounted_terminated_pods.unwrap();
    assert_eq!(uncounted.succeeded, world.pods[&name].metadata.uid.clone().map(|uid| vec![uid]));
    assert_eq!((world.numbers(), world.conditions()), ([0, 0, 0, 0, 0], vec![REACHED[0].to_owned()]));
    world.rest();
    assert_eq!((world.numbers(), world.conditions()), ([0, 0, 0, 1, 0], REACHED.map(str::to_owned).to_vec()));
    assert_eq!(world.status().completion_time, Some(Time(world.now)));
    assert_eq!(world.status().uncounted_terminated_pods, Some(Default::default()));
    assert_eq!(world.told.last().unwrap(), "Completed Job completed");
}

#[test]
fn there_are_never_more_pods_than_are_wanted() {
    let mut world = World::new(json!({"parallelism": 3, "completions": 5}));
    world.rest();
    for (ended, active) in [(1, 3), (2, 3), (3, 2), (4, 1), (5, 0)] {
        let name = world.active().remove(0);
        world.end(&name, 0);
        world.rest();
        assert_eq!((world.active().len(), world.status().succeeded), (active, Some(ended)));
    }
    assert_eq!((world.made, world.conditions()), (5, REACHED.map(str::to_owned).to_vec()));
    let mut none = World::new(json!({"parallelism": 0}));
    none.rest();
    assert_eq!((none.made, none.conditions().len()), (0, 0));
    let mut nothing = World::new(json!({"completions": 0}));
    nothing.rest();
    assert_eq!((nothing.made, nothing.conditions()), (0, REACHED.map(str::to_owned).to_vec()));
}

#[test]
fn the_first_that_succeeds_ends_a_job_without_a_number() {
    let mut world = World::new(json!({"parallelism": 3}));
    world.job.spec.as_mut().unwrap().completions = None;
    world.rest();
    let names = world.active();
    world.end(&names[0], 0);
    world.rest();
    assert_eq!((world.active().len(), world.conditions().len()), (2, 0));
    world.end(&names[1], 1);
    world.end(&names[2], 0);
    world.rest();
    assert_eq!((world.made, world.conditions()), (3, REACHED.map(str::to_owned).to_vec()));
    assert_eq!(world.numbers(), [0, 0, 0, 2, 1]);
}

#[test]
fn a_failed_pod_is_replaced_after_a_pause_until_the_limit() {
    let mut world = World::new(json!({"backoffLimit": 2}));
    world.rest();
    for (failures, pause) in [(1, 10), (2, 20)] {
        let name = world.active().remove(0);
        world.end(&name, 1);
        assert_eq!(world.rest().again, Some(Duration::from_secs(pause)));
        assert_eq!((world.active().len(), world.status().failed), (0, Some(failures)));
        world.wait(i64::try_from(pause).unwrap() - 1);
        assert_eq!(world.active().len(), 0);
        world.wait(1);
        assert_eq!(world.active().len(), 1);
    }
    let name = world.active().remove(0);
    world.end(&name, 1);
    world.rest();
    let message = "Job has reached the specified backoff limit";
    assert_eq!(world.conditions(), failed("BackoffLimitExceeded", message));
    assert_eq!((world.made, world.numbers()), (3, [0, 0, 0, 0, 3]));
    assert_eq!(world.status().completion_time, None);
    assert_eq!(world.told.last().unwrap(), &format!("BackoffLimitExceeded {message}"));
    assert_eq!(world.plan(), Plan::nothing());
}

#[test]
fn a_success_ends_the_row_of_failures() {
    let mut world = World::new(json!({"completions": 3}));
    world.rest();
    let name = world.active().remove(0);
    world.end(&name, 1);
    world.wait(10);
    let name = world.active().remove(0);
    world.now += SignedDuration::from_secs(1);
    world.end(&name, 0);
    world.rest();
    let name = world.active().remove(0);
    world.now += SignedDuration::from_secs(1);
    world.end(&name, 1);
    assert_eq!(world.rest().again, Some(Duration::from_secs(10)));
}

#[test]
fn a_failure_ends_the_pods_that_still_run_and_waits_for_them() {
    let mut world = World::new(json!({"parallelism": 3, "completions": 3, "backoffLimit": 0}));
    world.rest();
    let names = world.active();
    names.iter().for_each(|name| world.run(name));
    world.rest();
    world.end(&names[0], 1);
    world.rest();
    assert_eq!(world.conditions().len(), 1, "{:?}", world.conditions());
    assert_eq!(world.numbers(), [0, 0, 2, 0, 3]);
    world.end(&names[1], 143);
    world.rest();
    assert_eq!((world.conditions().len(), world.numbers()), (1, [0, 0, 1, 0, 3]));
    world.end(&names[2], 0);
    world.rest();
    let message = "Job has reached the specified backoff limit";
    assert_eq!((world.conditions(), world.numbers()), (failed("BackoffLimitExceeded", message), [0, 0, 0, 0, 3]));
    let deleted = world.told.iter().filter(|told| told.starts_with("SuccessfulDelete Deleted pod: j-"));
    assert_eq!(deleted.count(), 2);
}

#[test]
fn containers_that_are_started_again_count_as_failures() {
    let restarts = |limit: i32, count: i32| {
        let template = json!({"spec": {"restartPolicy": "OnFailure"}});
        let mut world = World::new(json!({"backoffLimit": limit, "template": template}));
        world.rest();
        let name = world.active().remove(0);
        let container = json!({"name": "m", "image": "", "imageID": "", "ready": true, "restartCount": count});
        world.set(&name, json!({"phase": "Running", "containerStatuses": [container]}));
        world.rest();
        !world.conditions().is_empty()
    };
    assert_eq!(
        [(0, 0), (0, 1), (1, 0), (1, 1), (3, 2), (3, 3)].map(|(limit, count)| restarts(limit, count)),
        [false, true, false, true, false, true]
    );
}

#[test]
fn a_job_that_takes_too_long_fails() {
    let mut world = World::new(json!({"activeDeadlineSeconds": 5}));
    assert_eq!(world.rest().again, Some(Duration::from_secs(5)));
    assert_eq!(world.wait(4).again, Some(Duration::from_secs(1)));
    let name = world.active().remove(0);
    world.wait(1);
    world.end(&name, 143);
    world.rest();
    assert_eq!(world.conditions(), failed("DeadlineExceeded", "Job was active longer than specified deadline"));
}

#[test]
fn a_suspended_job_has_no_pods_and_its_time_stands_still() {
    let mut world = World::new(json!({"suspend": true, "activeDeadlineSeconds": 5}));
    world.rest();
    assert_eq!((world.made, world.status().start_time), (0, None));
    assert_eq!(world.conditions(), ["Suspended=True JobSuspended: Job suspended"]);
    assert_eq!(world.wait(100).again, None);
    world.spec(json!({"suspend": false}));
    assert_eq!(world.rest().again, Some(Duration::from_secs(5)));
    assert_eq!(world.conditions(), ["Suspended=False JobResumed: Job resumed"]);
    assert_eq!((world.active().len(), world.status().start_time), (1, Some(Time(world.now))));
    let name = world.active().remove(0);
    world.run(&name);
    world.rest();
    world.spec(json!({"suspend": true}));
    world.wait(1);
    assert_eq!((world.numbers(), world.status().start_time), ([0, 0, 1, 0, 0], None));
    // Those that were ended so are nobody's failure.
    world.end(&name, 143);
    world.spec(json!({"suspend": false}));
    world.rest();
    assert_eq!((world.numbers(), world.active().len()), ([1, 0, 0, 0, 0], 1));
    let told: Vec<&str> = world.told.iter().map(|told| told.split(' ').next().unwrap()).collect();
    assert_eq!(
        told,
        ["Suspended", "Resumed", "SuccessfulCreate", "SuccessfulDelete", "Suspended", "Resumed", "SuccessfulCreate"]
    );
}

#[test]
fn indexes_are_done_one_by_one() {
    let mut world = World::new(json!({"completionMode": "Indexed", "completions": 4, "parallelism": 2}));
    world.rest();
    let (first, second) = (world.index(0), world.index(1));
    assert_eq!(first.len(), "j-0-".len() + 5);
    world.end(&second, 0);
    world.rest();
    assert_eq!((world.status().completed_indexes.as_deref(), world.active().len()), (Some("1"), 2));
    let third = world.index(2);
    world.end(&first, 1);
    world.end(&third, 0);
    world.rest();
    assert_eq!(world.status().completed_indexes.as_deref(), Some("1,2"));
    world.wait(10);
    for index in [0, 3] {
        let name = world.index(index);
        world.end(&name, 0);
    }
    world.rest();
    assert_eq!((world.status().completed_indexes.as_deref(), world.numbers()), (Some("0-3"), [0, 0, 0, 4, 1]));
    assert_eq!(world.conditions(), REACHED);
}

#[test]
fn a_second_pod_of_an_index_goes_and_the_one_that_has_come_further_stays() {
    let mut world = World::new(json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2}));
    world.rest();
    let (first, other) = (world.index(0), world.index(1));
    world.run(&first);
    let mut copy = world.pods[&other].clone();
    copy.metadata.name = Some("copy".into());
    copy.metadata.uid = Some("copy".into());
    copy.metadata.annotations.as_mut().unwrap().insert(super::INDEX.into(), "0".into());
    world.pods.insert("copy".into(), copy);
    world.rest();
    assert_eq!(world.active(), [first, other]);
    assert_eq!(world.numbers()[4], 0);
}

#[test]
fn each_index_has_a_limit_of_its_own() {
    let mut world = World::new(json!({
        "completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimit": 2_147_483_647, "backoffLimitPerIndex": 1,
    }));
    world.rest();
    let annotation = |world: &World, name: &str| {
        world.pods[name].metadata.annotations.as_ref().and_then(|all| all.get(super::FAILURES).cloned())
    };
    let (zero, one) = (world.index(0), world.index(1));
    assert_eq!(annotation(&world, &zero).as_deref(), Some("0"));
    world.end(&one, 0);
    world.end(&zero, 1);
    assert_eq!(world.rest().again, Some(Duration::from_secs(10)));
    // The next Pod takes the number over, so the failed one stays until there is one.
    assert!(super::count::is_tracked(&world.pods[&zero]));
    assert_eq!(world.status().failed_indexes.as_deref(), Some(""));
    world.wait(10);
    assert!(!super::count::is_tracked(&world.pods[&zero]));
    let again = world.index(0);
    assert_eq!(annotation(&world, &again).as_deref(), Some("1"));
    world.end(&again, 1);
    world.rest();
    assert_eq!(world.conditions(), failed("FailedIndexes", "Job has failed indexes"));
    let status = world.status();
    assert_eq!((status.failed_indexes.as_deref(), status.completed_indexes.as_deref()), (Some("0"), Some("1")));
    assert_eq!(world.numbers(), [0, 0, 0, 1, 2]);
}

#[test]
fn too_many_failed_indexes_end_a_job_at_once() {
    let mut world = World::new(json!({
        "completionMode": "Indexed", "completions": 4, "parallelism": 2, "backoffLimit": 2_147_483_647,
        "backoffLimitPerIndex": 0, "maxFailedIndexes": 1,
    }));
    world.rest();
    let name = world.index(0);
    world.end(&name, 1);
    world.rest();
    assert_eq!((world.conditions().len(), world.status().failed_indexes.as_deref()), (0, Some("0")));
    let (failing, running) = (world.index(1), world.index(2));
    world.end(&failing, 1);
    world.rest();
    world.end(&running, 143);
    world.rest();
    let message = "Job has exceeded the specified maximal number of failed indexes";
    assert_eq!(world.conditions(), failed("MaxFailedIndexesExceeded", message));
    assert_eq!(world.made, 3);
}

#[test]
fn a_policy_says_what_a_failure_means() {
    let rule = |action: &str, code: i32| json!({"action": action, "onExitCodes": {"operator": "In", "values": [code]}});
    let rules = json!([rule("FailJob", 3), rule("Ignore", 4), rule("Count", 5)]);
    let policy = json!({"podFailurePolicy": {"rules": rules}, "backoffLimit": 1});
    let mut world = World::new(policy.clone());
    world.rest();
    let name = world.active().remove(0);
    world.end(&name, 3);
    world.rest();
    let message = format!("Container m for pod ns/{name} failed with exit code 3 matching FailJob rule at index 0");
    assert_eq!((world.conditions(), world.numbers()), (failed("PodFailurePolicy", &message), [0, 0, 0, 0, 1]));

    let mut world = World::new(policy);
    world.rest();
    for (code, failures) in [(4, 0), (4, 0), (5, 1)] {
        let name = world.active().remove(0);
        world.end(&name, code);
        assert!(world.rest().again.is_some());
        world.wait(600);
        assert_eq!((world.numbers()[4], world.active().len()), (failures, 1));
    }
    let name = world.active().remove(0);
    world.end(&name, 1);
    world.rest();
    let message = "Job has reached the specified backoff limit";
    assert_eq!(world.conditions(), failed("BackoffLimitExceeded", message));
}

#[test]
fn a_policy_can_fail_an_index_and_leave_failures_uncounted() {
    let rule = |action: &str, code: i32| json!({"action": action, "onExitCodes": {"operator": "In", "values": [code]}});
    let mut world = World::new(json!({
        "completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimit": 2_147_483_647, "backoffLimitPerIndex": 3,
        "podFailurePolicy": {"rules": [rule("FailIndex", 3), rule("Ignore", 4)]},
    }));
    world.rest();
    let (zero, one) = (world.index(0), world.index(1));
    world.end(&zero, 3);
    world.end(&one, 4);
    world.rest();
    assert_eq!(world.status().failed_indexes.as_deref(), Some("0"));
    world.wait(10);
    let again = world.index(1);
    let annotations = world.pods[&again].metadata.annotations.clone().unwrap();
    assert_eq!((annotations[super::FAILURES].as_str(), annotations[super::IGNORED_FAILURES].as_str()), ("0", "1"));
    world.end(&again, 0);
    world.rest();
    assert_eq!(world.conditions(), failed("FailedIndexes", "Job has failed indexes"));
    assert_eq!(world.numbers(), [0, 0, 0, 1, 1]);
}

#[test]
fn a_pod_that_is_being_deleted_is_replaced_before_or_after_its_end() {
    for (policy, waits) in [("TerminatingOrFailed", false), ("Failed", true)] {
        let mut world = World::new(json!({"podReplacementPolicy": policy}));
        world.rest();
        let name = world.active().remove(0);
        world.run(&name);
        world.rest();
        world.delete(&name);
        world.rest();
        world.wait(10);
        assert_eq!((world.active().len(), world.status().terminating), (usize::from(!waits), Some(1)), "{policy}");
        assert_eq!(world.numbers()[4], i32::from(!waits));
        world.end(&name, 143);
        world.rest();
        world.wait(10);
        assert_eq!((world.active().len(), world.numbers()), (1, [1, 0, 0, 0, 1]), "{policy}");
    }
}

#[test]
fn a_success_policy_ends_the_others() {
    let rules = json!([{"succeededIndexes": "0", "succeededCount": 1}]);
    let mut world = World::new(json!({
        "completionMode": "Indexed", "completions": 3, "parallelism": 3, "successPolicy": {"rules": rules},
    }));
    world.rest();
    let (zero, others) = (world.index(0), [world.index(1), world.index(2)]);
    world.end(&zero, 0);
    world.rest();
    assert_eq!(world.conditions(), ["SuccessCriteriaMet=True SuccessPolicy: Matched rules at index 0"]);
    others.iter().for_each(|name| world.end(name, 143));
    world.rest();
    assert_eq!(world.conditions()[1..], ["Complete=True SuccessPolicy: Matched rules at index 0"]);
    // The others are no failures.
    assert_eq!(world.numbers(), [0, 0, 0, 1, 0]);
}

#[test]
fn fewer_are_wanted_and_those_that_have_done_the_least_go() {
    let mut world = World::new(json!({"parallelism": 3, "completions": 3}));
    world.rest();
    let names = world.active();
    world.run(&names[1]);
    world.spec(json!({"parallelism": 1}));
    world.rest();
    assert_eq!(world.active(), [names[1].clone()]);
    world.spec(json!({"parallelism": 2}));
    world.rest();
    assert_eq!((world.active().len(), world.numbers()[4]), (2, 0));
}

#[test]
fn a_job_that_is_deleted_lets_its_pods_go_and_makes_none() {
    let mut world = World::new(json!({"parallelism": 2, "completions": 2}));
    world.rest();
    let name = world.active().remove(0);
    world.job.metadata.deletion_timestamp = Some(Time(world.now));
    world.end(&name, 1);
    world.rest();
    assert!(world.pods.values().all(|pod| !super::count::is_tracked(pod)));
    assert_eq!((world.made, world.numbers()[4]), (2, 1));
}

#[test]
fn a_job_of_another_controller_is_left_alone() {
    assert_eq!(World::new(json!({"managedBy": "example.com/other"})).plan(), Plan::nothing());
    assert!(!World::new(json!({"managedBy": "kubernetes.io/job-controller"})).plan().actions.is_empty());
}

#[test]
fn a_limit_of_pods_that_are_counted_at_a_time_holds() {
    let mut world = World::new(json!({"parallelism": 600, "completions": 600}));
    world.rest();
    assert_eq!(world.active().len(), 600);
    for name in world.active() {
        world.end(&name, 0);
    }
    let plan = world.plan();
    world.apply(&plan.actions[0]);
    assert_eq!(world.status().uncounted_terminated_pods.unwrap().succeeded.unwrap().len(), 500);
    world.rest();
    assert_eq!((world.numbers()[3], world.conditions()), (600, REACHED.map(str::to_owned).to_vec()));
}

/// A plan that ends in the middle, anywhere, does no harm: there are never too many Pods, and each is counted once.
#[test]
fn a_restart_at_any_moment_makes_no_pod_too_many_and_counts_each_once() {
    let mut random = Random::seeded("a_restart_at_any_moment_makes_no_pod_too_many_and_counts_each_once");
    for round in 0..300 {
        let indexed = random.below(2) == 1;
        let (parallelism, completions) = (1 + random.below(4), 1 + random.below(6));
        let mut spec = json!({"parallelism": parallelism, "completions": completions, "backoffLimit": random.below(6)});
        if indexed {
            spec["completionMode"] = "Indexed".into();
        }
        if random.below(2) == 1 {
            spec["podReplacementPolicy"] = "Failed".into();
        }
        let mut world = World::new(spec.clone());
        let mut ended: BTreeSet<String> = BTreeSet::new();
        let mut finished = false;
        for _ in 0..500 {
            let plan = world.plan();
            // Whoever carries the plan out is killed somewhere in it.
            let done = random.below(plan.actions.len() + 1);
            plan.actions[..done].iter().for_each(|action| world.apply(action));
            assert!(world.active().len() <= parallelism, "round {round}: {spec}");
            if random.below(3) == 0 && !world.active().is_empty() {
                let active = world.active();
                let name = &active[random.below(active.len())];
                ended.insert(world.pods[name].metadata.uid.clone().unwrap());
                world.end(name, i32::from(random.below(3) == 0));
            }
            let going: Vec<String> =
                world.pods.iter().filter(|(_, it)| pod::is_terminating(it)).map(|(name, _)| name.clone()).collect();
            if random.below(2) == 0 {
                going.iter().for_each(|name| world.end(name, 143));
            }
            world.now += SignedDuration::from_secs(random.below(300).try_into().unwrap());
            if super::is_finished(&world.job) {
                finished = true;
                break;
            }
        }
        assert!(finished, "round {round} does not end: {spec} {:?} {}", world.status(), world.plan());
        let [active, _, terminating, succeeded, failed] = world.numbers();
        assert_eq!((active, terminating), (0, 0), "round {round}");
        // Every Pod that was made was counted, once.
        let made = i32::try_from(world.made).unwrap();
        assert_eq!(succeeded + failed, made, "round {round}: {spec} {:?}", world.status());
        assert!(ended.len() <= world.made);
    }
}
