//! Schedules: each fire becomes one run, or a recorded reason.

use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use crate::project::Project;

fn schedule(project: &Project, name: &str, spec: &str) {
    project.namespace.apply(&format!(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {{name: {name}}}
spec: {{pipelineRef: {{name: move}}, {spec}}}
"
    ));
}

#[test]
fn an_interval_starts_runs_and_a_success_starts_others() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    schedule(&project, "often", "interval: {every: 3s}, concurrencyPolicy: Forbid");
    let often = eventually("three fires", || {
        let often = project.get("schedule", "often");
        (often["status"]["counts"]["started"].as_u64()? >= 3).then_some(often)
    });
    assert_eq!(often["status"]["conditions"][0]["reason"], "Scheduled", "{often}");
    let runs: Vec<Value> = project.list("pipelineruns");
    let mut fires: Vec<&str> =
        runs.iter().filter_map(|run| run["metadata"]["annotations"]["aggregator.dev/fire"].as_str()).collect();
    fires.sort_unstable();
    let all = fires.len();
    fires.dedup();
    assert_eq!(fires.len(), all, "a fire is one run: {fires:?}");
    let first = runs[0]["metadata"]["name"].as_str().expect("a name");
    assert!(first.starts_with("often-20"), "{first}");
    assert_eq!(project.ended(first)["status"]["phase"], "Succeeded");

    project.namespace.kubectl([
        "patch",
        "schedule",
        "often",
        "--type=merge",
        "--patch",
        r#"{"spec":{"suspend":true}}"#,
    ]);
    let suspended = eventually("a suspended Schedule", || {
        let often = project.get("schedule", "often");
        (often["status"]["conditions"][0]["reason"] == "Suspended").then_some(often)
    });
    assert_eq!(suspended["status"]["next"], Value::Null, "{suspended}");
    assert_eq!(project.lines("out").len(), 1);
}

#[test]
fn what_is_due_and_cannot_start_is_recorded() {
    let project = Project::new();
    schedule(&project, "early", "interval: {every: 2s}");
    let early = eventually("a fire that failed", || {
        let early = project.get("schedule", "early");
        (early["status"]["counts"]["skipped"].as_u64()? >= 2).then_some(early)
    });
    assert_eq!(early["status"]["lastDecision"]["decision"], "Failed", "{early}");
    assert_eq!(early["status"]["lastDecision"]["reason"], "PipelineMissing", "{early}");
    assert_eq!(early["status"]["conditions"][0]["message"], "there is no Pipeline `move`", "{early}");
    assert_eq!(project.list("pipelineruns"), [] as [Value; 0]);
}

#[test]
fn the_success_of_another_pipeline_is_a_fire() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    project.namespace.apply(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: after}
spec:
  sources: [{name: rows, connector: out, stream: \"rows/*.ndjson\"}]
  sinks: [{name: kept, from: rows, connector: out, stream: copies/, write: {mode: Overwrite}}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {name: then}
spec: {pipelineRef: {name: after}, pipelineSucceeded: {name: move}}
",
    );
    eventually("a Schedule that waits", || {
        (project.get("schedule", "then")["status"]["conditions"][0]["reason"] == "Waiting").then_some(())
    });
    project.run("first", "move");
    project.ended("first");
    let run = eventually("a run of the other", || {
        project.list("pipelineruns").into_iter().find(|run| run["spec"]["pipelineRef"]["name"] == "after")
    });
    let name = run["metadata"]["name"].as_str().expect("a name");
    assert_eq!(project.ended(name)["status"]["totals"], json!({"read": 1, "written": 1, "rejected": 0}));
    assert_eq!(project.get("schedule", "then")["status"]["counts"]["started"], 1);
}
