//! Runs that several Pods share: what their Job is like, and what becomes of the run by what each of them says.

use aggregator_crds::run::{CancelMode, RunMode};

use super::*;

/// A run of three shards whose Job was made.
fn shared() -> View {
    view(json!({"shards": 3, "retry": {"limit": 1, "backoff": {"initial": "10s"}}})).begun()
}

/// How a Pod ended, and what it said.
fn ended(code: i32, message: &Value) -> Value {
    let text = if message.is_null() { String::new() } else { message.to_string() };
    json!({"phase": if code == 0 { "Succeeded" } else { "Failed" },
        "containerStatuses": [{"name": "worker", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                               "state": {"terminated": {"exitCode": code, "message": text}}}]})
}

/// What a shard says that has ended well.
fn well(state: &str, read: u64) -> Value {
    json!({"result": "Succeeded", "shard": state, "totals": {"read": read, "written": 0, "rejected": 0},
           "ledger": {"balanced": true}, "cost": {"cpuSeconds": "1.5", "peakMemory": format!("{}Mi", 90 + read)}})
}

/// What the shard says that has completed a run of so many rows.
fn completing(rows: u64) -> Value {
    let mut outcome = well("Completing", rows);
    outcome["totals"]["written"] = rows.into();
    outcome["nodes"] = json!([{"name": "rows", "read": rows}]);
    outcome
}

impl View {
    /// The last Job has Pods of these shards and statuses.
    fn pods_are(mut self, pods: &[(u32, Value)]) -> Self {
        let pod = |(index, status): &(u32, Value)| {
            let annotations = json!({"batch.kubernetes.io/job-completion-index": index.to_string()});
            let name = format!("first-{index}-x");
            Arc::new(object::<Pod>(json!({"metadata": {"name": name, "annotations": annotations}, "status": status})))
        };
        self.pods = pods.iter().map(pod).collect();
        self
    }

    /// What shards have told the run's status: which, in which attempt, and how they ended.
    fn shards_said(mut self, said: &[(u32, u32, Value)]) -> Self {
        let entry = |(index, attempt, outcome): &(u32, u32, Value)| json!({"index": index, "attempt": attempt, "time": "2026-11-23T10:00:00Z", "outcome": outcome});
        let entries: Vec<Value> = said.iter().map(entry).collect();
        Arc::make_mut(&mut self.run).status.as_mut().expect("a status").shards = object(json!(entries));
        self
    }

    /// The world after what is planned now was carried out.
    fn goes_on(self) -> Self {
        let planned = self.now();
        self.after(&planned)
    }
}

#[test]
fn the_job_of_a_shared_run_has_a_pod_for_each_shard_and_tells_it_which() {
    let job = serde_json::to_value(shared().jobs[0].as_ref()).expect("JSON");
    let spec = &job["spec"];
    assert_eq!(
        (&spec["completionMode"], &spec["completions"], &spec["parallelism"], &spec["backoffLimitPerIndex"]),
        (&json!("Indexed"), &json!(3), &json!(3), &json!(0))
    );
    assert_eq!(spec.get("backoffLimit"), None, "one that fails takes no other along: {spec}");
    assert_eq!(spec["podReplacementPolicy"], "Failed");
    assert_eq!(spec["podFailurePolicy"]["rules"][0]["action"], "Ignore");
    let words = spec["template"]["spec"]["containers"][0]["args"].as_array().expect("arguments").clone();
    assert_eq!(words[words.len() - 2..], [json!("--shard"), json!("$(JOB_COMPLETION_INDEX)/3")]);

    let alone = |execution: Value, mode: RunMode| {
        let mut view = view(execution);
        Arc::make_mut(&mut view.run).spec.mode = mode;
        let job = serde_json::to_value(view.begun().jobs[0].as_ref()).expect("JSON");
        job["spec"]["completionMode"].is_null()
            && job["spec"]["backoffLimit"] == 0
            && !job.to_string().contains("--shard")
    };
    assert!(alone(json!({"shards": 1}), RunMode::Full));
    for mode in [RunMode::DryRun, RunMode::Preview] {
        assert!(alone(json!({"shards": 3}), mode), "{mode:?}");
    }
    assert!(!alone(json!({"shards": 3}), RunMode::Full));
}

#[test]
fn the_shard_that_completed_the_run_tells_its_end_and_all_tell_its_cost() {
    let pods =
        [(0, ended(0, &well("Waiting", 4))), (1, ended(0, &completing(9))), (2, ended(0, &well("Finishing", 2)))];
    let view = shared().job_is("Complete", "CompletionsReached").pods_are(&pods).goes_on();
    assert_eq!(
        view.told(),
        (RunPhase::Succeeded, "LedgerBalanced", "9 rows read, 9 written, 0 rejected: all accounted for")
    );
    let cost = view.status().cost.as_ref().expect("a cost");
    assert_eq!((cost.cpu_seconds.as_deref(), cost.peak_memory.as_deref()), (Some("4.5"), Some("99Mi")));
    // It has committed: that another one died then changes nothing.
    let pods = [(0, ended(137, &Value::Null)), pods[1].clone()];
    let view = shared().job_is("Failed", "FailedIndexes").pods_are(&pods).goes_on();
    assert_eq!(
        (view.told().0, view.status().totals.as_ref().map(|totals| totals.written)),
        (RunPhase::Succeeded, Some(9))
    );
}

#[test]
fn a_shard_that_is_lost_is_named_and_what_others_have_saved_is_progress() {
    let saved = |progressed: bool| {
        let mut outcome = well("Waiting", 4);
        outcome["progressed"] = progressed.into();
        outcome
    };
    let lost = |view: View, progressed: bool| {
        let pods = [(0, ended(0, &saved(progressed))), (1, ended(137, &Value::Null)), (2, ended(0, &saved(false)))];
        view.job_is("Failed", "FailedIndexes").pods_are(&pods)
    };
    let mut view = lost(shared(), true).goes_on();
    assert_eq!(
        view.told(),
        (
            RunPhase::Pending,
            "WaitingToRetry",
            "attempt 1 failed (Killed): shard 1 of 3: the worker in the Pod first-1-x was killed (exit code 137); \
             attempt 2 follows"
        )
    );
    // The policy allows one repetition without progress.
    for attempt in 2..5 {
        let again = view.at(now() + 10.seconds());
        assert_eq!(again.to_string(), format!("create Job first-{attempt}; status of PipelineRun first"));
        view = lost(view.after(&again), true).goes_on();
        assert_eq!(view.status().retry.as_ref().map(|retry| retry.failures), Some(1));
    }
    let again = view.at(now() + 10.seconds());
    view = lost(view.after(&again), false).goes_on();
    assert_eq!((view.told().0, view.told().1), (RunPhase::Failed, "Killed"));
    assert!(view.told().2.starts_with("shard 1 of 3: the worker in the Pod first-1-x was killed"), "{}", view.told().2);
    assert_eq!(view.status().totals.as_ref().map(|totals| totals.read), Some(8), "what the others have read");
}

#[test]
fn of_several_failures_the_one_counts_that_no_other_attempt_helps_against() {
    let fenced = failure("Fenced", false, false);
    let pods = |last: Value| {
        let interrupted = json!({"result": "Interrupted", "message": "stopped"});
        [(0, ended(130, &interrupted)), (1, ended(1, &fenced)), (2, ended(1, &last))]
    };
    let told = |last: Value| {
        let view = shared().job_is("Failed", "FailedIndexes").pods_are(&pods(last)).goes_on();
        (view.told().0, view.told().2.to_owned())
    };
    let all = "shard 2 of 3: it did not answer; look at it (and 2 more shards)";
    assert_eq!(told(failure("ConfigInvalid", false, false)), (RunPhase::Failed, all.to_owned()));
    let (phase, message) = told(failure("Unreachable", true, false));
    assert_eq!(
        (phase, message),
        (RunPhase::Pending, format!("attempt 1 failed (Unreachable): {all}; attempt 2 follows"))
    );
    // One that another shard has overtaken keeps nobody from another attempt.
    let (phase, message) = told(fenced.clone());
    let first = "attempt 1 failed (Interrupted): shard 0 of 3: stopped (and 2 more shards); attempt 2 follows";
    assert_eq!((phase, message.as_str()), (RunPhase::Pending, first));
}

#[test]
fn a_run_whose_shards_have_ended_without_a_commit_is_tried_again_until_one_knows() {
    let waiting = [(0, ended(0, &well("Waiting", 1))), (1, ended(0, &well("Waiting", 1))), (2, ended(0, &Value::Null))];
    let view = shared().job_is("Complete", "CompletionsReached").pods_are(&waiting).goes_on();
    assert_eq!(view.told().1, "WaitingToRetry");
    assert!(
        view.told().2.contains("(OutcomeLost): shard 2 of 3: the Pod first-2-x has ended without"),
        "{}",
        view.told().2
    );
    let silent = shared().job_is("Complete", "CompletionsReached").goes_on();
    let message = "attempt 1 failed (OutcomeLost): all shards have ended, and none says that the run is committed; \
                   attempt 2 follows";
    assert_eq!(silent.told(), (RunPhase::Pending, "WaitingToRetry", message));
    // The next attempt finds that the first has committed.
    let again = view.at(now() + 10.seconds());
    let succeeded = [0, 1, 2].map(|index| (index, ended(0, &well("Succeeded", 0))));
    let view = view.after(&again).job_is("Complete", "CompletionsReached").pods_are(&succeeded).goes_on();
    let message = "every row is accounted for; the counters went with the Pod";
    assert_eq!(view.told(), (RunPhase::Succeeded, "LedgerBalanced", message));
}

#[test]
fn what_shards_have_told_the_status_counts_when_their_pods_are_gone_and_is_left_as_it_is() {
    let said = [(0, 1, well("Waiting", 4)), (1, 1, completing(9))];
    let view = shared().shards_said(&said).job_is("Failed", "FailedIndexes").goes_on();
    assert_eq!(view.told().2, "9 rows read, 9 written, 0 rejected: all accounted for");
    // No Job is made for what is committed.
    let mut gone = shared().shards_said(&said);
    gone.jobs.clear();
    assert_eq!(gone.goes_on().told().0, RunPhase::Succeeded);
    // What they tell while they work is no reason to write, and never written over.
    let going = shared().pods_are(&[(0, json!({"phase": "Running"}))]).goes_on();
    assert_eq!(going.clone().shards_said(&[(2, 1, Value::Null)]).now(), Plan::nothing());
    // That of an earlier attempt says nothing of this one.
    let earlier = [(0, 1, failure("ConfigInvalid", false, false))];
    let first = shared().job_is("Failed", "FailedIndexes").pods_are(&[(0, ended(137, &Value::Null))]).goes_on();
    let again = first.at(now() + 10.seconds());
    let second = first.after(&again).shards_said(&earlier).job_is("Failed", "FailedIndexes");
    let second = second.pods_are(&[(1, ended(3, &failure("Unreachable", true, false)))]).goes_on();
    assert_eq!(second.told().1, "Unreachable");
}

#[test]
fn shards_of_many_streams_are_summed_up_once_all_have_committed_theirs() {
    let streams = |read: u64| {
        let mut outcome = completing(read);
        outcome["shard"] = "Streams".into();
        outcome
    };
    let mut pods = vec![(0, ended(0, &streams(3))), (1, ended(0, &streams(4))), (2, ended(0, &streams(5)))];
    let view = shared().job_is("Complete", "CompletionsReached").pods_are(&pods).goes_on();
    assert_eq!(view.told().2, "12 rows read, 12 written, 0 rejected: all accounted for");
    assert_eq!(view.status().nodes.iter().map(|node| node.read).collect::<Vec<_>>(), [Some(12)]);
    pods[1] = (1, ended(3, &failure("Unreachable", true, false)));
    let view = shared().job_is("Failed", "FailedIndexes").pods_are(&pods).goes_on();
    assert_eq!(view.told().1, "WaitingToRetry");
}

#[test]
fn what_the_pods_of_a_shared_run_do_is_told_together() {
    let running = || json!({"phase": "Running"});
    let starting = || json!({"phase": "Pending"});
    let told = |pods: &[(u32, Value)]| {
        let view = shared().pods_are(pods).goes_on();
        (view.told().0, view.told().1.to_owned(), view.told().2.to_owned())
    };
    let said = |phase, reason: &str, message: &str| (phase, reason.to_owned(), message.to_owned());
    assert_eq!(told(&[(0, starting()), (1, starting())]), said(RunPhase::Pending, "PodStarting", "the workers start"));
    assert_eq!(
        told(&[(0, running()), (1, starting()), (2, running())]),
        said(RunPhase::Running, "Running", "2 of 3 Pods move rows")
    );
    let unscheduled = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
                             "message": "0/1 nodes are available: 1 Insufficient cpu."}]});
    assert_eq!(
        told(&[(0, running()), (1, unscheduled), (2, running())]),
        said(
            RunPhase::Pending,
            "Unschedulable",
            "shard 1 of 3: no node takes the Pod first-1-x: 0/1 nodes are available: 1 Insufficient cpu; lower \
             `execution.resources`, add nodes, or make the claim that it waits for; 2 other Pods at work"
        )
    );
    let killed = || (1, ended(137, &Value::Null));
    assert_eq!(
        told(&[(0, ended(0, &well("Waiting", 1))), killed(), (2, running())]),
        said(
            RunPhase::Running,
            "Running",
            "1 of 3 Pods moves rows; shard 1 of 3 has failed (Killed): the worker in the Pod first-1-x was killed (exit \
             code 137)"
        )
    );
    // One that was taken from its node is followed by another one, and has not failed.
    assert_eq!(
        told(&[(0, running()), killed(), (1, running()), (2, running())]),
        said(RunPhase::Running, "Running", "3 of 3 Pods move rows")
    );
    let all = [0, 1, 2].map(|index| (index, ended(0, &well("Waiting", 1))));
    assert_eq!(told(&all), said(RunPhase::Running, "Running", "3 of 3 Pods have ended"));
}

#[test]
fn a_shared_run_that_is_cancelled_ends_when_all_its_pods_have() {
    let running = || json!({"phase": "Running"});
    let mut view = shared().pods_are(&[(0, running()), (1, running()), (2, ended(0, &well("Waiting", 1)))]);
    Arc::make_mut(&mut view.run).spec.cancel = Some(CancelMode::Immediate);
    let stops = view.now();
    assert_eq!(stops.actions[0].to_string(), r#"merge {"spec":{"suspend":true}} into Job first"#);
    let interrupted = || ended(130, &json!({"result": "Interrupted", "message": "stopped"}));
    let view = view.after(&stops).pods_are(&[(0, interrupted()), (1, running()), (2, ended(0, &well("Waiting", 1)))]);
    assert_eq!(view.now().actions, [], "one has not ended");
    let over = view.clone().pods_are(&[(0, interrupted()), (1, interrupted())]).goes_on();
    assert_eq!(over.told(), (RunPhase::Cancelled, "Cancelled", "the run was cancelled; nothing more was committed"));
    // One of them was faster.
    let over = view.pods_are(&[(0, interrupted()), (1, ended(0, &completing(5)))]).goes_on();
    assert_eq!(over.told().0, RunPhase::Succeeded);
}

/// The shard that completes the run was let commit, and is lost with its node.
#[test]
fn a_shard_that_may_have_committed_leaves_a_doubt_until_one_says_so() {
    let lost = || {
        let view = view(json!({"shards": 3, "retry": {"limit": 0}})).begun().noted("first-1-x", "uid-first", 1);
        let pods = [(0, ended(0, &well("Waiting", 4))), (1, ended(137, &Value::Null))];
        view.job_is("Failed", "FailedIndexes").pods_are(&pods)
    };
    let waits = lost().goes_on();
    assert_eq!(waits.told().1, "WaitingToRetry", "another attempt finds out, beyond the policy");
    let again = waits.at(now() + 10.seconds());
    let second = waits.after(&again).job_is("Failed", "FailedIndexes");
    assert_eq!(second.clone().goes_on().told().1, "WaitingToRetry", "it has not");
    // The first one had, and comes to say so.
    let found = second.clone().shards_said(&[(1, 1, completing(9))]).goes_on();
    assert_eq!(found.told().2, "9 rows read, 9 written, 0 rejected: all accounted for");
    let mut of_another = second.shards_said(&[(1, 1, completing(9))]);
    let status = Arc::make_mut(&mut of_another.run).status.as_mut().expect("a status");
    status.shards[0].run = "uid-of-another-one".into();
    assert_eq!(of_another.goes_on().told().1, "WaitingToRetry", "that was said of a run that had the name before");

    let mut cancelled = lost();
    Arc::make_mut(&mut cancelled.run).spec.cancel = Some(CancelMode::Immediate);
    let over = cancelled.goes_on();
    assert_eq!(over.told().0, RunPhase::Cancelled);
    assert!(over.told().2.contains("it was about to commit, and may have"), "{}", over.told().2);
}
