//! Checkpoints in a SQLite file of a local folder, for runs without a cluster.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{Begun, CheckpointError, CheckpointStore, Positions, RunKind, Unfinished};
use crate::connector::Attempt;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS attempts (
    pipeline TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    plan TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    phase TEXT NOT NULL,
    changed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;
CREATE TABLE IF NOT EXISTS checkpoints (
    pipeline TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    positions TEXT NOT NULL,
    changed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;
";

/// Checkpoints in the file `checkpoints.sqlite` of a folder, and a lock file a Pipeline beside it.
///
/// The lock is the operating system's: it ends with the process, however that ends.
pub struct LocalStore {
    folder: PathBuf,
    locks: Arc<Mutex<Vec<Held>>>,
}

/// A lock that this process holds, until the last of its parts is given back.
struct Held {
    pipeline: String,
    _file: File,
    parts: usize,
}

/// A Pipeline's identity without that of a stream. Names of namespaces and Pipelines have no colon.
fn of_all_streams(pipeline: &str) -> &str {
    pipeline.split_once(':').map_or(pipeline, |(pipeline, _)| pipeline)
}

impl LocalStore {
    /// A store in that folder; the folder is created when it is first used.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), locks: Arc::default() }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("checkpoints.sqlite")
    }

    /// Runs work on the database, off the async threads.
    async fn with<T, F>(&self, work: F) -> Result<T, CheckpointError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, CheckpointErrorKind> + Send + 'static,
    {
        let (folder, file) = (self.folder.clone(), self.file());
        let path = file.display().to_string();
        let joined = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder)
                .map_err(|source| CheckpointError::Folder { path: folder.display().to_string(), source })?;
            let database = |source| CheckpointError::Database { path: path.clone(), source };
            let mut connection = Connection::open(&file).map_err(database)?;
            connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(database)?;
            connection.execute_batch(SCHEMA).map_err(database)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
            let value = work(&transaction).map_err(|kind| match kind {
                CheckpointErrorKind::Sqlite(source) => database(source),
                CheckpointErrorKind::Other(error) => error,
            })?;
            transaction.commit().map_err(database)?;
            Ok(value)
        })
        .await;
        joined.unwrap_or_else(|error| {
            Err(CheckpointError::Folder {
                path: self.folder.display().to_string(),
                source: std::io::Error::other(error),
            })
        })
    }

    /// Takes the Pipeline's lock, or one more part of it: its streams share one.
    fn lock(&self, pipeline: &str) -> Result<(), CheckpointError> {
        let pipeline = of_all_streams(pipeline);
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = locks.iter_mut().find(|held| held.pipeline == pipeline) {
            held.parts += 1;
            return Ok(());
        }
        let path = self.folder.join(format!("{}.lock", pipeline.replace('/', ".")));
        let folder = |source| CheckpointError::Folder { path: path.display().to_string(), source };
        std::fs::create_dir_all(&self.folder).map_err(folder)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(folder)?;
        match file.try_lock() {
            Ok(()) => {
                locks.push(Held { pipeline: pipeline.to_owned(), _file: file, parts: 1 });
                Ok(())
            }
            Err(TryLockError::WouldBlock) => {
                Err(CheckpointError::Busy { pipeline: pipeline.to_owned(), lock: path.display().to_string() })
            }
            Err(TryLockError::Error(source)) => Err(folder(source)),
        }
    }

    fn unlock(&self, pipeline: &str) {
        let pipeline = of_all_streams(pipeline);
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.iter_mut().filter(|held| held.pipeline == pipeline).for_each(|held| held.parts -= 1);
        locks.retain(|held| held.parts > 0);
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

enum CheckpointErrorKind {
    Sqlite(rusqlite::Error),
    Other(CheckpointError),
}

impl From<rusqlite::Error> for CheckpointErrorKind {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The stored positions, and the attempt that stored them.
fn load(transaction: &Transaction<'_>, pipeline: &str) -> Result<(Positions, Option<Attempt>), CheckpointErrorKind> {
    let stored: Option<(String, i64, String)> = transaction
        .query_row("SELECT run, epoch, positions FROM checkpoints WHERE pipeline = ?1", [pipeline], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((run, epoch, positions)) = stored else { return Ok((Positions::new(), None)) };
    let positions = serde_json::from_str(&positions).map_err(|source| {
        CheckpointErrorKind::Other(CheckpointError::Corrupt { pipeline: pipeline.to_owned(), source })
    })?;
    Ok((positions, Some(Attempt { run, epoch: unsigned(epoch) })))
}

/// SQLite's integers are signed; epochs count attempts and stay far below the limit.
fn signed(epoch: u64) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}

fn unsigned(epoch: i64) -> u64 {
    u64::try_from(epoch).unwrap_or(0)
}

#[async_trait]
impl CheckpointStore for LocalStore {
    async fn positions(&self, pipeline: &str) -> Result<Positions, CheckpointError> {
        if !self.file().exists() {
            return Ok(Positions::new());
        }
        let pipeline = pipeline.to_owned();
        Ok(self.with(move |transaction| load(transaction, &pipeline)).await?.0)
    }

    async fn begin(&self, pipeline: &str, kind: RunKind, plan: &str, above: u64) -> Result<Begun, CheckpointError> {
        self.lock(pipeline)?;
        let (name, plan) = (pipeline.to_owned(), plan.to_owned());
        self.with(move |transaction| {
            let last: Option<(String, u64, bool)> = transaction
                .query_row(
                    "SELECT run, epoch, phase <> 'Succeeded' AND kind = ?2 AND plan = ?3 FROM attempts WHERE pipeline = ?1",
                    params![name, kind.as_str(), plan],
                    |row| Ok((row.get(0)?, unsigned(row.get(1)?), row.get(2)?)),
                )
                .optional()?;
            let before = last.as_ref().map_or(0, |(_, epoch, _)| *epoch);
            let (run, resumed) = match last {
                Some((run, _, true)) => (run, true),
                _ => (uuid::Uuid::now_v7().to_string(), false),
            };
            let epoch = before.max(above) + 1;
            transaction.execute(
                "INSERT INTO attempts (pipeline, run, kind, plan, epoch, phase) VALUES (?1, ?2, ?3, ?4, ?5, 'Running')
                 ON CONFLICT (pipeline) DO UPDATE SET run = excluded.run, kind = excluded.kind, plan = excluded.plan,
                     epoch = excluded.epoch, phase = excluded.phase, changed_at = CURRENT_TIMESTAMP",
                params![name, run, kind.as_str(), plan, signed(epoch)],
            )?;
            let (positions, committed) = load(transaction, &name)?;
            Ok(Begun { attempt: Attempt { run, epoch }, resumed, positions, committed })
        })
        .await
    }

    async fn succeed(&self, pipeline: &str, attempt: &Attempt, positions: &Positions) -> Result<(), CheckpointError> {
        let (name, attempt) = (pipeline.to_owned(), attempt.clone());
        let positions = serde_json::to_string(positions)
            .map_err(|source| CheckpointError::Corrupt { pipeline: pipeline.to_owned(), source })?;
        self.with(move |transaction| {
            let changed = transaction.execute(
                "UPDATE attempts SET phase = 'Succeeded', changed_at = CURRENT_TIMESTAMP
                 WHERE pipeline = ?1 AND run = ?2 AND epoch = ?3",
                params![name, attempt.run, signed(attempt.epoch)],
            )?;
            if changed != 1 {
                let error = CheckpointError::Superseded { pipeline: name, epoch: attempt.epoch };
                return Err(CheckpointErrorKind::Other(error));
            }
            transaction.execute(
                "INSERT INTO checkpoints (pipeline, run, epoch, positions) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (pipeline) DO UPDATE SET run = excluded.run, epoch = excluded.epoch,
                     positions = excluded.positions, changed_at = CURRENT_TIMESTAMP",
                params![name, attempt.run, signed(attempt.epoch), positions],
            )?;
            Ok(())
        })
        .await?;
        self.unlock(pipeline);
        Ok(())
    }

    async fn end(&self, pipeline: &str, attempt: &Attempt, how: Unfinished) -> Result<(), CheckpointError> {
        let (name, attempt) = (pipeline.to_owned(), attempt.clone());
        let phase = match how {
            Unfinished::Failed => "Failed",
            Unfinished::Interrupted => "Interrupted",
        };
        self.with(move |transaction| {
            transaction.execute(
                "UPDATE attempts SET phase = ?4, changed_at = CURRENT_TIMESTAMP
                 WHERE pipeline = ?1 AND run = ?2 AND epoch = ?3 AND phase = 'Running'",
                params![name, attempt.run, signed(attempt.epoch), phase],
            )?;
            Ok(())
        })
        .await?;
        self.unlock(pipeline);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::Position;

    fn positions(value: u64) -> Positions {
        let position = Position { kind: "cursor".into(), version: 1, state: serde_json::json!({ "value": value }) };
        Positions::from([("flights".to_owned(), position)])
    }

    #[tokio::test]
    async fn a_failed_run_is_continued_and_a_succeeded_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = LocalStore::new(folder.path());
        let first = store.begin("demo/p", RunKind::Incremental, "plan", 0).await.expect("begun");
        assert_eq!((first.attempt.epoch, first.resumed), (1, false));
        store.end("demo/p", &first.attempt, Unfinished::Failed).await.expect("ended");
        let second = store.begin("demo/p", RunKind::Incremental, "plan", 0).await.expect("begun");
        assert_eq!(
            (second.attempt.run.as_str(), second.attempt.epoch, second.resumed),
            (first.attempt.run.as_str(), 2, true)
        );
        store.succeed("demo/p", &second.attempt, &positions(7)).await.expect("succeeded");
        let third = store.begin("demo/p", RunKind::Incremental, "plan", 40).await.expect("begun");
        assert_ne!(third.attempt.run, first.attempt.run);
        assert_eq!((third.attempt.epoch, third.resumed), (41, false));
        assert_eq!(third.positions, positions(7));
    }

    #[tokio::test]
    async fn a_run_of_another_kind_is_a_new_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = LocalStore::new(folder.path());
        let first = store.begin("demo/p", RunKind::Incremental, "plan", 0).await.expect("begun");
        let second = store.begin("demo/p", RunKind::Full, "plan", 0).await.expect("begun");
        assert_ne!(first.attempt.run, second.attempt.run);
    }

    #[tokio::test]
    async fn an_edited_pipeline_does_not_continue_the_old_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = LocalStore::new(folder.path());
        let first = store.begin("demo/p", RunKind::Incremental, "before", 0).await.expect("begun");
        let second = store.begin("demo/p", RunKind::Incremental, "after", 0).await.expect("begun");
        assert_ne!(first.attempt.run, second.attempt.run);
        assert_eq!((second.attempt.epoch, second.resumed), (2, false));
    }

    #[tokio::test]
    async fn two_processes_cannot_run_one_pipeline() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) = (LocalStore::new(folder.path()), LocalStore::new(folder.path()));
        let begun = one.begin("demo/p", RunKind::Incremental, "plan", 0).await.expect("begun");
        let refused = two.begin("demo/p", RunKind::Incremental, "plan", 0).await.expect_err("locked");
        assert!(refused.to_string().starts_with("another run of Pipeline `demo/p` is going on"), "{refused}");
        two.begin("demo/other", RunKind::Incremental, "plan", 0).await.expect("another pipeline is free");
        one.succeed("demo/p", &begun.attempt, &positions(1)).await.expect("succeeded");
        two.begin("demo/p", RunKind::Incremental, "plan", 0).await.expect("free again");
    }

    #[tokio::test]
    async fn an_old_attempt_cannot_store_positions() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = LocalStore::new(folder.path());
        let old = store.begin("demo/p", RunKind::Incremental, "plan", 0).await.expect("begun");
        let new = store.begin("demo/p", RunKind::Incremental, "plan", 0).await.expect("begun");
        let refused = store.succeed("demo/p", &old.attempt, &positions(1)).await.expect_err("superseded");
        assert!(matches!(refused, CheckpointError::Superseded { epoch: 1, .. }), "{refused}");
        assert_eq!(store.positions("demo/p").await.expect("read"), Positions::new());
        store.succeed("demo/p", &new.attempt, &positions(2)).await.expect("succeeded");
        assert_eq!(store.positions("demo/p").await.expect("read"), positions(2));
    }
}
