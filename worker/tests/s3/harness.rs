//! A bucket with a Connector on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_crds::pipeline::WriteMode;
use aggregator_tests::gateway::{Gateway, Rule, Wrong};
use aggregator_tests::s3::{ACCESS_KEY, Bucket, S3, SECRET_KEY};
use aggregator_worker::connector::{
    Attempt, Buffers, Connector, ConnectorError, Environment, EventStream, Position, Reject, SecretValue, Secrets,
    Sink, SinkRequest, SourceEnd, SourceEvent, SourceRequest, WriteOptions,
};
use aggregator_worker::connectors;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use serde_json::{Value, json};

use super::writing::mode;

/// A bucket with a Connector on it.
pub(crate) struct Lake {
    pub(crate) server: Arc<S3>,
    pub(crate) bucket: Bucket,
    pub(crate) connector: Box<dyn Connector>,
}

/// All that a read gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) batch: RecordBatch,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) end: SourceEnd,
}

impl Outcome {
    /// The rows as text, null as `∅`.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let options = FormatOptions::new().with_null("∅");
        let columns: Vec<_> =
            self.batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        (0..self.batch.num_rows())
            .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect())
            .collect()
    }

    /// The first column, sorted as text.
    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.rows().into_iter().map(|row| row[0].clone()).collect();
        ids.sort();
        ids
    }
}

/// Opens a Connector with these fields besides the usual ones.
pub(crate) fn open(endpoint: &str, bucket: &str, more: &Value) -> Result<Box<dyn Connector>, ConnectorError> {
    let mut fields = json!({
        "bucket": bucket,
        "endpoint": endpoint,
        "credentials": {"accessKeyId": {"secretKey": "id"}, "secretAccessKey": {"secretKey": "secret"}},
    });
    for (name, value) in more.as_object().unwrap() {
        fields[name] = value.clone();
    }
    let values = [("id", ACCESS_KEY), ("secret", SECRET_KEY), ("wrong", "not-the-secret"), ("token", "session-token")];
    let values = values.into_iter().map(|(key, value)| (key.to_owned(), SecretValue::new(value)));
    connectors::open(Environment {
        name: "lake".into(),
        spec: serde_json::from_value(json!({"s3": fields})).unwrap(),
        secrets: Secrets { name: "connector-lake".into(), values: values.collect(), ..Secrets::default() },
        base: "/".into(),
        locator: None,
        buffers: Buffers::default(),
    })
}

impl Lake {
    /// An empty bucket; the Connector's format, or by the endings of keys.
    pub(crate) fn new(format: Option<Value>) -> Self {
        Self::on(S3::shared(), format)
    }

    /// An empty bucket of the same server.
    pub(crate) fn another(&self, format: Option<Value>) -> Self {
        Self::on(Arc::clone(&self.server), format)
    }

    fn on(server: Arc<S3>, format: Option<Value>) -> Self {
        let bucket = server.bucket();
        let fields = format.map_or_else(|| json!({}), |format| json!({"format": format}));
        let connector = open(&bucket.endpoint, &bucket.name, &fields).unwrap();
        Self { server, bucket, connector }
    }

    pub(crate) fn plain() -> Self {
        Self::new(None)
    }

    /// Another Connector on the same bucket.
    pub(crate) fn other(&self, fields: &Value) -> Box<dyn Connector> {
        open(&self.bucket.endpoint, &self.bucket.name, fields).unwrap()
    }

    pub(crate) async fn read(&self, stream: &str) -> Result<Outcome, ConnectorError> {
        read(self.connector.as_ref(), request(stream)).await
    }

    pub(crate) async fn sink(&self, stream: &str, schema: SchemaRef, write: WriteOptions) -> Box<dyn Sink> {
        sink(self.connector.as_ref(), stream, schema, write).await.unwrap()
    }

    /// Writes and commits a batch as one attempt.
    pub(crate) async fn write(&self, stream: &str, batch: &RecordBatch, write: WriteOptions, epoch: u64) -> u64 {
        let mut sink = self.sink(stream, batch.schema(), write).await;
        sink.fence(&attempt(epoch)).await.unwrap();
        sink.write(batch.clone()).await.unwrap();
        let staged = sink.stage().await.unwrap();
        sink.commit(&positions(epoch)).await.unwrap();
        staged.written
    }

    /// The keys that a reader sees who knows of no commits, without our own.
    pub(crate) async fn data(&self) -> Vec<String> {
        self.bucket.keys().await.into_iter().filter(|key| !key.starts_with("_aggregator/")).collect()
    }

    /// The keys of what is staged.
    pub(crate) async fn staged(&self) -> Vec<String> {
        self.bucket.keys().await.into_iter().filter(|key| key.starts_with("_aggregator/staging/")).collect()
    }
}

/// A bucket behind a gateway.
pub(crate) struct Behind {
    pub(crate) lake: Lake,
    pub(crate) gateway: Gateway,
    pub(crate) connector: Box<dyn Connector>,
}

impl Behind {
    pub(crate) async fn new(fields: Value) -> Self {
        let lake = Lake::plain();
        let gateway = Gateway::start(lake.server.port()).await;
        let connector = open(&gateway.url(), &lake.bucket.name, &fields).unwrap();
        Self { lake, gateway, connector }
    }

    /// Replaces what is below `out/`.
    pub(crate) async fn write(&self, epoch: u64, ids: &[i64]) -> Result<u64, ConnectorError> {
        let mut sink = sink(self.connector.as_ref(), "out/", batch(&[]).schema(), mode(WriteMode::Overwrite)).await?;
        sink.fence(&attempt(epoch)).await?;
        sink.write(batch(ids)).await?;
        let staged = sink.stage().await?;
        sink.commit(&positions(epoch)).await?;
        Ok(staged.written)
    }

    pub(crate) async fn ids(&self) -> Vec<String> {
        read(self.connector.as_ref(), request("out/")).await.unwrap().ids()
    }
}

pub(crate) fn rule(method: &'static str, part: &'static str, skip: usize, times: usize, wrong: Wrong) -> Rule {
    Rule { method, part, skip, times, wrong }
}

pub(crate) async fn sink(
    connector: &dyn Connector,
    stream: &str,
    schema: SchemaRef,
    write: WriteOptions,
) -> Result<Box<dyn Sink>, ConnectorError> {
    let request = SinkRequest {
        pipeline: "demo/delays".into(),
        node: "lake".into(),
        stream: stream.into(),
        schema,
        write,
        rejects: false,
    };
    connector.sink(request).await
}

pub(crate) async fn read(connector: &dyn Connector, request: SourceRequest) -> Result<Outcome, ConnectorError> {
    let source = connector.source(request).await?;
    let schema = source.schema();
    collect(schema, source.read().await?).await
}

pub(crate) async fn collect(schema: SchemaRef, mut events: EventStream) -> Result<Outcome, ConnectorError> {
    let (mut batches, mut rejects, mut end) = (Vec::new(), Vec::new(), None);
    while let Some(event) = events.next().await {
        assert!(end.is_none(), "nothing comes after the end");
        match event? {
            SourceEvent::Batch(batch) => {
                assert_eq!(batch.schema(), schema);
                batches.push(batch);
            }
            SourceEvent::Rejects(more) => rejects.extend(more),
            SourceEvent::End(found) => end = Some(found),
        }
    }
    let batch = concat_batches(&schema, &batches).unwrap();
    Ok(Outcome { batch, rejects, end: end.expect("a stream ends with its end") })
}

/// All rows of a stream, with rejects.
pub(crate) fn request(stream: &str) -> SourceRequest {
    SourceRequest {
        stream: stream.into(),
        columns: None,
        window: None,
        incremental: false,
        from: None,
        to: None,
        rejects: true,
        batch_rows: 1000,
        threads: 2,
        together: 1,
    }
}

pub(crate) fn attempt(epoch: u64) -> Attempt {
    Attempt { run: format!("run-{epoch}"), epoch }
}

pub(crate) fn positions(epoch: u64) -> BTreeMap<String, Position> {
    BTreeMap::from([("flights".to_owned(), Position { kind: "cursor".into(), version: 1, state: json!(epoch) })])
}

/// Rows whose name is null, or holds what must be quoted and escaped.
pub(crate) fn batch(ids: &[i64]) -> RecordBatch {
    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
    let names: Vec<Option<String>> = ids.iter().map(|id| (id % 3 != 0).then(|| format!("=n/a ä \"{id}\"\n"))).collect();
    let at = TimestampMicrosecondArray::from_iter_values(ids.iter().map(|id| id * 1_000_001)).with_timezone("UTC");
    let arrays: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(ids.to_vec()))),
        ("name", Arc::new(StringArray::from(names))),
        ("price", Arc::new(Float64Array::from_iter_values(ids.iter().map(|id| *id as f64 / 4.0)))),
        ("at", Arc::new(at)),
    ];
    RecordBatch::try_from_iter_with_nullable(arrays.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}
