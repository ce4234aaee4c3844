//! More than one operator, and what an operator tells of itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aggregator_tests::control_plane::Namespace;
use aggregator_tests::wait::eventually;
use serde_json::json;

use crate::project::Project;

#[test]
fn of_two_operators_one_acts_and_the_other_takes_over() {
    let mut project = Project::leased(2);
    // It is made by the operator that is first to ask for it.
    let lease = |project: &Project| {
        let mut leases = project.list("leases").into_iter();
        let lease = leases.find(|lease| lease["metadata"]["name"] == "aggregator")?;
        lease["spec"]["holderIdentity"].as_str().map(str::to_owned)
    };
    let first = eventually("a holder of the Lease", || lease(&project));
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    project.run("first", "move");
    project.ended("first");
    // Who waits for its turn is ready to take it.
    eventually("two operators that are ready", || {
        project.operators.iter().all(|operator| Project::ask(operator, "/readyz") == "ok").then_some(())
    });
    let leads = project.operators.iter().map(|operator| {
        let metrics = Project::ask(operator, "/metrics");
        metrics.lines().find_map(|line| line.strip_prefix("aggregator_operator_leader ")).map(str::to_owned)
    });
    let mut leads: Vec<Option<String>> = leads.collect();
    leads.sort_unstable();
    assert_eq!(leads, [Some("0".to_owned()), Some("1".to_owned())], "one acts");

    // Who holds the Lease is not known from outside: each is killed in its turn, and the other goes on.
    let killed = Instant::now();
    project.kill_holder();
    project.write("in/b.csv", "id,name\n2,two\n");
    project.run("second", "move");
    assert_eq!(project.ended("second")["status"]["totals"]["read"], 1);
    let took = killed.elapsed();
    println!("the other operator has taken over and the run ended after {took:?}");
    // 15 s until the hold has run out, 2 s until the next look, and a run.
    assert!(took < Duration::from_secs(40), "{took:?}");
    let lease = project.get("lease", "aggregator");
    assert_ne!(lease["spec"]["holderIdentity"], json!(first));
    assert_eq!(lease["spec"]["leaseTransitions"], 2);
    assert_eq!(project.jobs_of_runs().len(), 2);
}

#[test]
fn an_operator_that_is_asked_to_end_hands_over_at_once() {
    let mut project = Project::leased(1);
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    project.run("first", "move");
    project.ended("first");
    project.stop();
    let held = project.get("lease", "aggregator");
    assert_eq!(held["spec"]["holderIdentity"], json!(null), "{held}");
    let asked = Instant::now();
    project.start();
    project.run("second", "move");
    project.ended("second");
    assert!(asked.elapsed() < Duration::from_secs(14), "the Lease was waited for: {:?}", asked.elapsed());
}

#[test]
fn an_operator_for_some_namespaces_looks_at_no_other() {
    let mut project = Project::without_operator(true);
    let [other, left] = [project.another(), project.another()];
    project.give_rights_in(&other);
    project.arguments = vec!["--namespace".to_owned(), other.name().to_owned()];
    project.start();
    for namespace in [&project.namespace, &other, &left] {
        namespace.apply(&format!(
            "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: made}}
spec: {{generator: {{seed: 1, streams: [{{name: rows, rows: 3, columns: [{{name: id, sequence: {{}}}}]}}]}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: out}}
spec: {{file: {{root: {}, format: {{ndjson: {{}}}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: move}}
spec:
  sources: [{{name: rows, connector: made, stream: rows}}]
  sinks: [{{name: kept, from: rows, connector: out, stream: rows/}}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {{name: yearly}}
spec: {{pipelineRef: {{name: move}}, cron: {{expressions: [\"0 0 1 1 *\"]}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: PipelineRun
metadata: {{name: first}}
spec: {{pipelineRef: {{name: move}}}}
",
            namespace.name()
        ));
    }
    for namespace in [&project.namespace, &other] {
        namespace.kubectl(["wait", "pipelinerun/first", "--for=condition=Succeeded", "--timeout=60s"]);
        namespace.kubectl(["wait", "schedule/yearly", "--for=condition=Ready", "--timeout=60s"]);
        assert_eq!(project.lines(namespace.name()).len(), 3, "the rows of {}", namespace.name());
    }
    for kind in ["connector/made", "pipeline/move", "schedule/yearly", "pipelinerun/first"] {
        assert_eq!(left.kubectl(["get", kind, "--output=jsonpath={.status}"]), "", "{kind} was looked at");
    }
    assert_eq!(left.kubectl(["get", "jobs", "--output=name"]), "");
    // What it asks for is of these namespaces, and of none as a whole.
    let asked: BTreeSet<String> =
        project.requests("operator").into_iter().filter(|it| !it.resource.is_empty()).map(|it| it.namespace).collect();
    assert_eq!(asked, BTreeSet::from([project.namespace.name(), other.name()].map(str::to_owned)));
    // The Lease is in one of them.
    let leases = |namespace: &Namespace| namespace.kubectl(["get", "leases", "--output=name"]);
    assert_eq!(leases(&project.namespace), "lease.coordination.k8s.io/aggregator\n");
    assert_eq!(leases(&other), "");
}

#[test]
fn what_happens_is_told_as_events_and_counted() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    project.run("first", "move");
    project.ended("first");
    project.run("lost", "nothing");
    project.ended("lost");
    let metrics = eventually("counted runs", || {
        let metrics = project.ask_operator("/metrics");
        metrics.contains("aggregator_operator_runs_total{phase=\"Failed\"} 1").then_some(metrics)
    });
    for line in [
        "aggregator_operator_runs_total{phase=\"Succeeded\"} 1",
        "aggregator_operator_writes_total{kind=\"ControllerRevision\",outcome=\"ok\",verb=\"create\"} 1",
        "aggregator_operator_leader 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!((project.ask_operator("/livez").as_str(), project.ask_operator("/readyz").as_str()), ("ok", "ok"));

    let events = eventually("Events", || {
        let events = project.namespace.kubectl(["events", "--output=json"]);
        (events.contains("LedgerBalanced") && events.contains("PipelineMissing")).then_some(events)
    });
    assert!(events.contains("1 row read, 1 written, 0 rejected: all accounted for"), "{events}");
    let described = project.namespace.kubectl(["describe", "pipelinerun", "lost"]);
    assert!(described.contains("Warning  PipelineMissing"), "{described}");
}
