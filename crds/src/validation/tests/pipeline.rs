//! Pipelines: their graph, and what stands around it.

use super::violations;
use crate::Pipeline;

#[test]
fn pipeline_names() {
    let found = violations::<Pipeline>(
        "Pipeline",
        r#"
desiredState: Running
params: [{name: "1st", type: Int64}, {name: a, type: ""}, {name: a, type: Utf8}]
sources: [{name: a, connector: C, stream: x}, {name: rejects, connector: c, stream: x}]
transforms: [{name: a, from: [a], filter: {where: x}}, {name: with-dash, from: [a], filter: {where: yy}}]
sinks: [{name: a, from: a, connector: c, stream: "${stream}"}]
quality: [{name: q, node: a, expression: ""}, {name: q, node: "", expression: x}]
rejects: {connector: c_d, stream: "", budget: {}}
revisionHistoryLimit: 0
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.desiredState: a Pipeline of the mode Batch has no desired state; set `mode: Streaming`, or leave `desiredState` out and use a Schedule",
            r"spec.params[0].name: `1st` cannot name a parameter; use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL",
            r"spec.params[1].type: the type is empty; give the type",
            r"spec.params[2].name: the parameter `a` is already taken by spec.params[1].name; give each parameter once",
            r"spec.sources[0].connector: `C` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.sinks[0].stream: `${stream}` stands for nothing here; use `${stream.name}`, or plain text",
            r"spec.sources[1].name: the name `rejects` is taken: it stands for the rejects in reports; choose another name",
            r"spec.transforms[1].name: `with-dash` cannot name a node; use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL",
            r"spec.transforms[0].name: the node `a` is already taken by spec.sources[0].name; give each node once",
            r"spec.sinks[0].name: the node `a` is already taken by spec.sources[0].name; give each node once",
            r"spec.quality[0].expression: the expression is empty; give the expression",
            r"spec.quality[1].node: the node is empty; give the node",
            r"spec.quality[1].name: the rule `q` is already taken by spec.quality[0].name; give each rule once",
            r"spec.rejects.connector: `c_d` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.rejects.stream: the stream is empty; give the stream",
            r"spec.rejects.budget: the budget has no bound; set `rows`, `percent` or both, or leave `budget` out",
            r"spec.revisionHistoryLimit: 0 is out of range; use a number from 1 to 100"
        ]
    );
    let found = violations::<Pipeline>(
        "Pipeline",
        r"
sources: []
sinks: []
",
    );
    assert_eq!(
        found,
        [
            r"spec.sources: the Pipeline has no source; give at least one source",
            r"spec.sinks: the Pipeline has no sink; give at least one sink"
        ]
    );
    let found = violations::<Pipeline>(
        "Pipeline",
        r"sources: [{name: s, connector: c, stream: t}]

mode: Streaming
execution: {timeout: 1h}
sinks: [{name: k, from: s, connector: c, stream: u, write: {mode: Overwrite}}, {name: l, from: s, connector: c, stream: u}]
rejects: {connector: c, stream: r, budget: {percent: 150%}}
",
    );
    assert_eq!(
        found,
        [
            r"spec.execution.timeout: a run of the mode Streaming does not end; leave `timeout` out; set `desiredState: Stopped` to end it",
            r"spec.sinks[0].write.mode: another sink writes `u` of `c` too, and Overwrite would replace its rows; bring the rows together in a `union` and write them with one sink",
            r#"spec.rejects.budget.percent: `150%` is not a percentage; write a number from 0 to 100 without a sign, as `"0.5"`"#
        ]
    );
}

#[test]
fn source() {
    let found = violations::<Pipeline>(
        "Pipeline",
        r#"sinks: [{name: k, from: s, connector: c, stream: u}]

sources:
  - {name: a, connector: c}
  - {name: b, connector: c, stream: x, streams: {include: []}}
  - {name: c, connector: c, stream: "", sync: {cursor: x, key: [k]}, overrides: [{stream: "*", sync: {cursor: yy}}]}
  - {name: d, connector: c, stream: x, sync: {mode: Incremental, lag: "10", fallback: FullRefresh, key: []}}
  - {name: e, connector: c, streams: {include: ["[a"], exclude: [""]}, sync: {mode: Incremental, cursor: x, lag: 10m, fallback: FullRefresh}, overrides: [{stream: "{a"}, {stream: a, sync: {}}, {stream: b, sync: {lag: -1s}}]}
  - {name: f, connector: c, streams: {include: ["*"]}, overrides: [{stream: a, sync: {lag: 1s}}, {stream: b, sync: {cursor: ""}}, {stream: c, schemaPolicy: {}}, {stream: d, schemaPolicy: {columns: Freeze}}]}
"#,
    );
    assert_eq!(
        found,
        [
            r#"spec.sources[0]: the source has neither `stream` nor `streams`; set `stream`, or `streams: {include: ["*"]}` for all"#,
            r"spec.sources[1]: the source has both `stream` and `streams`; keep `stream` for one, or `streams` for many",
            r"spec.sources[2].stream: the stream is empty; give the stream",
            r"spec.sources[2].sync.cursor: `cursor` is not used by the mode FullRefresh; set `mode: Incremental`, or leave `cursor` out",
            r"spec.sources[2].sync.key: `key` is not used by the mode FullRefresh; set `mode: Incremental`, or leave `key` out",
            r"spec.sources[2].overrides: there is one stream, so nothing can differ from it; write the fields into `sync`, and into `schemaPolicy` of the sinks",
            r"spec.sources[2].overrides[0].sync.cursor: `cursor` is not used by the mode FullRefresh; set `mode: Incremental`, or leave `cursor` out",
            r"spec.sources[3].sync.lag: `10` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.sources[3].sync.lag: there is no cursor that could lag; set `cursor`, or leave `lag` out",
            r"spec.sources[3].sync.key: the list is empty; give at least one column",
            r"spec.sources[3].sync.fallback: there is no cursor that a stream could lack; set `cursor`, or leave `fallback` out",
            r"spec.sources[3].sync.fallback: `fallback` is for a source with `streams`; leave `fallback` out, and set `mode: FullRefresh` if the stream has no cursor",
            r"spec.sources[4].streams.include[0]: `[a` is not a glob: unclosed character class; missing ']'; use `*`, `**`, `?`, `[…]` and `{…,…}`, and close what you open",
            r"spec.sources[4].streams.exclude[0]: the glob is empty; use `*` for everything",
            r"spec.sources[4].overrides[0].stream: `{a` is not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?); use `*`, `**`, `?`, `[…]` and `{…,…}`, and close what you open",
            r"spec.sources[4].overrides[0]: the override changes nothing; set `sync` or `schemaPolicy`, or take the entry out",
            r"spec.sources[4].overrides[1].sync: the override changes nothing; set `mode`, `cursor` or `lag`, or take the entry out",
            r"spec.sources[4].overrides[2].sync.lag: `-1s` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.sources[5].overrides[0].sync.lag: there is no cursor that could lag; set `cursor`, or leave `lag` out",
            r"spec.sources[5].overrides[1].sync.cursor: the cursor is empty; give the cursor",
            r"spec.sources[5].overrides[1].sync.cursor: `cursor` is not used by the mode FullRefresh; set `mode: Incremental`, or leave `cursor` out",
            r"spec.sources[5].overrides[2].schemaPolicy: the override changes nothing; set `tables`, `columns` or `dataType`, or take the entry out"
        ]
    );
}

#[test]
fn sink() {
    let found = violations::<Pipeline>(
        "Pipeline",
        r#"sources: [{name: s, connector: c, stream: t}]

sinks:
  - {name: a, from: "", connector: c, stream: "", write: {mode: Upsert}}
  - {name: b, from: s, connector: c, stream: "x${stream.name", write: {mode: Append, key: [id], delete: {where: x}, scd2: {}}}
  - {name: c, from: s, connector: c, stream: yy, write: {mode: Merge, key: PrimaryKey, partitionBy: [d]}}
  - {name: d, from: s, connector: c, stream: z, write: {mode: Merge, key: [], delete: {where: ""}}}
  - {name: e, from: s, connector: c, stream: v, write: {mode: SCD2, key: [a, a], missing: Delete, scd2: {validFrom: v, validTo: v, isCurrent: "", effectiveFrom: v}}}
  - {name: f, from: s, connector: c, stream: w, write: {mode: Overwrite, partitionBy: [a, a]}}
  - {name: g, from: s, connector: c, stream: q, write: {mode: Merge, key: [id], missing: Close, delete: {where: x, markers: [op, id, op]}}}
  - {name: h, from: s, connector: c, stream: r, write: {mode: Merge, key: [id], missing: Delete}}
  - {name: i, from: s, connector: c, stream: p, write: {mode: Upsert, key: [id], missing: Keep}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.sinks[0].from: the node is empty; give the node",
            r"spec.sinks[0].stream: the stream is empty; give the stream",
            r"spec.sinks[0].write.key: the mode Upsert needs a key; name the columns that tell rows apart, as `key: [id]`, or write `key: PrimaryKey`",
            r"spec.sinks[1].stream: `${stream.name` is not closed; use `${stream.name}`, or plain text",
            r"spec.sinks[1].write.key: `key` is not used by the mode Append; use the mode Upsert, Merge or SCD2, or leave `key` out",
            r"spec.sinks[1].write.delete: `delete` is not used by the mode Append; use the mode Merge, or leave `delete` out",
            r"spec.sinks[1].write.scd2: `scd2` is not used by the mode Append; use the mode SCD2, or leave `scd2` out",
            r"spec.sinks[2].write.partitionBy: `partitionBy` is for files, and the mode Merge is not; use the mode Append or Overwrite, or leave `partitionBy` out",
            r"spec.sinks[2].write.delete: the mode Merge needs to know deleted rows; say which rows delete, as `delete: {where: op = 'd'}`, write `missing: Delete` if rows that do not come any more are deleted, or use the mode Upsert",
            r"spec.sinks[3].write.key: the list is empty; give at least one column",
            r"spec.sinks[3].write.delete.where: the expression is empty; give the expression",
            r"spec.sinks[4].write.key[1]: the column `a` is already taken by spec.sinks[4].write.key[0]; give each column once",
            r"spec.sinks[4].write.missing: the mode SCD2 keeps history, and deletes nothing; write `Close` or `Keep`; the mode Merge deletes rows",
            r"spec.sinks[4].write.scd2.validTo: `v` already is the column of `validFrom`; name three different columns",
            r"spec.sinks[4].write.scd2.isCurrent: the column is empty; give the column",
            r"spec.sinks[4].write.scd2.effectiveFrom: `v` is a column that the sink fills in; name the column of the rows that says from when they hold",
            r"spec.sinks[5].write.partitionBy[1]: the column `a` is already taken by spec.sinks[5].write.partitionBy[0]; give each column once",
            r"spec.sinks[6].write.delete.markers[2]: the column `op` is already taken by spec.sinks[6].write.delete.markers[0]; give each column once",
            r"spec.sinks[6].write.delete.markers: the target cannot do without the key column `id`; name columns that only say whether a row is deleted",
            r"spec.sinks[6].write.missing: a Merge keeps no versions that could be closed; write `Delete` or `Keep`; the mode SCD2 closes versions",
            r"spec.sinks[8].write.missing: `missing` is not used by the mode Upsert; use the mode Merge or SCD2, or leave `missing` out"
        ]
    );
}

#[test]
fn execution() {
    let found = violations::<Pipeline>(
        "Pipeline",
        r#"sources: [{name: s, connector: c, stream: t}]
sinks: [{name: k, from: s, connector: c, stream: u}]

execution:
  resources: {requests: {cpu: "4", memory: 1Gi, gpu: "1"}, limits: {cpu: 2000m, memory: 512MB}}
  shards: 0
  timeout: 1 hour
  retry: {limit: 101, backoff: {initial: 10s, factor: "0.5", max: 5s}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.execution.resources.requests.gpu: a run uses no resource `gpu`; use `cpu`, `memory` or `ephemeral-storage`",
            r"spec.execution.resources.limits.memory: `512MB` is not a quantity; write a number of bytes, as `512Mi` or `2Gi`",
            r"spec.execution.resources.requests.cpu: `4` is more than the limit, `2000m`; raise the limit, or ask for less",
            r"spec.execution.shards: 0 is out of range; use a number from 1 to 1000",
            r"spec.execution.timeout: `1 hour` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.execution.retry.limit: 101 is out of range; use a number from 0 to 100",
            r#"spec.execution.retry.backoff.factor: `0.5` is not a factor; write a number from 1 to 100, as `"2"`"#,
            r"spec.execution.retry.backoff.max: `5s` is shorter than the first pause, `10s`; make `max` as long as `initial` or longer"
        ]
    );
}
