//! What stands around every connector: nothing that it says holds a value of its Secret, even when the other side repeats
//! what it was sent.
//!
//! Every method of a connector stands here, those with a default too: one that is missing would be the default's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aggregator_compiler::catalogue::{Catalogue, Stream};
use aggregator_compiler::diagnostic::Place;
use aggregator_crds::schedule::FilesFound;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt;
use serde_json::Value;

use super::known::Known;
use crate::connector::{
    Attempt, CheckReport, CommitRecord, Connector, ConnectorError, Division, Environment, EventStream, PlannedChange,
    Position, ReadSplit, Reject, Result, SavedSplit, Sink, SinkRequest, Size, Source, SourceEvent, SourceRequest,
    Split, Staged,
};

/// The keys of a Connector's Secret that its spec names, each with the path of the field.
fn keys(environment: &Environment) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
        match value {
            Value::Array(values) => {
                values.iter().enumerate().for_each(|(index, value)| walk(&format!("{path}[{index}]"), value, found));
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = format!("{path}.{name}");
                    match value.as_str() {
                        Some(key) if name == "secretKey" => found.push((path, key.to_owned())),
                        _ => walk(&path, value, found),
                    }
                }
            }
            _ => {}
        }
    }
    // A spec was read from JSON, so it can be written as such.
    let spec = serde_json::to_value(&environment.spec.connector_type).unwrap_or_default();
    let mut found = Vec::new();
    walk("spec", &spec, &mut found);
    found
}

/// The values of a Connector's Secret that its spec names.
pub(super) fn named(environment: &Environment) -> Known {
    let mut known = Known::default();
    for (_, key) in keys(environment) {
        // One that is missing or no text is refused where it is needed.
        if let Ok(value) = environment.secrets.text(&key) {
            known.learn(&value);
        }
    }
    known
}

/// The place of the first field that names a key which the Secret has not, or not as text.
pub(super) fn unanswered(environment: &Environment) -> Option<Place> {
    let (path, _) = keys(environment).into_iter().find(|(_, key)| environment.secrets.text(key).is_err())?;
    environment.place(&path)
}

/// The error without known values.
pub(super) fn cleaned(mut error: ConnectorError, clean: impl Fn(&str) -> String) -> ConnectorError {
    for text in [&mut error.operation, &mut error.detail].into_iter().chain(&mut error.remedy) {
        *text = clean(text);
    }
    // The log shows all of what is underneath.
    error.source = error.source.filter(|source| {
        let shown = format!("{source} {source:?}");
        clean(&shown) == shown
    });
    error
}

/// A connector that is watched over.
pub(super) struct Guarded(Arc<Guard>);

struct Guard {
    connector: Box<dyn Connector>,
    known: Known,
}

impl Guarded {
    pub(super) fn new(connector: Box<dyn Connector>, known: Known) -> Self {
        Self(Arc::new(Guard { connector, known }))
    }
}

impl Guard {
    fn text(&self, text: &str) -> String {
        self.connector.cleaned(&self.known.clean(text))
    }

    fn error(&self, error: ConnectorError) -> ConnectorError {
        cleaned(error, |text| self.text(text))
    }

    fn rejects(&self, rejects: &mut [Reject]) {
        for reject in rejects {
            for text in [&mut reject.location, &mut reject.message, &mut reject.raw] {
                *text = self.text(text);
            }
        }
    }

    fn events(self: &Arc<Self>, events: EventStream) -> EventStream {
        let guard = Arc::clone(self);
        events.map(move |event| guard.event(event)).boxed()
    }

    fn event(&self, event: Result<SourceEvent>) -> Result<SourceEvent> {
        let mut event = event.map_err(|error| self.error(error))?;
        match &mut event {
            SourceEvent::Batch(_) => {}
            SourceEvent::Rejects(rejects) => self.rejects(rejects),
            SourceEvent::End(end) => end.note = end.note.take().map(|note| self.text(&note)),
        }
        Ok(event)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Connector for Guarded {
    async fn check(&self) -> Result<CheckReport> {
        let report = self.0.connector.check().await.map_err(|error| self.0.error(error))?;
        Ok(CheckReport { message: self.0.text(&report.message), ..report })
    }

    async fn discover(&self) -> Result<Catalogue> {
        self.0.connector.discover().await.map_err(|error| self.0.error(error))
    }

    async fn describe(&self, stream: &str) -> Result<Stream> {
        self.0.connector.describe(stream).await.map_err(|error| self.0.error(error))
    }

    async fn source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        let source = self.0.connector.source(request).await.map_err(|error| self.0.error(error))?;
        Ok(Box::new(GuardedSource { guard: Arc::clone(&self.0), source }))
    }

    async fn sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        let sink = self.0.connector.sink(request).await.map_err(|error| self.0.error(error))?;
        Ok(Box::new(GuardedSink { guard: Arc::clone(&self.0), sink }))
    }

    async fn files(&self, stream: &str, settle: Duration) -> Result<FilesFound> {
        self.0.connector.files(stream, settle).await.map_err(|error| self.0.error(error))
    }

    fn cleaned(&self, text: &str) -> String {
        self.0.text(text)
    }
}

struct GuardedSource {
    guard: Arc<Guard>,
    source: Box<dyn Source>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Source for GuardedSource {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn size(&self) -> Size {
        self.source.size()
    }

    async fn read(self: Box<Self>) -> Result<EventStream> {
        let Self { guard, source } = *self;
        let events = source.read().await.map_err(|error| guard.error(error))?;
        Ok(guard.events(events))
    }

    async fn divide(&mut self, bytes: u64, earlier: &[ReadSplit]) -> Result<Option<Division>> {
        let mut division = self.source.divide(bytes, earlier).await.map_err(|error| self.guard.error(error))?;
        if let Some(division) = &mut division {
            division.note = division.note.take().map(|note| self.guard.text(&note));
        }
        Ok(division)
    }

    fn shares(&self) -> bool {
        self.source.shares()
    }

    async fn share(&mut self, bytes: u64, splits: Vec<Split>) -> Result<Vec<Split>> {
        self.source.share(bytes, splits).await.map_err(|error| self.guard.error(error))
    }

    async fn read_split(&mut self, split: &Split) -> Result<EventStream> {
        let events = self.source.read_split(split).await.map_err(|error| self.guard.error(error))?;
        Ok(self.guard.events(events))
    }
}

struct GuardedSink {
    guard: Arc<Guard>,
    sink: Box<dyn Sink>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Sink for GuardedSink {
    async fn plan(&mut self) -> Result<Vec<PlannedChange>> {
        self.sink.plan().await.map_err(|error| self.guard.error(error))
    }

    async fn last_commit(&mut self) -> Result<Option<CommitRecord>> {
        self.sink.last_commit().await.map_err(|error| self.guard.error(error))
    }

    async fn fence(&mut self, attempt: &Attempt) -> Result<()> {
        self.sink.fence(attempt).await.map_err(|error| self.guard.error(error))
    }

    fn keeps_splits(&self) -> bool {
        self.sink.keeps_splits()
    }

    async fn saved(&mut self) -> Result<Vec<SavedSplit>> {
        self.sink.saved().await.map_err(|error| self.guard.error(error))
    }

    async fn keep(&mut self, numbers: &BTreeSet<u64>, more: bool) -> Result<()> {
        self.sink.keep(numbers, more).await.map_err(|error| self.guard.error(error))
    }

    fn shares(&self) -> bool {
        self.sink.shares()
    }

    async fn join(&mut self, attempt: &Attempt) -> Result<Vec<SavedSplit>> {
        self.sink.join(attempt).await.map_err(|error| self.guard.error(error))
    }

    async fn begin(&mut self, number: u64) -> Result<()> {
        self.sink.begin(number).await.map_err(|error| self.guard.error(error))
    }

    async fn save(&mut self, split: &SavedSplit) -> Result<()> {
        self.sink.save(split).await.map_err(|error| self.guard.error(error))
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<Vec<Reject>> {
        let mut rejects = self.sink.write(batch).await.map_err(|error| self.guard.error(error))?;
        self.guard.rejects(&mut rejects);
        Ok(rejects)
    }

    async fn flush(&mut self) -> Result<Vec<Reject>> {
        let mut rejects = self.sink.flush().await.map_err(|error| self.guard.error(error))?;
        self.guard.rejects(&mut rejects);
        Ok(rejects)
    }

    async fn stage(&mut self) -> Result<Staged> {
        let mut staged = self.sink.stage().await.map_err(|error| self.guard.error(error))?;
        self.guard.rejects(&mut staged.rejects);
        Ok(staged)
    }

    async fn commit(&mut self, positions: &BTreeMap<String, Position>) -> Result<()> {
        self.sink.commit(positions).await.map_err(|error| self.guard.error(error))
    }

    async fn abort(&mut self) -> Result<()> {
        self.sink.abort().await.map_err(|error| self.guard.error(error))
    }
}
