//! Runs that end badly, or are ended: the condition names the cause and the remedy.

use std::time::Instant;

use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use crate::project::Project;

fn condition(object: &Value) -> (&str, &str) {
    let condition = &object["status"]["conditions"][0];
    (condition["reason"].as_str().unwrap_or_default(), condition["message"].as_str().unwrap_or_default())
}

#[test]
fn what_cannot_run_says_why() {
    let project = Project::new();
    project.run("lost", "nothing");
    assert_eq!(condition(&project.ended("lost")), ("PipelineMissing", "there is no Pipeline `nothing`"));

    let broken = "
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: broken}
spec:
  sources: [{name: rows, connector: in, stream: \"*.csv\"}]
  sinks: [{name: kept, from: row, connector: out, stream: rows/}]
";
    project.copy_files("move", "{}");
    project.namespace.apply(broken);
    project.run("never", "broken");
    let never = project.ended("never");
    assert_eq!(condition(&never).0, "Invalid");
    assert!(condition(&never).1.contains("did you mean `rows`?"), "{never}");

    project.namespace.kubectl(["delete", "connector", "out"]);
    eventually("a Pipeline that is not ready", || {
        (condition(&project.get("pipeline", "move")).0 == "ConnectorMissing").then_some(())
    });
    project.run("half", "move");
    assert_eq!(
        condition(&project.ended("half")),
        ("ConnectorMissing", "there is no Connector `out` in this namespace")
    );

    // It comes right with what was missing, and with an edit.
    project.copy_files("move", "{}");
    project.namespace.kubectl(["wait", "pipeline/move", "--for=condition=Ready", "--timeout=60s"]);
    let patch = r#"{"spec":{"sinks":[{"name":"kept","from":"row","connector":"out","stream":"rows/"}]}}"#;
    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", patch]);
    let pipeline = eventually("a Pipeline that is not valid", || {
        Some(project.get("pipeline", "move")).filter(|pipeline| condition(pipeline).0 == "Invalid")
    });
    assert!(condition(&pipeline).1.contains("did you mean `rows`?"), "{pipeline}");

    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", r#"{"spec":{"draft":true}}"#]);
    project.run("draft", "move");
    assert_eq!(condition(&project.ended("draft")).0, "PipelineIsDraft");
}

#[test]
fn a_place_that_refuses_is_tried_again_as_the_policy_says() {
    let project = Project::new();
    project.copy_files("move", "{retry: {limit: 1, backoff: {initial: 1s}}}");
    project.read_from("{postgres: {host: 127.0.0.1, port: 1, database: nowhere, username: nobody}}", "public.t");
    project.run("refused", "move");
    let run = project.ended("refused");
    let (reason, message) = condition(&run);
    assert_eq!((reason, &run["status"]["attempt"]), ("Unreachable", &json!(2)), "{run}");
    assert!(message.contains("127.0.0.1:1"), "{message}");
    assert_eq!(project.jobs_of_runs(), ["refused", "refused-2"]);
}

#[test]
fn a_run_that_is_cancelled_stops_and_commits_nothing_more() {
    let project = Project::new();
    project.copy_files("move", "{}");
    // A batch is counted when it is whole, which takes about a second.
    let slow = "{limits: {rowsPerSecond: 10000}, generator: {seed: 1, streams: [{name: rows, rows: 100000000, columns: [{name: id, sequence: {}}]}]}}";
    project.read_from(slow, "rows");
    let begun = Instant::now();
    project.run("long", "move");
    eventually("a run that goes on", || {
        (project.get("pipelinerun", "long")["status"]["phase"] == "Running").then_some(())
    });
    // Whoever follows the log sees how far it is.
    let log = eventually("a line of progress", || {
        let log = project.namespace.kubectl(["logs", "job/long"]);
        log.contains(" s: ").then_some(log)
    });
    let line = log.lines().find(|line| line.contains(" s: ")).expect("a line");
    assert!(line.starts_with("after 10 s: rows has read ") && line.contains(", kept has taken "), "{log}");
    // So does whoever looks at the run: what stands there is told anew every five seconds, and not more often.
    let progress = eventually("rows in the run's status", || {
        let progress = project.get("pipelinerun", "long")["status"]["progress"].take();
        let read = progress["nodes"].as_array()?.iter().find(|node| node["name"] == "rows")?["read"].as_u64()?;
        (read > 0).then_some(progress)
    });
    assert_eq!(progress["attempt"], 1, "{progress}");
    let asked = project.requests("aggregator-worker").into_iter();
    let told = asked.filter(|it| (it.verb.as_str(), it.resource.as_str()) == ("patch", "pipelineruns/status"));
    let (told, took) = (told.count(), begun.elapsed());
    assert!((1..=took.as_secs() / 5).contains(&(told as u64)), "{told} reports in {took:?}");
    let cancel = r#"{"spec":{"cancel":"Immediate"}}"#;
    project.namespace.kubectl(["patch", "pipelinerun", "long", "--type=merge", "--patch", cancel]);
    let run = project.ended("long");
    assert_eq!((&run["status"]["phase"], condition(&run).0), (&json!("Cancelled"), "Cancelled"), "{run}");
    assert!(project.lines("out").is_empty());
}

#[test]
fn a_run_that_takes_too_long_is_ended() {
    let project = Project::new();
    project.copy_files("move", "{timeout: 3s}");
    let slow = "{limits: {rowsPerSecond: 10}, generator: {seed: 1, streams: [{name: rows, rows: 100000, columns: [{name: id, sequence: {}}]}]}}";
    project.read_from(slow, "rows");
    project.run("long", "move");
    assert_eq!(condition(&project.ended("long")).0, "TimedOut");
    assert!(project.lines("out").is_empty());
}

#[test]
fn what_stands_in_the_way_is_left_alone_and_told() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    project.namespace.kubectl(["create", "configmap", "first-plan", "--from-literal=mine=yes"]);
    project.run("first", "move");
    let described = eventually("an Event that tells of it", || {
        let described = project.namespace.kubectl(["describe", "pipelinerun", "first"]);
        described.contains("Warning  NameConflict").then_some(described)
    });
    assert!(described.contains("there is a ConfigMap `first-plan` that was not made for this object"), "{described}");
    assert_eq!(project.get("configmap", "first-plan")["data"], json!({"mine": "yes"}));
    assert_eq!(project.jobs_of_runs(), [] as [String; 0]);
    project.namespace.kubectl(["delete", "configmap", "first-plan"]);
    assert_eq!(project.ended("first")["status"]["phase"], "Succeeded");
}

/// A run, until it says that a quota of that one thing keeps it from going on; and then without the quota.
fn held_up_by(project: &Project, run: &str, quota: &str, reason: &str) -> String {
    project.namespace.kubectl(["create", "quota", "none", &format!("--hard={quota}=0")]);
    eventually("a quota that holds", || (project.get("quota", "none")["status"]["hard"][quota] == "0").then_some(()));
    project.run(run, "move");
    let warning = format!("Warning  {reason}");
    let described = eventually(&format!("an Event {reason}"), || {
        let described = project.namespace.kubectl(["describe", "pipelinerun", run]);
        described.contains(&warning).then_some(described)
    });
    assert_eq!(project.get("pipelinerun", run)["status"]["phase"], "Pending", "{described}");
    project.namespace.kubectl(["delete", "quota", "none"]);
    assert_eq!(project.ended(run)["status"]["phase"], "Succeeded");
    described
}

#[test]
fn a_quota_that_holds_a_run_up_is_told() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    // The operator is refused its Job, or the Job its Pod.
    let described = held_up_by(&project, "first", "count/jobs.batch", "WriteRefused");
    assert!(
        described.contains("create Job first: jobs.batch \"first\" is forbidden: exceeded quota: none"),
        "{described}"
    );
    let described = held_up_by(&project, "second", "pods", "NoPod");
    assert!(described.contains("`kubectl describe job second` says why"), "{described}");
}
