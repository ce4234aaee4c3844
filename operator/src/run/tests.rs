//! What is planned for a run, from its first sight to its end.

mod commit;
mod shards;

use std::sync::Arc;
use std::time::Duration;

use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::run::{PipelineRunStatus, RunPhase};
use aggregator_crds::{Connector, Pipeline, PipelineRun, Reason};
use jiff::{Timestamp, ToSpan};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use serde_json::{Value, json};

use super::plan::{awaited, blocked, plan};
use super::view::View;
use crate::action::{Action, Kind, Plan};
use crate::conditions;
use crate::errand::Why;
use crate::fixture::object;
use crate::pipeline::revision;
use crate::settings::Settings;

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().expect("a time")
}

/// A run of a Pipeline that is ready for it.
fn view(execution: Value) -> View {
    let metadata =
        |name: &str| json!({"name": name, "namespace": "demo", "uid": format!("uid-{name}"), "resourceVersion": "7"});
    let pipeline: Arc<Pipeline> = Arc::new(object(json!({
        "apiVersion": "aggregator.dev/v1alpha1", "kind": "Pipeline", "metadata": metadata("move"),
        "spec": {
            "sources": [{"name": "rows", "connector": "files", "stream": "*.csv"}],
            "sinks": [{"name": "kept", "from": "rows", "connector": "files", "stream": "out/"}],
            "execution": execution,
        },
        "status": {"conditions": [{"type": "Valid", "status": "True", "reason": "Compiled"}]},
    })));
    let connector: Connector = object(json!({
        "apiVersion": "aggregator.dev/v1alpha1", "kind": "Connector", "metadata": metadata("files"),
        "spec": {"file": {"root": "/data/files", "format": {"csv": {}}}},
    }));
    View {
        run: Arc::new(object(json!({
            "apiVersion": "aggregator.dev/v1alpha1", "kind": "PipelineRun", "metadata": metadata("first"),
            "spec": {"pipelineRef": {"name": "move"}},
        }))),
        revisions: vec![Arc::new(revision::keep(&pipeline, 4))],
        pipeline: Some(pipeline),
        connectors: vec![Arc::new(connector)],
        transformations: Vec::new(),
        plan: None,
        plan_is_gone: false,
        jobs: Vec::new(),
        pods: Vec::new(),
        identity: true,
        ahead: None,
    }
}

impl View {
    fn now(&self) -> Plan {
        plan(self, &Settings::of_tests(), now())
    }

    fn at(&self, now: Timestamp) -> Plan {
        plan(self, &Settings::of_tests(), now)
    }

    /// The world after the plan was carried out.
    fn after(mut self, done: &Plan) -> Self {
        for action in &done.actions {
            match action {
                Action::Create { kind: Kind::ConfigMap, object: made } => {
                    self.plan = Some(Arc::new(object::<ConfigMap>(made.clone())));
                }
                Action::Create { kind: Kind::Job, object: made } => {
                    self.jobs.push(Arc::new(object::<Job>(made.clone())));
                    self.pods.clear();
                }
                Action::Status { status, .. } => {
                    let run = Arc::make_mut(&mut self.run);
                    // What workers have written is theirs.
                    let PipelineRunStatus { progress, shards, commits, .. } = run.status.take().unwrap_or_default();
                    let said = object::<PipelineRunStatus>(status.clone());
                    run.status = Some(PipelineRunStatus { progress, shards, commits, ..said });
                }
                Action::Merge { patch, .. } => {
                    let job = Arc::make_mut(self.jobs.last_mut().expect("a Job"));
                    job.spec.as_mut().expect("a spec").suspend = patch["spec"]["suspend"].as_bool();
                    for (name, value) in patch["metadata"]["annotations"].as_object().into_iter().flatten() {
                        kube::ResourceExt::annotations_mut(job).remove(name);
                        kube::ResourceExt::annotations_mut(job)
                            .extend(value.as_str().map(|value| (name.clone(), value.to_owned())));
                    }
                }
                other => panic!("{other}"),
            }
        }
        self
    }

    /// A run whose first attempt's Job was made.
    fn begun(self) -> Self {
        let made = self.now();
        self.after(&made)
    }

    /// The world after some writes of the plan were carried out, and no others.
    fn after_some(self, done: &Plan, some: usize) -> Self {
        self.after(&Plan { actions: done.actions[..some].to_vec(), again: None })
    }

    /// The last Job has a condition.
    fn job_is(mut self, condition: &str, reason: &str) -> Self {
        let job = Arc::make_mut(self.jobs.last_mut().expect("a Job"));
        job.status = Some(object(json!({"conditions": [{"type": condition, "status": "True", "reason": reason}]})));
        self
    }

    /// The last Job has a Pod of that status.
    fn pod_is(mut self, status: Value) -> Self {
        self.pods = vec![Arc::new(object::<Pod>(json!({"metadata": {"name": "first-x"}, "status": status})))];
        self
    }

    fn ended_with(self, code: i32, message: &Value) -> Self {
        let text = if message.is_null() { String::new() } else { message.to_string() };
        let terminated = json!({"exitCode": code, "message": text});
        self.pod_is(json!({"phase": if code == 0 { "Succeeded" } else { "Failed" },
            "containerStatuses": [{"name": "worker", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                                   "state": {"terminated": terminated}}]}))
    }

    fn status(&self) -> &PipelineRunStatus {
        self.run.status.as_ref().expect("a status")
    }

    fn told(&self) -> (RunPhase, &str, &str) {
        let status = self.status();
        let condition = conditions::find(&status.conditions, ConditionType::Succeeded).expect("a condition");
        (status.phase.expect("a phase"), &condition.reason, &condition.message)
    }
}

fn failure(reason: &str, retryable: bool, progressed: bool) -> Value {
    json!({"result": "Failed", "reason": reason, "message": "it did not answer", "remedy": "look at it",
           "retryable": retryable, "progressed": progressed})
}

#[test]
fn a_run_is_resolved_once_and_has_one_job() {
    let view = view(json!({}));
    let made = view.now();
    assert_eq!(made.to_string(), "create ConfigMap first-plan; create Job first; status of PipelineRun first");
    let view = view.after(&made);
    assert_eq!(view.told(), (RunPhase::Pending, "PodStarting", "the worker starts"));
    assert_eq!((view.status().attempt, view.status().revision), (Some(1), Some(4)));
    let beside = &view.status().conditions[1];
    assert_eq!((beside.condition_type.as_str(), beside.reason.as_str()), ("Reconciling", "PodStarting"));
    assert_eq!(view.now(), Plan::nothing(), "nothing has changed");

    let job = serde_json::to_value(view.jobs[0].as_ref()).expect("JSON");
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(job["metadata"]["ownerReferences"][0]["uid"], "uid-first");
    assert_eq!((&job["spec"]["backoffLimit"], &pod["restartPolicy"]), (&json!(0), &json!("Never")));
    let words = pod["containers"][0]["args"].as_array().expect("arguments").iter().filter_map(Value::as_str);
    let words = words.collect::<Vec<_>>().join(" ");
    assert_eq!(
        words,
        "worker run --file /etc/aggregator/plan/manifests.yaml --secrets /etc/aggregator/secrets --namespace demo \
         --pipeline move --run first --run-uid uid-first --pipeline-uid uid-move --attempt 1 --mode Incremental"
    );
    let volumes = pod["volumes"].as_array().expect("volumes");
    assert!(volumes.iter().any(|volume| volume["secret"]["secretName"] == "connector-files"), "{volumes:?}");
    assert!(volumes.iter().any(|volume| volume["hostPath"]["path"] == "/data"), "{volumes:?}");
}

/// An operator may be stopped between any two writes: the next one goes on from what is there.
#[test]
fn whatever_is_lost_of_a_beginning_the_next_look_comes_to_the_same() {
    let (new, whole) = (view(json!({"timeout": "1h"})), view(json!({"timeout": "1h"})).begun());
    let made = new.now();
    assert_eq!(awaited(&made), 2, "the Job is waited for, and what is said of it is not");
    for (some, left) in [
        (0, "create ConfigMap first-plan; create Job first; status of PipelineRun first"),
        (1, "create Job first; status of PipelineRun first"),
        (2, "status of PipelineRun first"),
    ] {
        let stopped = new.clone().after_some(&made, some);
        // There is no Job without its plan.
        assert_eq!((stopped.plan.is_some(), stopped.jobs.len()), (some > 0, usize::from(some > 1)), "{some}");
        let goes_on = stopped.now();
        assert_eq!(goes_on.to_string(), left);
        let view = stopped.after(&goes_on);
        assert_eq!((view.plan.as_ref(), &view.jobs), (whole.plan.as_ref(), &whole.jobs), "{some}");
        assert_eq!(view.status(), whole.status(), "{some}");
        assert_eq!(view.now(), Plan::nothing(), "{some}");
    }
}

#[test]
fn all_of_what_is_said_without_a_job_is_waited_for() {
    assert_eq!(awaited(&Plan::nothing()), 0);
    let missing = View { pipeline: None, ..view(json!({})) };
    assert_eq!(awaited(&missing.now()), missing.now().actions.len());
    let again = view(json!({"retry": {"limit": 1, "backoff": {"initial": "1s"}}})).begun();
    let again = again.job_is("Failed", "BackoffLimitExceeded").ended_with(3, &failure("Unreachable", true, false));
    let waits = again.now();
    let again = again.after(&waits).at(now() + 1.seconds());
    assert_eq!((again.actions.len(), awaited(&again)), (2, 1));
}

/// The arguments and the identity of the first attempt's worker.
fn worker_of(change: impl Fn(&mut PipelineRun)) -> (String, String) {
    let mut view = view(json!({}));
    change(Arc::make_mut(&mut view.run));
    let job = serde_json::to_value(view.begun().jobs[0].as_ref()).expect("JSON");
    let pod = &job["spec"]["template"]["spec"];
    let words = pod["containers"][0]["args"].as_array().expect("arguments").iter().filter_map(Value::as_str);
    let words = words.skip_while(|word| *word != "--pipeline").collect::<Vec<_>>().join(" ");
    (words, pod["serviceAccountName"].as_str().expect("a name").to_owned())
}

#[test]
fn a_worker_is_told_of_intervals_and_of_what_is_only_shown() {
    let (words, who) = worker_of(|run| {
        run.spec.backfill = Some(object(json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"})));
    });
    assert!(words.ends_with("--mode Incremental --backfill 2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"), "{words}");
    assert_eq!(who, "aggregator-worker");
    let (words, who) = worker_of(|run| {
        run.spec.mode = aggregator_crds::run::RunMode::Preview;
        run.spec.preview = Some(object(json!({"node": "rows", "limit": 7})));
    });
    assert_eq!(words, "--pipeline move --run first --run-uid uid-first --keep-as first-preview --node rows --limit 7");
    assert_eq!(who, "aggregator-worker-probe");
    let shown =
        json!({"result": "Succeeded", "reason": "Previewed", "message": "7 rows in the ConfigMap first-preview"});
    let mut view = view(json!({}));
    Arc::make_mut(&mut view.run).spec.mode = aggregator_crds::run::RunMode::Preview;
    let view = view.begun().job_is("Complete", "CompletionsReached").ended_with(0, &shown);
    let ended = view.now();
    let told = view.after(&ended);
    assert_eq!(told.told(), (RunPhase::Succeeded, "Previewed", "7 rows in the ConfigMap first-preview"));
}

#[test]
fn a_job_that_completed_is_the_end_with_the_workers_figures() {
    let outcome = json!({"result": "Succeeded", "totals": {"read": 3, "written": 2, "rejected": 1}, "ledger": {"balanced": true}});
    let view = view(json!({})).begun().job_is("Complete", "CompletionsReached").ended_with(0, &outcome);
    let ended = view.now();
    let view = view.after(&ended);
    assert_eq!(
        view.told(),
        (RunPhase::Succeeded, "LedgerBalanced", "3 rows read, 2 written, 1 rejected: all accounted for")
    );
    assert_eq!(view.status().conditions[0].status, ConditionStatus::True);
    assert_eq!(view.status().conditions.len(), 1, "nobody works on it any more");
    assert!(view.status().completion_time.is_some());
    assert_eq!(view.now().actions, []);
    // Nobody keeps it: after its time it goes.
    let late = view.at(now() + 2.hours());
    assert_eq!(late.to_string(), "delete PipelineRun first");
}

#[test]
fn an_attempt_that_failed_is_repeated_until_the_policy_ends_it() {
    let policy = json!({"retry": {"limit": 1, "backoff": {"initial": "10s"}}});
    let view = view(policy)
        .begun()
        .job_is("Failed", "BackoffLimitExceeded")
        .ended_with(3, &failure("Unreachable", true, false));
    let waits = view.now();
    assert_eq!(waits.again, Some(Duration::from_secs(10)));
    let view = view.after(&waits);
    assert_eq!(
        view.told(),
        (
            RunPhase::Pending,
            "WaitingToRetry",
            "attempt 1 failed (Unreachable): it did not answer; look at it; attempt 2 follows"
        )
    );
    assert_eq!(view.at(now() + 9.seconds()).actions, [], "too early");
    let again = view.at(now() + 10.seconds());
    assert_eq!(again.to_string(), "create Job first-2; status of PipelineRun first");
    let view =
        view.after(&again).job_is("Failed", "BackoffLimitExceeded").ended_with(3, &failure("Unreachable", true, false));
    let ended = view.at(now() + 20.seconds());
    let view = view.after(&ended);
    assert_eq!(view.told(), (RunPhase::Failed, "Unreachable", "it did not answer; look at it"));
    assert_eq!(view.status().attempt, Some(2));
}

#[test]
fn progress_resets_the_count_and_a_fault_of_the_user_ends_at_once() {
    let policy = json!({"retry": {"limit": 1, "backoff": {"initial": "1s"}}});
    let mut view = view(policy).begun();
    for attempt in 2..6 {
        view = view.job_is("Failed", "BackoffLimitExceeded").ended_with(1, &failure("Transient", true, true));
        let waits = view.now();
        view = view.after(&waits);
        let again = view.at(now() + 1.seconds());
        assert_eq!(again.actions[0].to_string(), format!("create Job first-{attempt}"));
        view = view.after(&again);
    }
    let view = view.job_is("Failed", "BackoffLimitExceeded").ended_with(2, &failure("ConfigInvalid", false, false));
    let ended = view.now();
    assert_eq!(view.after(&ended).told().1, "ConfigInvalid");
}

#[test]
fn a_pod_that_says_nothing_is_told_by_how_it_went_and_at_last_with_what_to_do() {
    let terminated = |state: Value| {
        json!({"phase": "Failed", "containerStatuses": [{"name": "worker", "image": "", "imageID": "", "ready": false,
        "restartCount": 0, "state": {"terminated": state}}]})
    };
    let disrupted = json!({"type": "DisruptionTarget", "status": "True", "message": "the node goes."});
    let ends = [
        (
            json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}),
            Reason::Evicted,
            "the Pod first-x was evicted: low on memory",
        ),
        (
            json!({"phase": "Failed", "conditions": [disrupted]}),
            Reason::Evicted,
            "the Pod first-x was taken from its node: the node goes",
        ),
        (
            terminated(json!({"exitCode": 137, "reason": "OOMKilled"})),
            Reason::OutOfMemory,
            "the Pod first-x used more memory than it may",
        ),
        (
            terminated(json!({"exitCode": 137})),
            Reason::Killed,
            "the worker in the Pod first-x was killed (exit code 137)",
        ),
        (
            terminated(json!({"exitCode": 1, "message": ""})),
            Reason::WorkerFailed,
            "the worker in the Pod first-x ended with exit code 1",
        ),
        (json!({"phase": "Failed"}), Reason::OutcomeLost, "the Pod first-x has ended without saying how"),
    ];
    for (pod, reason, how) in ends {
        let ended = |execution: Value| {
            let view = view(execution).begun().job_is("Failed", "BackoffLimitExceeded").pod_is(pod.clone());
            let planned = view.now();
            view.after(&planned)
        };
        let at_last = ended(json!({"retry": {"limit": 0}}));
        let message = format!("{how}; {}", reason.remedy().replace("NAME", "first"));
        assert_eq!(at_last.told(), (RunPhase::Failed, reason.as_str(), message.as_str()));
        let waits = ended(json!({}));
        if reason == Reason::OutOfMemory {
            assert_eq!(waits.told(), at_last.told(), "no other attempt has more");
        } else {
            assert_eq!(waits.told().1, "WaitingToRetry", "{reason}");
            assert!(waits.told().2.starts_with(&format!("attempt 1 failed ({reason}): {how}")), "{}", waits.told().2);
        }
    }
}

#[test]
fn what_the_worker_reported_counts_when_its_pod_is_gone() {
    let outcome = json!({"result": "Succeeded", "totals": {"read": 3, "written": 3, "rejected": 0}});
    let mut view = view(json!({})).begun().job_is("Failed", "BackoffLimitExceeded");
    Arc::make_mut(&mut view.run).status.as_mut().expect("a status").progress =
        Some(object(json!({"attempt": 1, "time": "2026-11-23T10:00:00Z", "outcome": outcome})));
    let ended = view.now();
    assert_eq!(view.after(&ended).told().0, RunPhase::Succeeded, "it had committed before it went");
}

/// A Pod that was taken from its node has told how it stopped; another one has gone on.
#[test]
fn a_run_whose_second_pod_committed_has_succeeded_whatever_the_first_said() {
    let stopped = view(json!({})).begun().ended_with(130, &json!({"result": "Interrupted", "message": "stopped"}));
    let committed = json!({"result": "Succeeded", "totals": {"read": 3, "written": 3, "rejected": 0}});
    let mut view = stopped.clone().job_is("Complete", "CompletionsReached").ended_with(0, &committed);
    view.pods.insert(0, Arc::clone(&stopped.pods[0]));
    let ended = view.now();
    let view = view.after(&ended);
    assert_eq!(
        view.told(),
        (RunPhase::Succeeded, "LedgerBalanced", "3 rows read, 3 written, 0 rejected: all accounted for")
    );
}

#[test]
fn what_was_committed_is_not_made_again_when_its_job_is_gone() {
    let outcome = json!({"result": "Succeeded", "totals": {"read": 3, "written": 3, "rejected": 0}});
    let mut view = view(json!({})).begun();
    view.jobs.clear();
    assert_eq!(view.now().actions[0].to_string(), "create Job first", "nothing is known of it");
    Arc::make_mut(&mut view.run).status.as_mut().expect("a status").progress =
        Some(object(json!({"attempt": 1, "time": "2026-11-23T10:00:00Z", "outcome": outcome})));
    let ends = view.now();
    let view = view.after(&ends);
    assert_eq!(
        view.told(),
        (RunPhase::Succeeded, "LedgerBalanced", "3 rows read, 3 written, 0 rejected: all accounted for")
    );
}

#[test]
fn a_run_that_is_cancelled_is_stopped_and_its_last_word_awaited() {
    let mut view = view(json!({})).begun().pod_is(json!({"phase": "Running"}));
    Arc::make_mut(&mut view.run).spec.cancel = Some(aggregator_crds::run::CancelMode::Immediate);
    let stops = view.now();
    assert_eq!(stops.actions[0].to_string(), r#"merge {"spec":{"suspend":true}} into Job first"#);
    let view = view.after(&stops);
    assert_eq!(view.told().1, "Cancelling");
    assert_eq!(view.now().actions, [], "the Pod has not ended");
    let committed = json!({"result": "Succeeded", "totals": {"read": 1, "written": 1, "rejected": 0}});
    for (outcome, phase) in [
        (committed, RunPhase::Succeeded),
        (json!({"result": "Interrupted"}), RunPhase::Cancelled),
        (Value::Null, RunPhase::Cancelled),
    ] {
        let view = view.clone().ended_with(130, &outcome);
        let ended = view.now();
        assert_eq!(view.after(&ended).told().0, phase, "{outcome}");
    }
}

#[test]
fn a_run_that_is_to_end_well_goes_on_with_what_it_has_begun() {
    let gracefully = |mut view: View| {
        Arc::make_mut(&mut view.run).spec.cancel = Some(aggregator_crds::run::CancelMode::Graceful);
        view
    };
    let view_of = || view(json!({})).begun();
    let running = gracefully(view_of().pod_is(json!({"phase": "Running"})));
    let goes_on = running.now();
    let running = running.after(&goes_on);
    assert_eq!((running.told().0, running.told().1), (RunPhase::Running, "Cancelling"));
    assert!(running.told().2.contains("begins no other"), "{}", running.told().2);
    assert!(goes_on.actions.iter().all(|action| matches!(action, Action::Status { .. })), "{goes_on}");
    // The worker ends with what it was doing; what it says of the rest is told.
    let interrupted = json!({"result": "Interrupted", "message": "1 of 3 streams did not succeed"});
    let ended = running.clone().job_is("Failed", "BackoffLimitExceeded").ended_with(130, &interrupted);
    let end = ended.now();
    let told = ended.after(&end);
    assert_eq!(told.told().0, RunPhase::Cancelled);
    assert!(told.told().2.contains("1 of 3 streams"), "{}", told.told().2);
    // One that had nothing else to do has succeeded.
    let committed = json!({"result": "Succeeded", "totals": {"read": 1, "written": 1, "rejected": 0}});
    let ended = running.job_is("Complete", "CompletionsReached").ended_with(0, &committed);
    let end = ended.now();
    assert_eq!(ended.after(&end).told().0, RunPhase::Succeeded);

    let pending = gracefully(view_of());
    let stops = pending.now();
    assert_eq!(stops.actions[0].to_string(), r#"merge {"spec":{"suspend":true}} into Job first"#);
    // Its worker began all the same, and was ended by that: nobody waits for it for ever.
    let begun = pending.after(&stops).ended_with(130, &json!({"result": "Interrupted"}));
    let end = begun.now();
    assert_eq!(begun.after(&end).told().0, RunPhase::Cancelled);
}

#[test]
fn a_timeout_covers_all_attempts() {
    let policy = json!({"timeout": "1m", "retry": {"limit": 5, "backoff": {"initial": "1s"}}});
    let view = view(policy).begun();
    assert_eq!(view.jobs[0].spec.as_ref().expect("a spec").active_deadline_seconds, Some(60));
    let view = view.job_is("Failed", "BackoffLimitExceeded").ended_with(3, &failure("Unreachable", true, false));
    let waits = view.now();
    let view = view.after(&waits);
    let again = view.at(now() + 40.seconds());
    let Action::Create { object: job, .. } = &again.actions[0] else { panic!("{again}") };
    assert_eq!(job["spec"]["activeDeadlineSeconds"], 20);
    let late = view.at(now() + 61.seconds());
    assert_eq!(view.clone().after(&late).told().1, "TimedOut");
    let view = view.after(&again).job_is("Failed", "DeadlineExceeded").pod_is(json!({"phase": "Failed"}));
    let ended = view.at(now() + 60.seconds());
    assert_eq!(view.after(&ended).told().1, "TimedOut");
}

#[test]
fn what_is_missing_or_wrong_ends_a_run_before_it_begins() {
    let no_pipeline = View { pipeline: None, ..view(json!({})) };
    let no_connector = View { connectors: Vec::new(), ..view(json!({})) };
    let refused = {
        let mut view = view(json!({}));
        let connector: Connector = object(json!({
            "apiVersion": "aggregator.dev/v1alpha1", "kind": "Connector", "metadata": {"name": "files"},
            "spec": {"file": {"root": "/etc"}},
        }));
        view.connectors = vec![Arc::new(connector)];
        view
    };
    let no_revision = {
        let mut view = view(json!({}));
        Arc::make_mut(&mut view.run).spec.pipeline_ref.revision = Some(9);
        view
    };
    let no_parameter = {
        let mut view = view(json!({}));
        Arc::make_mut(&mut view.run).spec.params.insert("nope".into(), "1".into());
        view
    };
    let with_spec = |change: &dyn Fn(&mut PipelineRun)| {
        let mut view = view(json!({}));
        change(Arc::make_mut(&mut view.run));
        view
    };
    let too_long = with_spec(&|run| run.metadata.name = Some("x".repeat(64)));
    for (view, reason) in [
        (too_long, "Invalid"),
        (no_pipeline, "PipelineMissing"),
        (no_connector, "ConnectorMissing"),
        (refused, "VolumeMissing"),
        (no_revision, "RevisionMissing"),
        (no_parameter, "Invalid"),
    ] {
        let ended = view.now();
        let view = view.after(&ended);
        assert_eq!((view.told().0, view.told().1), (RunPhase::Failed, reason));
        assert_eq!(view.status().attempt, None);
    }
}

#[test]
fn a_run_waits_for_the_one_before_it() {
    let mut view = view(json!({}));
    view.ahead = Some("zeroth".into());
    let waits = view.now();
    view = view.after(&waits);
    assert_eq!(
        view.told(),
        (RunPhase::Pending, "WaitingForRun", "the run `zeroth` of the same Pipeline goes before it")
    );
    assert_eq!(view.now(), Plan::nothing());
    view.ahead = None;
    assert_eq!(view.now().actions[0].to_string(), "create ConfigMap first-plan");
}

#[test]
fn a_run_that_is_over_is_never_planned_again() {
    let mut view = view(json!({}))
        .begun()
        .job_is("Failed", "BackoffLimitExceeded")
        .ended_with(4, &failure("QualityRuleBroken", false, false));
    let ended = view.now();
    view = view.after(&ended);
    // Even if the Job were said to have completed.
    let view = view.job_is("Complete", "CompletionsReached");
    assert_eq!(view.now().actions, []);
}

#[test]
fn a_run_is_of_the_pipeline_as_it_stands_when_that_is_valid() {
    let edited = |valid: &str, generation: i64, observed: i64| {
        let mut view = view(json!({}));
        let pipeline = Arc::make_mut(view.pipeline.as_mut().expect("a Pipeline"));
        pipeline.metadata.generation = Some(generation);
        pipeline.spec.description = Some("edited".into());
        pipeline.status = Some(object(json!({"observedGeneration": observed,
            "conditions": [{"type": "Valid", "status": valid, "reason": "Invalid", "message": "there is no input"}]})));
        view
    };
    let told = |view: View| {
        let planned = view.now();
        let view = view.after(&planned);
        (view.told().0, view.told().1.to_owned(), view.told().2.to_owned())
    };
    // Nobody has looked at the edit, or its revision has not been seen yet.
    assert_eq!(told(edited("True", 2, 1)).1, "WaitingForRevision");
    assert_eq!(told(edited("True", 2, 2)).1, "WaitingForRevision");
    // An edit that does not compile is no version: the one before it is run.
    assert_eq!(edited("False", 2, 2).now().actions[0].to_string(), "create ConfigMap first-plan");
    let none = View { revisions: Vec::new(), ..edited("False", 1, 1) };
    assert_eq!(told(none), (RunPhase::Failed, "Invalid".into(), "there is no input".into()));
    let kept = {
        let mut view = edited("True", 2, 2);
        view.revisions.insert(0, Arc::new(revision::keep(view.pipeline.as_ref().expect("a Pipeline"), 5)));
        view
    };
    assert_eq!(kept.begun().status().revision, Some(5));
}

#[test]
fn what_the_kubelet_would_expand_arrives_as_it_is_written() {
    let mut view = view(json!({}));
    let pipeline = Arc::make_mut(view.pipeline.as_mut().expect("a Pipeline"));
    pipeline.spec.params = vec![object(json!({"name": "text", "type": "Utf8"}))];
    view.revisions = vec![Arc::new(revision::keep(pipeline, 4))];
    Arc::make_mut(&mut view.run).spec.params.insert("text".into(), "$(TMPDIR) costs $$5".into());
    let view = view.begun();
    let job = serde_json::to_value(view.jobs[0].as_ref()).expect("JSON");
    let words = job["spec"]["template"]["spec"]["containers"][0]["args"].as_array().expect("arguments");
    assert!(words.contains(&json!("text=$$(TMPDIR) costs $$$$5")), "{words:?}");
}

#[test]
fn a_plan_that_is_gone_is_never_replaced_by_nothing() {
    let mut view = view(json!({"retry": {"limit": 5, "backoff": {"initial": "1s"}}}))
        .begun()
        .job_is("Failed", "BackoffLimitExceeded")
        .ended_with(3, &failure("Unreachable", true, false));
    view.plan = None;
    let ended = view.now();
    assert_eq!(view.after(&ended).told().1, "PlanMissing");
}

#[test]
fn a_plan_that_is_seen_after_its_job_is_waited_for() {
    let unseen = |mut view: View| {
        let job = Arc::make_mut(view.jobs.last_mut().expect("a Job"));
        job.metadata.creation_timestamp = Some(object(json!("2026-11-23T10:00:00Z")));
        View { plan: None, ..view }
    };
    let stops = |plan: &Plan| plan.actions.iter().any(|action| matches!(action, Action::Merge { .. }));
    // A Job that another operator has just made has no Pod, and its plan comes.
    let new = unseen(view(json!({})).begun());
    assert!(!stops(&new.now()) && new.now().again.is_some());
    let waits = new.at(now() + 299.seconds());
    assert_eq!((stops(&waits), waits.again), (false, Some(Duration::from_secs(1))));
    assert!(stops(&new.at(now() + 300.seconds())), "it does not come");
    assert!(stops(&View { plan_is_gone: true, ..new }.now()), "somebody has deleted it");
    // It was taken for one without a plan, since an earlier plan was seen to go: it goes on as soon as its own is seen.
    let plan = view(json!({})).begun().plan;
    let mistaken = View { plan_is_gone: true, ..unseen(view(json!({})).begun()) };
    let stopped = mistaken.clone().after(&mistaken.now());
    // A restart forgets that, and blames nobody else.
    let forgotten = View { plan_is_gone: false, ..stopped.clone() };
    let told = forgotten.now();
    assert_eq!(told.again, Some(Duration::from_secs(300)));
    assert_eq!(forgotten.after(&told).told().1, "Cancelling");
    let seen = View { plan, ..stopped };
    let on = seen.now();
    assert_eq!(
        on.actions.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            r#"merge {"metadata":{"annotations":{"aggregator.dev/unplanned":null}},"spec":{"suspend":false}} into Job first"#
        ]
    );
    let goes_on = seen.after(&on);
    assert_eq!(goes_on.clone().after(&goes_on.now()).told().1, "PodStarting");
    // Somebody has suspended the Job meanwhile: that is no end either.
    let mut held = unseen(view(json!({})).begun());
    Arc::make_mut(&mut held.jobs[0]).spec.as_mut().expect("a spec").suspend = Some(true);
    let told = held.now();
    assert_eq!((held.clone().after(&told).told().1, told.again), ("JobSuspended", Some(Duration::from_secs(300))));
    // An attempt that has failed has no end before its plan says whether there is another one.
    let failed = unseen(view(json!({})).begun().job_is("Failed", "BackoffLimitExceeded"));
    assert_eq!(failed.at(now() + 1.seconds()), Plan::nothing().again_in(Duration::from_secs(299)));
    for known in [failed.at(now() + 300.seconds()), View { plan_is_gone: true, ..failed.clone() }.now()] {
        assert_eq!(failed.clone().after(&known).told().1, "PlanMissing");
    }
}

#[test]
fn a_job_without_a_pod_is_told_after_a_while() {
    let mut view = view(json!({})).begun();
    let job = Arc::make_mut(view.jobs.last_mut().expect("a Job"));
    job.metadata.creation_timestamp = Some(object(json!("2026-11-23T10:00:00Z")));
    let early = view.at(now() + 4.seconds());
    assert_eq!((early.actions.len(), early.again), (0, Some(Duration::from_secs(6))));
    let late = view.at(now() + 10.seconds());
    let view = view.after(&late);
    let message = "the Job first has made no Pod in 10 s: `kubectl describe job first` says why";
    assert_eq!(view.told(), (RunPhase::Pending, "NoPod", message));
    assert_eq!(view.at(now() + 11.seconds()), Plan::nothing(), "it is said once");
    let view = view.pod_is(json!({"phase": "Running"}));
    let going = view.at(now() + 12.seconds());
    assert_eq!(view.after(&going).told().0, RunPhase::Running);
}

/// Between the end of its Pod and that of its Job a run has not gone back to its beginning.
#[test]
fn a_run_whose_pod_has_ended_still_runs() {
    let view = view(json!({})).begun().ended_with(0, &Value::Null);
    let planned = view.now();
    let view = view.after(&planned);
    assert_eq!(view.told(), (RunPhase::Running, "Running", "the Pod first-x has ended"));
}

#[test]
fn a_ledger_that_was_not_closed_is_not_called_unbalanced() {
    let said = |ledger: Value| {
        let outcome = json!({"result": "Failed", "reason": "Unreachable", "message": "no", "ledger": ledger});
        let view = view(json!({})).begun().ended_with(3, &outcome).job_is("Failed", "BackoffLimitExceeded");
        let planned = view.now();
        serde_json::to_value(&view.after(&planned).status().ledger).expect("JSON")
    };
    assert_eq!(said(json!({"balanced": false})), Value::Null);
    let broken = json!({"balanced": false, "mismatches": ["3 rows are missing"]});
    assert_eq!(said(broken.clone()), broken);
}

#[test]
fn what_is_done_to_the_objects_of_a_run_is_told_or_mended() {
    let going = || view(json!({})).begun().pod_is(json!({"phase": "Running"}));
    // Its Job is suspended by hand, or may have no Pods.
    for field in ["suspend", "parallelism"] {
        let mut view = going();
        let spec = Arc::make_mut(&mut view.jobs[0]).spec.as_mut().expect("a spec");
        if field == "suspend" {
            spec.suspend = Some(true)
        } else {
            spec.parallelism = Some(0)
        }
        let told = view.now();
        let view = view.after(&told);
        let message = "somebody has suspended the Job `first`: set its `suspend` to false, or cancel the run";
        assert_eq!(view.told(), (RunPhase::Pending, "JobSuspended", message), "{field}");
    }
    // The rights of the workers are taken away: they get them back, and the run goes on.
    let robbed = View { identity: false, ..going() };
    let actions = robbed.now().actions;
    assert_eq!(actions[..3].iter().map(|it| it.what().1).collect::<Vec<_>>(), ["apply", "apply", "apply"]);
    // Without its plan, an attempt that has begun goes on, and one that has not never will.
    let begun = View { plan: None, ..going() };
    assert_eq!(begun.after(&View { plan: None, ..going() }.now()).told().1, "Running");
    let held = View { plan: None, ..view(json!({})).begun().pod_is(json!({"phase": "Pending"})) };
    let stops = held.now();
    assert_eq!(
        stops.actions[0].to_string(),
        r#"merge {"spec":{"suspend":true},"metadata":{"annotations":{"aggregator.dev/unplanned":"true"}}} into Job first"#
    );
    let mut held = held.after(&stops);
    assert_eq!(held.now().actions, [], "its Pod is still there");
    held.pods.clear();
    let ended = held.now();
    assert_eq!(held.after(&ended).told().1, "PlanMissing");
}

#[test]
fn a_run_that_is_deleted_and_held_back_is_stopped_as_if_it_were_cancelled() {
    let deleted = |mut view: View| {
        Arc::make_mut(&mut view.run).metadata.deletion_timestamp = Some(object(json!("2026-11-23T10:00:00Z")));
        view
    };
    let new = deleted(view(json!({})));
    let ends = new.now();
    assert_eq!(new.after(&ends).told(), (RunPhase::Cancelled, "Cancelled", "the run was deleted before it began"));
    let going = deleted(view(json!({})).begun().pod_is(json!({"phase": "Running"})));
    let stops = going.now();
    assert_eq!(stops.actions[0].to_string(), r#"merge {"spec":{"suspend":true}} into Job first"#);
    let gone = going.after(&stops).ended_with(130, &json!({"result": "Interrupted"}));
    let ends = gone.now();
    let over = gone.after(&ends);
    assert_eq!(over.told().2, "the run was deleted; nothing more was committed");
    assert_eq!(over.at(now() + 1000.hours()), Plan::nothing());
    let failed = deleted(view(json!({})).begun().job_is("Failed", "BackoffLimitExceeded"));
    let ends = failed.now();
    assert_eq!(failed.after(&ends).told().0, RunPhase::Cancelled, "no other attempt is made");
}

#[test]
fn what_the_api_refuses_is_told_and_an_end_stays() {
    let why = Why { reason: Reason::WriteRefused, message: "the quota is used up".into() };
    let view = view(json!({})).begun();
    let told = blocked(&view, &why, now());
    let view = view.after(&told);
    assert_eq!(view.told(), (RunPhase::Pending, "WriteRefused", "the quota is used up"));
    assert_eq!((view.status().attempt, view.status().job.as_deref()), (Some(1), Some("first")));
    assert_eq!(blocked(&view, &why, now()), Plan::nothing());
    let over = view.job_is("Complete", "CompletionsReached");
    let ends = over.now();
    let over = over.after(&ends);
    assert_eq!((over.told().0, blocked(&over, &why, now())), (RunPhase::Succeeded, Plan::nothing()));
}

#[test]
fn the_longest_pause_is_the_end_of_time_and_no_panic() {
    let view = view(json!({"retry": {"limit": 1, "backoff": {"initial": "36500d"}}})).begun();
    let mut view = view.job_is("Failed", "BackoffLimitExceeded").ended_with(3, &failure("Unreachable", true, false));
    let waits = view.at("9990-01-01T00:00:00Z".parse().expect("a time"));
    view = view.after(&waits);
    assert_eq!(view.told().1, "WaitingToRetry");
}

#[test]
fn what_a_new_run_names_may_be_seen_a_moment_later() {
    let mut missing = View { pipeline: None, revisions: Vec::new(), ..view(json!({})) };
    Arc::make_mut(&mut missing.run).metadata.creation_timestamp = Some(object(json!("2026-11-23T09:59:59Z")));
    let waits = missing.now();
    assert_eq!(waits.again, Some(Duration::from_secs(2)));
    let told = missing.clone().after(&waits);
    let said = "there is no Pipeline `move`; it may have been made just now, and be seen in a moment";
    assert_eq!(told.told(), (RunPhase::Pending, "WaitingForRevision", said));
    let late = missing.at(now() + 2.seconds());
    assert_eq!(missing.after(&late).told().0, RunPhase::Failed);
}
