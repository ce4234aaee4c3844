//! Writing a table: rows wait in a temporary table, which locks nothing, or in a side file, and move in one transaction at
//! the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use rusqlite::{Connection, TransactionBehavior};

use super::commits::{self, COMMITS, Taken, fenced};
use super::database::{Database, blocking, fault};
use super::rehearse::rehearse;
use super::side::{Place, Side, Waiting};
use super::stage::stage_batch;
use super::target::{STAGE, Target};
use crate::connector::{
    Attempt, CommitRecord, ConnectorError, ErrorKind, PlannedChange, Position, Reject, Result, SavedSplit, Sink,
    SinkRequest, Staged,
};
use crate::connectors::shape::Shape;
use crate::points;

/// A table, ready to be written by one attempt.
pub(super) struct SqliteSink {
    database: Database,
    request: SinkRequest,
    target: Arc<Target>,
    shape: Shape,
    /// What is planned for values that the table has no place for.
    discards: Vec<PlannedChange>,
    /// None until the fence creates or opens the file for writing.
    open: Option<Open>,
    staged: Option<u64>,
    bytes: u64,
}

/// What the attempt works with.
struct Open {
    attempt: Attempt,
    connection: Connection,
    place: Place,
    /// What an earlier attempt has left, or, for a run in pieces, where the rows wait.
    side: Option<Side>,
    waiting: Waiting,
}

impl SqliteSink {
    pub(super) fn new(
        database: Database,
        request: SinkRequest,
        target: Target,
        shape: Shape,
        discards: Vec<PlannedChange>,
    ) -> Self {
        let target = Arc::new(target);
        Self { database, request, target, shape, discards, open: None, staged: None, bytes: 0 }
    }

    fn operation(&self) -> String {
        format!("write {} to {}", self.target.shown, self.database.shown())
    }

    /// Runs work on what is open, on a thread that may block.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Open, &str) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let operation = self.operation();
        let mut open = self.open.take().ok_or_else(|| {
            ConnectorError::new(
                ErrorKind::Bug,
                &operation,
                "the sink was used before it was fenced, or after it was given up",
            )
        })?;
        let (open, outcome) = blocking(move || {
            let outcome = work(&mut open, &operation);
            Ok((open, outcome))
        })
        .await?;
        self.open = Some(open);
        outcome
    }
}

impl Open {
    /// An error unless the attempt owns the sink.
    fn owned(&self, request: &SinkRequest, operation: &str) -> Result<()> {
        match commits::owned(&self.connection, request, &self.attempt) {
            Ok(true) => Ok(()),
            Ok(false) => Err(fenced(operation, &self.attempt)),
            Err(error) => Err(fault(operation, error)),
        }
    }

    /// Lets rows wait in the side file, apart from those of other splits than these.
    fn keep(&mut self, numbers: &BTreeSet<u64>, operation: &str) -> Result<()> {
        let mut side = match self.side.take() {
            Some(side) if !numbers.is_empty() => side,
            // There is nothing in it that could be used.
            Some(side) => {
                side.remove()?;
                self.place.create()?
            }
            None => self.place.create()?,
        };
        side.keep(numbers)?;
        self.side = Some(side);
        self.waiting = Waiting::Lasting;
        self.connection.execute_batch(&format!("DROP TABLE IF EXISTS {STAGE}")).map_err(|error| fault(operation, error))
    }
}

#[async_trait]
impl Sink for SqliteSink {
    async fn plan(&mut self) -> Result<Vec<PlannedChange>> {
        let mut plan = Vec::new();
        if !self.database.path.exists() {
            plan.push(PlannedChange { action: format!("create the file {}", self.database.shown()), statement: None });
        }
        if !self.target.commits {
            let action = "create table _aggregator_commits".to_owned();
            plan.push(PlannedChange { action, statement: Some(COMMITS.to_owned()) });
        }
        plan.extend(self.discards.iter().cloned());
        plan.extend(self.target.steps());
        Ok(plan)
    }

    async fn last_commit(&mut self) -> Result<Option<CommitRecord>> {
        if !self.database.path.exists() {
            return Ok(None);
        }
        let (database, request) = (self.database.clone(), self.request.clone());
        blocking(move || commits::last_commit(&database.read()?, &request)).await
    }

    async fn fence(&mut self, attempt: &Attempt) -> Result<()> {
        let database = self.database.clone();
        let operation = self.operation();
        let target = Arc::clone(&self.target);
        let (request, attempt) = (self.request.clone(), attempt.clone());
        let open = blocking(move || {
            let failed = |error: rusqlite::Error| fault(&operation, error);
            let mut connection = database.write()?;
            let taken = commits::take_over(&mut connection, &request, &attempt).map_err(failed)?;
            let Taken::Over { committed } = taken else { return Err(fenced(&operation, &attempt)) };
            // A run that was committed needs nothing more of what it had kept.
            let place = Place::new(&database.path, &request, &attempt, &target)?;
            let side = place.take_over(!committed)?;
            let stage = format!("CREATE TEMP TABLE _aggregator_stage ({})", target.stage_definitions());
            connection.execute_batch(&stage).map_err(failed)?;
            Ok(Open { attempt, connection, place, side, waiting: Waiting::Temporary })
        })
        .await?;
        self.open = Some(open);
        Ok(())
    }

    fn keeps_splits(&self) -> bool {
        true
    }

    async fn saved(&mut self) -> Result<Vec<SavedSplit>> {
        self.work(|open, _| open.side.as_ref().map_or_else(|| Ok(Vec::new()), Side::saved)).await
    }

    async fn keep(&mut self, numbers: &BTreeSet<u64>, more: bool) -> Result<()> {
        let (request, numbers) = (self.request.clone(), numbers.clone());
        self.work(move |open, operation| {
            if !more && open.side.is_none() {
                return Ok(());
            }
            open.owned(&request, operation)?;
            if more {
                return open.keep(&numbers, operation);
            }
            open.side.take().map_or(Ok(()), Side::remove)
        })
        .await
    }

    async fn save(&mut self, split: &SavedSplit) -> Result<()> {
        let (request, split) = (self.request.clone(), split.clone());
        self.work(move |open, operation| {
            // A source of the same file may keep others from looking at it for long. Then the side file's word is enough:
            // the commit looks again.
            match open.owned(&request, operation) {
                Err(error) if error.kind == ErrorKind::Transient => tracing::debug!(%error, "saving all the same"),
                owned => owned?,
            }
            match &mut open.side {
                Some(side) if open.waiting == Waiting::Lasting => side.save(&split),
                _ => Err(ConnectorError::new(ErrorKind::Bug, operation, "a split was saved before others were kept")),
            }
        })
        .await
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<Vec<Reject>> {
        let target = Arc::clone(&self.target);
        let rejects = self.request.rejects;
        let operation = self.operation();
        let (batch, mut refused) = self.shape.fit(batch, rejects, &operation)?;
        let (more, bytes) = self
            .work(move |open, operation| match &mut open.side {
                Some(side) if open.waiting == Waiting::Lasting => side.change(|transaction| {
                    stage_batch(transaction, operation, &target, &batch, "main._aggregator_stage", rejects)
                }),
                _ => {
                    let transaction = open.connection.transaction().map_err(|error| fault(operation, error))?;
                    let staged = stage_batch(&transaction, operation, &target, &batch, STAGE, rejects)?;
                    transaction.commit().map_err(|error| fault(operation, error))?;
                    Ok(staged)
                }
            })
            .await?;
        self.bytes += bytes;
        refused.extend(more);
        Ok(refused)
    }

    async fn stage(&mut self) -> Result<Staged> {
        let target = Arc::clone(&self.target);
        let rejects = self.request.rejects;
        let mut staged = self
            .work(move |open, operation| {
                if let (Waiting::Lasting, Some(side)) = (open.waiting, &mut open.side) {
                    side.show(&open.connection, target.looked_up_by())?;
                }
                let began = open.attempt.run_began();
                rehearse(&mut open.connection, operation, &target, began, open.waiting, rejects)
            })
            .await?;
        staged.bytes = self.bytes;
        staged.effects.schema_changes =
            self.target.schema_changes.iter().cloned().chain(self.shape.discarded()).collect();
        self.staged = Some(staged.written);
        Ok(staged)
    }

    async fn commit(&mut self, positions: &BTreeMap<String, Position>) -> Result<()> {
        let operation = self.operation();
        let Some(staged) = self.staged else {
            return Err(ConnectorError::new(ErrorKind::Bug, operation, "nothing was staged"));
        };
        let positions = serde_json::to_string(positions)
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, &operation, error.to_string()))?;
        let (target, request) = (Arc::clone(&self.target), self.request.clone());
        self.work(move |open, operation| {
            let failed = |error: rusqlite::Error| fault(operation, error);
            let transaction =
                open.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
            if !commits::record(&transaction, &request, &open.attempt, &positions, staged).map_err(failed)? {
                return Err(fenced(operation, &open.attempt));
            }
            let began = target.began(&transaction, open.attempt.run_began()).map_err(failed)?;
            let written = target.apply(&transaction, &began).map_err(failed)?.written;
            if written != staged {
                let detail = format!("{staged} rows were staged, but {written} were written: the table changed in between");
                return Err(ConnectorError::new(ErrorKind::Transient, operation, detail));
            }
            points::pass("commit");
            transaction.commit().map_err(failed)?;
            if let Some(side) = open.side.take()
                && let Err(error) = side.remove()
            {
                tracing::warn!(%error, "what was committed could not be removed from where it waited; the next run does");
            }
            Ok(())
        })
        .await
    }

    async fn abort(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        // The temporary table is the connection's own. Saved splits are for the next attempt.
        blocking(move || {
            drop(open.connection);
            open.side.map_or(Ok(()), Side::give_up)
        })
        .await
    }
}
