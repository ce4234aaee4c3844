//! Runs, and the Checkpoints that they leave.

use super::violations;
use crate::{Checkpoint, PipelineRun};

#[test]
fn pipeline_run() {
    let found = violations::<PipelineRun>(
        "PipelineRun",
        r#"
pipelineRef: {name: "", revision: 0}
mode: Full
params: {a.b: x}
backfill: {from: "2026-01-02T00:00:00Z", to: "2026-01-02T00:00:00Z"}
preview: {node: a-b, limit: 0}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.pipelineRef.name: `` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.pipelineRef.revision: there is no revision 0; use 1 or more, or leave it out for the newest",
            r#"spec.params["a.b"]: `a.b` cannot name a parameter; use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL"#,
            r"spec.backfill: `backfill` is not used by the mode Full; use the mode Incremental or DryRun, or leave `backfill` out",
            r"spec.backfill.to: 2026-01-02T00:00:00Z is not after 2026-01-02T00:00:00Z; make `to` later than `from`",
            r"spec.preview: `preview` is not used by the mode Full; use the mode Preview, or leave `preview` out",
            r"spec.preview.node: `a-b` cannot name a node; use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL",
            r"spec.preview.limit: 0 is out of range; use a number from 1 to 10000"
        ]
    );
}

#[test]
fn checkpoint() {
    let found = violations::<Checkpoint>(
        "Checkpoint",
        r#"
pipelineRef: {name: p/q}
epoch: 1
run: R
positions:
  - {source: s, stream: t, partition: "0", kind: cursor, version: 1, state: 3}
  - {source: s, stream: t, partition: "0", kind: "", version: 0, state: null}
  - {source: a-b, stream: "", kind: cursor, version: 1, state: {}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.pipelineRef.name: `p/q` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.run: `R` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.positions[1].kind: the kind is empty; give the kind",
            r"spec.positions[1].version: 0 is out of range; use a number from 1 to 4294967295",
            r"spec.positions[1]: there already is a position of `t` of `s`; give each stream, or each of its partitions, one position",
            r"spec.positions[2].source: `a-b` cannot name a node; use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL",
            r"spec.positions[2].stream: the stream is empty; give the stream"
        ]
    );
}
