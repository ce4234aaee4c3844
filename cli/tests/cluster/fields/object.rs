//! Valid objects, which together have every field of every kind.

use serde_json::{Value, json};

/// A valid object, by its kind.
pub(super) struct Valid {
    pub(super) kind: &'static str,
    /// Its name, which tells what is in it.
    pub(super) name: String,
    pub(super) spec: Value,
}

/// What the objects name: it is there, and stays as it is.
pub(super) const AROUND: &str = "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: in}
spec: {file: {root: in, format: {csv: {}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out}
spec: {file: {root: out, format: {ndjson: {}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: db}
spec: {postgres: {host: 127.0.0.1, port: 1, database: shop, username: reader}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Transformation
metadata: {name: shout}
spec:
  params: [{name: suffix, type: Utf8}]
  mapping: {columns: [{name: word, expression: \"upper(word) || $suffix\"}]}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: idle}
spec:
  params: [{name: least, type: Int64, default: \"1\"}]
  sources: [{name: rows, connector: in, stream: \"*.csv\"}]
  transforms: [{name: some, from: [rows], filter: {where: id > $least}}]
  sinks: [{name: kept, from: some, connector: out, stream: idle/}]
";

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect(text)
}

pub(super) fn all() -> Vec<Valid> {
    let mut all = Vec::new();
    let mut add = |kind, name: &str, spec| all.push(Valid { kind, name: name.to_owned(), spec });
    for (name, spec) in connectors() {
        add("Connector", &name, spec);
    }
    for (kind, name, spec) in OTHERS {
        add(kind, name, yaml(spec));
    }
    all
}

/// Every file format, with both ways to know its columns.
fn formats() -> Vec<(&'static str, Value)> {
    let columns = json!({"columns": [{"name": "a", "type": "Int64", "nullable": true}]});
    let infer = json!({"infer": {"records": 100}});
    let csv = json!({
        "header": true, "columns": ["a", "b"], "delimiter": ",", "quote": "\"", "escape": "\\", "comment": "#",
        "terminator": ";", "skipRows": 1, "nullValues": ["NA"], "trim": true, "encoding": "utf-8", "raggedRows": "Fill",
        "quoting": "Always", "formulas": "Prefix", "compression": "gzip", "schema": columns,
    });
    vec![
        ("csv", json!({ "csv": csv })),
        ("inferred-csv", json!({"csv": {"schema": infer}})),
        ("ndjson", json!({"ndjson": {"encoding": "utf-8", "compression": "zstd", "schema": columns}})),
        ("inferred-ndjson", json!({"ndjson": {"schema": infer}})),
        ("json", json!({"json": {"records": "$.a[*]", "encoding": "utf-8", "compression": "none", "schema": columns}})),
        ("inferred-json", json!({"json": {"schema": infer}})),
        ("parquet", json!({"parquet": {"compression": "snappy", "rowGroupRows": 1000}})),
    ]
}

fn connectors() -> Vec<(String, Value)> {
    let authorities = [json!({"secretKey": "ca.crt"}), json!({"pem": "-----BEGIN CERTIFICATE-----\nAA==\n"})];
    let mut all = Vec::new();
    for (number, (name, format)) in formats().into_iter().enumerate() {
        let volume = json!({"claimName": "lake"});
        all.push((format!("file-{name}"), json!({"file": {"volume": volume, "root": "a/b", "format": format}})));
        all.push((
            format!("s3-{name}"),
            json!({"s3": {
                "bucket": "drops", "region": "eu-central-1", "endpoint": "https://s3.example", "pathStyle": true,
                "ca": authorities[number % 2], "timeout": "5s", "prefix": "raw", "format": format,
                "credentials": {
                    "accessKeyId": {"secretKey": "id"},
                    "secretAccessKey": {"secretKey": "secret"},
                    "sessionToken": {"secretKey": "token"},
                },
            }}),
        ));
    }
    for (name, authority) in ["postgres", "postgres-pem"].into_iter().zip(&authorities) {
        let mut spec = yaml(
            "
description: Orders
secretName: elsewhere
limits: {connections: 4, rowsPerSecond: 1000}
check: {interval: 1h}
postgres:
  host: 127.0.0.1
  port: 5432
  database: shop
  username: reader
  password: {secretKey: password}
  tls: {mode: VerifyFull}
  connectTimeout: 5s
  statementTimeout: 10m
",
        );
        spec["postgres"]["tls"]["ca"] = authority.clone();
        all.push((name.to_owned(), spec));
    }
    all.push(("sqlite".to_owned(), yaml("sqlite: {volume: {claimName: lake}, path: shop.db}")));
    all.push((
        "generator".to_owned(),
        yaml(
            "
generator:
  seed: 7
  streams:
    - name: rows
      rows: 10
      columns:
        - {name: a, nullShare: \"0.1\", sequence: {start: 5}}
        - {name: b, integer: {min: 1, max: 9}}
        - {name: c, number: {min: 1, max: 9}}
        - {name: d, text: {length: 3}}
        - {name: e, choice: {values: [red, blue]}}
        - {name: f, boolean: {}}
        - {name: g, timestamp: {start: \"2026-01-01T00:00:00Z\", step: 1s}}
",
        ),
    ));
    let secret = json!({"secretKey": "key"});
    let auths = [
        ("bearer", json!({"bearer": {"token": secret}})),
        ("basic", json!({"basic": {"username": "me", "password": secret}})),
        ("api-key", json!({"apiKey": {"name": "X-Key", "in": "Header", "value": secret}})),
        (
            "oauth",
            json!({"oauth2ClientCredentials": {
                "tokenUrl": "https://id.example/token", "clientId": "me", "clientSecret": secret, "scopes": ["read"],
            }}),
        ),
    ];
    for (number, (name, auth)) in auths.into_iter().enumerate() {
        let endpoints = if number == 0 { endpoints() } else { json!([{"name": "a", "path": "/a"}]) };
        all.push((
            format!("http-{name}"),
            json!({"http": {
                "url": "https://api.example", "auth": auth, "headers": {"X-Tenant": "a"}, "timeout": "5s", "retries": 3,
                "rateLimit": {"requestsPerSecond": 5}, "ca": authorities[number % 2], "endpoints": endpoints,
            }}),
        ));
    }
    all
}

fn endpoints() -> Value {
    let mut all = yaml(
        "
- name: linked
  path: /a
  method: Get
  query: {from: \"${cursor:-2026-01-01}\"}
  headers: {X-Part: a}
  records: $.data[*]
  pagination: {nextLink: $.next}
  maxPages: 10
  schema: {columns: [{name: a, type: Int64, nullable: true}]}
  primaryKey: [a]
- {name: headed, path: /b, method: Post, body: \"{}\", pagination: {linkHeader: {}}, schema: {infer: {records: 10}}}
- {name: pointed, path: /c, pagination: {cursor: {token: $.next, parameter: page}}}
- {name: paged, path: /d, pagination: {page: {parameter: page, start: 0, sizeParameter: size, size: 100}}}
- {name: offset, path: /e, pagination: {offset: {parameter: from, sizeParameter: size, size: 100}}}
",
    );
    let list = all.as_array_mut().expect("a list");
    list.extend(formats().into_iter().map(|(name, format)| json!({"name": name, "path": "/f", "format": format})));
    all
}

const OTHERS: [(&str, &str, &str); 17] = [
    (
        "Pipeline",
        "graph",
        "
description: Everything that a graph may have
mode: Batch
draft: false
params: [{name: least, type: Int64, default: \"1\", description: The least id}]
sources:
  - {name: rows, connector: in, stream: \"*.csv\", sync: {mode: Incremental}}
  - {name: orders, connector: db, stream: public.orders, sync: {mode: Incremental, cursor: placed, lag: 10m, key: [id]}}
transforms:
  - {name: some, from: [rows], filter: {where: id > $least}}
  - {name: queried, from: [rows], sql: {query: SELECT id FROM rows}}
  - name: mapped
    from: [some]
    mapping:
      columns:
        - {name: id, from: id, cast: Int32, default: \"0\", onError: Default}
        - {name: word, expression: upper(name)}
      others: Keep
  - {name: newest, from: [rows], deduplicate: {key: [id], orderBy: [{column: at, direction: Descending}], keep: Last}}
  - {name: both, from: [rows, newest], union: {distinct: true}}
  - {name: joined, from: [rows, orders], join: {type: Left, keys: [{left: id, right: id}], select: [left.id]}}
  - {name: counted, from: [rows], aggregate: {groupBy: [id], measures: [{name: amount, expression: count(*)}]}}
  - {name: flat, from: [orders], unnest: {column: items, as: item, keepEmpty: true}}
  - name: masked
    from: [rows]
    mask:
      columns: [{name: name, method: Hash, salt: pepper}, {name: card, method: Partial, keep: 4}]
      ifPresent: true
  - {name: sound, from: [rows], validate: {rules: [{name: positive, expression: id > 0}]}}
  - {name: loud, from: [mapped], transformation: {ref: shout, params: {suffix: \"!\"}}}
sinks:
  - {name: files, from: masked, connector: out, stream: files/, write: {mode: Append, partitionBy: [id]}}
  - name: merged
    from: orders
    connector: db
    stream: public.copies
    write: {mode: Merge, key: [id], delete: {where: gone, markers: [gone]}, missing: Keep}
    schemaPolicy: {tables: Evolve, columns: Freeze, dataType: Freeze}
  - name: kept
    from: flat
    connector: db
    stream: public.versions
    write:
      mode: SCD2
      key: [id]
      missing: Keep
      scd2: {validFrom: since, validTo: until, isCurrent: holds, effectiveFrom: at}
  - {name: a, from: queried, connector: out, stream: a/}
  - {name: b, from: both, connector: out, stream: b/}
  - {name: c, from: joined, connector: out, stream: c/}
  - {name: d, from: counted, connector: out, stream: d/}
  - {name: e, from: sound, connector: out, stream: e/}
  - {name: f, from: loud, connector: out, stream: f/}
quality: [{name: filled, node: counted, expression: count(*) > 0, severity: Warning}]
rejects: {connector: out, stream: rejects/, budget: {rows: 100, percent: \"0.5\"}}
execution:
  resources: {requests: {cpu: \"1\", memory: 256Mi}, limits: {memory: 512Mi}}
  shards: 2
  splitSize: 64Mi
  onStreamFailure: Stop
  timeout: 1h
  retry: {limit: 3, backoff: {initial: 10s, factor: \"2\", max: 5m}}
revisionHistoryLimit: 5
",
    ),
    (
        "Pipeline",
        "many",
        "
sources:
  - name: shop
    connector: db
    streams: {include: [\"public.*\"], exclude: [public.audit]}
    sync: {mode: Incremental, cursor: updated_at, fallback: FullRefresh}
    overrides:
      - stream: public.orders
        sync: {mode: Incremental, cursor: placed, lag: 1m}
        schemaPolicy: {tables: Freeze, columns: Freeze, dataType: Freeze}
sinks: [{name: copies, from: shop, connector: db, stream: \"raw.${stream.name}\"}]
",
    ),
    (
        "Pipeline",
        "streaming",
        "
mode: Streaming
desiredState: Paused
sources: [{name: rows, connector: in, stream: \"*.csv\"}]
sinks: [{name: copies, from: rows, connector: out, stream: copies/}]
",
    ),
    (
        "Transformation",
        "query",
        "
description: Shouts
params: [{name: suffix, type: Utf8, default: \"!\", description: What is added}]
sql: {query: \"SELECT upper(word) || $suffix AS word FROM input\"}
tests:
  - name: letters
    params: {suffix: \"?\"}
    types: {word: Utf8}
    rows: [{word: a}]
    expect: {rows: [{word: A?}]}
",
    ),
    (
        "Transformation",
        "mapping",
        "
mapping:
  columns: [{name: id, from: id, cast: Int32, onError: Reject}, {name: word, expression: upper(word), default: x}]
  others: Drop
tests: [{name: bad, rows: [{id: x, word: a}], expect: {rejects: [{column: id, reason: CastFailed}]}}]
",
    ),
    (
        "Schedule",
        "cron",
        "
description: Nightly
pipelineRef: {name: idle}
cron: {expressions: [\"5 3 * * *\"], timeZone: Europe/Berlin}
jitter: 5m
concurrencyPolicy: Queue
missedRuns: {policy: All, max: 5, maxAge: 6h}
backfill: {from: \"2026-01-01T00:00:00Z\", to: \"2026-01-08T00:00:00Z\", reprocess: All}
suspend: true
params: {least: \"2\"}
successfulRunsHistoryLimit: 3
failedRunsHistoryLimit: 3
",
    ),
    (
        "Schedule",
        "interval",
        "{pipelineRef: {name: idle}, suspend: true, interval: {every: 1h, start: \"2026-01-01T00:00:00Z\"}}",
    ),
    (
        "Schedule",
        "webhook",
        "
pipelineRef: {name: idle}
suspend: true
webhook:
  tokenSha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
  eventIdHeader: X-Id
  params: {least: $.least}
",
    ),
    (
        "Schedule",
        "arrival",
        "{pipelineRef: {name: idle}, suspend: true, fileArrival: {connector: in, stream: \"*.csv\", interval: 1m, settle: 5s}}",
    ),
    (
        "Schedule",
        "kafka",
        "{pipelineRef: {name: idle}, suspend: true, kafka: {connector: in, topic: t, window: 1m, params: {least: $.least}}}",
    ),
    ("Schedule", "after", "{pipelineRef: {name: idle}, suspend: true, pipelineSucceeded: {name: other}}"),
    ("PipelineRun", "plain", "{pipelineRef: {name: idle, revision: 1}, mode: DryRun, params: {least: \"2\"}}"),
    (
        "PipelineRun",
        "backfill",
        "
pipelineRef: {name: idle}
mode: Incremental
backfill: {from: \"2026-01-01T00:00:00Z\", to: \"2026-02-01T00:00:00Z\"}
",
    ),
    ("PipelineRun", "preview", "{pipelineRef: {name: idle}, mode: Preview, preview: {node: some, limit: 10}}"),
    ("PipelineRun", "cancelled", "{pipelineRef: {name: idle}, cancel: Graceful}"),
    (
        "Checkpoint",
        "whole",
        "
pipelineRef: {name: nobody}
epoch: 3
run: first
time: \"2026-01-01T00:00:00Z\"
positions: [{source: rows, stream: \"*\", partition: p, kind: cursor, version: 1, state: {value: 5}}]
attempts: [{stream: public.a, state: {}}]
",
    ),
    ("Checkpoint", "least", "{pipelineRef: {name: nobody}, epoch: 0}"),
];
