//! Somebody writes what only the operator should.

use std::time::Instant;

use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use super::{ROWS, Scene, recovered, said};

/// The most writes of a run's status that a few edits of it may cause.
const WRITES: usize = 30;

impl Scene {
    /// Writes a status as somebody may who has the right to, and should not.
    fn overwrite(&self, run: &str, status: &Value) {
        let patch = json!({"status": status}).to_string();
        let words = ["patch", "pipelinerun", run, "--subresource=status", "--type=merge", "--patch", &patch];
        self.project.namespace.kubectl(words);
    }

    fn phase(&self, run: &str) -> Value {
        self.project.get("pipelinerun", run)["status"]["phase"].clone()
    }
}

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "ByHand", "message": "written by hand",
           "lastTransitionTime": "2001-01-01T00:00:00Z"})
}

#[test]
fn a_status_that_somebody_writes_becomes_true_again() {
    let scene = Scene::new();
    scene.going("first");
    // No run has so many attempts, and nobody counts to that.
    let wrong = json!({"phase": "Failed", "attempt": 4_000_000_000_u32, "job": "another", "revision": 77,
                       "conditions": [condition("Succeeded", "Unknown"), condition("Tested", "True")]});
    scene.overwrite("first", &wrong);
    let since = Instant::now();
    eventually("a true status", || {
        let status = scene.project.get("pipelinerun", "first")["status"].clone();
        let right = status["phase"] == "Running" && status["attempt"] == 1 && status["job"] == "first";
        (right && status["revision"] == 1).then_some(())
    });
    scene.other("beside");
    let before = scene.whole("first", 1, since);
    recovered("status", since);

    // What is emptied after the end is told once more, from what is left of the run.
    let totals = before["status"]["totals"].clone();
    let empty = r#"[{"op":"replace","path":"/status","value":{}}]"#;
    let words = ["patch", "pipelinerun", "first", "--subresource=status", "--type=json", "--patch", empty];
    scene.project.namespace.kubectl(words);
    let since = Instant::now();
    let after = scene.whole("first", 1, since);
    assert_eq!(after["status"]["totals"], totals, "{after}");
    assert_eq!(said(&after, "LedgerBalanced"), said(&before, "LedgerBalanced"));
    let jobs = scene.project.list("jobs").into_iter();
    let jobs = jobs.filter(|job| job["metadata"]["labels"]["aggregator.dev/run"] == "first").count();
    assert_eq!(jobs, 1, "nothing was done once more");
    recovered("statusEmptied", since);
    let writes = scene.project.requests("operator").into_iter();
    let writes = writes.filter(|it| it.resource == "pipelineruns/status" && it.name == "first").count();
    assert!(writes < WRITES, "{writes} writes of one status");
}

#[test]
fn an_end_that_somebody_writes_is_the_end_and_nothing_is_committed_after_it() {
    let scene = Scene::new();
    scene.going("first");
    scene.overwrite("first", &json!({"phase": "Succeeded", "conditions": [condition("Succeeded", "True")]}));
    assert_eq!(scene.phase("first"), "Succeeded");
    // The next run does not wait for the worker, which finds out that nobody counts on it.
    scene.project.run("second", "move");
    let since = Instant::now();
    let second = scene.whole("second", 1, since);
    assert_eq!(second["status"]["totals"]["written"], ROWS, "it was for this one to deliver: {second}");
    eventually("the end of the worker", || {
        let job = scene.project.get("job", "first");
        let over = |it: &Value| it["status"] == "True" && (it["type"] == "Failed" || it["type"] == "Complete");
        job["status"]["conditions"].as_array()?.iter().any(over).then_some(())
    });
    scene.kept(1);
    let first = scene.project.get("pipelinerun", "first");
    assert_eq!(said(&first, "ByHand"), Some("written by hand"), "an end is for ever: {first}");
    recovered("statusEnded", since);
}

#[test]
fn annotations_and_labels_with_nonsense_stop_nobody() {
    let scene = Scene::new();
    scene.project.namespace.kubectl(["wait", "connector/in", "--for=condition=Ready", "--timeout=100s"]);
    let huge: String = "ü\n\"{{".chars().cycle().take(60_000).collect();
    let poison = json!({"metadata": {"annotations": {
        "aggregator.dev/expires-at": "soon", "aggregator.dev/check-requested-at": huge, "aggregator.dev/fire": "[",
    }}});
    scene.project.write("poison.json", &poison.to_string());
    let file = format!("--patch-file={}", scene.project.path("poison.json").display());
    scene.project.namespace.kubectl(["patch", "connector", "in", "--type=merge", &file]);
    let told = scene.until("connector", "in", "Invalid");
    let message = said(&told, "Invalid").expect("a message");
    assert!(message.starts_with("the annotation aggregator.dev/expires-at is no time: "), "{message}");

    // A run with nonsense of its own, and one beside it.
    scene.project.namespace.apply(
        "
apiVersion: aggregator.dev/v1alpha1
kind: PipelineRun
metadata:
  name: first
  annotations: {aggregator.dev/fire: never, aggregator.dev/expires-at: \"0\"}
  labels: {aggregator.dev/schedule: nobody, aggregator.dev/attempt: many, aggregator.dev/run: another}
spec: {pipelineRef: {name: move}}
",
    );
    let since = Instant::now();
    scene.other("beside");
    scene.whole("first", 1, since);

    scene.patch("connector", "in", &json!({"metadata": {"annotations": {"aggregator.dev/expires-at": null}}}));
    let since = Instant::now();
    let ready = scene.until("connector", "in", "Reached");
    assert_eq!(ready["status"]["lastCheck"]["requestedAt"], huge.as_str(), "it was asked for a check, whatever in");
    assert!(since.elapsed() < super::SOON, "it took {:?}", since.elapsed());
    let log = scene.project.log();
    assert!(!log.contains("panicked"), "{log}");
    recovered("annotations", since);
}
