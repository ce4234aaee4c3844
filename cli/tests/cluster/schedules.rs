//! Schedules: each fire becomes one run, or a recorded reason.

use aggregator_tests::postgres::PASSWORD;
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use crate::connectors::{Shop, secret};
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

#[test]
fn the_past_of_a_schedule_is_read_again_and_what_was_read_is_known() {
    let project = Project::new();
    let shop = Shop::new();
    project.copy_files("move", "{}");
    project.namespace.apply(&shop.connector());
    project.namespace.apply(&secret(PASSWORD));
    shop.execute(
        "TRUNCATE orders;
         INSERT INTO orders SELECT number, '2026-01-01T12:00:00Z'::timestamptz + number * interval '1 day'
           FROM generate_series(0, 9) AS number",
    );
    let patch = json!({"spec": {"sources": [{"name": "rows", "connector": "shop", "stream": "public.orders",
        "sync": {"mode": "Incremental", "cursor": "placed"}}]}});
    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", &patch.to_string()]);
    let spec = "cron: {expressions: [\"0 0 * * *\"], timeZone: UTC}, backfill: {from: 2026-01-02T00:00:00Z, to: 2026-01-05T00:00:00Z}";
    schedule(&project, "daily", spec);
    let wait = ["wait", "schedule/daily", "--for=condition=Backfilled", "--timeout=110s"];
    project.namespace.kubectl(wait);
    let ids = || {
        let lines = project.lines("out").into_iter().map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
        let mut ids: Vec<u64> = lines.filter_map(|line| line["id"].as_u64()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(), [1, 2, 3]);
    let daily = project.get("schedule", "daily");
    assert_eq!(daily["status"]["counts"]["started"], 0, "no fire was due: {daily}");
    assert_eq!(
        daily["status"]["filled"],
        json!([{"from": "2026-01-02T00:00:00Z", "to": "2026-01-05T00:00:00Z"}]),
        "{daily}"
    );

    // More is asked for, while the runs that read the first part are gone.
    project.namespace.kubectl(["delete", "pipelineruns", "--all"]);
    let more = r#"{"spec":{"backfill":{"from":"2026-01-01T00:00:00Z","to":"2026-01-06T00:00:00Z"}}}"#;
    project.namespace.kubectl(["patch", "schedule", "daily", "--type=merge", "--patch", more]);
    let daily = eventually("a backfill of five days", || {
        let daily = project.get("schedule", "daily");
        let over = daily["status"]["conditions"].as_array()?.iter().any(|it| it["reason"] == "BackfillSucceeded");
        (over && daily["status"]["backfill"]["intervals"] == 5).then_some(daily)
    });
    assert_eq!(daily["status"]["backfill"]["skipped"], 3, "{daily}");
    assert_eq!(ids(), [0, 1, 2, 3, 4]);
    assert_eq!(project.list("pipelineruns").len(), 2);
}
