//! The database file: how it is opened, and its errors, classed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aggregator_crds::ConnectorType;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::connector::{ConnectorError, Environment, ErrorKind, MAX_ROW, Result};

/// How long to wait for another program that writes.
const BUSY: Duration = Duration::from_secs(30);

/// Where the file is.
#[derive(Clone, Debug)]
pub(super) struct Database {
    /// The path, relative to the manifest's folder if the manifest gave a relative one.
    pub(super) path: PathBuf,
}

impl Database {
    pub(super) fn new(environment: &Environment) -> Result<Self> {
        let ConnectorType::Sqlite(spec) = &environment.spec.connector_type else {
            let operation = format!("open Connector `{}`", environment.name);
            return Err(ConnectorError::new(ErrorKind::Bug, operation, "the spec is not one of sqlite"));
        };
        Ok(Self { path: environment.base.join(&spec.path) })
    }

    /// The path for messages.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Opens the file for reading.
    pub(super) fn read(&self) -> Result<Connection> {
        if !self.path.is_file() {
            let detail = if self.path.exists() { "it is not a file" } else { "there is no such file" };
            return Err(ConnectorError::new(ErrorKind::NotFound, format!("open {}", self.shown()), detail)
                .remedy("correct `path`; a relative one starts at the manifest's folder"));
        }
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let most = i32::try_from(MAX_ROW).unwrap_or(i32::MAX);
        connection
            .set_limit(Limit::SQLITE_LIMIT_LENGTH, most)
            .map_err(|error| fault(format!("open {}", self.shown()), error))?;
        Ok(connection)
    }

    /// Whether nothing is at the path.
    pub(super) fn missing(&self) -> bool {
        !self.path.exists()
    }

    /// Opens the file for writing; creates it, and its folder, when they are missing.
    pub(super) fn write(&self) -> Result<Connection> {
        if let Some(folder) = self.path.parent().filter(|folder| *folder != Path::new("")) {
            std::fs::create_dir_all(folder).map_err(|error| {
                let operation = format!("create the folder {}", folder.display());
                ConnectorError::new(ErrorKind::Refused, operation, error.to_string()).caused_by(error)
            })?;
        }
        // Another file is attached for reading only, which is said in a URI.
        self.open(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI)
    }

    /// Opens a file that is there for writing.
    pub(super) fn change(&self) -> Result<Connection> {
        self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// The file as a URI that says to only read it.
    pub(super) fn read_only_uri(&self) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_');
        let path = self.path.as_os_str().as_encoded_bytes().iter();
        let path = path.map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
        format!("file:{}?mode=ro", path.collect::<String>())
    }

    fn open(&self, flags: OpenFlags) -> Result<Connection> {
        let operation = || format!("open {}", self.shown());
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // A path is never a URI, whatever it begins with.
        let path = if self.path.is_relative() { &Path::new(".").join(&self.path) } else { &self.path };
        let connection = Connection::open_with_flags(path, flags).map_err(|error| fault(operation(), error))?;
        connection.busy_timeout(BUSY).map_err(|error| fault(operation(), error))?;
        // Double quotes then always name a column: a wrong name is an error, never a text.
        for config in
            [rusqlite::config::DbConfig::SQLITE_DBCONFIG_DQS_DML, rusqlite::config::DbConfig::SQLITE_DBCONFIG_DQS_DDL]
        {
            connection.set_db_config(config, false).map_err(|error| fault(operation(), error))?;
        }
        Ok(connection)
    }
}

/// Classes an error of SQLite.
pub(super) fn fault(operation: impl Into<String>, error: rusqlite::Error) -> ConnectorError {
    let detail = error.to_string();
    let (kind, remedy) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (ErrorKind::Transient, Some("another program keeps the file locked; end it or try again"))
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => (
            ErrorKind::Data,
            Some("the file is damaged or no SQLite database; `sqlite3 FILE .recover` saves what can be read"),
        ),
        Some(ErrorCode::CannotOpen) => (ErrorKind::NotFound, Some("see that the folder is there and may be read")),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (ErrorKind::Refused, Some("give this process the right to write the file and its folder"))
        }
        Some(ErrorCode::DiskFull) => (
            ErrorKind::Refused,
            Some("make room on the disk of the file, and in the folder for temporary files (TMPDIR), where rows wait"),
        ),
        Some(ErrorCode::SystemIoFailure) => (
            ErrorKind::Refused,
            Some(
                "see that the disk of the file, and that of temporary files (TMPDIR), have room and the file may grow; the system's log says what else is wrong",
            ),
        ),
        Some(ErrorCode::TooBig) => (
            ErrorKind::Limit,
            Some(
                "a value or a row has more than 64 MiB: leave the column out, or keep such content in files of its own",
            ),
        ),
        Some(ErrorCode::OperationInterrupted) => (ErrorKind::Interrupted, None),
        Some(ErrorCode::Unknown) | None if detail.contains("no such") => (ErrorKind::NotFound, None),
        Some(ErrorCode::Unknown) | None => (ErrorKind::Config, None),
        Some(_) => (ErrorKind::Refused, None),
    };
    let mut classed = ConnectorError::new(kind, operation, detail).caused_by(error);
    classed.remedy = remedy.map(str::to_owned);
    classed
}

/// Runs work that blocks on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ConnectorError::new(ErrorKind::Bug, "use SQLite", error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_no_uri_and_a_uri_leads_to_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database { path: folder.path().join("50% of ä?mode=rw#1.db") };
        database.write().unwrap().execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (7)").unwrap();
        assert!(database.path.is_file());
        let other = Database { path: folder.path().join("other.db") }.write().unwrap();
        other.execute("ATTACH ?1 AS side", [database.read_only_uri()]).unwrap();
        assert_eq!(other.query_row("SELECT n FROM side.t", [], |row| row.get::<_, i64>(0)), Ok(7));
        assert!(other.execute("DELETE FROM side.t", []).is_err());
    }
}
