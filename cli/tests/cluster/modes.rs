//! Runs that are asked for something else than what is new: rows to look at, an interval once more, an early end.

use aggregator_tests::folder;
use aggregator_tests::page::blocks;
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use crate::project::Project;

fn condition(run: &Value) -> (&str, &str) {
    let condition = &run["status"]["conditions"][0];
    (condition["reason"].as_str().unwrap_or_default(), condition["message"].as_str().unwrap_or_default())
}

#[test]
fn rows_are_shown_without_being_written() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n2,two\n3,three\n");
    project.copy_files("move", "{}");
    project.run_as("look", "pipelineRef: {name: move}, mode: Preview, preview: {node: rows, limit: 2}");
    let run = project.ended("look");
    assert_eq!(condition(&run), ("Previewed", "2 rows in the ConfigMap look-preview; nothing was written"), "{run}");
    let kept = project.get("configmap", "look-preview");
    let shown: Value = serde_json::from_str(kept["data"]["preview.json"].as_str().expect("rows")).expect("JSON");
    assert_eq!(shown["nodes"][0]["rows"], json!([{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]), "{shown}");
    assert_eq!(kept["metadata"]["ownerReferences"][0]["uid"], run["metadata"]["uid"], "it goes with the run");
    project.run_as("all", "pipelineRef: {name: move}, mode: Preview");
    project.ended("all");
    let kept = project.get("configmap", "all-preview");
    let shown: Value = serde_json::from_str(kept["data"]["preview.json"].as_str().expect("rows")).expect("JSON");
    assert_eq!(
        (&shown["nodes"][0]["node"], shown["nodes"][0]["rows"].as_array().map(Vec::len)),
        (&json!("kept"), Some(3))
    );

    project.run_as("lost", "pipelineRef: {name: move}, mode: Preview, preview: {node: nothing}");
    let run = project.ended("lost");
    assert_eq!(condition(&run).0, "ConfigInvalid", "{run}");
    assert!(condition(&run).1.contains("choose one of rows, kept"), "{run}");
    assert!(project.lines("out").is_empty() && project.list("checkpoints").is_empty(), "nothing was written");

    project.namespace.kubectl(["delete", "pipelinerun", "look"]);
    eventually("the rows went with their run", || {
        let left = project.list("configmaps");
        left.iter().all(|it| it["metadata"]["name"] != "look-preview").then_some(())
    });
}

/// Three rows of three days, copied by their time.
fn by_time() -> Project {
    let project = Project::new();
    project.write("in/a.csv", "id,at\n1,2026-01-01T12:00:00Z\n2,2026-01-02T12:00:00Z\n3,2026-01-03T12:00:00Z\n");
    project.copy_files("move", "{}");
    project.namespace.apply(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: in}
spec:
  file:
    root: in
    format: {csv: {schema: {columns: [{name: id, type: Int64}, {name: at, type: \"Timestamp(Microsecond, UTC)\"}]}}}
",
    );
    let patch = json!({"spec": {"sources": [{"name": "rows", "connector": "in", "stream": "*.csv",
                                             "sync": {"mode": "Incremental", "cursor": "at"}}]}});
    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", &patch.to_string()]);
    project.run("first", "move");
    assert_eq!(project.ended("first")["status"]["totals"]["written"], 3);
    project
}

#[test]
fn a_checkpoint_that_was_edited_is_where_the_next_run_begins() {
    let project = by_time();
    let kept = project.get("checkpoint", "move")["spec"]["positions"].clone();
    let edited = |positions: Value| {
        let patch = json!({"spec": {"positions": positions}}).to_string();
        project.namespace.kubectl(["patch", "checkpoint", "move", "--type=merge", "--patch", &patch]);
    };
    let moved = |value: &str| {
        let mut positions = kept.clone();
        positions[0]["state"]["value"] = value.into();
        positions[0]["state"]["boundary"] = json!([]);
        positions
    };
    let written = |run: &str| {
        project.run(run, "move");
        project.ended(run)["status"]["totals"]["written"].clone()
    };
    edited(moved("2026-01-02T12:00:00Z"));
    assert_eq!(written("altered"), 2, "from there on, inclusive");
    assert_eq!(project.get("checkpoint", "move")["spec"]["positions"], kept, "and back to the end");
    edited(json!([]));
    assert_eq!(written("reset"), 3, "from the start");
    // What its source does not understand is told, and moves nothing.
    edited(moved("yesterday"));
    project.run("nonsense", "move");
    let run = project.ended("nonsense");
    assert_eq!(condition(&run).0, "ConfigInvalid", "{run}");
    assert!(condition(&run).1.contains("its checkpoint `yesterday` is not a Timestamp"), "{run}");
    edited(kept.clone());
    assert_eq!(written("restored"), 0, "where it was");
    assert_eq!(project.lines("out").len(), 8);
}

/// The command of docs/operator.md that is for that, of the Pipeline `move`.
fn of_page(what: &str) -> String {
    let page = std::fs::read_to_string(folder::workspace().join("docs/operator.md")).expect("the page");
    let all = blocks(&page);
    let commands = all.iter().flat_map(|block| block.text.lines()).filter_map(|line| line.split_once(" # "));
    let mut found = commands
        .filter(|(command, says)| command.contains(" checkpoint ") && says.split([':', ' ']).next() == Some(what));
    let (command, _) = found.next().expect(what);
    assert_eq!(found.next(), None, "another one of that kind");
    command.replace("NAME", "move")
}

#[test]
fn a_checkpoint_is_restored_as_the_page_says_and_not_by_making_it_anew() {
    let project = by_time();
    let typed = |what: &str| project.type_in(&of_page(what)).expect(what);
    let written = |run: &str| {
        project.run(run, "move");
        let ended = project.ended(run);
        assert_eq!(ended["status"]["phase"], "Succeeded", "{ended}");
        (ended["status"]["totals"]["written"].clone(), ended)
    };
    typed("keep");
    let mut copy = project.get("checkpoint", "move");
    project.write("in/b.csv", "id,at\n4,2026-01-04T12:00:00Z\n");
    assert_eq!(written("second").0, 1);
    let end = project.get("checkpoint", "move")["spec"]["positions"].clone();
    assert_ne!(copy["spec"]["positions"], end);
    typed("restore");
    assert_eq!(project.get("checkpoint", "move")["spec"]["positions"], copy["spec"]["positions"]);
    assert_eq!(written("restored").0, 1, "what came since then, once more");
    assert_eq!(project.get("checkpoint", "move")["spec"]["positions"], end);
    typed("reset");
    assert_eq!(written("reset").0, 4, "everything once more");

    // The sinks know more than an old copy.
    project.namespace.kubectl(["delete", "checkpoint", "move"]);
    let metadata = copy["metadata"].as_object_mut().expect("metadata");
    metadata.retain(|field, _| ["name", "ownerReferences"].contains(&field.as_str()));
    project.namespace.apply(&copy.to_string());
    let (rows, run) = written("behind");
    assert_eq!(rows, 0, "{run}");
    let log = project.namespace.kubectl(["logs", &format!("job/{}", run["status"]["job"].as_str().expect("a Job"))]);
    let known = copy["spec"]["attempts"][0]["state"]["committed"]["run"].as_str().expect("a run");
    let said = format!("warning[CheckpointBehind]: the checkpoint is of run {known}, and `kept` was written by run ");
    assert!(log.contains(&said), "{said} is not in {log}");
    assert_eq!(project.get("checkpoint", "move")["spec"]["positions"], end);
    assert_eq!(project.lines("out").len(), 3 + 1 + 1 + 4);
}

#[test]
fn an_interval_is_read_again_and_the_checkpoint_stays() {
    let project = by_time();
    let before = project.get("checkpoint", "move")["spec"]["positions"].clone();
    assert_eq!(before[0]["state"]["value"], "2026-01-03T12:00:00Z", "{before}");

    let interval = "backfill: {from: 2026-01-02T00:00:00Z, to: 2026-01-03T00:00:00Z}";
    project.run_as("again", &format!("pipelineRef: {{name: move}}, {interval}"));
    let run = project.ended("again");
    assert_eq!(condition(&run).0, "LedgerBalanced", "{run}");
    assert_eq!(run["status"]["totals"]["written"], 1, "{run}");
    let lines = project.lines("out");
    let twos = lines.iter().filter(|line| line.contains("\"id\":2")).count();
    assert_eq!((lines.len(), twos), (4, 2), "{lines:?}");
    assert_eq!(project.get("checkpoint", "move")["spec"]["positions"], before);
    project.run("next", "move");
    assert_eq!(project.ended("next")["status"]["totals"]["written"], 0, "nothing is new");
}

#[test]
fn a_run_that_is_to_end_well_commits_the_streams_that_it_has_begun() {
    const ROWS: usize = 150;
    let project = Project::new();
    project.copy_files("move", "{retry: {limit: 0}}");
    let streams: Vec<Value> = (0..6)
        .map(|number| json!({"name": format!("s{number}"), "rows": ROWS, "columns": [{"name": "id", "sequence": {}}]}))
        .collect();
    // Four go at a time, which takes some twelve seconds: longer than the worker takes to hear of its object.
    let spec = json!({"limits": {"rowsPerSecond": 50}, "generator": {"seed": 1, "streams": streams}});
    project.read_from(&spec.to_string(), "s0");
    let patch = json!({"spec": {"sources": [{"name": "rows", "connector": "in", "streams": {"include": ["*"]}}],
                                "sinks": [{"name": "kept", "from": "rows", "connector": "out", "stream": "${stream.name}/"}]}});
    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", &patch.to_string()]);
    project.run("long", "move");
    eventually("a run that goes on", || {
        (project.get("pipelinerun", "long")["status"]["phase"] == "Running").then_some(())
    });
    let cancel = r#"{"spec":{"cancel":"Graceful"}}"#;
    project.namespace.kubectl(["patch", "pipelinerun", "long", "--type=merge", "--patch", cancel]);
    let run = project.ended("long");
    assert_eq!((&run["status"]["phase"], condition(&run).0), (&json!("Cancelled"), "Cancelled"), "{run}");
    let whole: Vec<usize> = (0..6).map(|number| project.lines(&format!("out/s{number}")).len()).collect();
    let begun = whole.iter().filter(|rows| **rows == ROWS).count();
    // One may have ended before the worker heard of it, and the next one have begun.
    assert!((4..6).contains(&begun), "{whole:?}");
    assert_eq!(whole.iter().filter(|rows| **rows == 0).count(), 6 - begun, "no part of a stream: {whole:?}");
    let left = format!("{} of 6 streams did not succeed", 6 - begun);
    assert!(condition(&run).1.contains(&left), "{left}: {run}");
}
