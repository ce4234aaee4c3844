//! Every fire becomes one run, or a recorded reason.

mod backfill;
mod downtime;
mod edits;
mod kills;
mod requests;

use std::sync::Arc;

use aggregator_crds::schedule::{Decision, FireCounts, ScheduleSpec, ScheduleStatus};
use aggregator_crds::{Pipeline, PipelineRun, Schedule};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::plan::plan;
use super::view::View;
use crate::action::{Action, Kind, Plan};
use crate::errand::Errands;
use crate::fixture::object;
use crate::settings::Settings;

fn at(text: &str) -> Timestamp {
    format!("2026-11-23T{text}Z").parse().expect("a time")
}

/// A Schedule that was made at ten to ten.
fn view(spec: &Value) -> View {
    let mut whole = json!({"pipelineRef": {"name": "move"}});
    whole.as_object_mut().expect("an object").extend(spec.as_object().expect("an object").clone());
    View {
        schedule: Arc::new(object::<Schedule>(json!({
            "apiVersion": "aggregator.dev/v1alpha1", "kind": "Schedule",
            "metadata": {"name": "hourly", "namespace": "demo", "uid": "uid", "resourceVersion": "7", "generation": 1,
                         "creationTimestamp": "2026-11-23T09:50:00Z"},
            "spec": whole,
        }))),
        pipeline: Some(Arc::new(object::<Pipeline>(json!({
            "apiVersion": "aggregator.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": "move"},
            "spec": {"sources": [{"name": "rows", "connector": "files"}],
                     "sinks": [{"name": "kept", "from": "rows", "connector": "files", "stream": "out/"}]},
        })))),
        runs: Vec::new(),
        others: Vec::new(),
        connector: None,
        looks: Errands::default(),
    }
}

fn planned(view: &View, now: Timestamp) -> Plan {
    plan(view, &Settings::of_tests(), now)
}

fn hourly(more: &Value) -> View {
    let mut spec = json!({"cron": {"expressions": ["0 * * * *"], "timeZone": "Europe/Berlin"}});
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    view(&spec)
}

impl View {
    /// The world after the plan was carried out; `lost` writes at its end were not.
    fn after(mut self, done: &Plan, lost: usize) -> Self {
        for action in &done.actions[..done.actions.len() - lost] {
            match action {
                Action::Create { kind: Kind::PipelineRun, object: made } => {
                    self.runs.push(Arc::new(object::<PipelineRun>(made.clone())));
                }
                Action::Merge { target, .. } => {
                    let run = self.runs.iter_mut().find(|run| run.metadata.name.as_ref() == Some(&target.name));
                    Arc::make_mut(run.expect("a run")).spec.cancel = Some(aggregator_crds::run::CancelMode::Immediate);
                }
                Action::Delete { target, .. } if target.kind == Kind::PipelineRun => {
                    self.runs.retain(|run| run.metadata.name.as_ref() != Some(&target.name));
                }
                Action::Status { status, .. } => {
                    Arc::make_mut(&mut self.schedule).status = Some(object::<ScheduleStatus>(status.clone()));
                }
                other => assert!(self.looks.carry_out(other), "{other}"),
            }
        }
        self
    }

    fn then(self, now: Timestamp) -> Self {
        let done = planned(&self, now);
        self.after(&done, 0)
    }

    fn edited(mut self, edit: impl FnOnce(&mut ScheduleSpec)) -> Self {
        let schedule = Arc::make_mut(&mut self.schedule);
        edit(&mut schedule.spec);
        schedule.metadata.generation = schedule.metadata.generation.map(|generation| generation + 1);
        self
    }

    fn all_end(mut self, how: &str) -> Self {
        for run in &mut self.runs {
            let run = Arc::make_mut(run);
            run.metadata.creation_timestamp = Some(object(json!("2026-11-23T09:59:00Z")));
            run.status = Some(object(json!({"completionTime": "2026-11-23T10:00:30Z",
                "conditions": [{"type": "Succeeded", "status": how, "reason": "X"}]})));
        }
        self
    }

    fn noted(&self) -> &ScheduleStatus {
        self.schedule.status.as_ref().expect("a status")
    }

    fn counts(&self) -> (u64, u64, u64) {
        let FireCounts { started, skipped, missed, .. } = self.noted().counts.clone().expect("counts");
        (started, skipped, missed)
    }

    fn last(&self) -> (&str, Decision, Option<&str>) {
        let last = self.noted().last_decision.as_ref().expect("a decision");
        (&last.fire, last.decision, last.reason.as_deref())
    }
}

#[test]
fn a_fire_starts_one_run_whatever_is_lost_in_between() {
    let view = hourly(&json!({})).then(at("09:50:01"));
    assert_eq!(view.noted().next[0], "2026-11-23T11:00:00+01:00");
    assert_eq!(view.counts(), (0, 0, 0));
    let early = planned(&view, at("09:59:58"));
    assert_eq!((early.actions.len(), early.again.map(|time| time.as_secs())), (0, Some(2)));
    let due = planned(&view, at("10:00:00"));
    assert!(due.to_string().starts_with("create PipelineRun hourly-20261123-100000-"), "{due}");
    // The operator died after the run was made: the next one finds it.
    let view = view.after(&due, 1).then(at("10:00:07"));
    assert_eq!((view.runs.len(), view.counts()), (1, (1, 0, 0)));
    assert_eq!(view.last(), ("2026-11-23T11:00:00+01:00", Decision::Started, None));
    assert_eq!(planned(&view, at("10:00:08")).actions, [], "nothing has changed");
    assert_eq!(view.noted().active.len(), 1);
}

#[test]
fn a_run_that_goes_on_meets_the_next_fire_as_the_policy_says() {
    let cases = [
        ("Forbid", 1, (1, 1, 0), (Decision::Skipped, Some("RunActive"))),
        ("Allow", 2, (2, 0, 0), (Decision::Started, None)),
        ("Queue", 2, (2, 0, 0), (Decision::Queued, None)),
        ("Replace", 2, (2, 0, 0), (Decision::Replaced, None)),
    ];
    for (policy, runs, counts, (decision, reason)) in cases {
        let view = hourly(&json!({"concurrencyPolicy": policy}))
            .then(at("09:50:01"))
            .then(at("10:00:00"))
            .then(at("11:00:01"));
        assert_eq!((view.runs.len(), view.counts()), (runs, counts), "{policy}");
        assert_eq!(view.last(), ("2026-11-23T12:00:00+01:00", decision, reason), "{policy}");
        let cancelled = view.runs.iter().filter(|run| run.spec.cancel.is_some()).count();
        assert_eq!(cancelled, usize::from(policy == "Replace"), "{policy}");
    }
}

#[test]
fn hours_of_absence_are_counted_and_made_up_for_as_the_policy_says() {
    let cases = [
        (json!({"policy": "Skip"}), 0, (0, 0, 5)),
        (json!({"policy": "Latest"}), 1, (1, 0, 4)),
        (json!({"policy": "All", "max": 3}), 3, (3, 0, 2)),
    ];
    for (policy, runs, counts) in cases {
        let view = hourly(&json!({"missedRuns": policy, "concurrencyPolicy": "Allow"})).then(at("09:50:01"));
        let view = view.then(at("14:30:00"));
        assert_eq!((view.runs.len(), view.counts()), (runs, counts), "{policy}");
    }
}

#[test]
fn each_fire_that_is_on_time_meets_the_policy_in_its_turn() {
    let cases = [
        ("Forbid", 1, (2, 1, 0), (Decision::Skipped, Some("RunActive"))),
        ("Allow", 2, (3, 0, 0), (Decision::Started, None)),
        ("Queue", 2, (3, 0, 0), (Decision::Queued, None)),
        // One that the next one would cancel at once is not begun.
        ("Replace", 1, (2, 0, 1), (Decision::Started, None)),
    ];
    for (policy, runs, counts, (decision, reason)) in cases {
        for missed in [json!({"policy": "Skip"}), json!({"policy": "Latest"}), json!({"policy": "All", "max": 1})] {
            let spec = json!({"interval": {"every": "20s"}, "concurrencyPolicy": policy, "missedRuns": missed});
            let view = view(&spec).then(at("09:50:01")).all_end("True");
            assert_eq!((view.runs.len(), view.counts()), (1, (1, 0, 0)), "{policy}, {missed}");
            let view = view.then(at("09:50:45"));
            assert_eq!((view.runs.len() - 1, view.counts()), (runs, counts), "{policy}, {missed}");
            assert_eq!(view.last(), ("2026-11-23T09:50:40+00:00", decision, reason), "{policy}, {missed}");
        }
    }
}

#[test]
fn a_hundred_runs_go_on_or_wait_and_no_more() {
    for policy in ["Allow", "Queue"] {
        let missed = json!({"policy": "All", "max": 1000});
        let spec = json!({"interval": {"every": "1s"}, "concurrencyPolicy": policy, "missedRuns": missed});
        // The last of a hundred.
        let view = view(&spec).then(at("09:51:39"));
        assert_eq!((view.runs.len(), view.counts()), (100, (100, 0, 0)), "{policy}");
        let mut view = view.then(at("09:51:40"));
        assert_eq!((view.runs.len(), view.counts()), (100, (100, 1, 0)), "{policy}");
        assert_eq!(view.last(), ("2026-11-23T09:51:40+00:00", Decision::Skipped, Some("QueueFull")), "{policy}");
        let first = Arc::make_mut(&mut view.runs[0]);
        first.status = Some(object(json!({"conditions": [{"type": "Succeeded", "status": "True", "reason": "X"}]})));
        assert_eq!(view.then(at("09:51:41")).counts(), (101, 1, 0), "{policy}: there is room for one");
    }
}

#[test]
fn each_fire_that_starts_nothing_is_told_with_its_reason() {
    let told = |view: &View| -> Vec<(String, Decision, String, u64)> {
        let decisions = view.noted().decisions.iter();
        let told = decisions.map(|it| {
            let reason = it.reason.clone().unwrap_or_default();
            (it.fire[11..16].to_owned(), it.decision, reason, it.fires.unwrap_or(1))
        });
        told.collect()
    };
    let said = |hour: &str, decision: Decision, reason: &str, fires: u64| {
        (hour.to_owned(), decision, reason.to_owned(), fires)
    };
    let view = hourly(&json!({})).then(at("09:50:01")).then(at("10:00:00"));
    assert_eq!(told(&view), []);
    let active = said("12:00", Decision::Skipped, "RunActive", 1);
    let view = view.then(at("11:00:00"));
    assert_eq!(told(&view), std::slice::from_ref(&active));
    // Nobody is there for two fires, and the run goes on.
    let view = view.then(at("14:00:00"));
    let late = said("14:00", Decision::Missed, "TooLate", 2);
    let still = said("15:00", Decision::Skipped, "RunActive", 1);
    assert_eq!(told(&view), [still.clone(), late.clone(), active.clone()]);
    let pipeline = view.pipeline.clone();
    let mut view = view.all_end("True");
    view.pipeline = None;
    let view = View { pipeline, ..view.then(at("15:00:00")) };
    let missing = said("16:00", Decision::Failed, "PipelineMissing", 1);
    assert_eq!(told(&view), [missing.clone(), still.clone(), late.clone(), active.clone()]);
    // What starts a run leaves the others where they are.
    let view = view.then(at("16:00:00"));
    assert_eq!((view.last().1, told(&view)), (Decision::Started, vec![missing, still, late, active]));
    let view = (17..24).fold(view, |view, hour| view.then(at(&format!("{hour}:00:00"))));
    assert_eq!(view.counts(), (2, 10, 2));

    let view = hourly(&json!({"cron": {"expressions": ["* * * * *"]}})).then(at("10:00:00"));
    let view = (1..30).fold(view, |view, minute| view.then(at(&format!("10:{minute:02}:00"))));
    let all = told(&view);
    assert_eq!((all.len(), all[0].0.as_str(), all[19].0.as_str()), (20, "10:29", "10:10"), "the last ones");
}

#[test]
fn what_comes_due_while_it_is_suspended_is_skipped_and_never_made_up_for() {
    let view = hourly(&json!({"suspend": true})).then(at("09:50:01"));
    assert_eq!(planned(&view, at("09:59:58")).again.map(|time| time.as_secs()), Some(2), "what is skipped is recorded");
    let view = view.then(at("10:00:00"));
    assert_eq!(view.last(), ("2026-11-23T11:00:00+01:00", Decision::Skipped, Some("Suspended")));
    let view = view.then(at("11:30:00"));
    assert_eq!((view.runs.len(), view.counts()), (0, (0, 2, 0)));
    assert!(view.noted().next.is_empty());
    // Nobody was there when it was resumed.
    let view = view.edited(|spec| spec.suspend = false).then(at("12:30:00"));
    assert_eq!((view.runs.len(), view.counts()), (0, (0, 3, 0)));
    assert_eq!(view.last(), ("2026-11-23T13:00:00+01:00", Decision::Skipped, Some("Suspended")));
    assert_eq!(view.noted().next[0], "2026-11-23T14:00:00+01:00");
    assert_eq!(planned(&view, at("12:30:01")).actions, []);
    let view = view.then(at("13:00:00"));
    assert_eq!((view.runs.len(), view.counts()), (1, (1, 3, 0)));
}

#[test]
fn a_pipeline_that_cannot_run_is_a_reason() {
    let mut missing = hourly(&json!({}));
    missing.pipeline = None;
    let missing = missing.then(at("09:50:01")).then(at("10:00:00"));
    assert_eq!(missing.last(), ("2026-11-23T11:00:00+01:00", Decision::Failed, Some("PipelineMissing")));
    assert_eq!((missing.counts(), missing.noted().conditions[0].reason.as_str()), ((0, 1, 0), "PipelineMissing"));
    assert_eq!(missing.noted().conditions.len(), 2, "it may be made, and the Schedule needs no edit");
    let mut draft = hourly(&json!({}));
    Arc::make_mut(draft.pipeline.as_mut().expect("a Pipeline")).spec.draft = true;
    let draft = draft.then(at("09:50:01")).then(at("10:00:00"));
    assert_eq!(draft.last().2, Some("PipelineIsDraft"));
}

#[test]
fn runs_beyond_the_history_go_the_oldest_first() {
    let spec = json!({"successfulRunsHistoryLimit": 2, "failedRunsHistoryLimit": 0, "concurrencyPolicy": "Allow"});
    let mut view = hourly(&spec).then(at("09:50:01"));
    for hour in ["10:00:00", "11:00:00", "12:00:00", "13:00:00"] {
        view = view.then(at(hour)).all_end("True");
    }
    let view = view.then(at("13:10:00"));
    let names: Vec<&str> = view.runs.iter().filter_map(|run| run.metadata.name.as_deref()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].starts_with("hourly-20261123-12") && names[1].starts_with("hourly-20261123-13"), "{names:?}");
    assert_eq!(view.all_end("False").then(at("13:20:00")).runs.len(), 0);
}

#[test]
fn the_last_success_is_known_when_its_run_is_gone() {
    let view = hourly(&json!({"concurrencyPolicy": "Allow"})).then(at("09:50:01"));
    let mut view = view.then(at("10:00:00")).then(at("11:00:00")).all_end("True");
    let last = Arc::make_mut(view.runs.last_mut().expect("two runs"));
    last.status.as_mut().expect("a status").completion_time = Some(at("11:00:30"));
    let mut view = view.then(at("11:01:00"));
    assert_eq!((view.runs.len(), view.noted().last_successful_time), (2, Some(at("11:00:30"))));
    // What has read the past again is no fire.
    let mut filled = PipelineRun::clone(view.runs.last().expect("two runs"));
    filled.metadata.name = Some("filled".to_owned());
    filled.spec.backfill = Some(object(json!({"from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z"})));
    filled.status.as_mut().expect("a status").completion_time = Some(at("11:01:30"));
    let mut of_another = filled.clone();
    of_another.metadata.name = Some("another".to_owned());
    of_another.spec.backfill = None;
    of_another.spec.pipeline_ref.name = "another".to_owned();
    view.runs.extend([filled, of_another].map(Arc::new));
    let mut view = view.then(at("11:01:40"));
    let status = view.noted();
    assert_eq!((view.runs.len(), status.last_successful_time), (4, Some(at("11:00:30"))), "all four are looked at");
    assert_eq!(status.last_successful_pipeline.as_deref(), Some("move"));
    while view.runs.pop().is_some() {
        view = view.then(at("11:02:00"));
        assert_eq!(view.noted().last_successful_time, Some(at("11:00:30")), "{} runs are left", view.runs.len());
    }
}

/// A run of another Pipeline that has ended well.
fn success(uid: &str, at: &str, mode: &str) -> Arc<PipelineRun> {
    Arc::new(object(json!({
        "apiVersion": "aggregator.dev/v1alpha1", "kind": "PipelineRun", "metadata": {"name": uid, "uid": uid},
        "spec": {"pipelineRef": {"name": "other"}, "mode": mode},
        "status": {"completionTime": format!("2026-11-23T{at}Z"),
                   "conditions": [{"type": "Succeeded", "status": "True", "reason": "LedgerBalanced"}]},
    })))
}

/// What starts no run leaves none that would tell of it.
#[test]
fn a_success_that_starts_nothing_is_decided_on_once() {
    let spec = json!({"pipelineSucceeded": {"name": "other"}});
    let mut view = view(&spec).then(at("09:50:01"));
    view.pipeline = None;
    view.others = vec![success("a", "10:00:00", "Incremental")];
    let mut view = view.then(at("10:00:01"));
    assert_eq!(view.counts(), (0, 1, 0));
    assert_eq!(planned(&view, at("10:00:02")).actions, []);
    // One that ended in the same second is seen later; the first is still known.
    view.others.push(success("b", "10:00:00", "Full"));
    let mut view = view.then(at("10:00:03"));
    assert_eq!((view.counts(), view.noted().decided_events.len()), ((0, 2, 0), 2));
    assert_eq!(planned(&view, at("10:00:04")).actions, []);
    // What cannot be seen again is not remembered.
    view.others.push(success("c", "10:30:00", "Full"));
    let view = view.then(at("10:30:01"));
    assert_eq!((view.counts(), view.noted().decided_events.as_slice()), ((0, 3, 0), &["c".to_owned()][..]));
}

#[test]
fn each_success_of_another_pipeline_is_one_fire() {
    let spec = json!({"pipelineSucceeded": {"name": "other"}, "concurrencyPolicy": "Allow"});
    let mut view = view(&spec).then(at("09:50:01"));
    view.others = vec![success("a", "10:00:00", "Incremental"), success("dry", "10:00:00", "DryRun")];
    let mut view = view.then(at("10:00:01"));
    assert_eq!(view.runs.len(), 1, "a dry run delivers nothing");
    // One that ended in the same second is seen later.
    view.others.push(success("b", "10:00:00", "Full"));
    let view = view.then(at("10:00:02"));
    assert_eq!((view.runs.len(), view.counts()), (2, (2, 0, 0)));
    assert_eq!(planned(&view, at("10:00:03")).actions, []);
    assert_eq!(view.then(at("12:00:00") + 1.seconds()).runs.len(), 2);
}

#[test]
fn what_cannot_be_followed_is_told_and_fires_never() {
    let told = |view: View| {
        let view = view.then(at("12:00:00"));
        assert_eq!(view.runs.len(), 0);
        let conditions = &view.noted().conditions;
        let (ready, stalled) = (&conditions[0], &conditions[2]);
        assert_eq!((stalled.condition_type.as_str(), &stalled.message), ("Stalled", &ready.message));
        (ready.reason.clone(), ready.message.clone())
    };
    let mut long = hourly(&json!({}));
    Arc::make_mut(&mut long.schedule).metadata.name = Some("x".repeat(42));
    let (reason, message) = told(long);
    assert!(reason == "Invalid" && message.starts_with("metadata.name: "), "{message}");
    let (reason, message) = told(view(&json!({"interval": {"every": "soon"}})));
    assert!(reason == "Invalid" && message.contains("`soon` is not a duration"), "{message}");
}

/// A Schedule that looks for files every five minutes.
fn arrivals() -> View {
    let mut view =
        view(&json!({"fileArrival": {"connector": "drops", "stream": "*.csv", "interval": "5m", "settle": "30s"}}));
    view.connector = Some(Arc::new(object(json!({
        "apiVersion": "aggregator.dev/v1alpha1", "kind": "Connector", "metadata": {"name": "drops", "namespace": "demo"},
        "spec": {"file": {"root": "/data/files"}},
    }))));
    view
}

impl View {
    /// Planned and carried out until nothing is left to do.
    fn settled(mut self, now: Timestamp) -> Self {
        for _ in 0..10 {
            let done = planned(&self, now);
            if done.actions.is_empty() {
                return self;
            }
            self = self.after(&done, 0);
        }
        panic!("it never comes to rest: {}", planned(&self, now));
    }

    /// The worker of the look ends so.
    fn looked(mut self, outcome: &Value, ended: &str) -> Self {
        let job = Arc::make_mut(self.looks.jobs.first_mut().expect("a Job"));
        let time = format!("2026-11-23T{ended}Z");
        job.status = Some(object(json!({"conditions": [
            {"type": "Complete", "status": "True", "lastTransitionTime": time}
        ]})));
        self.looks.worker_said(outcome);
        self
    }

    fn ready(&self) -> (&str, &str) {
        let ready = crate::conditions::find(&self.noted().conditions, aggregator_crds::condition::ConditionType::Ready)
            .expect("a condition");
        (&ready.reason, &ready.message)
    }
}

fn files(count: u64, digest: &str) -> Value {
    json!({"found": {"files": count, "newest": "2026-11-23T09:00:00Z", "digest": digest}})
}

#[test]
fn files_that_have_arrived_start_one_run_whatever_is_lost_in_between() {
    let view = arrivals().settled(at("09:50:01"));
    assert_eq!((view.looks.jobs.len(), view.runs.len()), (1, 0));
    let pod = view.looks.jobs[0].spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).expect("a Pod");
    assert_eq!((pod.service_account_name.as_deref(), pod.automount_service_account_token), (None, Some(false)));
    let words = pod.containers[0].args.clone().expect("arguments").join(" ");
    assert!(words.ends_with("--connector drops --stream *.csv --settle 30s"), "{words}");
    assert_eq!(view.ready(), ("Waiting", "it waits for files of `*.csv`"));

    // Files that nobody has read are there.
    let view = view.looked(&files(2, "ab"), "09:50:03");
    let first = planned(&view, at("09:50:04"));
    assert_eq!(first.to_string().matches("create PipelineRun").count(), 1, "{first}");
    for lost in 0..first.actions.len() {
        let again = view.clone().after(&first, lost).settled(at("09:50:05"));
        assert_eq!(again.runs.len(), 1, "{lost} writes were lost");
        assert_eq!((again.counts(), again.looks.jobs.len()), ((1, 0, 0), 0), "{lost} writes were lost");
        assert_eq!(again.ready(), ("Waiting", "it waits for files of `*.csv`; the last look found 2 files"));
    }
    let view = view.settled(at("09:50:04")).all_end("True").settled(at("09:50:40"));
    let waits = planned(&view, at("09:51:00"));
    assert_eq!((waits.actions.len(), waits.again.map(|time| time.as_secs())), (0, Some(5 * 60 - 56)));

    // The same ones, and then fewer: nothing has arrived.
    let view = view.settled(at("09:55:05")).looked(&files(2, "ab"), "09:55:08").settled(at("09:55:09"));
    let view = view.settled(at("10:00:10")).looked(&files(1, "a"), "10:00:12").settled(at("10:00:13"));
    assert_eq!((view.runs.len(), view.counts()), (1, (1, 0, 0)));
    let view = view.settled(at("10:05:14")).looked(&files(2, "ac"), "10:05:16").settled(at("10:05:17"));
    assert_eq!((view.runs.len(), view.counts()), (2, (2, 0, 0)));
    assert!(view.runs[1].metadata.name.as_ref().expect("a name").starts_with("hourly-20261123-100516-"), "by its look");
}

#[test]
fn a_look_that_saw_nothing_says_why_until_one_has_seen_and_no_file_is_forgotten() {
    let view =
        arrivals().settled(at("09:50:01")).looked(&files(1, "a"), "09:50:02").settled(at("09:50:03")).all_end("True");
    let failure =
        json!({"failure": {"reason": "Unreachable", "message": "the store does not answer", "remedy": "look at it"}});
    let view = view.settled(at("09:55:04")).looked(&failure, "09:55:06").settled(at("09:55:07"));
    assert_eq!(view.ready(), ("LookFailed", "the store does not answer; look at it"));
    let view = view.settled(at("09:58:00"));
    assert_eq!(view.ready().0, "LookFailed", "it holds");
    let view = view.settled(at("10:00:08")).looked(&files(2, "ab"), "10:00:10").settled(at("10:00:11"));
    assert_eq!((view.ready().0, view.runs.len()), ("Waiting", 2), "what came meanwhile has arrived");

    let gone = View { connector: None, ..view.clone() }.settled(at("10:00:20"));
    assert_eq!(gone.ready(), ("ConnectorMissing", "there is no Connector `drops` in this namespace"));
    // One that is suspended does not look; what came meanwhile is seen when it goes on.
    let mut asleep = view;
    Arc::make_mut(&mut asleep.schedule).spec.suspend = true;
    let asleep = asleep.settled(at("11:00:00"));
    assert_eq!((asleep.looks.jobs.len(), asleep.ready().0), (0, "Suspended"));
}

#[test]
fn the_trigger_is_told_in_words() {
    let cases = [
        (json!({"interval": {"every": "15m"}}), "every 15m"),
        (json!({"pipelineSucceeded": {"name": "flights"}}), "after flights"),
        (json!({"cron": {"expressions": ["0 * * * *"]}}), "0 * * * * UTC"),
        (
            json!({"cron": {"expressions": ["0 5 * * *", "0 6 * * *", "1 7 * * *"], "timeZone": "Europe/Berlin"}}),
            "0 5 * * * (and 2 more) Europe/Berlin",
        ),
        (requests::waits(&json!({})), "by request"),
    ];
    for (spec, words) in cases {
        assert_eq!(view(&spec).then(at("09:50:01")).noted().trigger.as_deref(), Some(words));
    }
}
