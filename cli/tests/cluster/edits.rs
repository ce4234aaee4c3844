//! What an edit of a Pipeline means for the data: told with its revision, and true of the next run.

use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use crate::project::Project;

/// Edits the Pipeline's spec, and waits until that edit is told.
fn edited(project: &Project, revision: u64, spec: &Value) -> Value {
    let patch = json!({ "spec": spec }).to_string();
    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", &patch]);
    eventually(&format!("the edit of revision {revision}"), || {
        let edit = project.get("pipeline", "move")["status"]["lastEdit"].clone();
        (edit["revision"] == revision).then_some(edit)
    })
}

fn described(project: &Project, event: &str) -> String {
    eventually(&format!("an Event {event}"), || {
        let described = project.namespace.kubectl(["describe", "pipeline", "move"]);
        described.contains(event).then_some(described)
    })
}

#[test]
fn an_edit_is_told_before_the_next_run_and_comes_true() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n2,two\n");
    project.copy_files("move", "{}");
    project.run("first", "move");
    assert_eq!(project.ended("first")["status"]["totals"]["written"], 2);
    let made = project.get("pipeline", "move");
    assert_eq!(made["status"]["lastEdit"], Value::Null, "it was made: {made}");

    let edit = edited(&project, 2, &json!({"description": "rows as they come"}));
    assert_eq!((&edit["class"], &edit["fields"]), (&json!("Cosmetic"), &json!(["spec.description"])), "{edit}");
    let kept = project.get("controllerrevision", "move-2");
    assert_eq!(edit["time"], kept["metadata"]["creationTimestamp"]);
    let normal = "revision 2: `spec.description`: nothing that a run does changes";
    let text = described(&project, normal);
    assert!(text.lines().any(|line| line.contains("Normal") && line.contains("Edited")), "{text}");

    // The new place gets what comes from now on, as it says.
    let sinks = json!([{"name": "kept", "from": "rows", "connector": "out", "stream": "elsewhere/"}]);
    let edit = edited(&project, 3, &json!({ "sinks": sinks }));
    assert_eq!((&edit["class"], &edit["fields"]), (&json!("Target"), &json!(["spec.sinks[kept].stream"])), "{edit}");
    let text = described(&project, "revision 3: `spec.sinks[kept].stream`: a new place gets what is read from now on");
    assert!(text.lines().any(|line| line.contains("Warning") && line.contains("Edited")), "{text}");
    project.write("in/b.csv", "id,name\n3,three\n");
    project.run("second", "move");
    project.ended("second");
    assert_eq!((project.lines("out/rows").len(), project.lines("out/elsewhere").len()), (2, 1));
    project.run_as("full", "pipelineRef: {name: move}, mode: Full");
    project.ended("full");
    assert_eq!((project.lines("out/rows").len(), project.lines("out/elsewhere").len()), (2, 4));

    // Positions by file are not those of a column.
    let sync = json!({"mode": "Incremental", "cursor": "id"});
    let sources = json!([{"name": "rows", "connector": "in", "stream": "*.csv", "sync": sync}]);
    let edit = edited(&project, 4, &json!({ "sources": sources }));
    assert_eq!(
        (&edit["class"], &edit["fields"]),
        (&json!("Positions"), &json!(["spec.sources[rows].sync.cursor"])),
        "{edit}"
    );
    let message = edit["message"].as_str().expect("a message");
    assert!(message.contains("ends with the reason `ConfigInvalid`: run once with `mode: Full`"), "{message}");
    project.run("third", "move");
    assert_eq!(project.ended("third")["status"]["conditions"][0]["reason"], "ConfigInvalid");
    project.run_as("again", "pipelineRef: {name: move}, mode: Full");
    assert_eq!(project.ended("again")["status"]["phase"], "Succeeded");
    project.write("in/c.csv", "id,name\n4,four\n");
    project.run("fourth", "move");
    assert_eq!(project.ended("fourth")["status"]["totals"]["written"], 1);

    // What is worth knowing is told of a Pipeline that can be run.
    let spare = json!({"name": "spare", "connector": "in", "stream": "*.csv"});
    let edit = edited(&project, 5, &json!({ "sources": [sources[0], spare] }));
    assert_eq!((&edit["class"], &edit["fields"]), (&json!("Forward"), &json!(["spec.sources[spare]"])), "{edit}");
    let status = project.get("pipeline", "move")["status"].clone();
    let unused = json!({
        "severity": "Warning", "code": "UnusedNode", "path": "spec.sources[1].name", "message": "nothing reads `spare`",
        "help": "name it in a `from`, or remove it",
    });
    assert!(status["diagnostics"].as_array().is_some_and(|all| all.contains(&unused)), "{status}");
    assert_eq!(status["phase"], "Ready", "{status}");
}
