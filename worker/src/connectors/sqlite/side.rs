//! Where the rows of a run in pieces wait: a database of their own beside the target, which outlives the attempt, with a
//! record a split.
//!
//! It has a log of its own, so that a batch is one short transaction that waits for no disk, and only `save` does. So
//! nobody holds its lock for long, and neither it nor its log is ever written in one transaction with the target.
//!
//! An attempt makes a file under its own epoch and takes over what an earlier one of its run has left, by writing its epoch
//! into it. Whatever changes or removes a file looks at that epoch in the same transaction: an attempt that was overtaken
//! finds a greater one. A file is removed inside the transaction, too, so whoever waits for its lock sees that it is gone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::commits::{fenced, integer};
use super::database::{Database, fault};
use super::target::{STAGE, Target};
use crate::connector::{Attempt, ConnectorError, ErrorKind, Result, SavedSplit, SinkRequest};
use crate::points;

/// How long to wait for an attempt that was overtaken and still works on a file. What is locked for longer is left alone.
const BUSY: Duration = Duration::from_secs(5);

/// Where the rows of an attempt wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// In a temporary table.
    Temporary,
    /// In a side file, of which the commit sees a view. The file is what a later attempt relies on: it stays as it is.
    Lasting,
}

impl Waiting {
    /// The statement that takes staged rows out.
    pub(super) fn leave_out(self, condition: &str) -> String {
        match self {
            Self::Temporary => format!("DELETE FROM {STAGE} WHERE {condition}"),
            Self::Lasting => {
                format!("INSERT INTO temp._aggregator_left_out SELECT row FROM {STAGE} WHERE {condition}")
            }
        }
    }
}

/// The side files of one sink, as an attempt sees them.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
    /// What their names begin with; the epoch follows.
    prefix: String,
    /// The target.
    beside: PathBuf,
    attempt: Attempt,
    definitions: String,
    shape: String,
}

/// A side file that is this attempt's.
pub(super) struct Side {
    database: Database,
    connection: Connection,
    attempt: Attempt,
    /// The number of the first row of the split that is being written.
    next: i64,
}

/// What a file says of itself.
struct Owner {
    run: String,
    epoch: i64,
    shape: String,
}

fn owner(connection: &Connection) -> rusqlite::Result<Option<Owner>> {
    let made: bool = connection.query_row(
        "SELECT count(*) FROM main.sqlite_schema WHERE name = '_aggregator_owner'",
        [],
        |row| row.get(0),
    )?;
    if !made {
        return Ok(None);
    }
    let read = |row: &rusqlite::Row<'_>| Ok(Owner { run: row.get(0)?, epoch: row.get(1)?, shape: row.get(2)? });
    connection.query_row("SELECT run, epoch, shape FROM main._aggregator_owner", [], read).optional()
}

impl Place {
    /// Beside the target, which is there.
    pub(super) fn new(target: &Path, request: &SinkRequest, attempt: &Attempt, rows: &Target) -> Result<Self> {
        let beside = target.canonicalize().map_err(|error| {
            ConnectorError::new(ErrorKind::Refused, format!("find {}", target.display()), error.to_string())
        })?;
        let name = beside.file_name().unwrap_or_default().to_string_lossy();
        let id = Sha256::digest(format!("{name}\0{}\0{}", request.pipeline, request.node));
        let id: String = id.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            folder: beside.parent().map(Path::to_owned).unwrap_or_default(),
            prefix: format!(".aggregator-stage-{id}-"),
            beside,
            attempt: attempt.clone(),
            definitions: rows.stage_definitions(),
            shape: rows.shape(),
        })
    }

    fn path(&self, epoch: u64) -> PathBuf {
        self.folder.join(format!("{}{epoch}", self.prefix))
    }

    /// The files of earlier attempts, by the epochs in their names.
    fn earlier(&self) -> Result<BTreeSet<u64>> {
        let failed = |error: std::io::Error| {
            let operation = format!("look into the folder {}", self.folder.display());
            ConnectorError::new(ErrorKind::Refused, operation, error.to_string())
                .remedy("give this process the right to read the folder of the target")
                .caused_by(error)
        };
        let mut epochs = BTreeSet::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&self.prefix)) else { continue };
            // A log may be all that is left of a file whose removal was cut short.
            let rest = rest.strip_suffix("-wal").or_else(|| rest.strip_suffix("-shm")).unwrap_or(rest);
            epochs.extend(rest.parse::<u64>().ok().filter(|epoch| *epoch < self.attempt.epoch));
        }
        Ok(epochs)
    }

    /// Takes over what an earlier attempt of this run has left, if `wanted`, and removes all else. Called by the owner of
    /// the sink.
    pub(super) fn take_over(&self, wanted: bool) -> Result<Option<Side>> {
        let mut kept = None;
        // The newest first: what is older was not there to be taken over, or locked.
        for epoch in self.earlier()?.into_iter().rev() {
            let path = self.path(epoch);
            if !path.exists() {
                remove(&path)?;
                continue;
            }
            match self.claim(&path, wanted && kept.is_none()) {
                Ok(Some(side)) => kept = Some(side),
                Ok(None) => {}
                Err(error) if error.kind == ErrorKind::Transient => {
                    tracing::warn!(%error, "an attempt that was overtaken still works on {}", path.display());
                }
                Err(error) if error.kind == ErrorKind::Data => {
                    tracing::warn!(%error, "{} is damaged, and is removed: its rows are read again", path.display());
                    remove(&path)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(kept)
    }

    /// Makes a file this attempt's, or removes it. None when it was removed, or is of a newer attempt.
    fn claim(&self, path: &Path, wanted: bool) -> Result<Option<Side>> {
        let operation = format!("take {} over", path.display());
        let failed = |error: rusqlite::Error| fault(&operation, error);
        let database = Database { path: path.to_owned() };
        let mut connection = database.change()?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let owner = owner(&transaction).map_err(failed)?;
        let mine = integer(self.attempt.epoch);
        if owner.as_ref().is_some_and(|owner| owner.epoch > mine) || !path.exists() {
            return Ok(None);
        }
        let mut useful = false;
        if let Some(owner) = owner {
            // Who has the file open sees it, even when the file is removed.
            transaction.execute("UPDATE main._aggregator_owner SET epoch = ?1", [mine]).map_err(failed)?;
            let splits = "SELECT count(*) FROM main._aggregator_splits";
            let splits: i64 = transaction.query_row(splits, [], |row| row.get(0)).map_err(failed)?;
            useful = splits > 0 && owner.run == self.attempt.run && owner.shape == self.shape;
        }
        if !(useful && wanted) {
            remove(path)?;
            transaction.commit().map_err(failed)?;
            return Ok(None);
        }
        transaction.commit().map_err(failed)?;
        let mut side = Side { database, connection, attempt: self.attempt.clone(), next: 1 };
        side.set_up()?;
        Ok(Some(side))
    }

    /// Makes a new file.
    pub(super) fn create(&self) -> Result<Side> {
        let database = Database { path: self.path(self.attempt.epoch) };
        let operation = format!("create {}", database.shown());
        let refused = |error: std::io::Error| {
            ConnectorError::new(ErrorKind::Refused, &operation, error.to_string())
                .remedy("give this process the right to write the folder of the target")
                .caused_by(error)
        };
        // Who may not read the target may not read its rows here either.
        std::fs::File::create_new(&database.path).map_err(refused)?;
        let permissions = std::fs::metadata(&self.beside).map_err(refused)?.permissions();
        std::fs::set_permissions(&database.path, permissions).map_err(refused)?;
        let connection = database.change()?;
        let mut side = Side { database, connection, attempt: self.attempt.clone(), next: 1 };
        let mut make = || {
            side.connection.pragma_update(None, "page_size", 16_384)?;
            side.connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            let transaction = side.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(&format!(
                "CREATE TABLE main._aggregator_owner (run TEXT NOT NULL, epoch INTEGER NOT NULL, shape TEXT NOT NULL); \
                 CREATE TABLE main._aggregator_splits (number INTEGER PRIMARY KEY, split TEXT NOT NULL, \
                 first_row INTEGER NOT NULL, end_row INTEGER NOT NULL); \
                 CREATE TABLE main._aggregator_stage ({})",
                self.definitions
            ))?;
            let owner = params![self.attempt.run, integer(self.attempt.epoch), self.shape];
            transaction.execute("INSERT INTO main._aggregator_owner VALUES (?1, ?2, ?3)", owner)?;
            transaction.commit()
        };
        make().map_err(|error| fault(&operation, error))?;
        side.set_up()?;
        Ok(side)
    }
}

impl Side {
    fn operation(&self) -> String {
        format!("keep rows in {}", self.database.shown())
    }

    /// Writes go to the log and wait for no disk; the log is moved into the file in large pieces.
    fn set_up(&mut self) -> Result<()> {
        let set = || {
            self.connection.pragma_update(None, "synchronous", "NORMAL")?;
            self.connection.pragma_update_and_check(None, "wal_autocheckpoint", 4096, |_| Ok(()))?;
            // What is left at the end is removed, or recovered by the next attempt.
            self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
        };
        set().map_err(|error| fault(self.operation(), error))
    }

    /// Does something as the owner of the file, in one transaction.
    pub(super) fn change<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let operation = self.operation();
        let failed = |error: rusqlite::Error| fault(&operation, error);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let owner = owner(&transaction).map_err(failed)?;
        if owner.is_none_or(|owner| owner.epoch != integer(self.attempt.epoch)) {
            return Err(fenced(&operation, &self.attempt));
        }
        let done = work(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }

    /// The splits that attempts of the run have saved.
    pub(super) fn saved(&self) -> Result<Vec<SavedSplit>> {
        let operation = self.operation();
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare("SELECT split FROM main._aggregator_splits ORDER BY number")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        let texts = read().map_err(|error| fault(&operation, error))?;
        let parse = |text: &String| {
            serde_json::from_str(text).map_err(|error| {
                ConnectorError::new(ErrorKind::Data, &operation, format!("a saved split does not read: {error}"))
                    .remedy(format!("remove {}: the run reads its rows again", self.database.shown()))
            })
        };
        texts.iter().map(parse).collect()
    }

    /// Keeps the rows of some splits and removes all others.
    pub(super) fn keep(&mut self, numbers: &BTreeSet<u64>) -> Result<()> {
        let operation = self.operation();
        self.next = self.change(|transaction| {
            let kept = || -> rusqlite::Result<i64> {
                let list: Vec<String> = numbers.iter().map(u64::to_string).collect();
                let others = format!("number NOT IN ({})", list.join(", "));
                transaction.execute_batch(&format!(
                    "DROP INDEX IF EXISTS main._aggregator_keys; DELETE FROM main._aggregator_splits WHERE {others}"
                ))?;
                let mut ranges =
                    transaction.prepare("SELECT first_row, end_row FROM main._aggregator_splits ORDER BY first_row")?;
                let ranges: Vec<(i64, i64)> =
                    ranges.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
                let mut next = i64::MIN;
                for (first, end) in ranges.into_iter().chain([(i64::MAX, i64::MAX)]) {
                    transaction
                        .execute("DELETE FROM main._aggregator_stage WHERE row >= ?1 AND row < ?2", [next, first])?;
                    next = end;
                }
                next_row(transaction)
            };
            kept().map_err(|error| fault(&operation, error))
        })?;
        Ok(())
    }

    /// Makes the rows that were written since the last time durable, as this split.
    pub(super) fn save(&mut self, split: &SavedSplit) -> Result<()> {
        let (operation, first) = (self.operation(), self.next);
        let text = serde_json::to_string(split)
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, &operation, error.to_string()))?;
        let failed = |error: rusqlite::Error| fault(&operation, error);
        // All that is in the log before is on the disk with it.
        self.connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        let saved = self.change(|transaction| {
            let end = next_row(transaction).map_err(failed)?.max(first);
            let statement = "INSERT INTO main._aggregator_splits VALUES (?1, ?2, ?3, ?4)";
            transaction.execute(statement, params![integer(split.number), text, first, end]).map_err(failed)?;
            points::pass("save split");
            Ok(end)
        });
        self.connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        self.next = saved?;
        Ok(())
    }

    /// Lets the connection that commits see the rows, and find them by these columns.
    pub(super) fn show(&mut self, target: &Connection, by: Option<String>) -> Result<()> {
        let operation = self.operation();
        let failed = |error: rusqlite::Error| fault(&operation, error);
        if let Some(by) = by {
            let index = format!("CREATE INDEX IF NOT EXISTS main._aggregator_keys ON _aggregator_stage ({by})");
            self.change(|transaction| transaction.execute_batch(&index).map_err(failed))?;
        }
        target.execute("ATTACH ?1 AS _aggregator_side", [self.database.read_only_uri()]).map_err(failed)?;
        let view = "CREATE TEMP TABLE _aggregator_left_out (row INTEGER PRIMARY KEY); \
                    CREATE TEMP VIEW _aggregator_stage AS SELECT * FROM _aggregator_side._aggregator_stage \
                    WHERE row NOT IN (SELECT row FROM temp._aggregator_left_out)";
        target.execute_batch(view).map_err(failed)
    }

    /// Removes the file, unless a newer attempt has taken it over.
    pub(super) fn remove(mut self) -> Result<()> {
        let path = self.database.path.clone();
        match self.change(|_| remove(&path)) {
            Err(error) if error.kind == ErrorKind::Fenced => Ok(()),
            removed => removed,
        }
    }

    /// Gives the file up: it stays if it has something that a later attempt can use.
    pub(super) fn give_up(self) -> Result<()> {
        if self.saved()?.is_empty() { self.remove() } else { Ok(()) }
    }
}

fn next_row(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(row), 0) + 1 FROM main._aggregator_stage", [], |row| row.get(0))
}

/// Removes a database and its log. The database goes first: without its log it might be half of something.
fn remove(path: &Path) -> Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let operation = format!("remove {}", PathBuf::from(name).display());
                return Err(ConnectorError::new(ErrorKind::Refused, operation, error.to_string()).caused_by(error));
            }
            _ => {}
        }
    }
    Ok(())
}
