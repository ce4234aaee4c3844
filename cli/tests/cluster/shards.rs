//! Runs that several Pods share: they make one commit, and what one of them loses is read again by that one alone.

use aggregator_tests::wait::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::project::Project;

/// How many Pods share a run, how many files there are for each, and how many rows each file has: each is a split.
const OF: u32 = 3;
const FILES: u32 = 3 * OF;
const ROWS: u32 = 1100;

fn row(id: u32) -> (u32, String) {
    (id, format!("{:056}", u64::from(id) * 7919))
}

fn all() -> Vec<String> {
    let line = |(id, name)| json!({"id": id, "name": name}).to_string();
    let mut lines: Vec<String> = (0..FILES * ROWS).map(|id| line(row(id))).collect();
    lines.sort();
    lines
}

/// A Pipeline `move` of these files, in small splits, with names that are read as text.
fn shared(connector: &str) -> Project {
    let project = Project::new();
    for file in 0..FILES {
        let rows = (file * ROWS..(file + 1) * ROWS).map(row);
        let text: String = rows.map(|(id, name)| format!("{id},{name}\n")).collect();
        project.write(&format!("in/{file}.csv"), &format!("id,name\n{text}"));
    }
    project.copy_files(
        "move",
        &format!("{{shards: {OF}, splitSize: 64Ki, retry: {{limit: 2, backoff: {{initial: 1s}}}}}}"),
    );
    let columns = "{columns: [{name: id, type: Int64}, {name: name, type: Utf8}]}";
    project.read_from(&format!("{{{connector} file: {{root: in, format: {{csv: {{schema: {columns}}}}}}}}}"), "*.csv");
    project
}

/// So slow that each shard works for more than three seconds.
const SLOW: &str = "limits: {rowsPerSecond: 1000},";

fn condition(object: &Value) -> (&str, &str) {
    let condition = &object["status"]["conditions"][0];
    (condition["reason"].as_str().unwrap_or_default(), condition["message"].as_str().unwrap_or_default())
}

/// What the Checkpoint remembers of the division of the run.
fn division(project: &Project) -> Option<Value> {
    let checkpoint = project.namespace.find("checkpoint", "move").ok()??;
    Some(checkpoint["spec"]["attempts"][0]["state"]["shared"].clone()).filter(|shared| !shared["sharing"].is_null())
}

/// What each shard of the run's last attempt has told its status, in order.
fn told(run: &Value) -> Vec<&Value> {
    let attempt = &run["status"]["attempt"];
    let shards = run["status"]["shards"].as_array().expect("shards");
    let mut told: Vec<&Value> = shards.iter().filter(|shard| shard["attempt"] == *attempt).collect();
    told.sort_by_key(|shard| shard["index"].as_u64());
    let indexes: Vec<u64> = told.iter().filter_map(|shard| shard["index"].as_u64()).collect();
    assert_eq!(indexes, [0, 1, 2], "{run}");
    told
}

fn state(shard: &Value) -> &str {
    shard["outcome"]["shard"].as_str().expect("a state")
}

/// The report of a shard of an attempt, which is the last line of its log.
fn report(project: &Project, run: &str, attempt: u32, index: u32) -> Value {
    let selector = format!(
        "--selector=aggregator.dev/run={run},aggregator.dev/attempt={attempt},batch.kubernetes.io/job-completion-index={index}"
    );
    let log = project.namespace.kubectl(["logs", &selector, "--tail=1"]);
    serde_json::from_str(&log).expect("a report")
}

/// The process of a shard.
fn process(project: &Project, run: &str, index: u32) -> Option<Pid> {
    let uid = project.get("pipelinerun", run)["metadata"]["uid"].as_str().expect("a UID").to_owned();
    let words = [uid, format!("{index}/{OF}")];
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    let mut pids = entries.filter_map(|entry| {
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let arguments: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
        let is_it = words.iter().all(|word| arguments.contains(&word.as_bytes()));
        entry.file_name().to_str()?.parse().ok().filter(|_| is_it).map(Pid::from_raw)
    });
    let pid = pids.next();
    assert_eq!(pids.next(), None, "two processes of shard {index}");
    pid
}

fn assert_whole(project: &Project, run: &Value) {
    let rows = FILES * ROWS;
    let message = format!("{rows} rows read, {rows} written, 0 rejected: all accounted for");
    assert_eq!(condition(run), ("LedgerBalanced", message.as_str()), "{run}");
    assert_eq!(run["status"]["ledger"], json!({"balanced": true}), "{run}");
    let lines = project.lines("out");
    assert!(lines == all(), "{} lines, and not {}, or others", lines.len(), all().len());
}

#[test]
fn pods_share_a_run_and_make_one_commit() {
    let project = shared("");
    project.run("first", "move");
    let run = project.ended("first");
    assert_whole(&project, &run);
    let job = project.get("job", "first");
    assert_eq!((&job["spec"]["completionMode"], &job["status"]["succeeded"]), (&json!("Indexed"), &json!(OF)), "{job}");
    let told = told(&run);
    let completed: Vec<_> = told.iter().filter(|shard| state(shard) == "Completing").collect();
    assert_eq!(completed.len(), 1, "{told:?}");
    // Every other one has read its part, and nobody read a row twice.
    let read = |shard: &Value| shard["outcome"]["totals"]["read"].as_u64().unwrap_or_default();
    let others: Vec<u64> = told.iter().filter(|shard| state(shard) != "Completing").map(|shard| read(shard)).collect();
    assert_eq!(others, [u64::from(FILES / OF * ROWS); 2], "{told:?}");
    let index = completed[0]["index"].as_u64().expect("an index");
    let splits = report(&project, "first", 1, u32::try_from(index).expect("few"))["splits"].clone();
    assert_eq!(splits, json!({"total": FILES, "savedEarlier": FILES, "saved": 0}));
    // What it used is the sum over all Pods.
    let seconds =
        |cost: &Value| cost["cpuSeconds"].as_str().and_then(|text| text.parse::<f64>().ok()).expect("seconds");
    let sum: f64 = told.iter().map(|shard| seconds(&shard["outcome"]["cost"])).sum();
    assert!((seconds(&run["status"]["cost"]) - sum).abs() < 0.1, "{run}");
    // A division may be large, and is of no use any more.
    assert_eq!(division(&project), None);
    let shown = project.namespace.kubectl(["get", "arun", "first", "--output=wide"]);
    assert!(shown.contains(" LedgerBalanced ") && shown.contains(" first "), "{shown}");
    // The next run has nothing to read, and so nothing to divide.
    project.write("in/new.csv", "id,name\n1000000,new\n");
    let patch =
        r#"{"spec":{"sources":[{"name":"rows","connector":"in","stream":"*.csv","sync":{"mode":"Incremental"}}]}}"#;
    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", patch]);
    project.run_as("second", "pipelineRef: {name: move}, mode: DryRun");
    assert_eq!(project.ended("second")["status"]["phase"], "Succeeded");
    assert_eq!(project.get("job", "second")["spec"]["completionMode"], "NonIndexed");
}

#[test]
fn a_shard_that_is_killed_is_read_again_alone() {
    let project = shared(SLOW);
    project.run("first", "move");
    eventually("a division", || division(&project));
    let pid = eventually("the process of shard 1", || process(&project, "first", 1));
    kill(pid, Signal::SIGKILL).expect("killed");
    let saved = division(&project).expect("a division")["saved"].clone();
    assert!(!saved.as_array().expect("a list").contains(&json!(1)), "it had done its part: {saved}");
    let described = eventually("an Event that tells of it", || {
        let described = project.namespace.kubectl(["describe", "pipelinerun", "first"]);
        described.contains("Warning  WaitingToRetry").then_some(described)
    });
    let message = "attempt 1 failed (Killed): shard 1 of 3: the worker in the Pod first-1-";
    assert!(described.contains(message), "{described}");
    let run = project.ended("first");
    assert_whole(&project, &run);
    assert_eq!(run["status"]["attempt"], 2, "{run}");
    let job = project.get("job", "first");
    assert_eq!((&job["status"]["failedIndexes"], &job["status"]["succeeded"]), (&json!("1"), &json!(2)), "{job}");
    // The others had saved their parts, and have read nothing again; nor has the one that completed the run.
    let told = told(&run);
    let completed: Vec<_> = told.iter().filter(|shard| state(shard) == "Completing").collect();
    assert_eq!(completed.len(), 1, "{told:?}");
    for (index, shard) in (0..OF).zip(&told) {
        let report = report(&project, "first", 2, index);
        if state(shard) == "Completing" {
            assert_eq!(report["splits"], json!({"total": FILES, "savedEarlier": FILES, "saved": 0}));
        } else if index != 1 {
            assert_eq!((&report["nodes"], &report["outcome"]), (&json!([]), &json!("Succeeded")), "{report}");
        }
    }
}

#[test]
fn what_cannot_be_divided_is_moved_by_one_pod_and_the_others_end_at_once() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n2,two\n");
    project.copy_files("move", &format!("{{shards: {OF}}}"));
    project.run("first", "move");
    let run = project.ended("first");
    assert_eq!(condition(&run), ("LedgerBalanced", "2 rows read, 2 written, 0 rejected: all accounted for"), "{run}");
    assert_eq!(project.lines("out"), [r#"{"id":1,"name":"one"}"#, r#"{"id":2,"name":"two"}"#]);
    assert_eq!(project.get("job", "first")["status"]["succeeded"], OF);
    let told = told(&run);
    let (completed, idle): (Vec<_>, Vec<_>) = told.iter().partition(|shard| state(shard) == "Completing");
    assert_eq!(completed.len(), 1, "{told:?}");
    for shard in idle {
        assert!(["Finishing", "Succeeded"].contains(&state(shard)), "{told:?}");
        assert_eq!(shard["outcome"]["totals"]["read"], 0, "{told:?}");
    }
    // The next one is a run of its own, whoever took part in the last one.
    project.write("in/b.csv", "id,name\n3,three\n");
    project.run("second", "move");
    assert_eq!(project.ended("second")["status"]["totals"]["written"], 1);
    assert_eq!(project.lines("out").len(), 3);
}

#[test]
fn a_shared_run_that_is_cancelled_stops_all_its_pods_and_commits_nothing() {
    let project = shared("limits: {rowsPerSecond: 50},");
    project.run("first", "move");
    eventually("a division", || division(&project));
    eventually("all Pods at work", || {
        let run = project.get("pipelinerun", "first");
        (condition(&run) == ("Running", "3 of 3 Pods move rows")).then_some(())
    });
    let cancel = r#"{"spec":{"cancel":"Immediate"}}"#;
    project.namespace.kubectl(["patch", "pipelinerun", "first", "--type=merge", "--patch", cancel]);
    let run = project.ended("first");
    assert_eq!((&run["status"]["phase"], condition(&run).0), (&json!("Cancelled"), "Cancelled"), "{run}");
    for index in 0..OF {
        assert_eq!(process(&project, "first", index), None, "shard {index} is still at work");
    }
    assert!(project.lines("out").is_empty());
}

#[test]
fn a_division_that_no_object_has_room_for_says_what_to_raise() {
    let project = shared("");
    // Each of them would be a split, whose name alone takes 200 bytes.
    for file in 0..6000 {
        let file = std::fs::File::create(project.path(&format!("in/{file:0200}.csv"))).expect("a file");
        file.set_len(64 * 1024).expect("room");
    }
    project.run("first", "move");
    let run = project.ended("first");
    let (reason, message) = condition(&run);
    assert_eq!((reason, &run["status"]["attempt"]), ("LimitExceeded", &json!(1)), "{run}");
    assert!(message.contains("more than the API server takes; raise `execution.splitSize`"), "{message}");
    assert!(project.lines("out").is_empty());
}

#[test]
fn each_of_many_streams_is_one_pods_own_and_all_are_accounted_for_together() {
    let project = Project::new();
    project.copy_files("move", &format!("{{shards: {OF}}}"));
    let stream = |number: u32| json!({"name": format!("s{number}"), "rows": 10 + number, "columns": [{"name": "id", "sequence": {}}]});
    let streams: Vec<Value> = (0..6).map(stream).collect();
    project.read_from(&json!({"generator": {"seed": 1, "streams": streams}}).to_string(), "s0");
    let patch = json!({"spec": {
        "sources": [{"name": "rows", "connector": "in", "streams": {"include": ["*"]}}],
        "sinks": [{"name": "kept", "from": "rows", "connector": "out", "stream": "rows/${stream.name}/"}],
    }});
    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", &patch.to_string()]);
    project.run("first", "move");
    let run = project.ended("first");
    assert_eq!(condition(&run), ("LedgerBalanced", "75 rows read, 75 written, 0 rejected: all accounted for"), "{run}");
    for number in 0..6 {
        assert_eq!(project.lines(&format!("out/rows/s{number}")).len(), 10 + number, "{run}");
    }
    let told = told(&run);
    assert!(told.iter().all(|shard| state(shard) == "Streams"), "{told:?}");
    let written: Vec<u64> = told.iter().filter_map(|shard| shard["outcome"]["totals"]["written"].as_u64()).collect();
    assert!(written.iter().sum::<u64>() == 75 && written.iter().filter(|rows| **rows > 0).count() > 1, "{written:?}");
}
