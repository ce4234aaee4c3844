//! A run says that it has failed when nothing of it can be committed any more, or that it does not know.

use aggregator_crds::run::CancelMode;

use super::*;

/// The run's UID.
const OWN: &str = "uid-first";
/// The UID of a run that had its name before.
const EARLIER: &str = "uid-of-another-one";

const MAYBE: &str = "; it was about to commit, and may have: the next run finds that out, and reads nothing twice";

impl View {
    fn changes(mut self, change: impl FnOnce(&mut PipelineRunStatus)) -> Self {
        change(Arc::make_mut(&mut self.run).status.get_or_insert_default());
        self
    }

    /// The worker of a Pod was let commit, and has not said since that it did not.
    pub(super) fn noted(self, pod: &str, run: &str, attempt: u32) -> Self {
        let note = object(json!({"run": run, "attempt": attempt}));
        self.changes(|status| drop(status.commits.insert(pod.to_owned(), note)))
    }

    /// The worker of an attempt was let commit, and has said nothing since.
    fn committing(self, attempt: u32) -> Self {
        self.noted(&format!("first-{attempt}-x"), OWN, attempt)
    }

    /// A worker has told how far it is, or how it ended.
    fn reports(self, run: &str, attempt: u32, outcome: &Value) -> Self {
        let progress = json!({"run": run, "attempt": attempt, "time": "2026-11-23T10:00:00Z", "outcome": outcome});
        self.changes(|status| status.progress = Some(object(progress)))
    }

    /// The Pod of the last attempt was killed.
    fn killed(self) -> Self {
        self.job_is("Failed", "BackoffLimitExceeded").pod_is(json!({"phase": "Failed", "containerStatuses": [{
            "name": "worker", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 137}}}]}))
    }

    /// Somebody deletes the Jobs, and their Pods go with them.
    fn without_jobs(mut self) -> Self {
        self.jobs.clear();
        self.pods.clear();
        self
    }

    fn cancelled(mut self) -> Self {
        Arc::make_mut(&mut self.run).spec.cancel = Some(CancelMode::Immediate);
        self
    }

    fn then(self, now: Timestamp) -> Self {
        let done = self.at(now);
        self.after(&done)
    }
}

/// A run of whose attempts none is repeated.
fn once() -> View {
    view(json!({"retry": {"limit": 0, "backoff": {"initial": "1s"}}})).begun()
}

fn committed() -> Value {
    json!({"result": "Succeeded", "totals": {"read": 3, "written": 3, "rejected": 0}})
}

#[test]
fn an_attempt_that_may_have_committed_is_followed_by_one_that_finds_out() {
    let lost = once().killed().then(now());
    assert_eq!((lost.told().0, lost.told().1), (RunPhase::Failed, "Killed"), "it was not about to commit");
    assert!(!lost.told().2.contains("may have"), "{}", lost.told().2);

    let maybe = once().committing(1).killed().then(now());
    assert_eq!(maybe.told().1, "WaitingToRetry");
    let again = maybe.at(now() + 10.seconds());
    assert_eq!(again.to_string(), "create Job first-2; status of PipelineRun first");
    let found = maybe.after(&again).job_is("Complete", "CompletionsReached").ended_with(0, &committed()).then(now());
    assert_eq!(found.told().0, RunPhase::Succeeded);

    // One that has said that it did not commit has taken back what was noted of it.
    let said = failure("Unreachable", false, false);
    let told = once().job_is("Failed", "BackoffLimitExceeded").ended_with(3, &said).then(now());
    assert_eq!((told.told().0, told.told().2), (RunPhase::Failed, "it did not answer; look at it"));
    // One whose sink did not say has not.
    let unknown = once().committing(1).job_is("Failed", "BackoffLimitExceeded").ended_with(3, &said).then(now());
    assert_eq!(unknown.told().1, "WaitingToRetry");
}

#[test]
fn some_attempts_find_out_and_then_it_is_said_that_nobody_knows() {
    let mut view = once().committing(1);
    let mut time = now();
    for attempt in 2..=4 {
        view = view.killed().then(time);
        time += 10.seconds();
        let again = view.at(time);
        assert_eq!(again.actions[0].to_string(), format!("create Job first-{attempt}"));
        view = view.after(&again);
    }
    let view = view.killed().then(time);
    assert_eq!((view.told().0, view.told().1), (RunPhase::Failed, "Killed"));
    assert!(view.told().2.ends_with(MAYBE), "{}", view.told().2);
}

#[test]
fn a_run_that_is_ended_early_claims_no_more_than_is_known() {
    let late = view(json!({"timeout": "1h"})).begun().committing(1).job_is("Failed", "DeadlineExceeded").then(now());
    assert_eq!((late.told().0, late.told().1), (RunPhase::Failed, "TimedOut"));
    assert!(late.told().2.ends_with(MAYBE), "{}", late.told().2);

    for (committing, said) in [(false, "; nothing more was committed"), (true, MAYBE)] {
        let mut view = view(json!({})).begun().cancelled().then(now());
        if committing {
            view = view.committing(1);
        }
        view.pods.clear();
        let view = view.then(now());
        assert_eq!(view.told(), (RunPhase::Cancelled, "Cancelled", format!("the run was cancelled{said}").as_str()));
    }
}

/// Attempt 1 is let commit, and sleeps. The one that is to find out dies before it has the sink.
#[test]
fn a_doubt_outlives_the_attempt_that_was_to_settle_it() {
    let view = once().committing(1).killed().then(now());
    let again = view.at(now() + 10.seconds());
    let mut view = view.after(&again);
    let mut time = now() + 10.seconds();
    // Nothing is noted of any of these.
    for _ in 0..10 {
        view = view.killed().then(time);
        if view.told().0 == RunPhase::Failed {
            break;
        }
        time += 10.seconds();
        let again = view.at(time);
        view = view.after(&again);
    }
    assert_eq!((view.told().0, view.status().attempt), (RunPhase::Failed, Some(4)));
    assert!(view.told().2.ends_with(MAYBE), "{}", view.told().2);
}

/// A Pod is taken from its node when it was let commit; the one in its place tells how far it is, and dies or fails.
#[test]
fn a_report_of_another_pod_of_the_same_attempt_takes_back_no_doubt() {
    let reported = || once().noted("first-gone", OWN, 1).reports(OWN, 1, &Value::Null);
    assert_eq!(reported().killed().then(now()).told().1, "WaitingToRetry");
    let failed = failure("ConfigInvalid", false, false);
    let failed = reported().reports(OWN, 1, &failed).job_is("Failed", "BackoffLimitExceeded").ended_with(2, &failed);
    let failed = failed.cancelled().then(now());
    assert_eq!(failed.told().0, RunPhase::Cancelled);
    assert!(failed.told().2.ends_with(MAYBE), "{}", failed.told().2);
}

/// An operator begins, and sees how a run's worker has ended before it sees the Job.
#[test]
fn a_success_names_its_job_even_when_that_is_not_seen() {
    let unseen = view(json!({})).begun().without_jobs().changes(|status| status.job = None);
    let unseen = unseen.reports(OWN, 1, &committed()).then(now());
    assert_eq!(unseen.told().0, RunPhase::Succeeded);
    assert_eq!((unseen.status().attempt, unseen.status().job.as_deref()), (Some(1), Some("first")));
}

/// An operator begins, and sees how a run's worker has ended before it sees the plan.
#[test]
fn a_success_waits_for_a_moment_for_the_plan_that_says_its_revision() {
    let mut unseen = view(json!({})).begun().without_jobs().changes(|status| status.revision = None);
    let plan = unseen.plan.take();
    let told = unseen.reports(OWN, 1, &committed());
    assert_eq!(told.at(now() + 1.seconds()), Plan::nothing().again_in(Duration::from_secs(2)));
    let seen = View { plan, ..told.clone() }.then(now() + 1.seconds());
    assert_eq!((seen.told().0, seen.status().revision), (RunPhase::Succeeded, Some(4)));
    for later in [told.clone().then(now() + 3.seconds()), told.then(now() - 1.seconds())] {
        assert_eq!((later.told().0, later.status().revision), (RunPhase::Succeeded, None), "it is gone");
    }
}

/// An earlier attempt has committed, lived to say so, and was overtaken before that was noted in the Checkpoint.
#[test]
fn what_an_earlier_attempt_has_committed_and_reported_is_the_runs_success() {
    let second = || {
        let view = view(json!({"timeout": "1h", "retry": {"limit": 1, "backoff": {"initial": "1s"}}})).begun();
        let view = view.committing(1).killed().then(now());
        let again = view.at(now() + 1.seconds());
        view.after(&again).reports(OWN, 1, &committed())
    };
    let failed = failure("Unreachable", true, false);
    for (how, view) in [
        ("died", second().killed()),
        ("failed", second().job_is("Failed", "BackoffLimitExceeded").ended_with(3, &failed)),
        ("was too late", second().job_is("Failed", "DeadlineExceeded")),
        ("was lost", second().job_is("Failed", "BackoffLimitExceeded")),
        ("lost its Job", second().without_jobs()),
    ] {
        let view = view.then(now() + 2.seconds());
        let message = "3 rows read, 3 written, 0 rejected: all accounted for";
        assert_eq!(view.told(), (RunPhase::Succeeded, "LedgerBalanced", message), "the second one {how}");
    }
    // The report of the second one has taken the place of the first one's.
    let erased = second().reports(OWN, 2, &failed).job_is("Failed", "BackoffLimitExceeded").ended_with(3, &failed);
    let erased = erased.then(now() + 2.seconds());
    assert_eq!(erased.told().1, "WaitingToRetry", "another attempt finds out, beyond the policy");
    // Its failure is none of the second one's.
    let unheard = second().reports(OWN, 1, &failure("ConfigInvalid", false, false)).killed().then(now() + 2.seconds());
    assert_eq!(unheard.told().1, "WaitingToRetry");
}

/// Whatever was let commit, nobody can ask a Job that is gone.
#[test]
fn a_run_without_a_job_claims_no_more_than_is_known() {
    let cancelled = |view: View| view.without_jobs().cancelled().then(now());
    let sure = cancelled(once());
    assert_eq!(sure.told(), (RunPhase::Cancelled, "Cancelled", "the run was cancelled when its Job was gone"));
    let maybe = cancelled(once().committing(1));
    assert_eq!(maybe.told().2, format!("the run was cancelled when its Job was gone{MAYBE}"));
    let unsaid = cancelled(view(json!({})).committing(1));
    assert_eq!(unsaid.told().2, format!("the run was cancelled when its Job was gone{MAYBE}"));
    let new = view(json!({})).cancelled().then(now());
    assert_eq!(new.told().2, "the run was cancelled before it began");
    let done = cancelled(once().committing(1).reports(OWN, 1, &committed()));
    assert_eq!(done.told().0, RunPhase::Succeeded, "its work was done before");
    // Nor what else ends it there.
    let unplanned = View { plan: None, pipeline: None, ..once().committing(1).without_jobs() }.then(now());
    assert_eq!((unplanned.told().0, unplanned.told().1), (RunPhase::Failed, "PipelineMissing"));
    assert!(unplanned.told().2.ends_with(MAYBE), "{}", unplanned.told().2);
}

/// A run is deleted and made again under its name. The API server takes what the old one's worker says for the new one's.
#[test]
fn what_is_said_of_an_earlier_run_of_the_name_counts_for_nothing() {
    let again = || view(json!({"retry": {"limit": 0}})).noted("old", EARLIER, 1).reports(EARLIER, 1, &committed());
    let begins = again().now();
    assert_eq!(begins.to_string(), "create ConfigMap first-plan; create Job first; status of PipelineRun first");
    let killed = again().after(&begins).killed().then(now());
    assert_eq!((killed.told().0, killed.told().1), (RunPhase::Failed, "Killed"));
    assert!(!killed.told().2.contains("may have"), "{}", killed.told().2);
    assert_eq!(killed.status().commits.len(), 1, "it is not the operator's to remove");
    // A release that did not say what its reports are about has written this one.
    let before = view(json!({})).reports("", 1, &committed()).then(now() + 3.seconds());
    assert_eq!(before.told().0, RunPhase::Succeeded);
}

#[test]
fn what_workers_note_is_no_reason_to_write_and_never_written() {
    let view = once();
    assert_eq!(view.now(), Plan::nothing());
    let noted = view.committing(1).reports(OWN, 1, &Value::Null);
    assert_eq!(noted.now(), Plan::nothing());
    let planned = noted.killed().now();
    let [Action::Status { status, .. }] = &planned.actions[..] else { panic!("{planned}") };
    for field in ["progress", "shards", "commits"] {
        assert_eq!(status.get(field), None, "{field}");
    }
}
