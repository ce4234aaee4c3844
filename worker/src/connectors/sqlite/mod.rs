//! The `sqlite` connector: tables and queries of a SQLite database file.

mod catalogue;
mod commits;
mod database;
mod extent;
mod identity;
mod moves;
mod ranges;
mod rehearse;
mod side;
mod sink;
mod snapshot;
mod source;
mod stage;
mod target;
mod types;
mod value;
mod versions;

use std::sync::Arc;
use std::time::Instant;

use aggregator_compiler::catalogue::{Catalogue, Stream};
use async_trait::async_trait;

use self::catalogue::Relation;
use self::database::{Database, blocking, fault};
use self::sink::SqliteSink;
use self::snapshot::Snapshot;
use self::source::SqliteSource;
use self::target::Target;
use super::shape::Shape;
use super::sql;
use super::together::Together;
use crate::connector::{
    Buffers, CheckReport, Connector, ConnectorError, Environment, ErrorKind, Result, Sink, SinkRequest, Source,
    SourceRequest,
};

/// Opens the connector; reaches nothing yet.
pub(super) fn open(environment: Environment) -> Result<Box<dyn Connector>> {
    let buffers = environment.buffers;
    Ok(Box::new(Sqlite { database: Database::new(&environment)?, buffers, open: Together::default() }))
}

struct Sqlite {
    database: Database,
    buffers: Buffers,
    /// What the sources that are open together read.
    open: Together<Snapshot>,
}

#[async_trait]
impl Connector for Sqlite {
    async fn check(&self) -> Result<CheckReport> {
        let database = self.database.clone();
        blocking(move || {
            let started = Instant::now();
            if database.missing() {
                // A sink makes its file, so a missing one is no fault of the Connector.
                let message = format!("{} is not there yet; the first write makes it", database.shown());
                return Ok(CheckReport { message, latency: started.elapsed() });
            }
            let connection = database.read()?;
            let operation = format!("check {}", database.shown());
            let verdict: String = connection
                .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
                .map_err(|error| fault(&operation, error))?;
            if verdict != "ok" {
                return Err(ConnectorError::new(ErrorKind::Data, operation, verdict)
                    .remedy("`sqlite3 FILE .recover` saves what can be read"));
            }
            let tables = catalogue::names(&connection)?.len();
            let tables = if tables == 1 { "1 table or view".to_owned() } else { format!("{tables} tables and views") };
            let message = format!("SQLite {}, {tables}", rusqlite::version());
            Ok(CheckReport { message, latency: started.elapsed() })
        })
        .await
    }

    async fn discover(&self) -> Result<Catalogue> {
        let database = self.database.clone();
        blocking(move || {
            let connection = database.read()?;
            let mut streams = Vec::new();
            for name in catalogue::names(&connection)? {
                if let Some(relation) = catalogue::table(&connection, &name)? {
                    streams.push(Stream { name: sql::shown(&name), ..relation.stream() });
                }
            }
            Ok(Catalogue { streams, truncated: false })
        })
        .await
    }

    async fn describe(&self, stream: &str) -> Result<Stream> {
        let (database, stream) = (self.database.clone(), stream.to_owned());
        blocking(move || Ok(catalogue::readable(&database.read()?, &database, &stream)?.stream())).await
    }

    async fn source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        let database = self.database.clone();
        let buffers = self.buffers;
        let snapshot = self.open.of(request.together, || Snapshot::new(database.clone(), request.together));
        blocking(move || {
            let connection = database.read()?;
            let relation: Relation = catalogue::readable(&connection, &database, &request.stream)?;
            let size = extent::of(&connection, &relation)?;
            let mut source = SqliteSource::new(snapshot, request, &relation, buffers)?;
            source.size = size;
            Ok(Box::new(source) as Box<dyn Source>)
        })
        .await
    }

    async fn sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        if sql::query(&request.stream).is_some() {
            let operation = format!("write to {}", self.database.shown());
            return Err(ConnectorError::new(ErrorKind::Config, operation, "a query cannot be written to")
                .remedy("name a table: `stream: table`"));
        }
        let (database, mut request) = (self.database.clone(), request);
        blocking(move || {
            let (mut relation, mut commits) = (None, false);
            if database.path.exists() {
                let connection = database.read()?;
                let mut parts = sql::name_parts(&request.stream)?;
                let name = parts.pop().unwrap_or_default();
                relation = catalogue::table(&connection, &name)?;
                commits = catalogue::table(&connection, "_aggregator_commits")?.is_some();
            }
            let rows = Arc::clone(&request.schema);
            let misfits = Target::misfits(&request, relation.as_ref());
            let (shown, operation) = (request.stream.clone(), format!("write {}", request.stream));
            let shape = Shape::apply(&mut request, misfits, &shown, &operation)?;
            let target = Target::decide(&request, relation.as_ref(), commits)?;
            let discards = shape.plan(&rows);
            Ok(Box::new(SqliteSink::new(database, request, target, shape, discards)) as Box<dyn Sink>)
        })
        .await
    }
}
