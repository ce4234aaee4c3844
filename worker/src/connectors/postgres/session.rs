//! Connections: how they are opened, how many at once, and how long the server may stay silent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregator_crds::ConnectorType;
use aggregator_crds::connector::{PostgresConnector, TlsMode};
use aggregator_crds::secret::CertificateAuthority;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, Connection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault;
use crate::connector::{ConnectorError, Environment, ErrorKind, Result};

/// What is needed to open a connection.
#[derive(Clone)]
pub(super) struct Client {
    options: PgConnectOptions,
    connect_timeout: Duration,
    silence: Silence,
    permits: Arc<Semaphore>,
    limit: Option<u32>,
    /// `host:port/database`, for messages.
    pub(super) place: String,
}

impl Client {
    /// Reads the spec and the secrets; reaches nothing.
    pub(super) fn new(environment: &Environment) -> Result<Self> {
        let operation = || format!("open Connector `{}`", environment.name);
        let ConnectorType::Postgres(spec) = &environment.spec.connector_type else {
            return Err(ConnectorError::new(ErrorKind::Bug, operation(), "the spec is not one of postgres"));
        };
        let duration = |field: &str, text: &Option<String>, default: u64| match text {
            None => Ok(Duration::from_secs(default)),
            Some(text) => parse_duration(text).ok_or_else(|| {
                let detail = format!("`{field}: {text}` is not a length of time");
                ConnectorError::new(ErrorKind::Config, operation(), detail).remedy("write it as `30s`, `10m` or `1h`")
            }),
        };
        let limit = environment.spec.limits.as_ref().and_then(|limits| limits.connections);
        Ok(Self {
            options: options(environment, spec)?,
            connect_timeout: duration("connectTimeout", &spec.connect_timeout, 10)?,
            silence: Silence(duration("statementTimeout", &spec.statement_timeout, 600)?),
            permits: Arc::new(Semaphore::new(limit.map_or(Semaphore::MAX_PERMITS, |limit| limit as usize))),
            limit,
            place: format!("{}:{}/{}", spec.host, spec.port, spec.database),
        })
    }

    /// Opens a connection, once one of the allowed number is free.
    pub(super) async fn connect(&self) -> Result<Session> {
        let operation = || format!("connect to {}", self.place);
        let seconds = self.connect_timeout;
        let permit = tokio::time::timeout(seconds, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| {
                let detail = format!(
                    "all {} connections that `limits.connections` allows stayed in use for {seconds:?}",
                    self.limit.unwrap_or_default()
                );
                ConnectorError::new(ErrorKind::Limit, operation(), detail)
                    .remedy("raise `limits.connections`: each source and each sink of a run holds one")
            })?
            .map_err(|closed| ConnectorError::new(ErrorKind::Bug, operation(), closed.to_string()))?;
        let started = Instant::now();
        let connection = tokio::time::timeout(seconds, PgConnection::connect_with(&self.options))
            .await
            .map_err(|_| {
                ConnectorError::new(ErrorKind::Unreachable, operation(), format!("no answer within {seconds:?}"))
                    .remedy("see that host and port are right and that the server answers; `connectTimeout` sets how long to wait")
            })?
            .map_err(|error| fault::of_connecting(operation(), error))?;
        Ok(Session { connection, silence: self.silence, latency: started.elapsed(), _permit: permit })
    }
}

fn options(environment: &Environment, spec: &PostgresConnector) -> Result<PgConnectOptions> {
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&spec.host)
        .port(spec.port)
        .database(&spec.database)
        .username(&spec.username)
        .application_name("aggregator")
        // Prepared statements with names do not survive a pooler between us and the server.
        .statement_cache_capacity(0);
    if let Some(password) = &spec.password {
        options = options.password(&environment.secrets.text(&password.secret_key)?);
    }
    let tls = spec.tls.as_ref();
    options = options.ssl_mode(match tls.map(|tls| tls.mode).unwrap_or_default() {
        TlsMode::Disable => PgSslMode::Disable,
        TlsMode::Prefer => PgSslMode::Prefer,
        TlsMode::Require => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyFull => PgSslMode::VerifyFull,
    });
    let pem = match tls.and_then(|tls| tls.ca.as_ref()) {
        Some(CertificateAuthority::Pem(pem)) => Some(pem.clone()),
        Some(CertificateAuthority::SecretKey(key)) => Some(environment.secrets.text(key)?),
        None => None,
    };
    if let Some(pem) = pem {
        options = options.ssl_root_cert_from_pem(pem.into_bytes());
    }
    Ok(options)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let duration = Duration::try_from(text.trim().parse::<jiff::SignedDuration>().ok()?).ok()?;
    (!duration.is_zero()).then_some(duration)
}

/// The longest the server may stay silent.
#[derive(Clone, Copy)]
pub(super) struct Silence(Duration);

impl Silence {
    /// Waits for an answer of the server.
    pub(super) async fn bound<T>(self, operation: &str, answer: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
        self.attempt(operation, answer).await?.map_err(|error| fault::of_statement(operation.to_owned(), error))
    }

    /// Waits for an answer of the server, and gives an error of its own back as it came.
    pub(super) async fn attempt<T>(
        self,
        operation: &str,
        answer: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<sqlx::Result<T>> {
        tokio::time::timeout(self.0, answer).await.map_err(|_| {
            ConnectorError::new(ErrorKind::Transient, operation, format!("the server was silent for {:?}", self.0))
                .remedy("look for locks in pg_stat_activity; `statementTimeout` sets how long to wait")
        })
    }
}

/// An open connection. Dropping it closes it, and the server rolls back what was open.
pub(super) struct Session {
    /// The connection.
    pub(super) connection: PgConnection,
    /// How long its server may stay silent.
    pub(super) silence: Silence,
    /// How long connecting took.
    pub(super) latency: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Session {
    /// Runs a statement without parameters; gives the number of rows it touched.
    pub(super) async fn execute(&mut self, operation: &str, statement: &str) -> Result<u64> {
        self.try_execute(operation, statement).await?.map_err(|error| fault::of_statement(operation.to_owned(), error))
    }

    /// As [`Self::execute`], and gives an error of the server back as it came.
    pub(super) async fn try_execute(&mut self, operation: &str, statement: &str) -> Result<sqlx::Result<u64>> {
        let answer = async {
            let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut self.connection).await?;
            Ok(done.rows_affected())
        };
        self.silence.attempt(operation, answer).await
    }

    /// Runs a query with parameters.
    pub(super) async fn fetch(
        &mut self,
        operation: &str,
        query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> Result<Vec<PgRow>> {
        self.silence.bound(operation, query.persistent(false).fetch_all(&mut self.connection)).await
    }
}

/// Takes a column out of a row that a catalogue query of ours gave.
pub(super) fn get<'row, T>(row: &'row PgRow, column: &str) -> Result<T>
where
    T: sqlx::Decode<'row, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::Row::try_get(row, column).map_err(|error| {
        ConnectorError::new(ErrorKind::Bug, format!("read `{column}` of the catalogue"), error.to_string())
    })
}
