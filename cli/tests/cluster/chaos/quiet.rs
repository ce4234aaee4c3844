//! Rest: when all has come to what it should be, nothing is written, nothing is asked for but what has changed, and the process
//! of the operator needs next to nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use aggregator_tests::control_plane::Request;
use aggregator_tests::figures::{cpu, mebibytes, memory};
use aggregator_tests::reliability::note;
use aggregator_tests::wait::eventually;
use serde_json::json;

use crate::project::Project;

/// How long, in seconds: 20 if that is not set.
const VARIABLE: &str = "AGGREGATOR_QUIET";
/// How long nothing may have been written until all counts as settled.
const SETTLED: Duration = Duration::from_secs(4);
/// How many kinds are watched, and after how many seconds each watch is begun anew.
const KINDS: u64 = 13;
const WATCH_SECONDS: u64 = 230;
/// The most of a core that the operator may take meanwhile, in hundredths, and by how many bytes it may grow.
const CPU: u32 = 5;
const GROWTH: u64 = 8 << 20;

/// One of each kind, in each state in which it may rest. Fires are far away.
const OBJECTS: &str = "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: made}
spec: {generator: {seed: 1, streams: [{name: rows, rows: 5, columns: [{name: id, sequence: {}}, {name: word, text: {length: 2}}]}]}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: wrong}
spec: {file: {root: /etc}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Transformation
metadata: {name: shout}
spec:
  sql: {query: \"SELECT id, upper(word) AS word FROM input\"}
  tests: [{name: letters, rows: [{id: 1, word: a}], expect: {rows: [{id: 1, word: A}]}}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: loud}
spec:
  sources: [{name: rows, connector: made, stream: rows}]
  transforms: [{name: louder, from: [rows], transformation: {ref: shout}}]
  sinks: [{name: kept, from: louder, connector: out, stream: loud/}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: draft}
spec:
  draft: true
  sources: [{name: rows, connector: made, stream: rows}]
  sinks: [{name: kept, from: rows, connector: out, stream: draft/}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: broken}
spec:
  sources: [{name: rows, connector: made, stream: rows}]
  sinks: [{name: kept, from: row, connector: nowhere, stream: broken/}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {name: rare}
spec: {pipelineRef: {name: loud}, cron: {expressions: [\"0 0 29 2 *\"], timeZone: Europe/Berlin}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {name: later}
spec: {pipelineRef: {name: loud}, interval: {every: 1h, start: \"2100-01-01T00:00:00Z\"}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {name: suspended}
spec: {pipelineRef: {name: loud}, cron: {expressions: [\"0 0 29 2 *\"]}, suspend: true}
---
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {name: after}
spec: {pipelineRef: {name: loud}, pipelineSucceeded: {name: nothing}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {name: never}
spec: {pipelineRef: {name: loud}, cron: {expressions: [\"0 0 30 2 *\"]}}
";

fn is_write(request: &Request) -> bool {
    !["get", "list", "watch"].contains(&request.verb.as_str())
}

/// What was asked for, by verb and resource.
fn counted(requests: &[Request]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for Request { verb, resource, .. } in requests {
        *counts.entry(format!("{verb} {resource}")).or_default() += 1;
    }
    counts
}

#[test]
fn nothing_is_written_while_nothing_happens() {
    let quiet = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let quiet = quiet.map_or(20, |text| text.parse::<u64>().expect("a number of seconds"));
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    project.namespace.apply(OBJECTS);
    for (run, pipeline, phase) in [
        ("moved", "move", "Succeeded"),
        ("louder", "loud", "Succeeded"),
        ("failed", "broken", "Failed"),
        ("lost", "nowhere", "Failed"),
    ] {
        project.run(run, pipeline);
        let ended = project.ended(run);
        assert_eq!(ended["status"]["phase"], phase, "{ended}");
    }
    for connector in ["in", "out", "made"] {
        let connector = format!("connector/{connector}");
        project.namespace.kubectl(["wait", &connector, "--for=condition=Ready", "--timeout=100s"]);
    }
    project.namespace.kubectl(["wait", "axform/shout", "--for=condition=TestsPassed", "--timeout=100s"]);
    for (schedule, reason) in [
        ("rare", "Scheduled"),
        ("later", "Scheduled"),
        ("suspended", "Suspended"),
        ("after", "Waiting"),
        ("never", "NeverFires"),
    ] {
        eventually(&format!("{reason} of {schedule}"), || {
            (project.get("schedule", schedule)["status"]["conditions"][0]["reason"] == reason).then_some(())
        });
    }
    let written = || project.requests("operator").iter().filter(|request| is_write(request)).count();
    eventually("rest", || {
        let before = written();
        std::thread::sleep(SETTLED);
        (written() == before).then_some(())
    });

    let process = project.operators[0].id();
    let before = project.requests("operator").len();
    let (cpu_before, memory_before) = (cpu(process), memory(process).now);
    // Nothing is waited for: that nothing comes is what is seen.
    std::thread::sleep(Duration::from_secs(quiet));
    let (spent, memory_after) = (cpu(process).saturating_sub(cpu_before), memory(process).now);
    let since = &project.requests("operator")[before..];
    let writes: Vec<&Request> = since.iter().filter(|request| is_write(request)).collect();
    let counts = counted(since);
    let watches = since.iter().filter(|request| request.verb == "watch").count() as u64;
    let [held_before, held_after] = [memory_before, memory_after].map(|bytes| format!("{:.1} MiB", mebibytes(bytes)));
    println!("in {quiet} s of rest, the operator has asked for {counts:?}");
    println!("it has computed for {spent:?}; {held_before} became {held_after}");
    note(
        "quiet",
        json!({
            "seconds": quiet, "writes": writes.len(), "requests": since.len(), "watches": watches,
            "cpuTime": format!("{} ms", spent.as_millis()), "memoryBefore": held_before, "memoryAfter": held_after,
        }),
    );
    assert!(writes.is_empty(), "{writes:#?}");
    assert_eq!(watches, since.len() as u64, "it reads what has not changed: {counts:?}");
    // A watch that has ended, and the one after it.
    assert!(watches <= 2 * KINDS * (quiet / WATCH_SECONDS + 1), "{counts:?}");
    assert!(spent < Duration::from_secs(quiet) * CPU / 100, "it has computed for {spent:?} of {quiet} s");
    assert!(memory_after < memory_before + GROWTH, "{held_before} became {held_after}");
}
