//! What a Pipeline's status says of its runs, and when that is written.

use std::sync::Arc;

use aggregator_crds::pipeline::PipelineStatus;
use aggregator_crds::schedule::ScheduleStatus;
use aggregator_crds::{Checkpoint, Pipeline, PipelineRun, PipelineSpec, Reason, Schedule};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::checks::Checked;
use super::plan::{blocked, plan};
use super::view::View;
use crate::action::{Action, Kind, Plan};
use crate::errand::Why;
use crate::fixture::object;
use crate::news::{EDITED, news};
use crate::run::Unresolved;

fn now() -> Timestamp {
    "2026-11-29T10:00:00Z".parse().expect("a time")
}

fn view() -> View {
    let pipeline: Pipeline = object(json!({
        "apiVersion": aggregator_crds::API_VERSION, "kind": "Pipeline",
        "metadata": {"name": "move", "namespace": "demo", "uid": "uid", "resourceVersion": "7", "generation": 1},
        "spec": {"sources": [{"name": "rows", "connector": "files"}],
                 "sinks": [{"name": "kept", "from": "rows", "connector": "files", "stream": "out/"}]},
    }));
    View {
        pipeline: Arc::new(pipeline),
        revisions: Vec::new(),
        connectors: Vec::new(),
        transformations: Vec::new(),
        checked: Arc::default(),
        runs: Vec::new(),
        checkpoint: None,
        schedules: Vec::new(),
    }
}

/// One that reads what is new every hour, and whose last run has committed at ten minutes past nine.
fn hourly() -> View {
    let first = success("first", "09:10:00");
    let schedule: Schedule = object(json!({
        "apiVersion": aggregator_crds::API_VERSION, "kind": "Schedule",
        "metadata": {"name": "hourly", "namespace": "demo", "uid": "uid", "creationTimestamp": "2026-11-01T00:00:00Z"},
        "spec": {"pipelineRef": {"name": "move"}, "interval": {"every": "1h"}},
    }));
    let position = json!({"source": "rows", "stream": "*", "kind": "files", "version": 1, "state": null});
    let checkpoint: Checkpoint = object(json!({
        "apiVersion": aggregator_crds::API_VERSION, "kind": "Checkpoint", "metadata": {"name": "move", "namespace": "demo"},
        "spec": {"pipelineRef": {"name": "move"}, "epoch": 1, "run": "first", "time": at("09:09:59"), "positions": [position]},
    }));
    View { runs: vec![first], checkpoint: Some(Arc::new(checkpoint)), schedules: vec![Arc::new(schedule)], ..view() }
}

/// The status of a Schedule whose last success was of that Pipeline.
fn remembers(pipeline: &str, time: &str) -> ScheduleStatus {
    let (time, pipeline) = (Some(at(time)), Some(pipeline.to_owned()));
    ScheduleStatus { last_successful_time: time, last_successful_pipeline: pipeline, ..ScheduleStatus::default() }
}

fn at(text: &str) -> Timestamp {
    format!("2026-11-29T{text}Z").parse().expect("a time")
}

/// A run, with the status of its condition.
fn run(name: &str, status: &str) -> Arc<PipelineRun> {
    let condition = json!({"type": "Succeeded", "status": status, "reason": "LedgerBalanced", "message": name});
    Arc::new(object::<PipelineRun>(json!({
        "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun",
        "metadata": {"name": name, "namespace": "demo"},
        "spec": {"pipelineRef": {"name": "move"}},
        "status": {"conditions": [condition], "totals": {"read": 3, "written": 2, "rejected": 1}},
    })))
}

/// A run that has ended well, and when.
fn success(name: &str, ended: &str) -> Arc<PipelineRun> {
    let mut run = run(name, "True");
    Arc::make_mut(&mut run).status.as_mut().expect("a status").completion_time = Some(at(ended));
    run
}

impl View {
    /// The world after the plan was carried out.
    fn after(mut self, done: &Plan) -> Self {
        for action in &done.actions {
            match action {
                Action::Create { kind: Kind::ControllerRevision, object: made } => {
                    let mut made = made.clone();
                    made["metadata"]["creationTimestamp"] = now().to_string().into();
                    self.revisions.insert(0, Arc::new(object(made)));
                }
                Action::Status { status, .. } => {
                    Arc::make_mut(&mut self.pipeline).status = Some(object::<PipelineStatus>(status.clone()));
                }
                other => panic!("{other}"),
            }
        }
        self
    }

    fn settled(self) -> Self {
        let done = plan(&self, now());
        self.after(&done)
    }

    /// The world after a look at a time.
    fn looked(self, time: &str) -> Self {
        let done = plan(&self, at(time));
        self.after(&done)
    }

    /// A run has written into the Checkpoint.
    fn written(mut self, by: &str, time: &str) -> Self {
        let spec = &mut Arc::make_mut(self.checkpoint.as_mut().expect("a Checkpoint")).spec;
        (spec.run, spec.time) = (Some(by.into()), Some(at(time)));
        self
    }

    /// It does not compile.
    fn refused(mut self, why: Unresolved) -> Self {
        self.checked = Arc::new(Checked::of(&self.pipeline, &Err(why)));
        self
    }

    /// Somebody has edited the spec.
    fn edited(mut self, edit: impl FnOnce(&mut PipelineSpec)) -> Self {
        let pipeline = Arc::make_mut(&mut self.pipeline);
        edit(&mut pipeline.spec);
        pipeline.metadata.generation = pipeline.metadata.generation.map(|before| before + 1);
        self
    }

    /// The next look, and the reason of the Event that it makes.
    fn told(self) -> (Self, Option<String>) {
        let before = self.known();
        let after = self.settled();
        let news = news(Kind::Pipeline, &before, &after.known());
        (after, news.map(|news| news.reason))
    }

    fn known(&self) -> Value {
        serde_json::to_value(self.pipeline.status.as_ref().expect("a status")).expect("JSON")
    }

    /// Each condition: its type, status and reason.
    fn conditions(&self) -> Vec<String> {
        let conditions = self.pipeline.status.iter().flat_map(|status| &status.conditions);
        conditions.map(|it| format!("{} {:?} {}", it.condition_type, it.status, it.reason)).collect()
    }

    /// How recent the Checkpoint is said to be, if that is told.
    fn said_of_checkpoint(&self) -> Option<String> {
        self.conditions().into_iter().find(|it| it.starts_with("CheckpointFresh"))
    }

    /// How recent the Checkpoint is at a time, if that is told, and in how many minutes it would be told otherwise.
    fn fresh(&self, now: Timestamp) -> (Option<String>, Option<u64>) {
        let done = plan(self, now);
        (self.clone().after(&done).said_of_checkpoint(), done.again.map(|again| again.as_secs() / 60))
    }
}

#[test]
fn what_waits_for_an_edit_is_stalled() {
    let view = view().refused(Unresolved::TooLarge(2_000_000)).settled();
    let wanted = [
        "Ready False PlanTooLarge",
        "Valid False PlanTooLarge",
        "ConnectorsReady True AllThere",
        "Stalled True PlanTooLarge",
    ];
    assert_eq!(view.conditions(), wanted);
    let why = Why { reason: Reason::WriteRefused, message: "the quota is used up".into() };
    let refused = blocked(&view, &why, now());
    let refused = view.after(&refused);
    let wanted = ["Ready False WriteRefused", "Valid False PlanTooLarge", "ConnectorsReady True AllThere"];
    assert_eq!(refused.conditions(), wanted, "the write may be taken as it is");
    assert_eq!(blocked(&refused, &why, now()), Plan::nothing());
    // What is not there may come, and a draft is one because somebody wants it so.
    let mut draft = refused.refused(Unresolved::ConnectorMissing("files".into())).settled();
    assert_eq!(draft.conditions().len(), 3, "{:?}", draft.conditions());
    draft.checked = Arc::default();
    let draft = draft.edited(|spec| spec.draft = true).settled();
    assert_eq!(draft.conditions()[0], "Ready False PipelineIsDraft");
    assert_eq!(draft.conditions().len(), 3, "{:?}", draft.conditions());
}

#[test]
fn a_checkpoint_is_fresh_until_two_fires_have_not_brought_it_on() {
    let fresh = || Some("CheckpointFresh True Fresh".to_owned());
    let stale = || Some("CheckpointFresh False CheckpointStale".to_owned());
    let view = hourly().settled();
    assert_eq!(view.fresh(at("10:00:00")), (fresh(), Some(70)));
    assert_eq!(plan(&view, at("11:09:59")).actions, [], "nothing has changed");
    assert_eq!(view.fresh(at("11:10:00")), (stale(), None));
    let late = plan(&view, at("11:10:00"));
    let late = view.after(&late);
    assert_eq!(plan(&late, at("23:00:00")), Plan::nothing(), "it is told once");
    let known = late.known();
    let told = known["conditions"].as_array().expect("conditions").iter().find(|it| it["type"] == "CheckpointFresh");
    let message = "nothing was committed after 2026-11-29T09:10:00Z, and the Schedule `hourly` (every 1h) was due twice \
                   since then: look at its last decision, and at the last runs of the Pipeline";
    assert_eq!(told.expect("it is told")["message"], message);

    // A run that begins writes into the Checkpoint, and so does one that fails.
    for how in ["Unknown", "False"] {
        let mut tried = late.clone().written("second", "12:00:05");
        tried.runs.insert(0, run("second", how));
        assert_eq!(tried.fresh(at("12:01:00")), (stale(), None), "{how}");
    }
    let mut again = late;
    again.runs.insert(0, success("second", "12:05:00"));
    assert_eq!(again.fresh(at("12:05:00")), (fresh(), Some(120)));
    // Where nothing was said yet, the Checkpoint tells of a run that is gone.
    let gone = View { runs: Vec::new(), ..hourly() };
    assert_eq!(gone.fresh(at("11:09:00")), (fresh(), Some(0)));
    assert_eq!(gone.fresh(at("11:10:00")), (stale(), None));
}

/// As with `failedRunsHistoryLimit: 0`: each run has written into the Checkpoint, and is gone soon after it has failed.
#[test]
fn runs_that_fail_and_go_leave_the_checkpoint_as_fresh_as_it_was() {
    let (fresh, stale) = ("CheckpointFresh True Fresh", "CheckpointFresh False CheckpointStale");
    let kept = hourly().looked("09:11:00");
    let gone = View { runs: Vec::new(), ..kept.clone() };
    let mut remembered = gone.clone();
    let status = remembers("move", "09:10:00");
    Arc::make_mut(&mut remembered.schedules[0]).status = Some(status);
    for (mut view, by) in [(kept, "its run"), (remembered, "its Schedule"), (gone, "what was said")] {
        // It is overdue at eleven past eleven.
        for (hour, wanted) in [("10", fresh), ("11", fresh), ("12", stale), ("13", stale)] {
            let name = format!("at-{hour}");
            for (minute, how) in [("00", Some("Unknown")), ("01", Some("False")), ("02", None)] {
                view.runs.retain(|run| run.metadata.name.as_ref() != Some(&name));
                if let Some(how) = how {
                    view.runs.insert(0, run(&name, how));
                    view = view.written(&name, &format!("{hour}:{minute}:05"));
                }
                view = view.looked(&format!("{hour}:{minute}:06"));
                assert_eq!(view.said_of_checkpoint().as_deref(), Some(wanted), "by {by}, {hour}:{minute}");
            }
            view = view.looked(&format!("{hour}:11:00"));
        }
        assert_eq!(view.said_of_checkpoint().as_deref(), Some(stale), "by {by}");
        view.runs.insert(0, success("last", "14:05:00"));
        let view = view.looked("14:05:01");
        assert_eq!(view.said_of_checkpoint().as_deref(), Some(fresh), "by {by}");
    }
}

#[test]
fn what_a_run_has_committed_that_is_gone_is_known_by_what_was_said() {
    let mut view = hourly().looked("11:10:00");
    assert_eq!(view.said_of_checkpoint().as_deref(), Some("CheckpointFresh False CheckpointStale"));
    // Somebody runs it by hand, and the next run of the Schedule fails as those before.
    view.runs.insert(0, success("by-hand", "11:30:00"));
    let mut view = view.written("by-hand", "11:29:59").looked("11:30:01");
    view.runs.remove(0);
    let view = view.written("second", "12:01:05").looked("12:02:00");
    assert_eq!(view.known()["lastCommitTime"], "2026-11-29T11:30:00Z");
    assert_eq!(view.fresh(at("13:29:59")), (Some("CheckpointFresh True Fresh".to_owned()), Some(0)));
    assert_eq!(view.fresh(at("13:30:00")), (Some("CheckpointFresh False CheckpointStale".to_owned()), None));
}

#[test]
fn what_schedules_are_told_to_do_moves_nothing_that_was_committed() {
    let view = hourly().looked("09:11:00");
    let view = View { runs: Vec::new(), ..view };
    let edits: [fn(&mut Schedule); 3] = [
        // It has run another Pipeline until now.
        |schedule| schedule.status = Some(remembers("another", "10:55:00")),
        |schedule| {
            schedule.spec.backfill =
                Some(object(json!({"from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z"})));
        },
        |schedule| schedule.spec.suspend = true,
    ];
    for edit in edits {
        let mut edited = view.clone();
        edit(Arc::make_mut(&mut edited.schedules[0]));
        let edited = edited.looked("10:59:00");
        assert_eq!(edited.known()["lastCommitTime"], "2026-11-29T09:10:00Z");
        let mut back = edited.clone();
        back.schedules = view.schedules.clone();
        assert_eq!(back.fresh(at("11:09:00")), (Some("CheckpointFresh True Fresh".to_owned()), Some(1)));
        let late = back.looked("11:10:00");
        assert_eq!(late.said_of_checkpoint().as_deref(), Some("CheckpointFresh False CheckpointStale"));
        assert_eq!(plan(&late, at("23:00:00")), Plan::nothing(), "it is told once");
    }
}

#[test]
fn nothing_is_told_of_a_checkpoint_that_nobody_wants_fresh() {
    let draft = hourly().edited(|spec| spec.draft = true);
    let mut suspended = hourly();
    Arc::make_mut(&mut suspended.schedules[0]).spec.suspend = true;
    let mut new = hourly();
    Arc::make_mut(new.checkpoint.as_mut().expect("a Checkpoint")).spec.positions.clear();
    let nobody = View { schedules: Vec::new(), ..hourly() };
    let nothing = View { checkpoint: None, ..hourly() };
    for view in [draft, suspended, new, nobody, nothing] {
        assert_eq!(view.fresh(at("23:00:00")), (None, None), "{view:?}");
    }
}

#[test]
fn of_several_schedules_the_one_that_waits_longest_is_told() {
    let mut view = hourly();
    let mut often = Schedule::clone(&view.schedules[0]);
    often.metadata.name = Some("often".into());
    often.spec.trigger = object(json!({"interval": {"every": "20m"}}));
    view.schedules.push(Arc::new(often));
    let done = plan(&view, at("09:49:59"));
    assert_eq!(done.again, Some(std::time::Duration::from_secs(1)));
    let late = plan(&view, at("09:50:00"));
    let known = view.after(&late).known();
    let told = known["conditions"].as_array().expect("conditions").iter().find(|it| it["type"] == "CheckpointFresh");
    let message = told.expect("it is told")["message"].as_str().expect("a message");
    assert!(message.contains("the Schedule `often` (every 20m) was due twice"), "{message}");
}

#[test]
fn a_run_is_told_of_once_when_it_has_ended() {
    let mut view = view().settled();
    assert_eq!((view.revisions.len(), view.known()["lastRuns"].clone()), (1, Value::Null));
    view.runs = vec![run("first", "Unknown")];
    assert_eq!(plan(&view, now()), Plan::nothing(), "that one has begun is no write");
    view.runs = vec![run("first", "True")];
    let mut view = view.settled();
    assert_eq!((&view.known()["lastRuns"], &view.known()["lastRows"]), (&json!(["first"]), &json!(2)));
    view.runs = vec![run("third", "Unknown"), run("second", "False"), run("first", "True")];
    let mut view = view.settled();
    let known = view.known();
    assert_eq!(known["lastRuns"], json!(["second", "first"]), "the newest first");
    let healthy = known["conditions"].as_array().expect("conditions").iter().find(|it| it["type"] == "Healthy");
    assert_eq!(healthy.expect("it is said")["message"], "second: second");
    view.runs.truncate(1);
    assert_eq!(view.settled().known()["lastRuns"], Value::Null, "these are gone");
}

#[test]
fn an_edit_is_told_when_its_revision_is_seen() {
    let view = view().settled();
    assert_eq!((plan(&view, now()), &view.known()["lastEdit"]), (Plan::nothing(), &Value::Null), "it was made");
    let view = view.edited(|spec| spec.sinks[0].stream = "elsewhere/".to_owned());
    let (view, news) = view.told();
    assert_eq!((view.revisions.len(), news), (2, None));
    let (view, news) = view.told();
    assert_eq!(news.as_deref(), Some(EDITED));
    assert_eq!(
        view.known()["lastEdit"],
        json!({
            "revision": 2, "time": "2026-11-29T10:00:00Z", "class": "Target", "fields": ["spec.sinks[kept].stream"],
            "message": "`spec.sinks[kept].stream`: the next run fills a new place from the beginning, and a former one \
                        keeps what it has",
        })
    );
    assert_eq!(plan(&view, now()), Plan::nothing());
}

#[test]
fn a_pipeline_that_is_seen_as_it_was_makes_no_revision() {
    let mut past = view().settled();
    let edited = past.clone().edited(|spec| spec.description = Some("rows".to_owned())).settled();
    assert_eq!(edited.revisions.len(), past.revisions.len() + 1, "the edit is kept");
    // An operator that begins may be told of the revisions before it is told of the edit.
    past.revisions = edited.revisions.clone();
    let (kept, _) = past.told();
    assert_eq!(kept.revisions.len(), edited.revisions.len());
    // What is edited back is another generation, and kept.
    let back = edited.clone().edited(|spec| spec.description = None).settled();
    assert_eq!(back.revisions.len(), edited.revisions.len() + 1);
}

#[test]
fn an_edit_is_told_once_when_somebody_deletes_its_revision() {
    let to = |place: &'static str| move |spec: &mut PipelineSpec| spec.sinks[0].stream = place.to_owned();
    let mut view = view().settled().edited(|spec| spec.description = Some("rows".to_owned())).settled().settled();
    view = view.edited(to("elsewhere/")).settled().settled();
    let status = Arc::make_mut(&mut view.pipeline).status.as_mut().expect("a status");
    status.last_edit.as_mut().expect("an edit").time = Some(at("09:00:00"));
    let told = view.known()["lastEdit"].clone();
    assert_eq!((view.revisions.len(), &told["revision"], &told["class"]), (3, &json!(3), &json!("Target")));
    // With it, all before it may go.
    for gone in 1..=3 {
        let mut left = view.clone();
        left.revisions.drain(..gone);
        let (kept, news) = left.told();
        assert_eq!((news, &kept.known()["lastEdit"]), (None, &told), "{gone}");
        assert_eq!(kept.revisions[0].revision, Some(3), "the version keeps its number");
        let (kept, news) = kept.told();
        assert_eq!((news, &kept.known()["lastEdit"]), (None, &told), "{gone}");
        assert_eq!(plan(&kept, now()), Plan::nothing());
        let (next, news) = kept.edited(to("there/")).told();
        assert_eq!(news, None);
        let (next, news) = next.told();
        assert_eq!((news.as_deref(), &next.known()["lastEdit"]["revision"]), (Some(EDITED), &json!(4)), "{gone}");
    }
    // What is edited just then is told.
    view.revisions.remove(0);
    let (view, news) = view.edited(to("there/")).told();
    assert_eq!((news, &view.known()["lastEdit"]), (None, &told));
    let (view, news) = view.told();
    assert_eq!((news.as_deref(), &view.known()["lastEdit"]["revision"]), (Some(EDITED), &json!(4)));
    assert_eq!(plan(&view, now()), Plan::nothing());
}

#[test]
fn an_edit_of_which_nobody_has_told_is_not_believed() {
    let view = view().settled().edited(|spec| spec.description = Some("rows".to_owned())).settled().settled();
    let told = view.known()["lastEdit"].clone();
    let mut forged = view;
    let status = Arc::make_mut(&mut forged.pipeline).status.as_mut().expect("a status");
    status.last_edit.as_mut().expect("an edit").revision = i64::MAX;
    let mended = forged.settled();
    assert_eq!(mended.known()["lastEdit"], told);
    assert_eq!(plan(&mended, now()), Plan::nothing());
}

#[test]
fn what_is_said_of_the_pipeline_is_told_before_its_edit() {
    let view = view().settled().edited(|spec| spec.description = Some("rows".to_owned()));
    let (view, _) = view.told();
    let (view, news) = view.refused(Unresolved::ConnectorMissing("files".to_owned())).told();
    assert_eq!((news.as_deref(), &view.known()["lastEdit"]), (Some("ConnectorMissing"), &Value::Null));
    let (view, news) = view.told();
    assert_eq!((news.as_deref(), &view.known()["lastEdit"]["class"]), (Some(EDITED), &json!("Cosmetic")));
    assert_eq!(plan(&view, now()), Plan::nothing());
}
