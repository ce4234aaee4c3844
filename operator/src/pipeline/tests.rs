//! What a Pipeline's status says of its runs, and when that is written.

use std::sync::Arc;

use aggregator_crds::pipeline::PipelineStatus;
use aggregator_crds::{Pipeline, PipelineRun, PipelineSpec};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::plan::plan;
use super::view::View;
use crate::action::{Action, Kind, Plan};
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
    }
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
