//! Writing a table: everything in one transaction, which also records the commit.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use async_trait::async_trait;

use super::commits::{Commits, TABLE};
use super::line::Line;
use super::load::Loader;
use super::session::Session;
use super::stage::Stage;
use super::target::{Load, Target};
use crate::connector::{
    Attempt, Buffers, CommitRecord, ConnectorError, ErrorKind, PlannedChange, Position, Reject, Result, SavedSplit,
    Sink, SinkRequest, Staged,
};
use crate::connectors::shape::Shape;
use crate::connectors::sql;
use crate::points;

/// A table, ready to be written by one attempt.
pub(super) struct PostgresSink {
    pub(super) line: Line,
    pub(super) request: SinkRequest,
    pub(super) target: Target,
    commits: Commits,
    pub(super) stage: Stage,
    pub(super) loader: Loader,
    buffers: Buffers,
    shape: Shape,
    /// What is planned for values that the table has no place for.
    discards: Vec<PlannedChange>,
    attempt: Option<Attempt>,
    /// Whether the transaction is open.
    is_open: bool,
    /// The number of the first row of the split that is being written.
    saved_row: i64,
    written: u64,
    /// Where processes share the attempt: the numbers of the splits that were saved when this one joined it.
    shared: Option<BTreeSet<u64>>,
}

/// The bits of a staged row's number that tell it from others of its split, where several processes stage rows.
const ROW_BITS: u32 = 35;

/// The number of the first row of a split, where several processes stage rows: rows have the order of their splits.
fn first_row(number: u64, operation: &str) -> Result<i64> {
    let first = i64::try_from(number).ok().and_then(|number| number.checked_mul(1 << ROW_BITS));
    first.ok_or_else(|| {
        ConnectorError::new(ErrorKind::Limit, operation, format!("{number} is more than a split's number may be"))
    })
}

impl PostgresSink {
    pub(super) fn new(
        session: Session,
        request: SinkRequest,
        target: Target,
        shape: Shape,
        discards: Vec<PlannedChange>,
        buffers: Buffers,
    ) -> Self {
        let stage = Stage::new(&target, &request);
        let staged = (target.load != Load::Straight).then_some(stage.table.as_str());
        let loader = Loader::new(&target, staged, request.rejects, buffers);
        let commits = Commits::new(&target.schema, &request);
        Self {
            line: Line::new(session),
            request,
            target,
            commits,
            stage,
            loader,
            buffers,
            shape,
            discards,
            attempt: None,
            is_open: false,
            shared: None,
            saved_row: 0,
            written: 0,
        }
    }

    /// Sends rows to where they wait.
    fn staging(&self) -> Loader {
        Loader::new(&self.target, Some(&self.stage.table), self.request.rejects, self.buffers)
    }

    /// Whether rows go into the table itself.
    fn straight(&self) -> bool {
        self.target.load == Load::Straight && !self.stage.lasting
    }

    pub(super) fn operation(&self) -> String {
        format!("write {}", self.target.shown)
    }

    pub(super) fn attempt(&self) -> Result<Attempt> {
        self.attempt.clone().ok_or_else(|| {
            ConnectorError::new(ErrorKind::Bug, self.operation(), "the sink was used before it was fenced")
        })
    }

    async fn open(&mut self) -> Result<()> {
        if self.is_open {
            return Ok(());
        }
        let (operation, attempt) = (self.operation(), self.attempt()?);
        self.commits.begin(self.line.idle()?, &operation, &attempt).await?;
        self.is_open = true;
        if self.straight() {
            self.change().await
        } else if self.stage.lasting {
            Ok(())
        } else {
            self.line.idle()?.execute(&operation, &self.stage.create_temporary()).await.map(drop)
        }
    }

    pub(super) async fn change(&mut self) -> Result<()> {
        let operation = self.operation();
        for change in &self.target.changes {
            if let Some(statement) = &change.statement {
                self.line.idle()?.execute(&operation, statement).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Sink for PostgresSink {
    async fn plan(&mut self) -> Result<Vec<PlannedChange>> {
        let mut plan = Vec::new();
        if !self.commits.exists(self.line.idle()?).await? {
            let action = format!("create table {}.{TABLE}", sql::shown(&self.target.schema));
            plan.push(PlannedChange { action, statement: Some(self.commits.create()) });
        }
        plan.extend(self.target.changes.iter().cloned());
        plan.extend(self.discards.iter().cloned());
        plan.extend(self.target.moves(&self.stage.table));
        Ok(plan)
    }

    async fn last_commit(&mut self) -> Result<Option<CommitRecord>> {
        self.commits.last(self.line.idle()?).await
    }

    async fn fence(&mut self, attempt: &Attempt) -> Result<()> {
        self.commits.fence(self.line.idle()?, attempt).await?;
        self.attempt = Some(attempt.clone());
        Ok(())
    }

    fn keeps_splits(&self) -> bool {
        true
    }

    async fn saved(&mut self) -> Result<Vec<SavedSplit>> {
        let (operation, attempt) = (self.operation(), self.attempt()?);
        self.stage.saved(self.line.idle()?, &operation, &attempt.run).await
    }

    async fn keep(&mut self, numbers: &BTreeSet<u64>, more: bool) -> Result<()> {
        let (operation, attempt) = (self.operation(), self.attempt()?);
        if !more && !self.stage.lasts(self.line.idle()?, &operation).await? {
            return Ok(());
        }
        self.commits.begin(self.line.idle()?, &operation, &attempt).await?;
        match self.stage.keep(self.line.idle()?, &operation, &self.commits, &attempt, numbers, more).await {
            Ok(next) => {
                self.line.idle()?.execute(&operation, "COMMIT").await?;
                if more {
                    self.loader = self.staging();
                    self.loader.next_row = next;
                    self.saved_row = next;
                    if next > 0 {
                        self.loader.keys.lose();
                    }
                }
                Ok(())
            }
            Err(error) => {
                self.line.idle()?.execute(&operation, "ROLLBACK").await?;
                Err(error)
            }
        }
    }

    fn shares(&self) -> bool {
        true
    }

    async fn join(&mut self, attempt: &Attempt) -> Result<Vec<SavedSplit>> {
        self.commits.owned(self.line.idle()?, attempt).await?;
        self.attempt = Some(attempt.clone());
        self.stage.wait_lastingly();
        self.loader = self.staging();
        self.loader.keys.lose();
        let saved = self.saved().await?;
        self.shared = Some(saved.iter().map(|split| split.number).collect());
        Ok(saved)
    }

    async fn begin(&mut self, number: u64) -> Result<()> {
        let Some(saved) = &self.shared else { return Ok(()) };
        let again = saved.contains(&number);
        self.loader.next_row = first_row(number, &self.operation())?;
        self.saved_row = self.loader.next_row;
        if again {
            let operation = self.operation();
            self.open().await?;
            self.stage.discard(self.line.idle()?, &operation, number).await?;
        }
        Ok(())
    }

    async fn save(&mut self, split: &SavedSplit) -> Result<()> {
        let (operation, attempt) = (self.operation(), self.attempt()?);
        self.open().await?;
        self.loader.flush(&mut self.line).await?;
        let rows = self.saved_row..self.loader.next_row;
        if self.shared.is_some() && rows.end > first_row(split.number + 1, &operation)? {
            let detail = format!(
                "a split has {} rows, and one of several processes may have 2^{ROW_BITS}",
                rows.end - rows.start
            );
            return Err(ConnectorError::new(ErrorKind::Limit, operation, detail)
                .remedy("set a smaller `execution.splitSize`, or run without --shard"));
        }
        self.stage.save(self.line.idle()?, &operation, &self.commits, &attempt, split, rows).await?;
        self.is_open = false;
        points::pass("save split");
        self.line.idle()?.execute(&operation, "COMMIT").await?;
        self.saved_row = self.loader.next_row;
        Ok(())
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<Vec<Reject>> {
        let operation = self.operation();
        let (batch, mut refused) = self.shape.fit(batch, self.request.rejects, &operation)?;
        self.open().await?;
        self.loader.write(&mut self.line, &batch).await?;
        refused.append(&mut self.loader.refused);
        Ok(refused)
    }

    async fn flush(&mut self) -> Result<Vec<Reject>> {
        self.loader.flush(&mut self.line).await?;
        Ok(std::mem::take(&mut self.loader.refused))
    }

    async fn stage(&mut self) -> Result<Staged> {
        self.open().await?;
        self.loader.flush(&mut self.line).await?;
        let mut staged = if self.straight() {
            Staged { written: self.loader.copied, ..Staged::default() }
        } else {
            self.publish().await?
        };
        // A deferred constraint speaks now, while nothing is committed anywhere, and not at COMMIT.
        let operation = self.operation();
        self.line.idle()?.execute(&operation, "SET CONSTRAINTS ALL IMMEDIATE").await?;
        let mut rejects = std::mem::take(&mut self.loader.refused);
        rejects.append(&mut staged.rejects);
        staged.rejects = rejects;
        staged.bytes = self.loader.bytes;
        staged.effects.schema_changes =
            self.target.schema_changes.iter().cloned().chain(self.shape.discarded()).collect();
        self.written = staged.written;
        Ok(staged)
    }

    async fn commit(&mut self, positions: &BTreeMap<String, Position>) -> Result<()> {
        let attempt = self.attempt()?;
        let operation = self.operation();
        if !self.is_open {
            return Err(ConnectorError::new(ErrorKind::Bug, operation, "nothing was staged"));
        }
        if let Err(error) = self.commits.record(self.line.idle()?, &attempt, positions, self.written).await {
            self.abort().await?;
            return Err(error);
        }
        self.is_open = false;
        points::pass("commit");
        self.line.idle()?.execute(&operation, "COMMIT").await.map_err(|error| match error.kind {
            ErrorKind::Transient => error.decided(
                "whether it was committed is unknown here; the next attempt reads it from the table of commits",
            ),
            _ => error,
        })?;
        Ok(())
    }

    async fn abort(&mut self) -> Result<()> {
        let operation = self.operation();
        // In the middle of a COPY the connection is given up: the server rolls back by itself.
        self.line.give_up();
        if std::mem::take(&mut self.is_open)
            && let Ok(session) = self.line.idle()
            && let Err(error) = session.execute(&operation, "ROLLBACK").await
        {
            tracing::debug!(%error, "could not roll back");
        }
        Ok(())
    }
}
