//! Reads one endpoint: pages become batches and rejects.

use std::collections::VecDeque;
use std::sync::Arc;

use aggregator_compiler::plural::counted;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use futures::{StreamExt, stream};

use super::api::Api;
use super::content::Reading;
use super::endpoint::Endpoint;
use super::pages::Pages;
use crate::connector::{
    ConnectorError, ErrorKind, EventStream, Reject, Result, Source, SourceEnd, SourceEvent, SourceRequest,
};

/// One endpoint, ready to be read.
pub(super) struct HttpSource {
    api: Arc<Api>,
    pages: Pages,
    reading: Reading,
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
        let reading = Reading {
            schema: project(schema, request.columns.as_deref(), &operation)?,
            known: Arc::clone(schema),
            rejects: request.rejects,
            batch_rows: request.batch_rows.max(1),
            buffers: api.buffers(),
        };
        let pages = Pages::new(Arc::clone(api), Arc::clone(endpoint), cursor)?;
        Ok(Self { api: Arc::clone(api), pages, reading, note })
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
        Arc::clone(&self.reading.schema)
    }

    async fn read(self: Box<Self>) -> Result<EventStream> {
        let reader = Reader { source: *self, events: VecDeque::new(), ended: false };
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
    events: VecDeque<SourceEvent>,
    ended: bool,
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
            let Some(block) = self.source.pages.next_block(&self.source.reading).await? else {
                self.ended = true;
                return Ok(Some(SourceEvent::End(self.source.end())));
            };
            if !block.rejects.is_empty() {
                let rejects = block.rejects.into_iter().map(|reject| self.source.shown(reject)).collect();
                self.events.push_back(SourceEvent::Rejects(rejects));
            }
            if block.batch.num_rows() > 0 {
                self.events.push_back(SourceEvent::Batch(block.batch));
            }
        }
    }
}

impl HttpSource {
    /// The reject without secrets, which a server may repeat.
    fn shown(&self, mut reject: Reject) -> Reject {
        for text in [&mut reject.message, &mut reject.raw] {
            *text = self.api.redactor().clean(text);
        }
        reject
    }

    fn end(&mut self) -> SourceEnd {
        /// The most notes that are shown.
        const MOST: usize = 5;
        let mut parts = vec![counted(self.pages.count(), "page")];
        parts.extend(self.note.take());
        parts.extend(self.pages.notes.iter().take(MOST).cloned());
        if self.pages.notes.len() > MOST {
            parts.push(format!("and {}", counted(self.pages.notes.len() - MOST, "more note")));
        }
        let note = Some(parts.join("; "));
        SourceEnd { read: self.pages.records, bytes: self.pages.bytes, note, ..SourceEnd::default() }
    }
}
