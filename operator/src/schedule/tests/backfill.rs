//! Every interval of the past is read once, or it is said that it was not.

use aggregator_crds::ConditionType;
use aggregator_crds::run::Backfill;
use aggregator_crds::schedule::ScheduleBackfillStatus;
use kube::ResourceExt;

use super::*;
use crate::conditions::find;

fn asks(from: &str, to: &str, more: &Value) -> View {
    let mut backfill = json!({"from": at(from), "to": at(to)});
    backfill.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    hourly(&json!({"backfill": backfill}))
}

fn interval(from: &str, to: &str) -> Backfill {
    Backfill { from: at(from), to: at(to) }
}

impl View {
    /// The same Schedule with that backfill in its spec, in a later version.
    fn asked(mut self, backfill: Option<Value>) -> Self {
        let schedule = Arc::make_mut(&mut self.schedule);
        schedule.spec.backfill = backfill.map(object);
        schedule.metadata.generation = schedule.metadata.generation.map(|generation| generation + 1);
        self
    }

    /// What is read now: the intervals of the runs that go on.
    fn reads(&self) -> Vec<Backfill> {
        let going = self.runs.iter().filter(|run| !crate::run::is_over(run));
        going.filter_map(|run| run.spec.backfill.clone()).collect()
    }

    fn backfill(&self) -> &ScheduleBackfillStatus {
        self.noted().backfill.as_ref().expect("a backfill")
    }

    /// Intervals that were left out, read, and not read.
    fn filled(&self) -> (u64, u64, u64) {
        let ScheduleBackfillStatus { skipped, succeeded, failed, .. } = self.backfill();
        (*skipped, *succeeded, *failed)
    }

    fn backfilled(&self) -> (String, String) {
        let said = find(&self.noted().conditions, ConditionType::Backfilled).expect("a condition");
        (said.reason.clone(), said.message.clone())
    }

    /// The runs that go on end so, in turn, until none is made any more.
    fn until_over(mut self, now: Timestamp, ends: &[&str]) -> Self {
        let mut ends = ends.iter();
        loop {
            self = self.then(now);
            let Some(run) = self.runs.iter_mut().find(|run| !crate::run::is_over(run)) else { break };
            let run = Arc::make_mut(run);
            let end = ends.next().copied().unwrap_or("True");
            run.metadata.creation_timestamp = Some(object(json!("2026-11-23T09:55:00Z")));
            run.status = Some(object(json!({"completionTime": "2026-11-23T09:56:00Z",
                "conditions": [{"type": "Succeeded", "status": end, "reason": "X"}]})));
        }
        self
    }
}

#[test]
fn the_past_is_read_interval_by_interval() {
    let mut view = asks("04:30:00", "08:59:00", &json!({})).then(at("09:55:00"));
    assert_eq!(view.reads(), [interval("05:00:00", "06:00:00")]);
    assert_eq!(view.backfill().intervals, 3);
    let name = view.runs[0].name_any();
    assert!(name.starts_with("hourly-20261123-050000-"), "{name}");
    let said =
        format!("0 of 3 intervals are decided; the run `{name}` reads 2026-11-23T05:00:00Z/2026-11-23T06:00:00Z");
    assert_eq!(view.backfilled(), ("Backfilling".to_owned(), said));
    assert_eq!(view.counts(), (0, 0, 0), "it is no fire");
    // While it goes on, nothing else is made, and nothing written.
    assert_eq!(planned(&view, at("09:55:20")).actions, []);
    view = view.all_end("True").then(at("09:55:30"));
    assert_eq!(view.reads(), [interval("06:00:00", "07:00:00")]);
    view = view.until_over(at("09:55:40"), &[]);
    assert_eq!((view.runs.len(), view.filled()), (3, (0, 3, 0)));
    assert_eq!(view.backfilled(), ("BackfillSucceeded".to_owned(), "3 intervals: 3 read".to_owned()));
    assert_eq!(view.noted().filled, [interval("05:00:00", "08:00:00")]);
    // Its fires come all the same.
    let view = view.then(at("10:00:00"));
    assert_eq!((view.counts(), view.runs.len()), ((1, 0, 0), 4));
}

#[test]
fn what_was_read_is_known_and_left_out() {
    let view = asks("05:00:00", "08:00:00", &json!({})).until_over(at("09:55:00"), &["True", "False", "True"]);
    assert_eq!(view.filled(), (0, 2, 1));
    let failed = view.runs[1].name_any();
    let said = format!("1 of 3 intervals could not be read; the last run that failed is `{failed}` (2 read)");
    assert_eq!(view.backfilled(), ("BackfillFailed".to_owned(), said));

    // Asked again for more, with all runs gone by their history limits: only what is missing is read.
    let mut view = view.asked(None).then(at("09:57:00"));
    assert!(view.noted().backfill.is_none() && find(&view.noted().conditions, ConditionType::Backfilled).is_none());
    view.runs.clear();
    let wider = json!({"from": at("04:00:00"), "to": at("09:00:00")});
    let view = view.asked(Some(wider.clone())).until_over(at("09:57:10"), &[]);
    let read: Vec<_> = view.runs.iter().filter_map(|run| run.spec.backfill.clone()).collect();
    let missing = [("04:00:00", "05:00:00"), ("06:00:00", "07:00:00"), ("08:00:00", "09:00:00")];
    assert_eq!(read, missing.map(|(from, to)| interval(from, to)));
    assert_eq!(view.backfilled().1, "5 intervals: 3 read, 2 had been read before");
    assert_eq!(view.noted().filled, [interval("04:00:00", "09:00:00")]);

    let all = json!({"from": at("04:00:00"), "to": at("09:00:00"), "reprocess": "All"});
    let view = view.asked(Some(all)).until_over(at("09:58:00"), &[]);
    assert_eq!(view.backfilled().1, "5 intervals: 5 read");
    // An edit of something else does not ask again.
    let view = view.clone().asked(view.schedule.spec.backfill.as_ref().map(|asked| json!(asked)));
    assert_eq!(view.then(at("09:59:00")).filled(), (0, 5, 0));
}

#[test]
fn no_interval_is_read_twice_whatever_is_lost_in_between() {
    let view = asks("05:00:00", "07:00:00", &json!({})).then(at("09:50:01"));
    let view = view.all_end("True");
    // The operator dies after the next run was made, before it could write down what has become of the one before.
    let done = planned(&view, at("09:55:00"));
    assert!(done.to_string().contains("create PipelineRun hourly-20261123-060000-"), "{done}");
    let view = view.after(&done, 1).then(at("09:55:10"));
    assert_eq!((view.runs.len(), view.filled()), (2, (0, 1, 0)));
    let view = view.until_over(at("09:55:20"), &[]);
    assert_eq!((view.runs.len(), view.filled()), (2, (0, 2, 0)));
}

#[test]
fn a_run_goes_when_it_is_known_what_became_of_it_and_not_before() {
    let mut view = asks("05:00:00", "06:00:00", &json!({}));
    let spec = &mut Arc::make_mut(&mut view.schedule).spec;
    (spec.successful_runs_history_limit, spec.failed_runs_history_limit) = (Some(0), Some(0));
    for end in ["True", "False"] {
        let view = view.clone().then(at("09:50:01")).all_end(end);
        let noted = view.then(at("10:05:00"));
        let backfills = |view: &View| view.runs.iter().filter(|run| run.spec.backfill.is_some()).count();
        assert_eq!(backfills(&noted), 1, "{end}");
        assert_eq!(backfills(&noted.then(at("10:05:01"))), 0, "{end}");
    }
}

#[test]
fn it_waits_for_what_it_needs() {
    let asked = asks("05:00:00", "07:00:00", &json!({}));
    let mut suspended = asked.clone();
    Arc::make_mut(&mut suspended.schedule).spec.suspend = true;
    let mut draft = asked.clone();
    Arc::make_mut(draft.pipeline.as_mut().expect("a Pipeline")).spec.draft = true;
    let missing = View { pipeline: None, ..asked };
    let held = [(suspended, "Suspended"), (draft, "PipelineIsDraft"), (missing, "PipelineMissing")];
    for (view, reason) in held {
        let view = view.then(at("09:55:00"));
        assert_eq!((view.runs.len(), view.backfilled().0.as_str()), (0, reason));
    }
    // What comes to be until an interval's end belongs to it.
    let view = asks("09:00:00", "11:00:00", &json!({})).then(at("09:59:00"));
    assert_eq!((view.runs.len(), view.backfilled().0.as_str()), (0, "Waiting"));
    let view = view.then(at("10:00:00"));
    assert_eq!(view.reads(), [interval("09:00:00", "10:00:00")]);

    let year = json!({"from": "2025-01-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"});
    let view = view.asked(Some(year)).then(at("10:01:00"));
    let said = "the backfill has 16056 intervals, and may have 10000: ask for a shorter time at once";
    assert_eq!(view.backfilled(), ("Invalid".to_owned(), said.to_owned()));
}

#[test]
fn an_interval_has_a_past_before_its_schedule_was_made() {
    let backfill = json!({"from": at("07:00:00"), "to": at("09:00:00")});
    let view = super::view(&json!({"interval": {"every": "30m"}, "backfill": backfill})).then(at("09:55:00"));
    // It was made at ten to ten.
    assert_eq!(view.reads(), [interval("07:20:00", "07:50:00")]);
    assert_eq!(view.backfill().intervals, 3);
}
