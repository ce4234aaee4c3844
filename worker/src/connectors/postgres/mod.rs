//! The `postgres` connector: tables and queries of a PostgreSQL database, by binary COPY in both directions.

mod catalogue;
mod commits;
mod decode;
mod fault;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod keys;
mod line;
mod load;
mod moves;
mod publish;
mod ranges;
mod session;
mod sink;
mod snapshot;
mod source;
mod stage;
mod target;
mod types;
mod value;
mod versions;
mod widen;

use aggregator_compiler::catalogue::{Catalogue, Stream};
use aggregator_compiler::plural::counted;
use async_trait::async_trait;
use std::sync::Arc;

use self::catalogue::{Relation, RelationColumn};
use self::session::{Client, Session, get};
use self::sink::PostgresSink;
use self::snapshot::Snapshot;
use self::source::PostgresSource;
use self::target::Target;
use super::shape::Shape;
use super::sql;
use super::together::Together;
use crate::connector::{
    Buffers, CheckReport, Connector, ConnectorError, Environment, ErrorKind, Result, Sink, SinkRequest, Size, Source,
    SourceRequest,
};

/// Opens the connector; reaches nothing yet.
pub(super) fn open(environment: Environment) -> Result<Box<dyn Connector>> {
    let buffers = environment.buffers;
    Ok(Box::new(Postgres { client: Client::new(&environment)?, buffers, open: Together::default() }))
}

struct Postgres {
    client: Client,
    buffers: Buffers,
    /// What the sources that are open together read.
    open: Together<Snapshot>,
}

/// What can be read.
struct Readable {
    /// What stands behind FROM.
    from: String,
    columns: Vec<RelationColumn>,
    /// It is a table or view, and not a query.
    is_table: bool,
    size: Size,
}

/// A table's name in two parts; the schema may be left to the server's search path.
fn table_name(stream: &str) -> Result<(Option<String>, String)> {
    let mut parts = sql::name_parts(stream)?;
    let table = parts.pop().unwrap_or_default();
    match (parts.pop(), parts.is_empty()) {
        (schema, true) => Ok((schema, table)),
        (_, false) => Err(ConnectorError::new(
            ErrorKind::Config,
            format!("read the stream name `{stream}`"),
            "it has more than two parts",
        )
        .remedy("write `schema.table`; the database stands in the Connector")),
    }
}

impl Postgres {
    async fn relation(&self, session: &mut Session, stream: &str) -> Result<Relation> {
        let (schema, table) = table_name(stream)?;
        let found = catalogue::relations(session, Some((schema.as_deref(), &table))).await?;
        if let Some(relation) = found.into_iter().next() {
            return Ok(relation);
        }
        let known: Vec<String> = catalogue::relations(session, None).await?.iter().map(Relation::stream_name).collect();
        let remedy = sql::did_you_mean(stream, known.iter().map(String::as_str)).unwrap_or_else(|| {
            format!("`aggregator connectors discover` names what is there: {}", counted(known.len(), "stream"))
        });
        Err(ConnectorError::new(
            ErrorKind::NotFound,
            format!("read {stream} from {}", self.client.place),
            "there is no such table or view",
        )
        .remedy(remedy))
    }

    async fn readable(&self, session: &mut Session, stream: &str) -> Result<Readable> {
        match sql::query(stream) {
            Some(query) => {
                // The line end keeps a comment at the query's end from swallowing the bracket.
                let from = format!("({query}\n)");
                let operation = format!("describe the query at {}", self.client.place);
                let columns = catalogue::query_columns(session, &operation, query).await?;
                Ok(Readable { from, columns, is_table: false, size: Size::default() })
            }
            None => {
                let relation = self.relation(session, stream).await?;
                // A guess at what a row has in memory.
                let bytes = relation.estimated_rows.map(|rows| rows.saturating_mul(16 * relation.columns.len() as u64));
                let size = Size { rows: relation.estimated_rows, bytes };
                Ok(Readable { from: relation.quoted(), columns: relation.columns, is_table: true, size })
            }
        }
    }
}

#[async_trait]
impl Connector for Postgres {
    async fn check(&self) -> Result<CheckReport> {
        let mut session = self.client.connect().await?;
        let query = sqlx::query(
            "SELECT current_setting('server_version') AS version, current_user::text AS role, \
             (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used, \
             current_setting('max_connections') AS allowed",
        );
        let rows = session.fetch("ask for the server's version", query).await?;
        let Some(row) = rows.first() else {
            return Err(ConnectorError::new(ErrorKind::Data, "ask for the server's version", "no answer"));
        };
        let version: String = get(row, "version")?;
        let message = format!(
            "PostgreSQL {}, as {}, {} of {} connections",
            version.split(' ').next().unwrap_or(&version),
            get::<String>(row, "role")?,
            get::<i64>(row, "used")?,
            get::<String>(row, "allowed")?,
        );
        Ok(CheckReport { message, latency: session.latency })
    }

    async fn discover(&self) -> Result<Catalogue> {
        let mut session = self.client.connect().await?;
        let relations = catalogue::relations(&mut session, None).await?;
        Ok(Catalogue { streams: relations.iter().map(Relation::stream).collect(), truncated: false })
    }

    async fn describe(&self, stream: &str) -> Result<Stream> {
        let mut session = self.client.connect().await?;
        if sql::query(stream).is_some() {
            let readable = self.readable(&mut session, stream).await?;
            return Ok(Stream {
                name: stream.to_owned(),
                columns: catalogue::stream_columns(&readable.columns),
                ..Stream::default()
            });
        }
        let mut found = self.relation(&mut session, stream).await?.stream();
        stream.clone_into(&mut found.name);
        Ok(found)
    }

    async fn source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        let mut session = self.client.connect().await?;
        let readable = self.readable(&mut session, &request.stream).await?;
        let snapshot = self.open.of(request.together, || Snapshot::new(request.together));
        let mut source = PostgresSource::new(session, snapshot, request, &readable)?;
        (source.size, source.buffers) = (readable.size, self.buffers);
        Ok(Box::new(source))
    }

    async fn sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        let operation = format!("write {} to {}", request.stream, self.client.place);
        if sql::query(&request.stream).is_some() {
            return Err(ConnectorError::new(ErrorKind::Config, operation, "a query cannot be written to")
                .remedy("name a table: `stream: schema.table`"));
        }
        let (schema, table) = table_name(&request.stream)?;
        let mut session = self.client.connect().await?;
        let query = sqlx::query(
            "SELECT coalesce($1, current_schema()::text) AS schema, \
             EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = coalesce($1, current_schema()::text)) AS found",
        )
        .bind(&schema);
        let rows = session.fetch(&operation, query).await?;
        let (schema, found) = match rows.first() {
            Some(row) => (get::<Option<String>>(row, "schema")?.unwrap_or_else(|| "public".into()), get(row, "found")?),
            None => ("public".into(), false),
        };
        if !found {
            let detail = format!("there is no schema `{schema}`");
            return Err(ConnectorError::new(ErrorKind::NotFound, operation, detail)
                .remedy(format!("CREATE SCHEMA {}", sql::identifier(&schema))));
        }
        let relation = catalogue::relations(&mut session, Some((Some(&schema), &table))).await?.into_iter().next();
        let rows = Arc::clone(&request.schema);
        let mut request = request;
        let shown = format!("{}.{}", sql::shown(&schema), sql::shown(&table));
        let misfits = target::misfits(&request, relation.as_ref());
        let shape = Shape::apply(&mut request, misfits, &shown, &operation)?;
        let target = Target::decide(&request, &schema, &table, relation.as_ref())?;
        let given = shape.plan(&rows);
        Ok(Box::new(PostgresSink::new(session, request, target, shape, given, self.buffers)))
    }
}
