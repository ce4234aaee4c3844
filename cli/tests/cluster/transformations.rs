//! Transformations: their tests are run by Jobs that have no business with the Kubernetes API.

use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use crate::project::Project;

fn transformation(expected: &str) -> String {
    format!(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Transformation
metadata: {{name: shout}}
spec:
  sql: {{query: \"SELECT id, upper(word) AS word FROM input\"}}
  tests:
    - {{name: letters, rows: [{{id: 1, word: a}}], expect: {{rows: [{{id: 1, word: A}}]}}}}
    - {{name: umlauts, rows: [{{id: 2, word: ö}}], expect: {{rows: [{{id: 2, word: {expected}}}]}}}}
"
    )
}

fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == name)
}

#[test]
fn the_tests_of_a_transformation_are_run_and_its_users_named() {
    let project = Project::new();
    project.namespace.apply(&transformation("oe"));
    let failed = eventually("a test that does not pass", || {
        let step = project.get("transformation", "shout");
        (condition(&step, "TestsPassed")?["status"] == "False").then_some(step)
    });
    let passed = condition(&failed, "TestsPassed").expect("a condition");
    assert_eq!(passed["reason"], "TestFailed", "{failed}");
    let message = passed["message"].as_str().expect("a message");
    assert!(message.starts_with("1 of 2 tests failed; `umlauts`: ") && message.contains('Ö'), "{message}");
    assert_eq!(condition(&failed, "Ready").expect("a condition")["status"], "False", "{failed}");

    project.namespace.apply(&transformation("Ö"));
    project.namespace.kubectl(["wait", "axform/shout", "--for=condition=TestsPassed", "--timeout=120s"]);
    let well = project.get("transformation", "shout");
    assert_eq!(condition(&well, "TestsPassed").expect("a condition")["message"], "2 tests have passed", "{well}");
    eventually("no Job of tests", || project.list("jobs").is_empty().then_some(()));

    project.namespace.apply(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: made}
spec: {generator: {streams: [{name: rows, rows: 1, columns: [{name: id, sequence: {}}, {name: word, text: {length: 2}}]}]}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out}
spec: {file: {root: out, format: {ndjson: {}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: loud}
spec:
  sources: [{name: rows, connector: made, stream: rows}]
  transforms: [{name: louder, from: [rows], transformation: {ref: shout}}]
  sinks: [{name: kept, from: louder, connector: out, stream: rows/}]
",
    );
    let users = |wanted: Value| {
        eventually(&format!("used by {wanted}"), || {
            (project.get("transformation", "shout")["status"]["usedBy"] == wanted).then_some(())
        });
    };
    users(json!(["loud"]));
    project.namespace.kubectl(["delete", "pipeline", "loud"]);
    users(Value::Null);
}
