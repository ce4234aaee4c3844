//! What else happens to a cluster: somebody deletes or edits what the operator has made, takes rights and rooms away, or writes
//! what only the operator should. It converges within a minute, or its condition says the truth, and other objects go on.
//!
//! | what | where it is tried |
//! |---|---|
//! | a Job deleted under its run | `under.rs` |
//! | a Job suspended | `under.rs` |
//! | labels taken away; overwritten | `under.rs`; `children.rs` |
//! | an owner taken away | `under.rs` (of a Job), `children.rs` (of a kept version) |
//! | a plan deleted; edited | `under.rs`; `children.rs` |
//! | a kept version deleted | `children.rs` |
//! | a child that somebody else's finalizer holds | `children.rs`; of a run itself in `under.rs` |
//! | a Pod deleted, evicted; too large for its memory | `under.rs` |
//! | a Secret deleted, wrong, and given back | `under.rs`, `connectors.rs` |
//! | a quota that forbids Jobs, or Pods | `ends.rs` |
//! | the operator's rights taken away and given back | `surroundings.rs` |
//! | the workers' rights, and their identity, deleted | `under.rs`; `surroundings.rs` |
//! | admission that refuses | `surroundings.rs`: by a policy, on the embedded one by a quota |
//! | a node that dies; a kind deleted and installed again | `surroundings.rs` |
//! | a namespace deleted under its runs | `under.rs` |
//! | a schema loosened, and an object that cannot be read | `fields/mod.rs` |
//! | a status overwritten, emptied, and ended by somebody else | `objects.rs` |
//! | poisoned annotations | `objects.rs` |
//! | an image that is not there | `operators.rs` |
//! | the Lease deleted; an operator killed | `operators.rs` here and beside it |
//! | a worker that nobody sees any more | `zombies.rs` |
//! | an API server that is silent | `away.rs` |
//! | nothing at all | `quiet.rs`: nothing is written |

mod away;
mod children;
mod objects;
mod operators;
mod quiet;
mod surroundings;

use std::time::{Duration, Instant};

use aggregator_tests::reliability::note;
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use crate::project::Project;

/// How soon all is well again when what was done is undone.
const SOON: Duration = Duration::from_secs(60);

/// How many rows a lasting run reads, ten a second.
const ROWS: usize = 50;

const MANIFESTS: &str = "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: in}
spec: {limits: {rowsPerSecond: 10}, file: {root: in, format: {csv: {}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: made}
spec: {generator: {seed: 1, streams: [{name: rows, rows: 5, columns: [{name: id, sequence: {}}]}]}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out}
spec: {file: {root: out, format: {ndjson: {}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: move}
spec:
  sources: [{name: rows, connector: in, stream: \"*.csv\", sync: {mode: Incremental}}]
  sinks: [{name: kept, from: rows, connector: out, stream: move/}]
  execution: {retry: {limit: 3, backoff: {initial: 1s}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: other}
spec:
  sources: [{name: rows, connector: made, stream: rows}]
  sinks: [{name: kept, from: rows, connector: out, stream: other/}]
  execution: {retry: {limit: 3, backoff: {initial: 1s}}}
";

/// A Pipeline `move` whose runs last for some seconds, and another one that nobody does anything to.
struct Scene {
    project: Project,
}

impl Scene {
    fn new() -> Self {
        Self::of(Project::new())
    }

    fn of(project: Project) -> Self {
        let scene = Self { project };
        scene.write("a", 0);
        scene.project.namespace.apply(MANIFESTS);
        scene
    }

    /// Another file of rows that are counted from there.
    fn write(&self, name: &str, from: usize) {
        let rows: String = (from..from + ROWS).map(|id| format!("{id},row\n")).collect();
        self.project.write(&format!("in/{name}.csv"), &format!("id,name\n{rows}"));
    }

    /// A run that goes on.
    fn going(&self, run: &str) {
        self.project.run(run, "move");
        self.until("pipelinerun", run, "Running");
    }

    /// An object, once one of its conditions has that reason.
    fn until(&self, kind: &str, name: &str, reason: &str) -> Value {
        eventually(&format!("{reason} of {kind} {name}"), || {
            let object = self.project.get(kind, name);
            said(&object, reason)?;
            Some(object)
        })
    }

    /// A merge patch.
    fn patch(&self, kind: &str, name: &str, fields: &Value) {
        self.project.namespace.kubectl(["patch", kind, name, "--type=merge", "--patch", &fields.to_string()]);
    }

    /// The run has succeeded soon after it could, and all rows of so many files are there, each once.
    fn whole(&self, run: &str, files: usize, since: Instant) -> Value {
        let run = self.project.ended(run);
        let took = since.elapsed();
        assert_eq!(run["status"]["phase"], "Succeeded", "{run}");
        assert_eq!(run["status"]["ledger"], json!({"balanced": true}), "{run}");
        self.kept(files);
        assert!(took < SOON, "it took {took:?}");
        run
    }

    /// The rows of so many files have been delivered, each once.
    fn kept(&self, files: usize) {
        let mut lines = self.project.lines("out/move");
        assert_eq!(lines.len(), files * ROWS, "{lines:?}");
        lines.dedup();
        assert_eq!(lines.len(), files * ROWS, "rows were committed twice");
    }

    /// Nobody else notices: the other Pipeline can be run.
    fn other(&self, run: &str) {
        self.project.run(run, "other");
        let run = self.project.ended(run);
        assert_eq!(run["status"]["totals"], json!({"read": 5, "written": 5, "rejected": 0}), "{run}");
    }
}

/// What the condition with that reason says.
fn said<'a>(object: &'a Value, reason: &str) -> Option<&'a str> {
    let condition = object["status"]["conditions"].as_array()?.iter().find(|it| it["reason"] == reason)?;
    Some(condition["message"].as_str().unwrap_or_default())
}

/// Notes how long it took until all was well again.
fn recovered(what: &str, since: Instant) {
    note("chaos", json!({"what": what, "recoveredSeconds": since.elapsed().as_secs_f64()}));
}
