//! A folder with a Connector on it.

use std::collections::BTreeMap;
use std::path::Path;

use aggregator_worker::connector::{
    Buffers, Connector, ConnectorError, Environment, EventStream, Position, Reject, Secrets, Sink, SinkRequest,
    SourceEnd, SourceEvent, SourceRequest, WriteOptions,
};
use aggregator_worker::connectors;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use serde_json::{Value, json};

/// A folder with a Connector on it.
pub(crate) struct Lake {
    folder: tempfile::TempDir,
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

    /// Line, column and reason of each reject.
    pub(crate) fn reasons(&self) -> Vec<(u64, Option<&str>, &'static str)> {
        self.rejects
            .iter()
            .map(|reject| (reject.line.unwrap(), reject.column.as_deref(), reject.reason.as_str()))
            .collect()
    }

    /// `read = out + rejected`.
    pub(crate) fn balanced(&self) -> bool {
        self.end.read == (self.batch.num_rows() + self.rejects.len()) as u64
    }
}

pub(crate) fn open(root: &Path, format: Option<Value>) -> Result<Box<dyn Connector>, ConnectorError> {
    let mut spec = json!({"file": {"root": root}});
    if let Some(format) = format {
        spec["file"]["format"] = format;
    }
    connectors::open(Environment {
        name: "lake".into(),
        spec: serde_json::from_value(spec).unwrap(),
        secrets: Secrets::default(),
        base: root.to_owned(),
        locator: None,
        buffers: Buffers::default(),
    })
}

impl Lake {
    pub(crate) fn new(format: Option<Value>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connector = open(folder.path(), format).unwrap();
        Self { folder, connector }
    }

    /// A Connector whose format goes by the names' endings.
    pub(crate) fn plain() -> Self {
        Self::new(None)
    }

    /// The same folder, with another format.
    pub(crate) fn reopen(self, format: Option<Value>) -> Self {
        let connector = open(self.folder.path(), format).unwrap();
        Self { folder: self.folder, connector }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn put(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// The files below the root that are data.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = walkdir::WalkDir::new(self.root())
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| entry.path().strip_prefix(self.root()).unwrap().to_str().unwrap().to_owned())
            .filter(|path| !path.starts_with("_aggregator/"))
            .collect();
        files.sort();
        files
    }

    pub(crate) async fn read(&self, stream: &str) -> Result<Outcome, ConnectorError> {
        self.read_as(request(stream)).await
    }

    pub(crate) async fn read_as(&self, request: SourceRequest) -> Result<Outcome, ConnectorError> {
        let source = self.connector.source(request).await?;
        let schema = source.schema();
        collect(schema, source.read().await?).await
    }

    pub(crate) async fn sink(
        &self,
        stream: &str,
        schema: SchemaRef,
        write: WriteOptions,
    ) -> Result<Box<dyn Sink>, ConnectorError> {
        self.connector
            .sink(SinkRequest {
                pipeline: "demo/delays".into(),
                node: "lake".into(),
                stream: stream.into(),
                schema,
                write,
                rejects: false,
            })
            .await
    }

    /// Writes and commits a batch as one attempt.
    pub(crate) async fn write(&self, stream: &str, batch: &RecordBatch, write: WriteOptions, epoch: u64) -> u64 {
        let mut sink = self.sink(stream, batch.schema(), write).await.unwrap();
        sink.fence(&attempt(epoch)).await.unwrap();
        sink.write(batch.clone()).await.unwrap();
        let staged = sink.stage().await.unwrap();
        sink.commit(&positions(epoch)).await.unwrap();
        staged.written
    }
}

pub(crate) fn attempt(epoch: u64) -> aggregator_worker::connector::Attempt {
    aggregator_worker::connector::Attempt { run: format!("run-{epoch}"), epoch }
}

pub(crate) fn positions(epoch: u64) -> BTreeMap<String, Position> {
    BTreeMap::from([("flights".to_owned(), Position { kind: "cursor".into(), version: 1, state: json!(epoch) })])
}

async fn collect(schema: SchemaRef, mut events: EventStream) -> Result<Outcome, ConnectorError> {
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
