//! Checkpoints in a SQLite file of a local folder, for runs without a cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::claim::Leave;
use super::lock::{self, Locks};
use super::record::{Asked, Record, Superseded};
use super::{Begun, CheckpointError, CheckpointStore, Joined, Positions, RunKind, Shard, Sharing, Unfinished};
use crate::connector::Attempt;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS pipelines (
    pipeline TEXT PRIMARY KEY,
    record TEXT NOT NULL,
    changed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;
";

/// Checkpoints in the file `checkpoints.sqlite` of a folder, and lock files of each Pipeline beside it.
pub struct LocalStore {
    folder: PathBuf,
    shard: Option<Shard>,
    locks: Arc<Locks>,
}

/// How often a process looks whether another one has divided the run.
const LOOK: Duration = Duration::from_millis(20);

impl LocalStore {
    /// A store in that folder; the folder is created when it is first used.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self::of_shard(folder, None)
    }

    /// The store of one of the processes that share each run, if they do.
    #[must_use]
    pub fn of_shard(folder: impl Into<PathBuf>, shard: Option<Shard>) -> Self {
        let folder = folder.into();
        Self { locks: Arc::new(Locks::new(&folder, shard)), folder, shard }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("checkpoints.sqlite")
    }

    /// Looks at what is remembered of a Pipeline, and remembers what that becomes, off the async threads.
    async fn with<T, F>(&self, pipeline: &str, work: F) -> Result<T, CheckpointError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Record) -> Result<T, CheckpointError> + Send + 'static,
    {
        let (folder, file, pipeline) = (self.folder.clone(), self.file(), pipeline.to_owned());
        let path = file.display().to_string();
        let joined = tokio::task::spawn_blocking(move || {
            lock::make(&folder)?;
            let database = |source| CheckpointError::Database { path: path.clone(), source };
            let corrupt = |source| CheckpointError::Corrupt { pipeline: pipeline.clone(), source };
            let mut connection = Connection::open(&file).map_err(database)?;
            connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(database)?;
            connection.execute_batch(SCHEMA).map_err(database)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
            let stored = stored(&transaction, &pipeline).map_err(database)?;
            let before: Record =
                stored.as_deref().map_or(Ok(Record::default()), serde_json::from_str).map_err(corrupt)?;
            let mut record = before.clone();
            let value = work(&mut record)?;
            if record != before {
                let text = serde_json::to_string(&record).map_err(corrupt)?;
                keep(&transaction, &pipeline, &text).map_err(database)?;
            }
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

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn stored(transaction: &Transaction<'_>, pipeline: &str) -> rusqlite::Result<Option<String>> {
    let statement = "SELECT record FROM pipelines WHERE pipeline = ?1";
    transaction.query_row(statement, [pipeline], |row| row.get(0)).optional()
}

fn keep(transaction: &Transaction<'_>, pipeline: &str, record: &str) -> rusqlite::Result<usize> {
    transaction.execute(
        "INSERT INTO pipelines (pipeline, record) VALUES (?1, ?2)
         ON CONFLICT (pipeline) DO UPDATE SET record = excluded.record, changed_at = CURRENT_TIMESTAMP",
        params![pipeline, record],
    )
}

/// An attempt that was overtaken is told so.
fn newest<T>(changed: Result<T, Superseded>, pipeline: &str, attempt: &Attempt) -> Result<T, CheckpointError> {
    changed.map_err(|_| CheckpointError::Superseded { pipeline: pipeline.to_owned(), epoch: attempt.epoch })
}

#[async_trait]
impl CheckpointStore for LocalStore {
    async fn positions(&self, pipeline: &str) -> Result<Positions, CheckpointError> {
        if !self.file().exists() {
            // Who only looks hears of it as well.
            lock::check(&self.folder)?;
            return Ok(Positions::new());
        }
        self.with(pipeline, |record| Ok(record.positions.clone())).await
    }

    async fn begin(&self, pipeline: &str, kind: RunKind, plan: &str, above: u64) -> Result<Begun, CheckpointError> {
        self.locks.take(pipeline)?;
        let asked = Asked { kind, plan: plan.to_owned(), above, by: None };
        self.with(pipeline, move |record| Ok(record.begin(&asked))).await
    }

    fn shard(&self) -> Option<Shard> {
        self.shard
    }

    async fn join(&self, pipeline: &str, kind: RunKind, plan: &str, above: u64) -> Result<Joined, CheckpointError> {
        let shard = self.shard.unwrap_or(Shard { index: 0, of: 1 });
        self.locks.keep(pipeline)?;
        let asked = Asked { kind, plan: plan.to_owned(), above, by: None };
        loop {
            let (asked, locks, name) = (asked.clone(), Arc::clone(&self.locks), pipeline.to_owned());
            let joined = self.with(pipeline, move |record| {
                record.join(&asked, shard, |_| {
                    Ok(if locks.act_for_all(&name)? { Leave::Granted(None) } else { Leave::Refused })
                })
            });
            match joined.await? {
                None => tokio::time::sleep(LOOK).await,
                Some(joined) => {
                    if matches!(joined, Joined::Idle(..)) {
                        self.locks.give_back(pipeline);
                    }
                    return Ok(joined);
                }
            }
        }
    }

    async fn divided(&self, pipeline: &str, attempt: &Attempt, sharing: &Sharing) -> Result<(), CheckpointError> {
        let (own, sharing) = (attempt.clone(), sharing.clone());
        let divided = self.with(pipeline, move |record| Ok(record.divided(&own, &sharing))).await?;
        newest(divided, pipeline, attempt)?;
        self.locks.act_for_one(pipeline);
        Ok(())
    }

    async fn saved(&self, pipeline: &str, attempt: &Attempt) -> Result<(), CheckpointError> {
        let (own, shard) = (attempt.clone(), self.shard.unwrap_or(Shard { index: 0, of: 1 }));
        let saved = self.with(pipeline, move |record| Ok(record.saved(&own, shard))).await?;
        newest(saved, pipeline, attempt)
    }

    async fn succeed(&self, pipeline: &str, attempt: &Attempt, positions: &Positions) -> Result<(), CheckpointError> {
        let (own, positions) = (attempt.clone(), positions.clone());
        let succeeded = self.with(pipeline, move |record| Ok(record.succeed(&own, &positions))).await?;
        newest(succeeded, pipeline, attempt)?;
        self.locks.give_back(pipeline);
        Ok(())
    }

    async fn end(&self, pipeline: &str, attempt: &Attempt, how: Unfinished) -> Result<(), CheckpointError> {
        let own = attempt.clone();
        self.with(pipeline, move |record| {
            record.end(&own, how);
            Ok(())
        })
        .await?;
        self.locks.give_back(pipeline);
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
