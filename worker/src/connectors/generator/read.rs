//! Reads a made-up stream: batch by batch, each made when it is asked for.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use futures::{StreamExt, stream};

use super::column::Column;
use super::stream::GeneratedRows;
use crate::connector::{
    Buffers, ConnectorError, CursorWindow, Division, ErrorKind, EventStream, ReadSplit, Result, Size, Source,
    SourceEnd, SourceEvent, SourceRequest, Split,
};

/// A made-up stream, ready to be read.
#[derive(Clone)]
pub(super) struct GeneratorSource {
    name: String,
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: Range<u64>,
    batch_rows: u64,
}

impl GeneratorSource {
    /// Prepares a read.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the request wants what no made-up stream can; [`ErrorKind::NotFound`] for a column
    /// that is not there.
    pub(super) fn new(stream: &GeneratedRows, request: &SourceRequest, buffers: Buffers) -> Result<Self> {
        let operation = || format!("read generated stream `{}`", stream.name);
        if request.incremental || request.from.is_some() || request.to.is_some() {
            return Err(ConnectorError::new(
                ErrorKind::Config,
                operation(),
                "a generator does not remember what was read from it",
            )
            .remedy("name the column to go on from: `sync: {mode: Incremental, cursor: COLUMN}`"));
        }
        let find = |name: &String| {
            stream.columns.iter().find(|column| column.field.name() == name).ok_or_else(|| {
                let known: Vec<&str> = stream.columns.iter().map(|column| column.field.name().as_str()).collect();
                ConnectorError::new(ErrorKind::NotFound, operation(), format!("there is no column `{name}`"))
                    .remedy(format!("use columns of {}", known.join(", ")))
            })
        };
        let columns: Vec<Column> = match &request.columns {
            Some(names) => names.iter().map(|name| find(name).cloned()).collect::<Result<_>>()?,
            None => stream.columns.clone(),
        };
        let rows = match &request.window {
            Some(window) => {
                rows_of(window, find(&window.column)?, stream.rows, jiff::Timestamp::now()).map_err(|detail| {
                    let operation = format!("read the cursor of generated stream `{}`", stream.name);
                    ConnectorError::new(ErrorKind::Config, operation, detail)
                })?
            }
            None => 0..stream.rows,
        };
        let fields: Vec<Field> = columns.iter().map(|column| column.field.clone()).collect();
        let width: u64 = columns.iter().map(Column::width).sum();
        let most = buffers.batch() / width.max(1);
        Ok(Self {
            name: stream.name.clone(),
            schema: Arc::new(Schema::new(fields)),
            columns,
            rows,
            batch_rows: (request.batch_rows as u64).min(most).max(1),
        })
    }

    fn batch(&self, rows: Range<u64>) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some((rows.end - rows.start) as usize));
        let columns = self.columns.iter().map(|column| column.values(rows.clone())).collect();
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|error| {
            ConnectorError::new(ErrorKind::Bug, format!("make rows of `{}`", self.name), error.to_string())
                .caused_by(error)
        })
    }
}

/// The rows that a window wants. All of them when its column does not grow evenly: the engine drops those outside.
fn rows_of(window: &CursorWindow, column: &Column, rows: u64, now: jiff::Timestamp) -> Result<Range<u64>, String> {
    let Some(line) = column.line() else { return Ok(0..rows) };
    let mut first = 0;
    let mut end = rows;
    if let Some(lower) = &window.lower {
        first = line.first_row(column.bound(lower)?);
    }
    if let Some(upper) = &window.upper {
        end = end.min(line.end_row(column.bound(upper)?));
    }
    if let Some(lag) = window.lag.filter(|_| column.is_time()) {
        let horizon = now.as_microsecond().saturating_sub(i64::try_from(lag.as_micros()).unwrap_or(i64::MAX));
        end = end.min(line.end_row(horizon));
    }
    Ok(first.min(end)..end)
}

#[async_trait]
impl Source for GeneratorSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn size(&self) -> Size {
        let rows = self.rows.end.saturating_sub(self.rows.start);
        Size { rows: Some(rows), bytes: Some(rows.saturating_mul(ROW_BYTES)) }
    }

    async fn read(self: Box<Self>) -> Result<EventStream> {
        let rows = self.rows.clone();
        Ok(self.start(rows))
    }

    async fn divide(&mut self, bytes: u64, earlier: &[ReadSplit]) -> Result<Option<Division>> {
        let length = (bytes / ROW_BYTES).max(1);
        let mut done = BTreeSet::new();
        let stands = earlier
            .iter()
            .map(|read| {
                let (first, end) = range_of(&read.split)?;
                // A made-up stream is the same every time.
                Ok(first % length == 0 && end <= self.rows.end && end - first == read.read && done.insert(first))
            })
            .collect::<Result<_>>()?;
        let first_rows = self.rows.clone().step_by(usize::try_from(length).unwrap_or(usize::MAX));
        let rest = first_rows.filter(|first| !done.contains(first)).map(|first| {
            let end = self.rows.end.min(first.saturating_add(length));
            Split { state: serde_json::json!([first, end]), bytes: (end - first) * ROW_BYTES }
        });
        Ok(Some(Division { stands, rest: rest.collect(), position: None, note: None }))
    }

    async fn read_split(&mut self, split: &Split) -> Result<EventStream> {
        let (first, end) = range_of(split)?;
        Ok(self.start(first..end))
    }
}

/// What a made-up row is taken to have, in bytes.
const ROW_BYTES: u64 = 64;

fn range_of(split: &Split) -> Result<(u64, u64)> {
    serde_json::from_value(split.state.clone()).map_err(|error| {
        ConnectorError::new(ErrorKind::Data, "go on with a divided read", format!("a split is broken: {error}"))
            .remedy("run in mode Full: it reads everything again")
    })
}

impl GeneratorSource {
    fn start(&self, rows: Range<u64>) -> EventStream {
        let (made, next) = (self.clone(), Some(rows.start));
        stream::try_unfold((made, next), move |(source, next)| {
            let rows = rows.clone();
            async move {
                let Some(row) = next else { return Ok(None) };
                if row >= rows.end {
                    let end = SourceEnd { read: row - rows.start, ..SourceEnd::default() };
                    return Ok(Some((SourceEvent::End(end), (source, None))));
                }
                let end = rows.end.min(row.saturating_add(source.batch_rows));
                let batch = source.batch(row..end)?;
                Ok(Some((SourceEvent::Batch(batch), (source, Some(end)))))
            }
        })
        .boxed()
    }
}
