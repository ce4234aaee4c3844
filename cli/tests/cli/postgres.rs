//! A database of the shared server, asked without the binary.

use std::path::Path;
use std::process::Child;
use std::sync::Arc;

use aggregator_tests::postgres::{PASSWORD, Postgres, USER};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor, Row};
use tokio::runtime::Runtime;

use crate::rows::{NULL, sorted};

/// A database of the test's own.
pub(crate) struct Database {
    server: Arc<Postgres>,
    runtime: Arc<Runtime>,
    pub(crate) name: String,
}

/// An open connection to it.
pub(crate) struct Session {
    connection: PgConnection,
    runtime: Arc<Runtime>,
}

impl Database {
    pub(crate) fn new() -> Self {
        Self::on(Postgres::shared())
    }

    pub(crate) fn on(server: Arc<Postgres>) -> Self {
        let runtime = Arc::new(tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));
        let name = runtime.block_on(server.database());
        Self { server, runtime, name }
    }

    /// A new database with the same content. Nobody may be connected to this one.
    pub(crate) fn copy(&self) -> Self {
        let other =
            Self { server: Arc::clone(&self.server), runtime: Arc::clone(&self.runtime), name: self.fresh_name() };
        let mut session = self.session_of("postgres");
        session.execute(&format!("CREATE DATABASE {} TEMPLATE {}", other.name, self.name));
        other
    }

    fn fresh_name(&self) -> String {
        let name = self.runtime.block_on(self.server.database());
        self.session_of("postgres").execute(&format!("DROP DATABASE {name}"));
        name
    }

    /// Starts the load generator on it.
    pub(crate) fn load(&self, script: &Path, arguments: &[&str]) -> Child {
        self.server.load(&self.name, script, arguments)
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    pub(crate) fn session(&self) -> Session {
        self.session_of(&self.name)
    }

    fn session_of(&self, database: &str) -> Session {
        let connection = self.runtime.block_on(self.server.connect(database));
        Session { connection, runtime: Arc::clone(&self.runtime) }
    }

    pub(crate) fn execute(&self, statements: &str) {
        self.session().execute(statements);
    }

    /// The rows of a query, sorted; none when a table is not there.
    pub(crate) fn rows(&self, query: &str) -> Vec<String> {
        self.session().rows(query)
    }

    /// Whether the server does nothing for any other connection to it.
    pub(crate) fn is_idle(&self) -> bool {
        let others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        self.rows(others).is_empty()
    }

    /// A Connector named `db`, and the Secret with its password.
    pub(crate) fn manifest(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: connector-db, namespace: test}}\n\
             stringData: {{password: {PASSWORD}}}\n---\n{}",
            self.connector("db")
        )
    }

    /// A Connector alone.
    pub(crate) fn connector(&self, name: &str) -> String {
        format!(
            "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: {name}, namespace: test}}\n\
             spec:\n  postgres:\n    {{host: 127.0.0.1, port: {}, database: {}, username: {USER}, password: {{secretKey: password}}}}\n---\n",
            self.port(),
            self.name
        )
    }
}

impl Session {
    pub(crate) fn execute(&mut self, statements: &str) {
        let done = self.runtime.block_on(self.connection.execute(AssertSqlSafe(statements.to_owned())));
        done.unwrap_or_else(|error| panic!("{error}: {statements}"));
    }

    /// Whether a query has to wait for a lock.
    pub(crate) fn has_to_wait(&mut self, query: &str) -> bool {
        self.execute("SET lock_timeout = '50ms'");
        match self.runtime.block_on(self.connection.fetch_all(AssertSqlSafe(query.to_owned()))) {
            Ok(_) => false,
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => true,
            Err(error) => panic!("{error}: {query}"),
        }
    }

    pub(crate) fn rows(&mut self, query: &str) -> Vec<String> {
        // Each row as one text, its values between bars.
        self.lines(&format!(
            "SELECT array_to_string(ARRAY(SELECT value FROM json_each_text(row_to_json(q))), '|', '{NULL}') AS line FROM ({query}) q"
        ))
    }

    /// The lines of a query whose only column is the text `line`, sorted.
    pub(crate) fn lines(&mut self, query: &str) -> Vec<String> {
        let text = query.to_owned();
        match self.runtime.block_on(self.connection.fetch_all(AssertSqlSafe(text))) {
            Ok(rows) => sorted(rows.iter().map(|row: &PgRow| row.get("line")).collect()),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Vec::new(),
            Err(error) => panic!("{error}: {query}"),
        }
    }
}
