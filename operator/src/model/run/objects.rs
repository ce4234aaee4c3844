//! The objects of a model of a run: a Pipeline with its newest version kept, what it names, who its workers are, and the run.

use aggregator_crds::{API_VERSION, Pipeline};
use serde_json::{Value, json};

use super::super::object::{NAMESPACE, uid};
use crate::action::{Action, Kind};
use crate::fixture::object;
use crate::identity::{self, Who};
use crate::pipeline::revision;
use crate::settings::Settings;

/// The name of the run.
pub(super) const RUN: &str = "first";
/// The name of its plan.
pub(super) const PLAN: &str = "first-plan";
/// The name of its Pipeline.
pub(super) const PIPELINE: &str = "move";
/// What holds a run back that is deleted, where something does.
const HOLD: &str = "tests/hold";

fn metadata(name: &str) -> Value {
    json!({"name": name, "namespace": NAMESPACE})
}

fn spec(execution: &Value) -> Value {
    json!({
        "sources": [{"name": "rows", "connector": "files", "stream": "*.csv"}],
        "sinks": [{"name": "kept", "from": "rows", "connector": "files", "stream": "out/"}],
        "execution": execution,
    })
}

/// That a generation of a Pipeline is valid.
pub(super) fn valid(generation: i64) -> Value {
    json!({
        "observedGeneration": generation,
        "conditions": [{"type": "Valid", "status": "True", "reason": "Compiled"}],
    })
}

fn pipeline(execution: &Value) -> Value {
    json!({
        "apiVersion": API_VERSION, "kind": "Pipeline", "metadata": metadata(PIPELINE),
        "spec": spec(execution), "status": valid(1),
    })
}

/// The Pipeline's controller keeps a version of it.
pub(super) fn kept(execution: &Value, number: i64) -> Value {
    let mut whole = pipeline(execution);
    whole["metadata"]["uid"] = uid(Kind::Pipeline, PIPELINE, 1).into();
    let pipeline: Pipeline = object(whole);
    serde_json::to_value(revision::keep(&pipeline, number)).expect("JSON")
}

/// The run.
pub(super) fn run(held: bool) -> Value {
    let mut run = json!({
        "apiVersion": API_VERSION, "kind": "PipelineRun", "metadata": metadata(RUN),
        "spec": {"pipelineRef": {"name": PIPELINE}},
    });
    if held {
        run["metadata"]["finalizers"] = json!([HOLD]);
    }
    run
}

/// All of them.
pub(super) fn all(execution: &Value, held: bool, settings: &Settings) -> Vec<Value> {
    let connector = json!({
        "apiVersion": API_VERSION, "kind": "Connector", "metadata": metadata("files"),
        "spec": {"file": {"root": "/data/files", "format": {"csv": {}}}},
    });
    let who = identity::all(NAMESPACE, Who::Run, settings).into_iter().filter_map(|action| match action {
        Action::Apply { object, .. } => Some(object),
        _ => None,
    });
    [connector, pipeline(execution), kept(execution, 1)].into_iter().chain(who).chain([run(held)]).collect()
}
