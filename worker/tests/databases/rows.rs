//! What the tests share: opening connectors, reading a stream to its end, writing in one go, rows as text.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_crds::pipeline::WriteMode;
use aggregator_tests::postgres::{PASSWORD, Postgres, USER};
use aggregator_worker::connector::{
    Attempt, Buffers, Connector, CursorWindow, Environment, Position, Reject, Result, SavedSplit, SecretValue, Secrets,
    SinkRequest, Source, SourceEnd, SourceEvent, SourceRequest, Split, Staged, WriteOptions,
};
use aggregator_worker::ledger::Ledger;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};

/// Opens a connector of that spec; the Secret's key `password` is the server's.
pub(crate) fn open(spec: Value) -> Box<dyn Connector> {
    open_with(spec, PASSWORD)
}

pub(crate) fn open_with(spec: Value, password: &str) -> Box<dyn Connector> {
    let values = BTreeMap::from([("password".to_owned(), SecretValue::new(password))]);
    aggregator_worker::connectors::open(Environment {
        name: "db".into(),
        spec: serde_json::from_value(spec).expect("a good spec"),
        secrets: Secrets { name: "connector-db".into(), values, ..Secrets::default() },
        base: std::env::temp_dir(),
        locator: None,
        buffers: Buffers::default(),
    })
    .expect("a good connector")
}

pub(crate) fn postgres_spec(port: u16, database: &str) -> Value {
    json!({"postgres": {
        "host": "127.0.0.1", "port": port, "database": database, "username": USER,
        "password": {"secretKey": "password"}, "connectTimeout": "20s", "statementTimeout": "60s",
    }})
}

/// The shared server, a fresh database on it, and a connector to that.
pub(crate) async fn fresh() -> (Arc<Postgres>, String, Box<dyn Connector>) {
    let server = Postgres::shared();
    let database = server.database().await;
    let connector = open(postgres_spec(server.port(), &database));
    (server, database, connector)
}

pub(crate) fn request(stream: &str) -> SourceRequest {
    SourceRequest {
        stream: stream.into(),
        columns: None,
        window: None,
        incremental: false,
        from: None,
        to: None,
        rejects: false,
        batch_rows: 1000,
        threads: 2,
        together: 1,
    }
}

pub(crate) fn window(column: &str, lower: Option<&str>, upper: Option<&str>) -> Option<CursorWindow> {
    let text = |bound: Option<&str>| bound.map(str::to_owned);
    Some(CursorWindow { column: column.into(), lower: text(lower), upper: text(upper), lag: None })
}

/// What a stream gave.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) end: SourceEnd,
}

impl Read {
    /// Each row as one text: values as Arrow shows them, nulls as `NULL`, with bars between them.
    pub(crate) fn rows(&self) -> Vec<String> {
        self.batches.iter().flat_map(rows).collect()
    }
}

pub(crate) fn rows(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).expect("a type that can be shown"))
        .collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"))
        .collect()
}

pub(crate) async fn read(connector: &dyn Connector, request: SourceRequest) -> Result<Read> {
    drain(connector.source(request).await?).await
}

pub(crate) async fn drain(source: Box<dyn Source>) -> Result<Read> {
    let schema = source.schema();
    let mut events = source.read().await?;
    let (mut batches, mut rejects) = (Vec::new(), Vec::new());
    while let Some(event) = events.next().await {
        match event? {
            SourceEvent::Batch(batch) => {
                assert_eq!(batch.schema(), schema);
                batches.push(batch);
            }
            SourceEvent::Rejects(more) => rejects.extend(more),
            SourceEvent::End(end) => {
                let good: usize = batches.iter().map(RecordBatch::num_rows).sum();
                assert_eq!(end.read, (good + rejects.len()) as u64, "the source's own count");
                return Ok(Read { schema, batches, rejects, end });
            }
        }
    }
    unreachable!("the stream ended without an end")
}

pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .expect("columns of one length")
}

pub(crate) fn into(stream: &str, batch: &RecordBatch, mode: WriteMode, key: &[&str]) -> SinkRequest {
    SinkRequest {
        pipeline: "test/pipeline".into(),
        node: "sink".into(),
        stream: stream.into(),
        schema: batch.schema(),
        write: WriteOptions { mode, key: key.iter().map(|&name| name.to_owned()).collect(), ..WriteOptions::default() },
        rejects: false,
    }
}

pub(crate) fn attempt(epoch: u64) -> Attempt {
    Attempt { run: format!("run-{epoch}"), epoch }
}

/// An attempt of one run that is the same for all of them.
pub(crate) fn of_one_run(epoch: u64) -> Attempt {
    Attempt { run: "one".into(), epoch }
}

/// A saved split of that number.
pub(crate) fn split(number: u64) -> SavedSplit {
    SavedSplit {
        number,
        source: "source".into(),
        split: Split { state: serde_json::json!(number), bytes: 1 },
        rest: None,
        schemas: "same".into(),
        ledger: Ledger::default(),
    }
}

pub(crate) fn positions(state: i64) -> BTreeMap<String, Position> {
    BTreeMap::from([("orders".to_owned(), Position { kind: "cursor".into(), version: 1, state: json!(state) })])
}

/// Writes batches in one attempt and commits them. All rows that were refused, at whatever time, are in what it gives.
pub(crate) async fn write(
    connector: &dyn Connector,
    request: SinkRequest,
    epoch: u64,
    batches: &[RecordBatch],
) -> Result<Staged> {
    let mut sink = connector.sink(request).await?;
    sink.fence(&attempt(epoch)).await?;
    let mut refused = Vec::new();
    for batch in batches {
        refused.extend(sink.write(batch.clone()).await?);
    }
    refused.extend(sink.flush().await?);
    let mut staged = sink.stage().await?;
    refused.append(&mut staged.rejects);
    staged.rejects = refused;
    sink.commit(&positions(i64::try_from(epoch).expect("small"))).await?;
    Ok(staged)
}

/// Runs statements as the superuser.
pub(crate) async fn execute(server: &Postgres, database: &str, statements: &str) {
    let mut connection = server.connect(database).await;
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.expect(statements);
}

/// What a query gives that selects one text.
pub(crate) async fn texts(server: &Postgres, database: &str, query: &str) -> Vec<String> {
    let mut connection = server.connect(database).await;
    let rows = sqlx::query(AssertSqlSafe(query.to_owned())).fetch_all(&mut connection).await.expect(query);
    rows.iter().map(|row| row.get::<Option<String>, _>(0).unwrap_or_else(|| "NULL".into())).collect()
}
