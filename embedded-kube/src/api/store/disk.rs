//! Objects in a SQLite file.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use serde_json::Value;

use super::change::{Key, Resource};

/// What the file is, in its header: `kube` in ASCII.
const APPLICATION: i64 = 0x6b75_6265;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS objects (
    api_group TEXT NOT NULL,
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (api_group, resource, namespace, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO counter (id, version) VALUES (1, 0);
";

/// Why objects cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be made.
    #[error("cannot use the file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is the file of another program.
    #[error("{} is a database of something else: use another folder", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The database refused.
    #[error("the database of objects cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// An object does not read.
    #[error("the object {name} in the database does not read: {source}")]
    Corrupt {
        /// Its resource, namespace and name.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes: {0}")]
    Thread(std::io::Error),
}

/// The database.
pub(super) struct Disk {
    connection: Connection,
}

/// What is written of one change: the object's text, or None when it goes.
pub(super) struct Row<'a> {
    pub(super) key: &'a Key,
    pub(super) version: u64,
    pub(super) object: Option<String>,
}

impl Disk {
    pub(super) fn open(file: Option<&Path>) -> Result<Self, StoreError> {
        let connection = match file {
            None => Connection::open_in_memory()?,
            Some(path) => {
                let failed = |source| StoreError::File { path: path.to_owned(), source };
                // It holds secrets. The files that SQLite puts beside it have the same mode.
                OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(failed)?;
                let connection = Connection::open(path)?;
                Self::check(&connection, path)?;
                // What is committed outlives this process; only a machine that loses its power may lose the last moments.
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.pragma_update(None, "synchronous", "NORMAL")?;
                connection
            }
        };
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection })
    }

    /// Marks a new file as ours, and refuses one of another program.
    fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        match (number("application_id")?, number("page_count")?) {
            (APPLICATION, _) => Ok(()),
            (_, 0) => Ok(connection.pragma_update(None, "application_id", APPLICATION)?),
            _ => Err(StoreError::Foreign { path: path.to_owned() }),
        }
    }

    /// The version of the last change.
    pub(super) fn version(&self) -> Result<u64, StoreError> {
        let version = self.connection.query_row("SELECT version FROM counter", [], |row| row.get::<_, i64>(0))?;
        Ok(u64::try_from(version).unwrap_or(0))
    }

    /// All objects: which, their version, and the object.
    pub(super) fn all(&self) -> Result<Vec<(Key, u64, Value)>, StoreError> {
        let query = "SELECT api_group, resource, namespace, name, version, object FROM objects";
        let mut statement = self.connection.prepare(query)?;
        let rows = statement.query_map([], |row| {
            let resource = Resource { group: row.get(0)?, plural: row.get(1)? };
            let key = Key { resource, namespace: row.get(2)?, name: row.get(3)? };
            Ok((key, row.get::<_, i64>(4)?, row.get::<_, String>(5)?))
        })?;
        let mut all = Vec::new();
        for row in rows {
            let (key, version, text) = row?;
            let object = serde_json::from_str(&text).map_err(|source| StoreError::Corrupt {
                name: format!("{} {}/{}", key.resource, key.namespace, key.name),
                source,
            })?;
            all.push((key, u64::try_from(version).unwrap_or(0), object));
        }
        Ok(all)
    }

    /// Writes changes, all or none.
    pub(super) fn write(&mut self, rows: &[Row<'_>]) -> Result<(), StoreError> {
        let Some(last) = rows.last() else { return Ok(()) };
        let transaction = self.connection.transaction()?;
        {
            let mut put = transaction.prepare_cached(
                "INSERT OR REPLACE INTO objects (api_group, resource, namespace, name, version, object)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let mut remove = transaction.prepare_cached(
                "DELETE FROM objects WHERE api_group = ?1 AND resource = ?2 AND namespace = ?3 AND name = ?4",
            )?;
            for Row { key, version, object } in rows {
                let Resource { group, plural } = &key.resource;
                match object {
                    Some(text) => {
                        put.execute(params![group, plural, key.namespace, key.name, number(*version), text])?
                    }
                    None => remove.execute(params![group, plural, key.namespace, key.name])?,
                };
            }
            transaction.prepare_cached("UPDATE counter SET version = ?1")?.execute([number(last.version)])?;
        }
        transaction.commit()?;
        Ok(())
    }
}

fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
