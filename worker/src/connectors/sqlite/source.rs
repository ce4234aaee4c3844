//! Reading a table or a query in one read transaction.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter;
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::types::{Value, ValueRef};
use tokio::sync::mpsc;

use super::catalogue::{Relation, RelationColumn};
use super::database::fault;
use super::extent::{bytes_of, weight};
use super::ranges::{self, RowRange};
use super::snapshot::Snapshot;
use super::types::Kind;
use super::value::{Builder, Fault, date, time, timestamp};
use crate::connector::{
    Buffers, ConnectorError, CursorWindow, Division, ErrorKind, EventStream, ReadSplit, Reject, RejectReason, Result,
    Size, Source, SourceEnd, SourceEvent, SourceRequest, Split, is_long,
};
use crate::connectors::sql;

const AHEAD: usize = 2;
const DAY: i64 = 86_400_000_000;

/// A stream, ready to be read.
pub(super) struct SqliteSource {
    rows: Arc<Rows>,
    statement: String,
    parameters: Vec<Value>,
    /// The statement that reads a range of rowids, when the stream is a table and is read whole.
    range: Option<String>,
    /// How much of a range is read before the rest is left to another one.
    split_bytes: u64,
    /// What is read; all sources of the run see the same.
    snapshot: Arc<Snapshot>,
    /// The transaction that sees it. Taken by a read, and given back when it has come to its end.
    transaction: Arc<Mutex<Option<Connection>>>,
    pub(super) size: Size,
}

/// What the rows are.
struct Rows {
    request: SourceRequest,
    schema: SchemaRef,
    kinds: Vec<Kind>,
    /// The times between which rows are wanted; checked row by row, since text has several ways to write one.
    times: Option<Times>,
    /// The number of the column that holds the rowid, after all others.
    rowid: Option<usize>,
    /// How many columns there are, of which some are read.
    all_columns: usize,
    /// A batch ends when it has so many bytes.
    batch_bytes: u64,
}

impl Rows {
    /// About how many bytes of the table so much is, as if all columns had been read and were equally large.
    fn weight(&self, rows: u64, bytes: u64) -> u64 {
        weight(rows, bytes).saturating_mul(self.all_columns as u64) / (self.kinds.len() as u64).max(1)
    }
}

/// Reads a time from text, in its Arrow unit.
type Parse = fn(&str) -> Result<i64, Fault>;

/// Inclusive bounds of a cursor that is stored as text, in its Arrow unit. The cursor is the column after the others.
struct Times {
    parse: Parse,
    lower: i64,
    upper: i64,
}

impl SqliteSource {
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        request: SourceRequest,
        relation: &Relation,
        buffers: Buffers,
    ) -> Result<Self> {
        let operation = format!("read {}", request.stream);
        if request.incremental || request.from.is_some() || request.to.is_some() {
            return Err(ConnectorError::new(ErrorKind::Config, operation, "a table has no position of its own")
                .remedy("name a column to read by: `sync: {mode: Incremental, cursor: COLUMN}`"));
        }
        let names = relation.columns.iter().map(|column| column.name.as_str());
        let find = |name: &str| {
            let found = relation.columns.iter().find(|column| column.name == name);
            found.ok_or_else(|| sql::no_such_column(&request.stream, name, names.clone()))
        };
        let chosen: Vec<&RelationColumn> = match &request.columns {
            None => relation.columns.iter().collect(),
            Some(columns) => columns.iter().map(|name| find(name)).collect::<Result<_>>()?,
        };
        let fields: Vec<Field> =
            chosen.iter().map(|column| Field::new(&column.name, column.kind.arrow(), column.nullable)).collect();
        let mut expressions: Vec<String> = chosen.iter().map(|column| sql::identifier(&column.name)).collect();
        let kinds = chosen.iter().map(|column| column.kind).collect();
        let mut tail = String::new();
        let mut parameters = Vec::new();
        let mut times = None;
        if let Some(window) = &request.window {
            let column = find(&window.column)?;
            let part = restriction(&operation, window, column)?;
            (tail, parameters, times) = (part.0, part.1, part.2);
            expressions.push(sql::identifier(&column.name));
        }
        let rowid = relation.rowid.map(|_| expressions.len());
        expressions.extend(relation.rowid.map(str::to_owned));
        if expressions.is_empty() {
            expressions.push("NULL".into());
        }
        let select = format!("SELECT {} FROM {}", expressions.join(", "), relation.from);
        let statement = format!("{select}{tail}");
        let whole = relation.rowid.filter(|_| request.window.is_none());
        let range = whole.map(|rowid| format!("{select} NOT INDEXED WHERE {rowid} BETWEEN ?1 AND ?2 ORDER BY {rowid}"));
        let schema = Arc::new(Schema::new(fields));
        let all_columns = relation.columns.len();
        let batch_bytes = buffers.batch();
        let rows = Arc::new(Rows { request, schema, kinds, times, rowid, all_columns, batch_bytes });
        let (transaction, size) = (Arc::default(), Size::default());
        Ok(Self { rows, statement, parameters, range, split_bytes: u64::MAX, snapshot, transaction, size })
    }
}

/// WHERE and ORDER BY of a window, their parameters, and what is left to check row by row.
fn restriction(
    operation: &str,
    window: &CursorWindow,
    column: &RelationColumn,
) -> Result<(String, Vec<Value>, Option<Times>)> {
    let wrong = |detail: String, remedy: &str| ConnectorError::new(ErrorKind::Config, operation, detail).remedy(remedy);
    let name = sql::identifier(&column.name);
    let parse: Option<Parse> = match column.kind {
        Kind::Date => Some(|text| date(text).map(i64::from)),
        Kind::Time => Some(time),
        Kind::Timestamp | Kind::TimestampTz => Some(timestamp),
        _ => None,
    };
    let bound =
        |text: &str| wrong(format!("`{text}` is no bound for column `{}`", column.name), "reset the checkpoint");
    let mut conditions = Vec::new();
    let mut parameters = Vec::new();
    let mut times = None;
    if let Some(parse) = parse {
        let limit = |text: &Option<String>, open: i64| match text {
            Some(text) => parse(text).map_err(|_| bound(text)),
            None => Ok(open),
        };
        let (lower, mut upper) = (limit(&window.lower, i64::MIN)?, limit(&window.upper, i64::MAX)?);
        if let Some(lag) = window.lag {
            let lag = i64::try_from(lag.as_micros()).unwrap_or(i64::MAX);
            let now = jiff::Timestamp::now().as_microsecond().saturating_sub(lag);
            upper = upper.min(match column.kind {
                Kind::Timestamp | Kind::TimestampTz => now,
                Kind::Date => now.div_euclid(DAY),
                _ => {
                    return Err(wrong(
                        format!("column `{}` is no time of a day in history", column.name),
                        "remove `sync.lag`",
                    ));
                }
            });
        }
        // What text means is checked row by row; the index only narrows by days, with room for offsets.
        let day = |value: i64, more: i64| {
            let days = if column.kind == Kind::Date { value } else { value.div_euclid(DAY) };
            let days = i32::try_from(days.saturating_add(more)).ok()?;
            let shifted = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
            Some(shifted.to_string())
        };
        if column.kind != Kind::Time {
            let mut narrow = Vec::new();
            for (day, sign) in [(day(lower, -1), ">="), (day(upper, 2), "<")] {
                if let Some(day) = day.filter(|day| !day.starts_with('-')) {
                    parameters.push(Value::Text(day));
                    narrow.push(format!("{name} {sign} ?{}", parameters.len()));
                }
            }
            if !narrow.is_empty() {
                // What is stored in another way must come through to be rejected.
                conditions.push(format!("({} OR typeof({name}) NOT IN ('text', 'null'))", narrow.join(" AND ")));
            }
        }
        if (lower, upper) != (i64::MIN, i64::MAX) {
            times = Some(Times { parse, lower, upper });
        }
    } else {
        if window.lag.is_some() {
            let detail = format!("column `{}` is no time, so rows cannot be held back by `lag`", column.name);
            return Err(wrong(detail, "remove `sync.lag`, or use a date or timestamp as the cursor"));
        }
        for (text, sign) in [(&window.lower, ">="), (&window.upper, "<=")] {
            let Some(text) = text else { continue };
            let value = match column.kind {
                Kind::Int => text.parse().ok().map(Value::Integer),
                Kind::Real => text.parse().ok().map(Value::Real),
                Kind::Bool => text.parse::<bool>().ok().map(|value| Value::Integer(value.into())),
                Kind::Text => Some(Value::Text(text.clone())),
                _ => None,
            };
            parameters.push(value.ok_or_else(|| bound(text))?);
            conditions.push(format!("{name} {sign} ?{}", parameters.len()));
        }
        if matches!(column.kind, Kind::Decimal { .. } | Kind::Blob | Kind::Loose) {
            let detail =
                format!("column `{}` is stored in a way that SQLite does not order as Arrow does", column.name);
            return Err(wrong(detail, "use a cursor that is declared as an integer, a text or a time"));
        }
    }
    // A row without a cursor comes through, to be rejected in the open rather than forgotten.
    let filter = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE ({}) OR {name} IS NULL", conditions.join(" AND "))
    };
    let collate = if column.kind == Kind::Text { " COLLATE BINARY" } else { "" };
    let filter = if collate.is_empty() { filter } else { filter.replace(&name, &format!("{name}{collate}")) };
    Ok((format!("{filter} ORDER BY {name}{collate}"), parameters, times))
}

#[async_trait]
impl Source for SqliteSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.rows.schema)
    }

    fn size(&self) -> Size {
        self.size
    }

    async fn read(self: Box<Self>) -> Result<EventStream> {
        // A division that found too little to divide has taken the snapshot already.
        let taken = held(&self.transaction).take();
        let connection = match taken {
            Some(connection) => connection,
            None => self.snapshot.begin(&self.rows.request.stream, false).await?.0,
        };
        let Self { rows, statement, parameters, .. } = *self;
        Ok(Transfer { rows, statement, parameters, part: None }.start(connection, After::Close))
    }

    async fn divide(&mut self, bytes: u64, earlier: &[ReadSplit]) -> Result<Option<Division>> {
        if self.range.is_none() {
            return Ok(None);
        }
        let all = self.size.bytes.unwrap_or(u64::MAX);
        let (connection, file) = self.snapshot.begin(&self.rows.request.stream, is_long(all, bytes)).await?;
        let (stands, rest) = ranges::divide(all, file.as_ref(), earlier)?;
        *held(&self.transaction) = Some(connection);
        self.split_bytes = bytes;
        Ok(Some(Division { stands, rest, position: None, note: None }))
    }

    async fn read_split(&mut self, split: &Split) -> Result<EventStream> {
        let range = RowRange::of(split)?;
        let taken = held(&self.transaction).take();
        let (Some(statement), Some(connection)) = (self.range.clone(), taken) else {
            let operation = format!("read {}", self.rows.request.stream);
            let detail = "a split was asked for before a division, or before the one before it had ended";
            return Err(ConnectorError::new(ErrorKind::Bug, operation, detail));
        };
        let parameters = vec![Value::Integer(range.first), Value::Integer(range.last)];
        let part = Some(Part { range, all_bytes: split.bytes, split_bytes: self.split_bytes });
        let transfer = Transfer { rows: Arc::clone(&self.rows), statement, parameters, part };
        Ok(transfer.start(connection, After::GiveBack(Arc::clone(&self.transaction))))
    }
}

fn held(transaction: &Mutex<Option<Connection>>) -> std::sync::MutexGuard<'_, Option<Connection>> {
    transaction.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What becomes of the connection when a read has come to its end.
enum After {
    /// The transaction is over.
    Close,
    /// The next split is read in the same transaction.
    GiveBack(Arc<Mutex<Option<Connection>>>),
}

/// A range that is read up to a size.
struct Part {
    range: RowRange,
    all_bytes: u64,
    split_bytes: u64,
}

/// A statement whose rows are on their way.
struct Transfer {
    rows: Arc<Rows>,
    statement: String,
    parameters: Vec<Value>,
    part: Option<Part>,
}

impl Transfer {
    /// Reads on a thread that may block.
    fn start(self, connection: Connection, after: After) -> EventStream {
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let last = match self.run(&connection, &sender) {
                Ok(Some(end)) => Ok(SourceEvent::End(end)),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            match after {
                // The transaction must be over before a sink of the same file commits.
                After::Close => drop(connection),
                After::GiveBack(place) => *held(&place) = Some(connection),
            }
            drop(sender.blocking_send(last));
        });
        sql::events(receiver)
    }

    /// Sends all rows; None when nobody reads any more.
    fn run(&self, connection: &Connection, sender: &mpsc::Sender<Result<SourceEvent>>) -> Result<Option<SourceEnd>> {
        let source = &*self.rows;
        let failed = |error: rusqlite::Error| fault(format!("read {}", source.request.stream), error);
        let mut statement = connection.prepare(&self.statement).map_err(failed)?;
        let mut rows = statement.query(rusqlite::params_from_iter(&self.parameters)).map_err(failed)?;
        let batch_rows = source.request.batch_rows.max(1);
        let mut batch = Batch::new(source, batch_rows);
        let mut end = SourceEnd::default();
        while let Some(row) = rows.next().map_err(failed)? {
            if let Some(times) = &source.times
                && let ValueRef::Text(text) = row.get_ref(source.kinds.len()).map_err(failed)?
                && let Some(Ok(at)) = std::str::from_utf8(text).ok().map(times.parse)
                && !(times.lower..=times.upper).contains(&at)
            {
                continue;
            }
            if let (Some(part), Some(rowid)) = (&self.part, source.rowid)
                && let read = source.weight(end.read, end.bytes)
                && read >= part.split_bytes
            {
                let next = row.get(rowid).map_err(failed)?;
                end.cut = Some(Box::new(part.range.cut(next, read, part.all_bytes)?));
                break;
            }
            end.read += 1;
            let bytes = batch.take(row, end.read).map_err(failed)??;
            end.bytes += bytes;
            if batch.rows >= batch_rows || batch.bytes >= source.batch_bytes {
                for event in batch.finish()? {
                    if sender.blocking_send(Ok(event)).is_err() {
                        return Ok(None);
                    }
                }
            }
        }
        for event in batch.finish()? {
            if sender.blocking_send(Ok(event)).is_err() {
                return Ok(None);
            }
        }
        Ok(Some(end))
    }
}

/// Rows that are read together.
struct Batch<'source> {
    source: &'source Rows,
    builders: Vec<Builder>,
    bad: Vec<usize>,
    rejects: Vec<Reject>,
    rows: usize,
    bytes: u64,
}

impl<'source> Batch<'source> {
    fn new(source: &'source Rows, rows: usize) -> Self {
        let builders = source.kinds.iter().map(|kind| Builder::new(*kind, rows)).collect();
        Self { source, builders, bad: Vec::new(), rejects: Vec::new(), rows: 0, bytes: 0 }
    }

    /// Takes a row; gives its bytes.
    fn take(&mut self, row: &rusqlite::Row<'_>, number: u64) -> rusqlite::Result<Result<u64>> {
        let mut bytes = 0;
        let mut first: Option<(usize, Fault)> = None;
        for (at, builder) in self.builders.iter_mut().enumerate() {
            let value = row.get_ref(at)?;
            bytes += bytes_of(value);
            if let Err(fault) = builder.append(value) {
                first.get_or_insert((at, fault));
            }
        }
        if let Some((at, fault)) = first {
            let column = self.source.schema.field(at).name();
            // The rows of a table have no order but that of their rowids, and a split may begin at any of them.
            let (message, line) = match self.source.rowid {
                Some(rowid) => (format!("{fault} (rowid {})", row.get::<_, i64>(rowid)?), None),
                None => (fault.into_owned(), Some(number)),
            };
            if !self.source.request.rejects {
                let place = line.map(|number| format!("row {number}, ")).unwrap_or_default();
                let detail = format!("{place}column `{column}`: {message}");
                let operation = format!("read {}", self.source.request.stream);
                return Ok(Err(ConnectorError::new(ErrorKind::Data, operation, detail)
                    .remedy("declare `rejects` in the Pipeline, or leave such rows out with a query stream")));
            }
            self.rejects.push(Reject {
                location: self.source.request.stream.clone(),
                line,
                offset: None,
                column: Some(column.clone()),
                reason: RejectReason::CastFailed,
                message,
                raw: sql::cut(self.raw(row)?),
            });
            self.bad.push(self.rows);
        }
        self.rows += 1;
        self.bytes += bytes;
        Ok(Ok(bytes))
    }

    fn raw(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
        let mut object = serde_json::Map::new();
        for (at, field) in self.source.schema.fields().iter().enumerate() {
            let value = match row.get_ref(at)? {
                ValueRef::Null => serde_json::Value::Null,
                ValueRef::Integer(value) => value.into(),
                ValueRef::Real(value) => value.into(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
                ValueRef::Blob(bytes) => {
                    bytes.iter().take(1024).fold("x".to_owned(), |text, byte| format!("{text}{byte:02x}")).into()
                }
            };
            object.insert(field.name().clone(), value);
        }
        Ok(serde_json::Value::Object(object).to_string())
    }

    fn finish(&mut self) -> Result<Vec<SourceEvent>> {
        let bug =
            |error: arrow::error::ArrowError| ConnectorError::new(ErrorKind::Bug, "build a batch", error.to_string());
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let mut events = Vec::new();
        let mut columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        let bad = std::mem::take(&mut self.bad);
        if !bad.is_empty() {
            let mut keep = vec![true; rows];
            for row in &bad {
                keep[*row] = false;
            }
            let keep = BooleanArray::from(keep);
            columns = columns.iter().map(|column| filter(column, &keep)).collect::<Result<_, _>>().map_err(bug)?;
            events.push(SourceEvent::Rejects(std::mem::take(&mut self.rejects)));
        }
        if rows > bad.len() {
            let options = RecordBatchOptions::new().with_row_count(Some(rows - bad.len()));
            let schema = Arc::clone(&self.source.schema);
            let batch = RecordBatch::try_new_with_options(schema, columns, &options).map_err(bug)?;
            events.push(SourceEvent::Batch(batch));
        }
        Ok(events)
    }
}
