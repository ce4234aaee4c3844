//! What a Pipeline's status says of its runs, and when that is written.

use std::sync::Arc;

use aggregator_crds::pipeline::PipelineStatus;
use aggregator_crds::{Checkpoint, Pipeline, PipelineRun, PipelineSpec, Reason, Schedule};
use jiff::Timestamp;
use serde_json::{Value, json};

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
        checked: Arc::new(Ok(Vec::new())),
        runs: Vec::new(),
        checkpoint: None,
        schedules: Vec::new(),
    }
}

/// One that reads what is new every hour, and whose last run has committed at ten minutes past nine.
fn hourly() -> View {
    let mut first = run("first", "True");
    Arc::make_mut(&mut first).status.as_mut().expect("a status").completion_time = Some(at("09:10:00"));
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

    /// How recent the Checkpoint is at a time, if that is told, and in how many minutes it would be told otherwise.
    fn fresh(&self, now: Timestamp) -> (Option<String>, Option<u64>) {
        let done = plan(self, now);
        let told = self.clone().after(&done).conditions().into_iter().find(|it| it.starts_with("CheckpointFresh"));
        (told, done.again.map(|again| again.as_secs() / 60))
    }
}

#[test]
fn what_waits_for_an_edit_is_stalled() {
    let mut view = view();
    view.checked = Arc::new(Err(Unresolved::TooLarge(2_000_000)));
    let view = view.settled();
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
    let mut missing = refused;
    missing.checked = Arc::new(Err(Unresolved::ConnectorMissing("files".into())));
    let mut draft = missing.settled();
    assert_eq!(draft.conditions().len(), 3, "{:?}", draft.conditions());
    draft.checked = Arc::new(Ok(Vec::new()));
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
        let mut tried = late.clone();
        tried.runs.insert(0, run("second", how));
        let spec = &mut Arc::make_mut(tried.checkpoint.as_mut().expect("a Checkpoint")).spec;
        (spec.run, spec.time) = (Some("second".into()), Some(at("12:00:05")));
        assert_eq!(tried.fresh(at("12:01:00")), (stale(), None), "{how}");
    }
    let mut again = late.clone();
    let mut second = run("second", "True");
    Arc::make_mut(&mut second).status.as_mut().expect("a status").completion_time = Some(at("12:05:00"));
    again.runs.insert(0, second);
    assert_eq!(again.fresh(at("12:05:00")), (fresh(), Some(120)));
    // Of a run that is gone, the Checkpoint tells.
    let mut gone = late;
    gone.runs.clear();
    assert_eq!(gone.fresh(at("11:09:00")), (fresh(), Some(0)));
    assert_eq!(gone.fresh(at("11:10:00")), (stale(), None));
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
fn what_is_said_of_the_pipeline_is_told_before_its_edit() {
    let view = view().settled().edited(|spec| spec.description = Some("rows".to_owned()));
    let (mut view, _) = view.told();
    view.checked = Arc::new(Err(Unresolved::ConnectorMissing("files".to_owned())));
    let (view, news) = view.told();
    assert_eq!((news.as_deref(), &view.known()["lastEdit"]), (Some("ConnectorMissing"), &Value::Null));
    let (view, news) = view.told();
    assert_eq!((news.as_deref(), &view.known()["lastEdit"]["class"]), (Some(EDITED), &json!("Cosmetic")));
    assert_eq!(plan(&view, now()), Plan::nothing());
}
