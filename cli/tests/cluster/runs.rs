//! Runs that end well, and what kubectl tells of them.

use serde_json::{Value, json};

use crate::project::Project;

#[test]
fn a_run_delivers_what_it_says_and_the_next_one_only_what_is_new() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n2,two\n");
    project.copy_files("move", "{}");
    project.namespace.kubectl(["wait", "pipeline/move", "--for=condition=Ready", "--timeout=60s"]);
    project.run("first", "move");
    project.namespace.kubectl(["wait", "pipelinerun/first", "--for=condition=Succeeded", "--timeout=120s"]);
    assert_eq!(project.lines("out"), [r#"{"id":1,"name":"one"}"#, r#"{"id":2,"name":"two"}"#]);

    let first = project.get("pipelinerun", "first");
    let status = &first["status"];
    assert_eq!(status["phase"], "Succeeded", "{status}");
    assert_eq!(status["conditions"][0]["reason"], "LedgerBalanced", "{status}");
    assert_eq!(status["conditions"][0]["message"], "2 rows read, 2 written, 0 rejected: all accounted for", "{status}");
    assert_eq!(status["totals"], json!({"read": 2, "written": 2, "rejected": 0}), "{status}");
    assert_eq!(status["ledger"], json!({"balanced": true}), "{status}");
    assert_eq!((&status["attempt"], &status["revision"], &status["job"]), (&json!(1), &json!(1), &json!("first")));
    assert_eq!(status["nodes"][0]["read"], 2, "{status}");
    assert_eq!(status["nodes"][1]["written"], 2, "{status}");

    project.write("in/b.csv", "id,name\n3,three\n");
    project.run("second", "move");
    assert_eq!(project.ended("second")["status"]["totals"]["read"], 1);
    assert_eq!(project.lines("out").len(), 3);
    let checkpoint = project.get("checkpoint", "move");
    assert_eq!((&checkpoint["spec"]["epoch"], &checkpoint["spec"]["run"]), (&json!(2), &json!("second")));
    assert_eq!(checkpoint["metadata"]["ownerReferences"][0]["kind"], "Pipeline");

    let shown = project.namespace.kubectl(["get", "arun"]);
    let line = shown.lines().find(|line| line.starts_with("first ")).unwrap_or_else(|| panic!("{shown}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..7], ["first", "move", "Succeeded", "LedgerBalanced", "2", "2", "0"], "{shown}");
    // The log is for people, and its last line for programs.
    let log = project.namespace.kubectl(["logs", "job/first"]);
    assert!(log.contains("/move succeeded (Incremental, attempt 1): 2 rows read, 2 written, 0 rejected"), "{log}");
    let report: Value = serde_json::from_str(log.lines().last().unwrap_or_default()).expect("the report");
    assert_eq!((&report["ledger"]["balanced"], &report["outcome"]), (&json!(true), &json!("Succeeded")), "{log}");
    aggregator_tests::wait::eventually("both runs at the Pipeline", || {
        (project.get("pipeline", "move")["status"]["lastRuns"] == json!(["second", "first"])).then_some(())
    });
}

#[test]
fn each_version_of_a_pipeline_is_kept_and_an_old_one_can_be_run() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    project.run("first", "move");
    project.ended("first");
    let patch = r#"{"spec":{"transforms":[{"name":"none","from":["rows"],"filter":{"where":"id < 0"}}],
                   "sinks":[{"name":"kept","from":"none","connector":"out","stream":"rows/"}]}}"#;
    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", patch]);
    // Asked for at once: it is of the edited version all the same.
    project.write("in/b.csv", "id,name\n2,two\n");
    project.run_as("newest", "pipelineRef: {name: move}, mode: DryRun");
    assert_eq!(project.ended("newest")["status"]["revision"], 2);
    project.run_as("older", "pipelineRef: {name: move, revision: 1}");
    let older = project.ended("older");
    assert_eq!(
        (&older["status"]["revision"], &older["status"]["totals"]["written"]),
        (&json!(1), &json!(1)),
        "{older}"
    );
}

#[test]
fn runs_of_one_pipeline_follow_one_another() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    for run in ["one", "two", "three"] {
        project.run(run, "move");
    }
    let mut read = 0;
    for run in ["one", "two", "three"] {
        read += project.ended(run)["status"]["totals"]["read"].as_u64().expect("a number");
    }
    assert_eq!((read, project.lines("out").len()), (1, 1));
}

#[test]
fn an_operator_that_is_killed_goes_on_where_it_was() {
    let mut project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    project.run("first", "move");
    project.kill();
    project.start();
    project.kill();
    project.start();
    project.ended("first");
    assert_eq!(project.jobs_of_runs(), ["first"]);
    assert_eq!(project.lines("out").len(), 1);
}
