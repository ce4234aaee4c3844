//! Every message in full: what is wrong with an object, where, and what would be right.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Validate, parse_bytes, parse_duration, parse_percent, parse_quantity};
use crate::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};

/// The violations of an object of that spec, one a line.
fn violations<Object: DeserializeOwned + Validate>(kind: &str, spec: &str) -> Vec<String> {
    let spec: Value = serde_saphyr::from_str(spec).unwrap();
    let document =
        json!({ "apiVersion": "aggregator.dev/v1alpha1", "kind": kind, "metadata": { "name": "a" }, "spec": spec });
    let object: Object = serde_json::from_value(document).unwrap();
    object.validate().iter().map(ToString::to_string).collect()
}

#[test]
fn connector() {
    let found = violations::<Connector>(
        "Connector",
        r#"
secretName: Not_A_Name
postgres: {host: "", port: 0, database: d, username: " ", password: {secretKey: "hunter2 $"}, tls: {mode: Require, ca: {pem: nothing}}, connectTimeout: "10", statementTimeout: 0s}
limits: {connections: 0, rowsPerSecond: 0}
check: {interval: 1s}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.secretName: `Not_A_Name` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.postgres.host: the host is empty; give the host",
            r"spec.postgres.port: 0 is out of range; use a number from 1 to 65535",
            r"spec.postgres.username: the username is empty; give the username",
            r"spec.postgres.password.secretKey: this is not a key of a Secret; name a key of the Connector's Secret with letters, digits, `-`, `_` and `.`; the value itself never stands here",
            r"spec.postgres.tls.ca.pem: the text holds no certificate; paste PEM text that begins with `-----BEGIN CERTIFICATE-----`",
            r"spec.postgres.tls.ca: the mode Require does not look at the certificate; use the mode VerifyFull, or leave `ca` out",
            r"spec.postgres.connectTimeout: `10` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.postgres.statementTimeout: `0s` is too short; use 1ms or more",
            r"spec.limits.connections: 0 is out of range; use a number from 1 to 1000",
            r"spec.limits.rowsPerSecond: 0 is out of range; use 1 or more",
            r"spec.check.interval: `1s` is too short; use 10s or more"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
s3: {bucket: "No", region: "", endpoint: "ftp://store", prefix: /in, credentials: {accessKeyId: {secretKey: ""}, secretAccessKey: {secretKey: s}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.s3.bucket: `No` is not a name of a bucket; use 3 to 63 small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.s3.region: the region is empty; give the region",
            r"spec.s3.endpoint: the address has the scheme `ftp`; begin it with `https://` or `http://`",
            r"spec.s3.prefix: the prefix begins with `/`, and no key does; write `in`",
            r"spec.s3.credentials.accessKeyId.secretKey: this is not a key of a Secret; name a key of the Connector's Secret with letters, digits, `-`, `_` and `.`; the value itself never stands here"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
s3: {bucket: store, timeout: 0s, prefix: a/../b, ca: {pem: x}, credentials: {accessKeyId: {secretKey: i}, secretAccessKey: {secretKey: s}, sessionToken: {secretKey: "a b"}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.s3.ca.pem: the text holds no certificate; paste PEM text that begins with `-----BEGIN CERTIFICATE-----`",
            r"spec.s3.timeout: `0s` is too short; use 1ms or more",
            r"spec.s3.prefix: `a/../b` has an empty step, `.` or `..`; name folders, as `raw/2026`",
            r"spec.s3.credentials.sessionToken.secretKey: this is not a key of a Secret; name a key of the Connector's Secret with letters, digits, `-`, `_` and `.`; the value itself never stands here"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r"
file: {volume: {claimName: Lake}, root: ../else, format: {parquet: {rowGroupRows: 0}}}
",
    );
    assert_eq!(
        found,
        [
            r"spec.file.volume.claimName: `Lake` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.file.root: `../else` leaves the volume; write the path without `..`",
            r"spec.file.format.parquet.rowGroupRows: 0 is out of range; use 1 or more"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
sqlite: {path: ""}
"#,
    );
    assert_eq!(found, [r"spec.sqlite.path: the path is empty; give the path"]);
}

#[test]
fn file_format() {
    let found = violations::<Connector>(
        "Connector",
        r#"
file:
  root: in
  format:
    csv: {delimiter: ";;", quote: ";", escape: ";", comment: "é", terminator: "\n", columns: [a, "", a], encoding: utf-9, schema: {columns: []}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.file.format.csv.columns[1]: the column is empty; give the column",
            r"spec.file.format.csv.columns[2]: the column `a` is already taken by spec.file.format.csv.columns[0]; give each column once",
            r#"spec.file.format.csv.delimiter: ";;" is not one ASCII character; write one character, as `";"`, or `"\t"` for a tab"#,
            r#"spec.file.format.csv.comment: "é" is not one ASCII character; write one character, as `";"`, or `"\t"` for a tab"#,
            r"spec.file.format.csv.encoding: `utf-9` is not an encoding; use a WHATWG label, as `utf-8`, `windows-1252`, `utf-16le` or `shift_jis`",
            r"spec.file.format.csv.schema.columns: the list is empty; give at least one column, or `infer: {}`"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
file: {root: in, format: {csv: {quote: "", escape: x, delimiter: "\\t", schema: {columns: [{name: a, type: ""}, {name: a, type: Utf8}]}}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.file.format.csv.escape: there is no quote that could be escaped; set `quote`, or leave `escape` out",
            r"spec.file.format.csv.schema.columns[0].type: the type is empty; give the type",
            r"spec.file.format.csv.schema.columns[1].name: the column `a` is already taken by spec.file.format.csv.schema.columns[0].name; give each column once"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
file: {root: in, format: {csv: {escape: "\"", delimiter: ";", comment: ";", columns: []}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.file.format.csv.columns: the list is empty; give at least one column",
            r#"spec.file.format.csv.comment: ";" already is the delimiter; use another character than the delimiter"#
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r"
file: {root: in, format: {ndjson: {encoding: none, schema: {infer: {records: 0}}}}}
",
    );
    assert_eq!(
        found,
        [
            r"spec.file.format.ndjson.encoding: `none` is not an encoding; use a WHATWG label, as `utf-8`, `windows-1252`, `utf-16le` or `shift_jis`",
            r"spec.file.format.ndjson.schema.infer.records: 0 is out of range; use 1 or more"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
file: {root: in, format: {json: {records: "data[*]"}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.file.format.json.records: `data[*]` is not a JSONPath: parser error, at character 1; write a path as RFC 9535 has it, as `$.data[*]`"
        ]
    );
}

#[test]
fn http() {
    let found = violations::<Connector>(
        "Connector",
        r#"
http:
  url: https://me:secret@host
  auth: {apiKey: {name: X Key, value: {secretKey: k}}}
  headers: {Authorization: Bearer x, "bad name": a, X-A: "a\nb"}
  rateLimit: {requestsPerSecond: 0}
  timeout: soon
  retries: 21
  ca: {secretKey: "a/b"}
  endpoints:
    - {name: a, path: v1, query: {from: "${since}", to: "${cursor", ok: "${cursor:-0}"}, body: "{}", records: "$..[", pagination: {page: {parameter: p, size: 10}}, maxPages: 0}
    - {name: a, path: /b, format: {ndjson: {}}, records: $.data, schema: {infer: {}}, pagination: {cursor: {token: next, parameter: ""}}, primaryKey: [id, id]}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.http.url: the address holds a user name or password; take them out, and give them by `secretKey`",
            r"spec.http.auth.apiKey.name: `X Key` is not a name of a header; use letters, digits and `-`, as `X-Tenant`",
            r"spec.http.headers.Authorization: the header Authorization holds a secret; use `auth`, whose values come from the Connector's Secret",
            r"spec.http.headers.X-A: the value cannot stand in a header; use visible characters, in one line",
            r#"spec.http.headers["bad name"]: `bad name` is not a name of a header; use letters, digits and `-`, as `X-Tenant`"#,
            r"spec.http.rateLimit.requestsPerSecond: 0 is out of range; use a number from 1 to 10000",
            r"spec.http.timeout: `soon` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.http.retries: 21 is out of range; use a number from 0 to 20",
            r"spec.http.ca.secretKey: this is not a key of a Secret; name a key of the Connector's Secret with letters, digits, `-`, `_` and `.`; the value itself never stands here",
            r"spec.http.endpoints[0].path: `v1` does not begin with `/`; write `/v1`",
            r"spec.http.endpoints[0].query.from: `${since}` stands for nothing here; use `${cursor}`, or `${cursor:-VALUE}` with the value of the first run",
            r"spec.http.endpoints[0].query.to: `${cursor` is not closed; use `${cursor}`, or `${cursor:-VALUE}` with the value of the first run",
            r"spec.http.endpoints[0].body: the method Get sends no body; set `method: Post`, or leave `body` out",
            r"spec.http.endpoints[0].records: `$..[` is not a JSONPath: must start with lowercase alpha or '_', at character 4; write a path as RFC 9535 has it, as `$.data[*]`",
            r"spec.http.endpoints[0].pagination.page.sizeParameter: nothing carries the page's size; set `sizeParameter` with `size`",
            r"spec.http.endpoints[0].maxPages: 0 is out of range; use 1 or more",
            r"spec.http.endpoints[1].records: `format` says how the answer reads; leave `records` out, or use `format: {json: {records: …}}`",
            r"spec.http.endpoints[1].schema: `format` says how the answer reads; set the schema inside `format`, or leave `format` out",
            r"spec.http.endpoints[1].pagination.cursor: the token of the next page is looked up in a JSON answer, and `format` is ndjson; use `linkHeader`, `page` or `offset`, which work with every format, or ask the API for JSON",
            r"spec.http.endpoints[1].pagination.cursor.token: `next` is not a JSONPath: parser error, at character 1; write a path as RFC 9535 has it, as `$.data[*]`",
            r"spec.http.endpoints[1].pagination.cursor.parameter: the parameter is empty; give the parameter",
            r"spec.http.endpoints[1].primaryKey[1]: the column `id` is already taken by spec.http.endpoints[1].primaryKey[0]; give each column once",
            r"spec.http.endpoints[1].name: the endpoint `a` is already taken by spec.http.endpoints[0].name; give each endpoint once"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
http: {url: host, endpoints: [], auth: {oauth2ClientCredentials: {tokenUrl: "ws://host", clientId: "", clientSecret: {secretKey: s}, scopes: [a, a]}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.http.url: this is not an address: relative URL without a base; write it as `https://host/path`",
            r"spec.http.auth.oauth2ClientCredentials.tokenUrl: the address has the scheme `ws`; begin it with `https://` or `http://`",
            r"spec.http.auth.oauth2ClientCredentials.clientId: the client id is empty; give the client id",
            r"spec.http.auth.oauth2ClientCredentials.scopes[1]: the scope `a` is already taken by spec.http.auth.oauth2ClientCredentials.scopes[0]; give each scope once",
            r"spec.http.endpoints: the list is empty; give at least one endpoint"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
http: {url: "http://host", auth: {basic: {username: "", password: {secretKey: p}}}, endpoints: [{name: a, path: /a, pagination: {offset: {parameter: o, sizeParameter: "", size: 0}}}, {name: b, path: /b, pagination: {page: {parameter: p, sizeParameter: nn}}}, {name: "", path: "", pagination: {nextLink: "$.["}}]}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.http.auth.basic.username: the username is empty; give the username",
            r"spec.http.endpoints[0].pagination.offset.sizeParameter: the parameter is empty; give the parameter",
            r"spec.http.endpoints[0].pagination.offset.size: 0 is out of range; use 1 or more",
            r"spec.http.endpoints[1].pagination.page.size: the page's size is missing; set `size` with `sizeParameter`",
            r"spec.http.endpoints[2].name: the name is empty; give the name",
            r"spec.http.endpoints[2].pagination.nextLink: `$.[` is not a JSONPath: in dot member name, must start with lowercase alpha or '_', at character 3; write a path as RFC 9535 has it, as `$.data[*]`"
        ]
    );
}

#[test]
fn formats_of_an_endpoint() {
    let found = violations::<Connector>(
        "Connector",
        r#"
http:
  url: http://host
  endpoints:
    - {name: a, path: /a, format: {csv: {delimiter: ";;", encoding: latin-99}}, pagination: {nextLink: $.next}}
    - {name: b, path: /b, format: {parquet: {}}, schema: {infer: {}}, pagination: {cursor: {token: $.next, parameter: after}}}
    - {name: c, path: /c, format: {csv: {schema: {columns: []}}}, pagination: {linkHeader: {}}}
    - {name: d, path: /d, format: {ndjson: {compression: gzip}}, pagination: {page: {parameter: p}}}
    - {name: e, path: /e, format: {parquet: {}}, pagination: {offset: {parameter: o, sizeParameter: l, size: 10}}}
    - {name: f, path: /f, format: {json: {records: "$.data[*]", encoding: windows-1252}}, pagination: {nextLink: $.next}}
"#,
    );
    assert_eq!(
        found,
        [
            r#"spec.http.endpoints[0].format.csv.delimiter: ";;" is not one ASCII character; write one character, as `";"`, or `"\t"` for a tab"#,
            r"spec.http.endpoints[0].format.csv.encoding: `latin-99` is not an encoding; use a WHATWG label, as `utf-8`, `windows-1252`, `utf-16le` or `shift_jis`",
            r"spec.http.endpoints[0].pagination.nextLink: the next page's address is looked up in a JSON answer, and `format` is csv; use `linkHeader`, `page` or `offset`, which work with every format, or ask the API for JSON",
            r"spec.http.endpoints[1].schema: `format` says how the answer reads; leave `schema` out: Parquet names its columns and their types",
            r"spec.http.endpoints[1].pagination.cursor: the token of the next page is looked up in a JSON answer, and `format` is parquet; use `linkHeader`, `page` or `offset`, which work with every format, or ask the API for JSON",
            r"spec.http.endpoints[2].format.csv.schema.columns: the list is empty; give at least one column, or `infer: {}`"
        ]
    );
}

#[test]
fn generator() {
    let found = violations::<Connector>(
        "Connector",
        r#"
generator:
  streams:
    - {name: a, rows: 1, columns: [{name: x, nullShare: "1.5", integer: {min: 2, max: 1}}, {name: x, number: {min: 1, max: 1}}, {name: t, text: {length: 2000000}}, {name: c, nullShare: none, choice: {values: []}}, {name: s, timestamp: {start: "2026-01-01T00:00:00Z", step: tomorrow}}]}
    - {name: a, rows: 0, columns: []}
"#,
    );
    assert_eq!(
        found,
        [
            r#"spec.generator.streams[0].columns[0].nullShare: `1.5` is not a share; write a number from 0 to 1, as `"0.05"`"#,
            r"spec.generator.streams[0].columns[0].integer.max: 1 is below the least value, 2; give a `max` that is not below `min`",
            r"spec.generator.streams[0].columns[1].number.max: 1 is not above the least value, 1; give a `max` above `min`",
            r"spec.generator.streams[0].columns[2].text.length: 2000000 is out of range; use a number from 0 to 1048576",
            r#"spec.generator.streams[0].columns[3].nullShare: `none` is not a share; write a number from 0 to 1, as `"0.05"`"#,
            r"spec.generator.streams[0].columns[3].choice.values: the list is empty; give at least one value",
            r"spec.generator.streams[0].columns[4].timestamp.step: `tomorrow` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.generator.streams[0].columns[1].name: the column `x` is already taken by spec.generator.streams[0].columns[0].name; give each column once",
            r"spec.generator.streams[1].columns: the list is empty; give at least one column",
            r"spec.generator.streams[1].name: the stream `a` is already taken by spec.generator.streams[0].name; give each stream once"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r"
generator: {streams: []}
",
    );
    assert_eq!(found, [r"spec.generator.streams: the list is empty; give at least one stream"]);
}

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
  - {name: f, connector: c, streams: {include: ["*"]}, overrides: [{stream: a, sync: {lag: 1s}}, {stream: b, sync: {cursor: ""}}]}
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
            r"spec.sources[2].overrides: there is one stream, so nothing can differ from it; write the fields into `sync`",
            r"spec.sources[2].overrides[0].sync.cursor: `cursor` is not used by the mode FullRefresh; set `mode: Incremental`, or leave `cursor` out",
            r"spec.sources[3].sync.lag: `10` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.sources[3].sync.lag: there is no cursor that could lag; set `cursor`, or leave `lag` out",
            r"spec.sources[3].sync.key: the list is empty; give at least one column",
            r"spec.sources[3].sync.fallback: there is no cursor that a stream could lack; set `cursor`, or leave `fallback` out",
            r"spec.sources[3].sync.fallback: `fallback` is for a source with `streams`; leave `fallback` out, and set `mode: FullRefresh` if the stream has no cursor",
            r"spec.sources[4].streams.include[0]: `[a` is not a glob: unclosed character class; missing ']'; use `*`, `**`, `?`, `[…]` and `{…,…}`, and close what you open",
            r"spec.sources[4].streams.exclude[0]: the glob is empty; use `*` for everything",
            r"spec.sources[4].overrides[0].stream: `{a` is not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?); use `*`, `**`, `?`, `[…]` and `{…,…}`, and close what you open",
            r"spec.sources[4].overrides[0]: the override changes nothing; set `sync`, or take the entry out",
            r"spec.sources[4].overrides[1].sync: the override changes nothing; set `mode`, `cursor` or `lag`, or take the entry out",
            r"spec.sources[4].overrides[2].sync.lag: `-1s` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.sources[5].overrides[0].sync.lag: there is no cursor that could lag; set `cursor`, or leave `lag` out",
            r"spec.sources[5].overrides[1].sync.cursor: the cursor is empty; give the cursor",
            r"spec.sources[5].overrides[1].sync.cursor: `cursor` is not used by the mode FullRefresh; set `mode: Incremental`, or leave `cursor` out"
        ]
    );
}

#[test]
fn operation() {
    let found = violations::<Pipeline>(
        "Pipeline",
        r#"sources: [{name: s, connector: c, stream: t}]
sinks: [{name: k, from: s, connector: c, stream: u}]

transforms:
  - {name: t1, from: [], sql: {query: " "}}
  - {name: t2, from: [a, a], sql: {query: q}}
  - {name: t3, from: [a, b], filter: {where: ""}}
  - {name: t4, from: [a], join: {keys: []}}
  - {name: t5, from: [a, a], join: {keys: [{left: "", right: rr}], select: [x, x]}}
  - {name: t6, from: [a], union: {}}
  - {name: t7, from: [a], union: {distinct: true}}
  - {name: t8, from: [a], mapping: {columns: []}}
  - {name: t9, from: [a], mapping: {columns: [{name: x, from: a, expression: b}, {name: x, onError: SetNull}, {name: z, cast: Int32, onError: Default}]}}
  - {name: t10, from: [a], deduplicate: {key: [], orderBy: []}}
  - {name: t11, from: [a], deduplicate: {key: [x, x], orderBy: [{column: t}, {column: t}]}}
  - {name: t12, from: [a], aggregate: {measures: []}}
  - {name: t13, from: [a], aggregate: {groupBy: [""], measures: [{name: nn, expression: ""}, {name: nn, expression: count(*)}]}}
  - {name: t14, from: [a], unnest: {column: "", as: ""}}
  - {name: t15, from: [a], mask: {columns: []}}
  - {name: t16, from: [a], mask: {columns: [{name: x, method: Hash, keep: 2}, {name: x, method: Redact, salt: s}]}}
  - {name: t17, from: [a], validate: {rules: []}}
  - {name: t18, from: [a], validate: {rules: [{name: r, expression: x}, {name: r, expression: ""}]}}
  - {name: t19, from: [""], transformation: {ref: Clean_It, params: {a-b: x}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.transforms[0].from: `sql` has no input; give at least one",
            r"spec.transforms[0].sql.query: the query is empty; give the query",
            r"spec.transforms[1].from[1]: the input `a` is already taken by spec.transforms[1].from[0]; give each input once",
            r"spec.transforms[2].from: `filter` has 2 inputs; give exactly one",
            r"spec.transforms[2].filter.where: the expression is empty; give the expression",
            r"spec.transforms[3].from: `join` has one input; give two, the left one first",
            r"spec.transforms[3].join.keys: the list is empty; give at least one pair of columns, as `{left: id, right: id}`",
            r"spec.transforms[4].join.keys[0].left: the column is empty; give the column",
            r"spec.transforms[4].join.select[1]: the item `x` is already taken by spec.transforms[4].join.select[0]; give each item once",
            r"spec.transforms[5].from: `union` has one input; give at least two",
            r"spec.transforms[7].mapping.columns: the list is empty; give at least one column",
            r"spec.transforms[8].mapping.columns[0]: the column has both `from` and `expression`; keep `from` for a copy, or `expression` for a computation",
            r"spec.transforms[8].mapping.columns[1].onError: there is no cast that could fail; set `cast`, or leave `onError` out",
            r"spec.transforms[8].mapping.columns[2].onError: the column has no default; set `default`, or use `onError: SetNull`",
            r"spec.transforms[8].mapping.columns[1].name: the column `x` is already taken by spec.transforms[8].mapping.columns[0].name; give each column once",
            r"spec.transforms[9].deduplicate.key: the list is empty; give at least one column",
            r"spec.transforms[9].deduplicate.orderBy: the list is empty; give the columns that say which row comes first",
            r"spec.transforms[10].deduplicate.key[1]: the column `x` is already taken by spec.transforms[10].deduplicate.key[0]; give each column once",
            r"spec.transforms[10].deduplicate.orderBy[1].column: the column `t` is already taken by spec.transforms[10].deduplicate.orderBy[0].column; give each column once",
            r"spec.transforms[11].aggregate.measures: the list is empty; give at least one measure, as `{name: rows, expression: count(*)}`",
            r"spec.transforms[12].aggregate.groupBy[0]: the expression is empty; give the expression",
            r"spec.transforms[12].aggregate.measures[0].expression: the expression is empty; give the expression",
            r"spec.transforms[12].aggregate.measures[1].name: the column `nn` is already taken by spec.transforms[12].aggregate.measures[0].name; give each column once",
            r"spec.transforms[13].unnest.column: the column is empty; give the column",
            r"spec.transforms[13].unnest.as: the name is empty; give the name",
            r"spec.transforms[14].mask.columns: the list is empty; give at least one column",
            r"spec.transforms[15].mask.columns[0].keep: `keep` is not used by the method Hash; use the method Partial, or leave `keep` out",
            r"spec.transforms[15].mask.columns[1].salt: `salt` is not used by the method Redact; use the method Hash, or leave `salt` out",
            r"spec.transforms[15].mask.columns[1].name: the column `x` is already taken by spec.transforms[15].mask.columns[0].name; give each column once",
            r"spec.transforms[16].validate.rules: the list is empty; give at least one rule",
            r"spec.transforms[17].validate.rules[1].expression: the expression is empty; give the expression",
            r"spec.transforms[17].validate.rules[1].name: the rule `r` is already taken by spec.transforms[17].validate.rules[0].name; give each rule once",
            r"spec.transforms[18].from[0]: the node is empty; give the node",
            r"spec.transforms[18].transformation.ref: `Clean_It` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.transforms[18].transformation.params.a-b: `a-b` cannot name a parameter; use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL"
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
  - {name: e, from: s, connector: c, stream: v, write: {mode: SCD2, key: [a, a], scd2: {validFrom: v, validTo: v}}}
  - {name: f, from: s, connector: c, stream: w, write: {mode: Overwrite, partitionBy: [a, a]}}
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
            r"spec.sinks[2].write.delete: the mode Merge needs to know deleted rows; say which rows delete, as `delete: {where: op = 'd'}`, or use the mode Upsert",
            r"spec.sinks[3].write.key: the list is empty; give at least one column",
            r"spec.sinks[3].write.delete.where: the expression is empty; give the expression",
            r"spec.sinks[4].write.key[1]: the column `a` is already taken by spec.sinks[4].write.key[0]; give each column once",
            r"spec.sinks[4].write.scd2.validTo: `v` already is the column of `validFrom`; name two different columns",
            r"spec.sinks[5].write.partitionBy[1]: the column `a` is already taken by spec.sinks[5].write.partitionBy[0]; give each column once"
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

#[test]
fn transformation() {
    let found = violations::<Transformation>(
        "Transformation",
        r#"
params: [{name: p, type: Utf8}, {name: d, type: Utf8, default: x}]
sql: {query: ""}
tests:
  - {name: a, params: {q: x}, rows: [], expect: {}}
  - {name: a, params: {p: x}, rows: [], expect: {rejects: [{reason: ""}]}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.sql.query: the query is empty; give the query",
            r"spec.tests[0].params.q: the Transformation has no parameter `q`; declare it in `spec.params`, or take it out",
            r"spec.tests[0].params: the parameter `p` has no value; set `p` here, or give it a default in `spec.params`",
            r"spec.tests[0].expect: the test expects nothing; say what comes out, as `rows: […]`, `rejects: […]` or both",
            r"spec.tests[1].expect.rejects[0].reason: the reason is empty; give the reason",
            r"spec.tests[1].name: the test `a` is already taken by spec.tests[0].name; give each test once"
        ]
    );
    let found = violations::<Transformation>(
        "Transformation",
        r"
mapping: {columns: []}
",
    );
    assert_eq!(found, [r"spec.mapping.columns: the list is empty; give at least one column"]);
}

#[test]
fn schedule() {
    let found = violations::<Schedule>(
        "Schedule",
        r#"
pipelineRef: {name: P}
cron: {expressions: ["5 * * *", "0 5 * * * *", "61 * * * *", "* * * * FOO", "5 * * * *", "5 * * * *"], timeZone: Mars/Olympus}
missedRuns: {policy: All}
params: {"a b": x}
successfulRunsHistoryLimit: 1001
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.pipelineRef.name: `P` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.cron.expressions[0]: `5 * * *` is not a cron expression: Pattern must have 5 fields when seconds are disallowed; write five fields (minute, hour, day of month, month, day of week), as `5 * * * *`",
            r"spec.cron.expressions[1]: `0 5 * * * *` is not a cron expression: Pattern must have 5 fields when seconds are disallowed; write five fields (minute, hour, day of month, month, day of week), as `5 * * * *`",
            r"spec.cron.expressions[2]: `61 * * * *` is not a cron expression: Number out of bounds; write five fields (minute, hour, day of month, month, day of week), as `5 * * * *`",
            r"spec.cron.expressions[3]: `* * * * FOO` is not a cron expression: CronPattern contains illegal character 'F' in part 'FOO'; write five fields (minute, hour, day of month, month, day of week), as `5 * * * *`",
            r"spec.cron.expressions[5]: the expression `5 * * * *` is already taken by spec.cron.expressions[4]; give each expression once",
            r"spec.cron.timeZone: `Mars/Olympus` is not a time zone; use a name of the IANA database, as `Europe/Berlin` or `UTC`",
            r"spec.missedRuns.max: the policy All needs a bound; set the most fires to make up for, as `max: 24`",
            r#"spec.params["a b"]: `a b` cannot name a parameter; use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL"#,
            r"spec.successfulRunsHistoryLimit: 1001 is out of range; use a number from 0 to 1000"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r#"
pipelineRef: {name: p}
cron: {expressions: []}
missedRuns: {policy: Skip, max: 3, maxAge: "6"}
"#,
    );
    assert_eq!(
        found,
        [
            r#"spec.cron.expressions: the list is empty; give at least one expression, as `"5 * * * *"`"#,
            r"spec.missedRuns.max: `max` is not used by the policy Skip; use the policy All, or leave `max` out",
            r"spec.missedRuns.maxAge: `6` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.missedRuns.maxAge: `maxAge` is not used by the policy Skip; use the policy Latest or All, or leave `maxAge` out"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r"
pipelineRef: {name: p}
interval: {every: 0s}
missedRuns: {policy: All, max: 0}
",
    );
    assert_eq!(
        found,
        [
            r"spec.interval.every: `0s` is too short; use 1s or more",
            r"spec.missedRuns.max: 0 is out of range; use a number from 1 to 1000"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r#"
pipelineRef: {name: p}
webhook: {eventIdHeader: "X Id", params: {a: body.x}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.webhook.eventIdHeader: `X Id` is not a name of a header; use letters, digits and `-`, as `X-Tenant`",
            r"spec.webhook.params.a: `body.x` is not a JSONPath: parser error, at character 1; write a path as RFC 9535 has it, as `$.data[*]`"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r#"
pipelineRef: {name: p}
fileArrival: {connector: C, stream: "", interval: 1ms, settle: 1mo}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.fileArrival.connector: `C` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.fileArrival.stream: the glob is empty; use `*` for everything",
            r"spec.fileArrival.interval: `1ms` is too short; use 1s or more",
            r"spec.fileArrival.settle: `1mo` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r#"
pipelineRef: {name: p}
kafka: {connector: c, topic: a/b, window: x, params: {"1": "$.a"}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.kafka.topic: `a/b` is not a name of a topic; use at most 249 letters, digits, `-`, `_` and `.`",
            r"spec.kafka.window: `x` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.kafka.params.1: `1` cannot name a parameter; use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r"
pipelineRef: {name: p}
pipelineSucceeded: {name: p}
",
    );
    assert_eq!(
        found,
        [
            r"spec.pipelineSucceeded.name: the Pipeline `p` would wait for its own success; name another Pipeline, or use `interval`"
        ]
    );
}

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

#[test]
fn names_of_objects() {
    let named = |metadata: Value| -> Vec<String> {
        let document = json!({
            "apiVersion": "aggregator.dev/v1alpha1",
            "kind": "Schedule",
            "metadata": metadata,
            "spec": { "pipelineRef": { "name": "p" }, "webhook": {} },
        });
        serde_json::from_value::<Schedule>(document).unwrap().validate().iter().map(ToString::to_string).collect()
    };
    assert_eq!(named(json!({ "name": "x".repeat(41) })), Vec::<String>::new());
    assert_eq!(named(json!({ "name": "x".repeat(42) })), ["metadata.name: the name has 42 characters; use at most 41"]);
    assert_eq!(named(json!({ "generateName": "x-" })), Vec::<String>::new());
    assert_eq!(named(json!({})), ["metadata.name: the object has no name; give it a name"]);
    assert_eq!(
        named(json!({ "name": "a..b" })),
        [
            "metadata.name: `a..b` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last"
        ]
    );
}

#[test]
fn durations() {
    let seconds = |text: &str| parse_duration(text).ok().map(|duration| duration.as_secs_f64());
    for (text, expected) in [
        ("10s", 10.0),
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("500ms", 0.5),
        ("7d", 604_800.0),
        ("1.5h", 5400.0),
        ("0s", 0.0),
    ] {
        assert_eq!(seconds(text), Some(expected), "{text}");
    }
    for text in ["", "10", "soon", "-10s", "10s ago", "1mo", "1y", "1h 30m", "PT", "m10", "99999999999999h"] {
        assert_eq!(seconds(text), None, "{text}");
    }
    assert_eq!(
        parse_duration("soon").unwrap_err().to_string(),
        "`soon` is not a duration: write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`"
    );
}

#[test]
fn quantities_and_percentages() {
    for (text, bytes) in [
        ("512Mi", 512 << 20),
        ("2Gi", 2 << 30),
        ("1.5Ki", 1536),
        ("128974848", 128_974_848),
        ("129e6", 129_000_000),
        ("129M", 129_000_000),
        ("500m", 1),
        ("1Ei", 1 << 60),
        ("0", 0),
    ] {
        assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
    }
    for text in ["", "Mi", "512MB", "512 Mi", "-1", "+-1", "1.2.3", "1e", "e3", "1_000", "99999Ei", "NaN"] {
        assert!(parse_bytes(text).is_err(), "{text}");
    }
    assert_eq!(parse_quantity("1500m").unwrap().to_string(), "1.5");
    for (text, percent) in [
        ("0", Some(0.0)),
        ("0.5", Some(0.5)),
        ("100", Some(100.0)),
        ("100.1", None),
        ("-1", None),
        ("5%", None),
        ("nan", None),
    ] {
        assert_eq!(parse_percent(text).ok(), percent, "{text}");
    }
}
