//! More than one operator, and what an operator tells of itself.

use std::time::{Duration, Instant};

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
    assert_eq!(project.list("jobs").len(), 2);
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
