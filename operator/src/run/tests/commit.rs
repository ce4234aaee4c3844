//! A run says that it has failed when nothing of it can be committed any more, or that it does not know.

use super::*;

impl View {
    /// The worker of an attempt was let commit, and has said nothing since.
    fn committing(mut self, attempt: u32) -> Self {
        let status = Arc::make_mut(&mut self.run).status.as_mut().expect("a status");
        status.progress = Some(object(json!({"attempt": attempt, "time": "2026-11-23T10:00:00Z", "committing": true})));
        self
    }

    /// The Pod of the last attempt was killed.
    fn killed(self) -> Self {
        self.job_is("Failed", "BackoffLimitExceeded").pod_is(json!({"phase": "Failed", "containerStatuses": [{
            "name": "worker", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 137}}}]}))
    }

    fn then(self, now: Timestamp) -> Self {
        let done = self.at(now);
        self.after(&done)
    }
}

const MAYBE: &str = "; it was about to commit, and may have: the next run finds that out, and reads nothing twice";

#[test]
fn an_attempt_that_may_have_committed_is_followed_by_one_that_finds_out() {
    let never = json!({"retry": {"limit": 0, "backoff": {"initial": "1s"}}});
    let lost = view(never.clone()).begun().killed().then(now());
    assert_eq!((lost.told().0, lost.told().1), (RunPhase::Failed, "Killed"), "it was not about to commit");
    assert!(!lost.told().2.contains("may have"), "{}", lost.told().2);

    let maybe = view(never.clone()).begun().committing(1).killed().then(now());
    assert_eq!(maybe.told().1, "WaitingToRetry");
    let again = maybe.at(now() + 10.seconds());
    assert_eq!(again.to_string(), "create Job first-2; status of PipelineRun first");
    let outcome = json!({"result": "Succeeded", "totals": {"read": 0, "written": 0, "rejected": 0}});
    let found = maybe.after(&again).job_is("Complete", "CompletionsReached").ended_with(0, &outcome).then(now());
    assert_eq!(found.told().0, RunPhase::Succeeded);

    // One that says how it ended has said it all.
    let said = failure("Unreachable", false, false);
    let told =
        view(never).begun().committing(1).job_is("Failed", "BackoffLimitExceeded").ended_with(3, &said).then(now());
    assert_eq!((told.told().0, told.told().2), (RunPhase::Failed, "it did not answer; look at it"));
}

#[test]
fn some_attempts_find_out_and_then_it_is_said_that_nobody_knows() {
    let mut view = view(json!({"retry": {"limit": 0}})).begun();
    let mut time = now();
    for attempt in 2..=4 {
        view = view.committing(attempt - 1).killed().then(time);
        time += 10.seconds();
        let again = view.at(time);
        assert_eq!(again.actions[0].to_string(), format!("create Job first-{attempt}"));
        view = view.after(&again);
    }
    let view = view.committing(4).killed().then(time);
    assert_eq!((view.told().0, view.told().1), (RunPhase::Failed, "Killed"));
    assert!(view.told().2.ends_with(MAYBE), "{}", view.told().2);
}

#[test]
fn a_run_that_is_ended_early_claims_no_more_than_is_known() {
    let late = view(json!({"timeout": "1h"})).begun().committing(1).job_is("Failed", "DeadlineExceeded").then(now());
    assert_eq!((late.told().0, late.told().1), (RunPhase::Failed, "TimedOut"));
    assert!(late.told().2.ends_with(MAYBE), "{}", late.told().2);

    for (committing, said) in [(false, "; nothing more was committed"), (true, MAYBE)] {
        let mut view = view(json!({})).begun();
        Arc::make_mut(&mut view.run).spec.cancel = Some(aggregator_crds::run::CancelMode::Immediate);
        view = view.then(now());
        if committing {
            view = view.committing(1);
        }
        view.pods.clear();
        let view = view.then(now());
        assert_eq!(view.told(), (RunPhase::Cancelled, "Cancelled", format!("the run was cancelled{said}").as_str()));
    }
}
