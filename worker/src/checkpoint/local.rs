//! Checkpoints in a SQLite file of a local folder, for runs without a cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::lock::Locks;
use super::shard::{LastRun, SharedRun, Step, next};
use super::{Begun, CheckpointError, CheckpointStore, Idle, Joined, Positions, RunKind, Shard, Sharing, Unfinished};
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
CREATE TABLE IF NOT EXISTS shared_runs (
    pipeline TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    shards INTEGER NOT NULL,
    sharing TEXT,
    saved TEXT NOT NULL DEFAULT '[]'
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

/// What an attempt is asked for.
struct Asked {
    pipeline: String,
    kind: RunKind,
    plan: String,
    above: u64,
}

impl Asked {
    /// The last run and its last epoch, and how it stands.
    fn last(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Option<(String, u64, LastRun)>> {
        let last = transaction.query_row(
            "SELECT run, epoch, phase = 'Succeeded', kind = ?2 AND plan = ?3 FROM attempts WHERE pipeline = ?1",
            params![self.pipeline, self.kind.as_str(), self.plan],
            |row| {
                let how = match (row.get(2)?, row.get(3)?) {
                    (_, false) => LastRun::Other,
                    (true, true) => LastRun::Succeeded,
                    (false, true) => LastRun::GoesOn,
                };
                Ok((row.get(0)?, unsigned(row.get(1)?), how))
            },
        );
        last.optional()
    }

    fn begin(&self, transaction: &Transaction<'_>) -> Result<Begun, CheckpointErrorKind> {
        let last = self.last(transaction)?;
        let before = last.as_ref().map_or(0, |(_, epoch, _)| *epoch);
        let (run, resumed) = match last {
            Some((run, _, LastRun::GoesOn)) => (run, true),
            _ => (uuid::Uuid::now_v7().to_string(), false),
        };
        let epoch = before.max(self.above) + 1;
        transaction.execute(
            "INSERT INTO attempts (pipeline, run, kind, plan, epoch, phase) VALUES (?1, ?2, ?3, ?4, ?5, 'Running')
             ON CONFLICT (pipeline) DO UPDATE SET run = excluded.run, kind = excluded.kind, plan = excluded.plan,
                 epoch = excluded.epoch, phase = excluded.phase, changed_at = CURRENT_TIMESTAMP",
            params![self.pipeline, run, self.kind.as_str(), self.plan, signed(epoch)],
        )?;
        self.begun(transaction, Attempt { run, epoch }, resumed)
    }

    fn begun(
        &self,
        transaction: &Transaction<'_>,
        attempt: Attempt,
        resumed: bool,
    ) -> Result<Begun, CheckpointErrorKind> {
        let (positions, committed) = load(transaction, &self.pipeline)?;
        Ok(Begun { attempt, resumed, positions, committed })
    }

    /// Takes the next step of a shard; None while another process takes it for all.
    fn join(
        &self,
        transaction: &Transaction<'_>,
        shard: Shard,
        locks: &Locks,
    ) -> Result<Option<Joined>, CheckpointErrorKind> {
        let (run, epoch, last) = self.last(transaction)?.unwrap_or((String::new(), 0, LastRun::Other));
        let shared = shared_run(transaction, &self.pipeline, &run)?;
        let for_all = || locks.act_for_all(&self.pipeline).map_err(CheckpointErrorKind::Other);
        let joined = match next(last, epoch, shared.as_ref(), shard) {
            // Who divides tells it, or dies and lets the lock go.
            Step::Divide if !for_all()? => return Ok(None),
            Step::Divide => {
                let begun = self.begin(transaction)?;
                transaction.execute(
                    "INSERT INTO shared_runs (pipeline, run, epoch, shards) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (pipeline) DO UPDATE SET run = excluded.run, epoch = excluded.epoch,
                         shards = excluded.shards, sharing = NULL, saved = '[]'",
                    params![self.pipeline, begun.attempt.run, signed(begun.attempt.epoch), shard.of],
                )?;
                Joined::Divide(begun)
            }
            Step::Work(splits) => {
                transaction.execute("UPDATE attempts SET phase = 'Running' WHERE pipeline = ?1", [&self.pipeline])?;
                Joined::Work(self.begun(transaction, Attempt { run, epoch }, true)?, splits.clone())
            }
            Step::Finish => {
                take_part(transaction, &self.pipeline, &run, None, shard.index)?;
                if for_all()? { Joined::Finish(self.begin(transaction)?) } else { Joined::Idle(run, Idle::Finishing) }
            }
            Step::Idle(why) => {
                take_part(transaction, &self.pipeline, &run, None, shard.index)?;
                Joined::Idle(run, why)
            }
        };
        Ok(Some(joined))
    }
}

/// What is remembered of how that run is shared.
fn shared_run(
    transaction: &Transaction<'_>,
    pipeline: &str,
    run: &str,
) -> Result<Option<SharedRun>, CheckpointErrorKind> {
    let stored: Option<(i64, u32, Option<String>, String)> = transaction
        .query_row(
            "SELECT epoch, shards, sharing, saved FROM shared_runs WHERE pipeline = ?1 AND run = ?2",
            [pipeline, run],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()?;
    let Some((epoch, of, sharing, saved)) = stored else { return Ok(None) };
    let broken =
        |source| CheckpointErrorKind::Other(CheckpointError::Corrupt { pipeline: pipeline.to_owned(), source });
    let sharing = sharing.map(|text| serde_json::from_str(&text)).transpose().map_err(broken)?;
    let saved = serde_json::from_str(&saved).map_err(broken)?;
    Ok(Some(SharedRun { epoch: unsigned(epoch), of, sharing, saved }))
}

/// Notes that a shard has taken part in a run; gives the number of runs that it was noted for.
fn take_part(
    transaction: &Transaction<'_>,
    pipeline: &str,
    run: &str,
    epoch: Option<u64>,
    index: u32,
) -> Result<usize, CheckpointErrorKind> {
    let Some(mut shared) = shared_run(transaction, pipeline, run)? else { return Ok(0) };
    if epoch.is_some_and(|epoch| epoch != shared.epoch) {
        return Ok(0);
    }
    shared.saved.insert(index);
    let saved = serde_json::json!(shared.saved).to_string();
    Ok(transaction.execute("UPDATE shared_runs SET saved = ?2 WHERE pipeline = ?1", [pipeline, &saved])?)
}

/// Whether the attempt was still the newest: it has changed one row.
fn still(changed: usize, pipeline: &str, attempt: &Attempt) -> Result<(), CheckpointErrorKind> {
    if changed == 1 {
        return Ok(());
    }
    let error = CheckpointError::Superseded { pipeline: pipeline.to_owned(), epoch: attempt.epoch };
    Err(CheckpointErrorKind::Other(error))
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
        self.locks.take(pipeline)?;
        let asked = Asked { pipeline: pipeline.to_owned(), kind, plan: plan.to_owned(), above };
        self.with(move |transaction| asked.begin(transaction)).await
    }

    fn shard(&self) -> Option<Shard> {
        self.shard
    }

    async fn join(&self, pipeline: &str, kind: RunKind, plan: &str, above: u64) -> Result<Joined, CheckpointError> {
        let shard = self.shard.unwrap_or(Shard { index: 0, of: 1 });
        self.locks.keep(pipeline)?;
        let asked = Arc::new(Asked { pipeline: pipeline.to_owned(), kind, plan: plan.to_owned(), above });
        loop {
            let (asked, locks) = (Arc::clone(&asked), Arc::clone(&self.locks));
            match self.with(move |transaction| asked.join(transaction, shard, &locks)).await? {
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
        let (name, own) = (pipeline.to_owned(), attempt.clone());
        let sharing = serde_json::to_string(sharing)
            .map_err(|source| CheckpointError::Corrupt { pipeline: pipeline.to_owned(), source })?;
        self.with(move |transaction| {
            let changed = transaction.execute(
                "UPDATE shared_runs SET sharing = ?4 WHERE pipeline = ?1 AND run = ?2 AND epoch = ?3",
                params![name, own.run, signed(own.epoch), sharing],
            )?;
            still(changed, &name, &own)
        })
        .await?;
        self.locks.act_for_one(pipeline);
        Ok(())
    }

    async fn saved(&self, pipeline: &str, attempt: &Attempt) -> Result<(), CheckpointError> {
        let (name, own, index) = (pipeline.to_owned(), attempt.clone(), self.shard.map_or(0, |shard| shard.index));
        self.with(move |transaction| {
            let changed = take_part(transaction, &name, &own.run, Some(own.epoch), index)?;
            still(changed, &name, &own)
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
            still(changed, &name, &attempt)?;
            transaction.execute(
                "INSERT INTO checkpoints (pipeline, run, epoch, positions) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (pipeline) DO UPDATE SET run = excluded.run, epoch = excluded.epoch,
                     positions = excluded.positions, changed_at = CURRENT_TIMESTAMP",
                params![name, attempt.run, signed(attempt.epoch), positions],
            )?;
            Ok(())
        })
        .await?;
        self.locks.give_back(pipeline);
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
