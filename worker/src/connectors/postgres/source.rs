//! Reading a table or a query: one snapshot, one binary COPY.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::Readable;
use super::catalogue::RelationColumn;
use super::decode::{Decoded, Decoder};
use super::ranges::{self, PageRange};
use super::session::Session;
use super::snapshot::Snapshot;
use super::types::{Reading, Wire, oid};
use crate::connector::{
    Buffers, ConnectorError, CursorWindow, Division, ErrorKind, EventStream, ReadSplit, Result, Size, Source,
    SourceEnd, SourceEvent, SourceRequest, Split,
};
use crate::connectors::sql;

/// Batches that may wait for the reader.
const AHEAD: usize = 2;

/// A stream, ready to be read.
pub(super) struct PostgresSource {
    /// Taken by a read, and given back when it has come to its end.
    session: Arc<Mutex<Option<Session>>>,
    /// What is read; all sources of the run see the same.
    snapshot: Arc<Snapshot>,
    /// The time before the snapshot, as an expression, once the session's transaction sees it.
    horizon: Option<String>,
    /// The table, when the stream is one and is read whole.
    table: Option<String>,
    /// SELECT … FROM … AS t
    select: String,
    /// The part that is wanted, by this column.
    window: Option<(CursorWindow, RelationColumn)>,
    schema: SchemaRef,
    wires: Vec<Wire>,
    request: SourceRequest,
    pub(super) size: Size,
    /// How much is read ahead.
    pub(super) buffers: Buffers,
}

impl PostgresSource {
    /// Prepares the statement.
    pub(super) fn new(
        session: Session,
        snapshot: Arc<Snapshot>,
        request: SourceRequest,
        readable: &Readable,
    ) -> Result<Self> {
        let Readable { from, columns: available, is_table, .. } = readable;
        let operation = format!("read {}", request.stream);
        if request.incremental || request.from.is_some() || request.to.is_some() {
            let detail = match request.from.as_ref().or(request.to.as_ref()) {
                Some(position) => {
                    format!("a position of kind `{}` does not belong to a postgres stream", position.kind)
                }
                None => "a table has no position of its own".to_owned(),
            };
            return Err(ConnectorError::new(ErrorKind::Config, operation, detail)
                .remedy("name a column to read by: `sync: {mode: Incremental, cursor: COLUMN}`"));
        }
        let names = available.iter().map(|column| column.name.as_str());
        let find = |name: &str| {
            available
                .iter()
                .find(|column| column.name == name)
                .ok_or_else(|| sql::no_such_column(&request.stream, name, names.clone()))
        };
        let chosen: Vec<&RelationColumn> = match &request.columns {
            None => available.iter().collect(),
            Some(columns) => columns.iter().map(|name| find(name)).collect::<Result<_>>()?,
        };
        let mut fields = Vec::with_capacity(chosen.len());
        let mut wires = Vec::with_capacity(chosen.len());
        let mut expressions = Vec::with_capacity(chosen.len());
        for column in chosen {
            let Reading { wire, cast } = column.server.reading();
            let field = Field::new(&column.name, wire.arrow(), column.nullable);
            fields.push(match &column.comment {
                Some(comment) => field.with_metadata(
                    [(aggregator_compiler::types::COMMENT_KEY.to_owned(), comment.clone())].into_iter().collect(),
                ),
                None => field,
            });
            wires.push(wire);
            let name = format!("t.{}", sql::identifier(&column.name));
            expressions.push(cast.map_or_else(|| name.clone(), |cast| format!("{name}::{cast}")));
        }
        let window = match &request.window {
            Some(window) => {
                let column = find(&window.column)?;
                // What cannot be read is refused before anything begins.
                restriction(&operation, window, column, "now()")?;
                Some((window.clone(), column.clone()))
            }
            None => None,
        };
        Ok(Self {
            session: Arc::new(Mutex::new(Some(session))),
            snapshot,
            horizon: None,
            table: (*is_table && request.window.is_none()).then(|| from.clone()),
            select: format!("SELECT {} FROM {from} AS t", expressions.join(", ")),
            window,
            schema: Arc::new(Schema::new(fields)),
            wires,
            request,
            size: Size::default(),
            buffers: Buffers::default(),
        })
    }
}

/// WHERE and ORDER BY of a window. Bounds are inclusive, and of the column's own type: nothing is rounded. `horizon` is a
/// time before the snapshot, as an expression. The session's time zone is UTC.
fn restriction(operation: &str, window: &CursorWindow, column: &RelationColumn, horizon: &str) -> Result<String> {
    let refuse =
        |detail: String, remedy: &str| Err(ConnectorError::new(ErrorKind::Config, operation, detail).remedy(remedy));
    let Reading { wire, cast } = column.server.reading();
    let name = &column.name;
    if column.server.is_enum || cast.is_some() || matches!(wire, Wire::List(_)) {
        return refuse(
            format!("column `{name}` is read as text whose order is not the server's own, so it cannot be a cursor"),
            "use another cursor, or a query stream that casts the column, as `amount::numeric(38, 9)`",
        );
    }
    let quoted = format!("t.{}", sql::identifier(name));
    // Text is compared byte by byte, as Arrow compares it.
    let ordered = match column.server.oid {
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME => format!("{quoted}::text COLLATE \"C\""),
        oid::JSON => {
            return refuse(format!("column `{name}` is json, which has no order"), "use another cursor");
        }
        _ => quoted.clone(),
    };
    let literal = |text: &str| match wire {
        Wire::Bytea => format!("decode({}, 'hex')", quote(text)),
        // Casting char(n) to text takes its padding away.
        Wire::Text if column.server.oid == oid::BPCHAR => quote(text.trim_end_matches(' ')),
        // Arrow writes a plus before years of five digits, PostgreSQL takes none.
        Wire::Date | Wire::Timestamp | Wire::TimestampTz => {
            format!("{}::{}", quote(text.trim_start_matches('+')), type_of(&wire))
        }
        _ => format!("{}::{}", quote(text), type_of(&wire)),
    };
    let mut conditions = Vec::new();
    if let Some(lower) = &window.lower {
        conditions.push(format!("{ordered} >= {}", literal(lower)));
    }
    if let Some(upper) = &window.upper {
        conditions.push(format!("{ordered} <= {}", literal(upper)));
    }
    if let Some(lag) = window.lag {
        let horizon = match wire {
            Wire::TimestampTz => horizon.to_owned(),
            Wire::Timestamp | Wire::Date => format!("{horizon}::timestamp"),
            _ => {
                return refuse(
                    format!("column `{name}` is no time, so rows cannot be held back by `lag`"),
                    "remove `sync.lag`, or use a date or timestamp as the cursor",
                );
            }
        };
        conditions.push(format!("{quoted} <= {horizon} - interval '{} microseconds'", lag.as_micros()));
    }
    // A row without a cursor comes through, to be rejected in the open rather than forgotten.
    let filter = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE ({}) OR {quoted} IS NULL", conditions.join(" AND "))
    };
    Ok(format!("{filter} ORDER BY {ordered}"))
}

fn type_of(wire: &Wire) -> &'static str {
    match wire {
        Wire::Bool => "boolean",
        Wire::Int2 => "smallint",
        Wire::Int4 => "integer",
        Wire::Int8 => "bigint",
        Wire::Float4 => "real",
        Wire::Float8 => "double precision",
        Wire::Numeric { .. } => "numeric",
        Wire::Uuid => "uuid",
        Wire::Date => "date",
        Wire::Time => "time",
        Wire::Timestamp => "timestamp",
        Wire::TimestampTz => "timestamptz",
        Wire::Text | Wire::Bytea | Wire::List(_) => "text",
    }
}

/// A string constant, whatever the server's `standard_conforming_strings` says.
pub(super) fn quote(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[async_trait]
impl Source for PostgresSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn size(&self) -> Size {
        self.size
    }

    async fn read(mut self: Box<Self>) -> Result<EventStream> {
        let session = self.begun().await?;
        let horizon = self.horizon.as_deref().unwrap_or_default();
        let tail = match &self.window {
            Some((window, column)) => restriction(&self.operation(), window, column, horizon)?,
            None => String::new(),
        };
        let decoder = self.decoder();
        Ok(self.start(session, decoder, &tail, After::Close(Arc::clone(&self.snapshot))))
    }

    async fn divide(&mut self, bytes: u64, earlier: &[ReadSplit]) -> Result<Option<Division>> {
        let Some(table) = &self.table else { return Ok(None) };
        let (operation, table) = (self.operation(), table.clone());
        let mut session = self.begun().await?;
        let division = ranges::divide(&mut session, &operation, &table, bytes, earlier).await?;
        let short = division.as_ref().is_none_or(|division| division.stands.len() + division.rest.len() <= 1);
        if short && self.request.together <= 1 {
            // It will be read in one go, in a snapshot that begins then.
            session.execute(&operation, "ROLLBACK").await?;
            self.horizon = None;
        }
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        Ok(division)
    }

    fn shares(&self) -> bool {
        true
    }

    async fn share(&mut self, _bytes: u64, splits: Vec<Split>) -> Result<Vec<Split>> {
        let operation = self.operation();
        let mut session = self.begun().await?;
        let splits = ranges::share(&mut session, &operation, splits).await?;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        Ok(splits)
    }

    async fn read_split(&mut self, split: &Split) -> Result<EventStream> {
        let condition = format!(" WHERE {}", PageRange::of(split)?.condition());
        let session = self.session()?;
        let decoder = self.decoder().of_part();
        Ok(self.start(session, decoder, &condition, After::GiveBack(Arc::clone(&self.session))))
    }
}

/// What becomes of the session when a read has come to its end.
enum After {
    /// The transaction is over. It began together with these.
    Close(Arc<Snapshot>),
    /// The next split is read in the same transaction.
    GiveBack(Arc<Mutex<Option<Session>>>),
}

impl PostgresSource {
    fn operation(&self) -> String {
        format!("read {}", self.request.stream)
    }

    fn session(&self) -> Result<Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(|| {
            ConnectorError::new(ErrorKind::Bug, self.operation(), "a read began before the one before it had ended")
        })
    }

    /// The session, in a transaction that sees the snapshot.
    async fn begun(&mut self) -> Result<Session> {
        let mut session = self.session()?;
        if self.horizon.is_none() {
            self.horizon = Some(self.snapshot.begin(&mut session, &self.operation()).await?);
        }
        Ok(session)
    }

    fn decoder(&self) -> Decoder {
        let (schema, location) = (Arc::clone(&self.schema), self.request.stream.clone());
        let decoder = Decoder::new(schema, &self.wires, self.request.batch_rows, location, self.request.rejects);
        decoder.in_batches_of(self.buffers.batch())
    }

    fn start(&self, session: Session, decoder: Decoder, tail: &str, after: After) -> EventStream {
        let transfer = Transfer {
            session,
            operation: self.operation(),
            statement: format!("COPY ({}{tail}) TO STDOUT (FORMAT binary)", self.select),
            decoder,
        };
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let closed = sender.clone();
            tokio::select! {
                // Nobody reads any more: dropping the session closes the connection.
                () = closed.closed() => {}
                outcome = transfer.run(&sender, after) => {
                    if let Err(error) = outcome {
                        // A reader that has gone does not want the error either.
                        drop(sender.send(Err(error)).await);
                    }
                }
            }
        });
        sql::events(receiver)
    }
}

/// One COPY on its way.
struct Transfer {
    session: Session,
    operation: String,
    statement: String,
    decoder: Decoder,
}

impl Transfer {
    async fn run(mut self, sender: &mpsc::Sender<Result<SourceEvent>>, after: After) -> Result<()> {
        let (operation, decoder) = (&self.operation, &mut self.decoder);
        let silence = self.session.silence;
        if let After::Close(snapshot) = &after {
            snapshot.all_begun().await;
        }
        let copy = self.session.connection.copy_out_raw(&self.statement);
        let mut pieces = silence.bound(operation, copy).await?;
        let mut decoded = Vec::new();
        while let Some(piece) = silence.bound(operation, async { pieces.next().await.transpose() }).await? {
            decoder.feed(&piece, &mut decoded)?;
            for ready in decoded.drain(..) {
                if !give(ready, sender).await {
                    return Ok(());
                }
            }
        }
        drop(pieces);
        if let Some(last) = decoder.finish()?
            && !give(last, sender).await
        {
            return Ok(());
        }
        let end = SourceEnd { read: decoder.read, bytes: decoder.bytes, ..SourceEnd::default() };
        match after {
            After::Close(_) => {
                // The transaction must be over before a sink of the same database changes the table.
                self.session.execute(&self.operation, "COMMIT").await?;
                drop(self.session);
            }
            After::GiveBack(place) => *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.session),
        }
        drop(sender.send(Ok(SourceEvent::End(end))).await);
        Ok(())
    }
}

async fn give(decoded: Decoded, sender: &mpsc::Sender<Result<SourceEvent>>) -> bool {
    if !decoded.rejects.is_empty() && sender.send(Ok(SourceEvent::Rejects(decoded.rejects))).await.is_err() {
        return false;
    }
    decoded.batch.num_rows() == 0 || sender.send(Ok(SourceEvent::Batch(decoded.batch))).await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::types::ServerType;
    use super::*;

    fn column(oid: u32) -> RelationColumn {
        let server = ServerType { oid, modifier: -1, is_enum: false, element: None, name: String::new() };
        RelationColumn { name: "c".into(), server, nullable: true, comment: None }
    }

    #[test]
    fn bounds_are_literals_of_the_columns_type() {
        let window =
            |lower: &str, lag| CursorWindow { column: "c".into(), lower: Some(lower.into()), upper: None, lag };
        let sql = |lower, lag, oid| {
            restriction("read t", &window(lower, lag), &column(oid), "now()").map_err(|error| error.kind)
        };
        assert_eq!(
            sql("7", None, oid::INT8),
            Ok(" WHERE (t.\"c\" >= '7'::bigint) OR t.\"c\" IS NULL ORDER BY t.\"c\"".into())
        );
        assert_eq!(
            sql("it's \\", None, oid::TEXT),
            Ok(" WHERE (t.\"c\"::text COLLATE \"C\" >= E'it''s \\\\'::text) OR t.\"c\" IS NULL ORDER BY t.\"c\"::text COLLATE \"C\"".into())
        );
        assert_eq!(
            sql("+12026-01-01T00:00:00Z", Some(Duration::from_secs(60)), oid::TIMESTAMPTZ),
            Ok(" WHERE (t.\"c\" >= '12026-01-01T00:00:00Z'::timestamptz AND t.\"c\" <= now() - interval '60000000 microseconds') OR t.\"c\" IS NULL ORDER BY t.\"c\"".into())
        );
        assert_eq!(sql("1", Some(Duration::from_secs(60)), oid::INT8), Err(ErrorKind::Config));
        assert_eq!(sql("1", None, oid::NUMERIC), Err(ErrorKind::Config));
        assert_eq!(sql("1", None, oid::JSON), Err(ErrorKind::Config));
    }
}
