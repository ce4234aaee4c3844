//! Reads one endpoint: pages become batches and rejects.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use serde_json::Value;

use super::api::Api;
use super::endpoint::Endpoint;
use super::page::Pages;
use crate::connector::{ConnectorError, ErrorKind, EventStream, Result, Source, SourceEnd, SourceEvent, SourceRequest};
use crate::format::RecordDecoder;

/// One endpoint, ready to be read.
pub(super) struct HttpSource {
    schema: SchemaRef,
    pages: Pages,
    rejects: bool,
    batch_rows: usize,
    note: Option<String>,
}

impl HttpSource {
    /// Prepares a read of an endpoint with the given columns.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the request wants what no endpoint can; [`ErrorKind::NotFound`] for a column that is
    /// not there.
    pub(super) fn new(
        api: &Arc<Api>,
        endpoint: &Arc<Endpoint>,
        schema: &SchemaRef,
        request: SourceRequest,
    ) -> Result<Self> {
        let operation = || format!("read endpoint `{}`", endpoint.name);
        if request.incremental || request.from.is_some() || request.to.is_some() {
            return Err(ConnectorError::new(
                ErrorKind::Config,
                operation(),
                "an endpoint does not remember what was read from it",
            )
            .remedy("name the column to go on from: `sync: {mode: Incremental, cursor: COLUMN}`"));
        }
        let cursor = request.window.as_ref().and_then(|window| window.lower.as_deref());
        let note = (cursor.is_some() && !endpoint.uses_cursor())
            .then(|| "no parameter uses ${cursor}: all records were asked for, and older ones dropped here".to_owned());
        Ok(Self {
            schema: project(schema, request.columns.as_deref(), &operation)?,
            pages: Pages::new(Arc::clone(api), Arc::clone(endpoint), cursor)?,
            rejects: request.rejects,
            batch_rows: request.batch_rows.max(1),
            note,
        })
    }
}

fn project(schema: &SchemaRef, columns: Option<&[String]>, operation: &impl Fn() -> String) -> Result<SchemaRef> {
    let Some(columns) = columns else { return Ok(Arc::clone(schema)) };
    let fields = columns
        .iter()
        .map(|name| {
            schema.field_with_name(name).cloned().map_err(|_| {
                let known: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                ConnectorError::new(ErrorKind::NotFound, operation(), format!("there is no column `{name}`"))
                    .remedy(format!("use columns of {}", known.join(", ")))
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

#[async_trait]
impl Source for HttpSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn read(self: Box<Self>) -> Result<EventStream> {
        let reader = Reader { source: *self, page: None, events: VecDeque::new(), ended: false };
        Ok(stream::try_unfold(
            reader,
            |mut reader| async move { Ok(reader.next().await?.map(|event| (event, reader))) },
        )
        .boxed())
    }
}

/// Where a read stands.
struct Reader {
    source: HttpSource,
    page: Option<OpenPage>,
    events: VecDeque<SourceEvent>,
    ended: bool,
}

/// A page whose records are given out batch by batch.
struct OpenPage {
    decoder: RecordDecoder,
    records: Vec<Value>,
    given: usize,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<SourceEvent>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            if let Some(page) = self.page.as_mut().filter(|page| page.given < page.records.len()) {
                let chunk = page.records.len().min(page.given + self.source.batch_rows);
                let (batch, rejects) = page.decoder.decode(page.given as u64 + 1, &page.records[page.given..chunk])?;
                page.given = chunk;
                if !rejects.is_empty() {
                    self.events.push_back(SourceEvent::Rejects(rejects));
                }
                if batch.num_rows() > 0 {
                    self.events.push_back(SourceEvent::Batch(batch));
                }
                continue;
            }
            // The old page is freed before the next one is asked for.
            self.page = None;
            match self.source.pages.next().await? {
                Some(page) => {
                    let schema = Arc::clone(&self.source.schema);
                    let decoder = RecordDecoder::new(schema, page.address, self.source.rejects);
                    self.page = Some(OpenPage { decoder, records: page.records, given: 0 });
                }
                None => {
                    self.ended = true;
                    return Ok(Some(SourceEvent::End(self.end())));
                }
            }
        }
    }

    fn end(&mut self) -> SourceEnd {
        let pages = match self.source.pages.count() {
            1 => "1 page".to_owned(),
            count => format!("{count} pages"),
        };
        let note = match self.source.note.take() {
            Some(note) => format!("{pages}; {note}"),
            None => pages,
        };
        SourceEnd { read: self.source.pages.records, bytes: self.source.pages.bytes, position: None, note: Some(note) }
    }
}
