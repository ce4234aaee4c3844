//! Writing a table: everything in one transaction, which also records the commit.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use async_trait::async_trait;

use super::commits::{Commits, TABLE};
use super::line::Line;
use super::load::{Loader, ROW, blame};
use super::session::{Session, get};
use super::stage::Stage;
use super::target::{Load, Target};
use crate::connector::{
    Attempt, CommitRecord, ConnectorError, ErrorKind, PlannedChange, Position, Reject, Result, SavedSplit, Sink,
    SinkRequest, Staged,
};
use crate::connectors::sql;

/// A table, ready to be written by one attempt.
pub(super) struct PostgresSink {
    line: Line,
    request: SinkRequest,
    target: Target,
    commits: Commits,
    stage: Stage,
    loader: Loader,
    attempt: Option<Attempt>,
    /// Whether the transaction is open.
    open: bool,
    /// The number of the first row of the split that is being written.
    saved_row: i64,
    written: u64,
}

impl PostgresSink {
    pub(super) fn new(session: Session, request: SinkRequest, target: Target) -> Self {
        let key = if let Load::Upsert(key) = &target.load { key.clone() } else { Vec::new() };
        let stage = Stage::new(&target, &request);
        let staged = (target.load != Load::Straight).then_some(stage.table.as_str());
        let loader = Loader::new(&target, staged, &key, request.rejects);
        let commits = Commits::new(&target.schema, &request);
        Self {
            line: Line::new(session),
            request,
            target,
            commits,
            stage,
            loader,
            attempt: None,
            open: false,
            saved_row: 0,
            written: 0,
        }
    }

    /// Whether rows go into the table itself.
    fn straight(&self) -> bool {
        self.target.load == Load::Straight && !self.stage.lasting
    }

    fn operation(&self) -> String {
        format!("write {}", self.target.shown)
    }

    fn attempt(&self) -> Result<Attempt> {
        self.attempt.clone().ok_or_else(|| {
            ConnectorError::new(ErrorKind::Bug, self.operation(), "the sink was used before it was fenced")
        })
    }

    async fn begin(&mut self) -> Result<()> {
        if self.open {
            return Ok(());
        }
        self.attempt()?;
        let operation = self.operation();
        self.line.idle()?.execute(&operation, "BEGIN").await?;
        self.open = true;
        if self.straight() {
            self.change().await
        } else if self.stage.lasting {
            Ok(())
        } else {
            self.line.idle()?.execute(&operation, &self.stage.create_temporary()).await.map(drop)
        }
    }

    async fn change(&mut self) -> Result<()> {
        let operation = self.operation();
        for change in &self.target.changes {
            if let Some(statement) = &change.statement {
                self.line.idle()?.execute(&operation, statement).await?;
            }
        }
        Ok(())
    }

    /// Moves the staged rows into the table.
    async fn publish(&mut self) -> Result<Staged> {
        let operation = self.operation();
        self.change().await?;
        let mut staged = Staged::default();
        if let Load::Upsert(key) = &self.target.load {
            staged.deduplicated = self.line.idle()?.execute(&operation, &deduplicate(key, &self.stage.table)).await?;
        }
        if self.target.load == Load::Replace {
            // Unlike DROP and CREATE it keeps views, grants and indexes.
            self.line.idle()?.execute(&operation, &format!("TRUNCATE {}", self.target.table)).await.map_err(
                |error| {
                    if error.detail.contains("foreign key") {
                        error.remedy(
                        "use the mode Upsert, or drop the foreign key: a table that others refer to cannot be emptied",
                    )
                    } else {
                        error
                    }
                },
            )?;
        }
        staged.written = self.insert(&operation, &mut staged.rejects).await?;
        self.stage.remove(self.line.idle()?, &operation).await?;
        Ok(staged)
    }

    /// One statement for all rows; where the server refuses some, the rows are halved until only those are left.
    async fn insert(&mut self, operation: &str, rejects: &mut Vec<Reject>) -> Result<u64> {
        if !self.request.rejects {
            let statement = self.target.insert(&self.stage.table, "");
            let outcome = self.line.idle()?.try_execute(operation, &statement).await?;
            return outcome.or_else(|error| Err(blame(operation, error)?.into_error()));
        }
        let (row, stage) = (sql::identifier(ROW), self.stage.table.clone());
        let query = format!("SELECT coalesce(max({row}) + 1, 0) AS count FROM {stage}");
        let query = sqlx::query(sqlx::AssertSqlSafe(query));
        let count = self.line.idle()?.fetch(operation, query).await?;
        let count: i64 = count.first().map_or(Ok(0), |row| get(row, "count"))?;
        let mut written = 0;
        let mut indexed = false;
        let mut pieces = vec![(0, count)];
        while let Some((start, length)) = pieces.pop() {
            let range = format!(" WHERE {row} >= {start} AND {row} < {}", start + length);
            self.line.idle()?.execute(operation, "SAVEPOINT _aggregator").await?;
            match self.line.idle()?.try_execute(operation, &self.target.insert(&stage, &range)).await? {
                Ok(rows) => {
                    written += rows;
                    self.line.idle()?.execute(operation, "RELEASE SAVEPOINT _aggregator").await?;
                }
                Err(error) => {
                    let refusal = blame(operation, error)?;
                    if length == 0 {
                        // No row is to blame for what a statement without rows meets.
                        return Err(refusal.into_error());
                    }
                    self.line.idle()?.execute(operation, "ROLLBACK TO SAVEPOINT _aggregator").await?;
                    if length == 1 {
                        let raw = self.staged_row(operation, start).await?;
                        rejects.push(refusal.into_reject(&self.target.shown, raw));
                        continue;
                    }
                    if !indexed {
                        self.line.idle()?.execute(operation, &format!("CREATE INDEX ON {stage} ({row})")).await?;
                        indexed = true;
                    }
                    let half = length / 2;
                    pieces.extend([(start + half, length - half), (start, half)]);
                }
            }
        }
        Ok(written)
    }

    async fn staged_row(&mut self, operation: &str, number: i64) -> Result<String> {
        let text = format!(
            "SELECT (to_jsonb(s) - '{ROW}')::text AS raw FROM {} s WHERE {} = $1",
            self.stage.table,
            sql::identifier(ROW)
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(number);
        let rows = self.line.idle()?.fetch(operation, query).await?;
        rows.first().map_or(Ok(String::new()), |row| get(row, "raw"))
    }
}

/// Of the staged rows with the same key, only the last one stays.
fn deduplicate(key: &[String], stage: &str) -> String {
    let columns = sql::identifiers(key.iter().map(String::as_str));
    let row = sql::identifier(ROW);
    let same: Vec<String> =
        key.iter().map(|column| format!("s.{name} = d.{name}", name = sql::identifier(column))).collect();
    format!(
        "DELETE FROM {stage} s USING (SELECT {columns}, max({row}) AS _aggregator_last FROM {stage} \
         GROUP BY {columns} HAVING count(*) > 1) d WHERE {} AND s.{row} < d._aggregator_last",
        same.join(" AND ")
    )
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
        let shown = &self.target.shown;
        let step = |action: String, statement: String| PlannedChange { action, statement: Some(statement) };
        match &self.target.load {
            Load::Straight => plan.push(step(format!("add rows to {shown}"), self.target.copy(&self.target.table, ""))),
            Load::Append => plan.push(step(format!("add rows to {shown}"), self.target.insert(&self.stage.table, ""))),
            Load::Replace => {
                plan.push(step(format!("remove all rows of {shown}"), format!("TRUNCATE {}", self.target.table)));
                plan.push(step(format!("add rows to {shown}"), self.target.insert(&self.stage.table, "")));
            }
            Load::Upsert(key) => {
                let action = format!("add or replace rows of {shown} by {}", key.join(", "));
                plan.push(step(action, self.target.insert(&self.stage.table, "")));
            }
        }
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
        self.line.idle()?.execute(&operation, "BEGIN").await?;
        match self.stage.keep(self.line.idle()?, &operation, &self.commits, &attempt, numbers, more).await {
            Ok(next) => {
                self.line.idle()?.execute(&operation, "COMMIT").await?;
                if more {
                    let key = if let Load::Upsert(key) = &self.target.load { key.clone() } else { Vec::new() };
                    self.loader = Loader::new(&self.target, Some(&self.stage.table), &key, self.request.rejects);
                    self.loader.next_row = next;
                    self.saved_row = next;
                }
                Ok(())
            }
            Err(error) => {
                self.line.idle()?.execute(&operation, "ROLLBACK").await?;
                Err(error)
            }
        }
    }

    async fn save(&mut self, split: &SavedSplit) -> Result<()> {
        let (operation, attempt) = (self.operation(), self.attempt()?);
        self.begin().await?;
        self.loader.flush(&mut self.line).await?;
        let rows = self.saved_row..self.loader.next_row;
        self.stage.save(self.line.idle()?, &operation, &self.commits, &attempt, split, rows).await?;
        self.open = false;
        self.line.idle()?.execute(&operation, "COMMIT").await?;
        self.saved_row = self.loader.next_row;
        Ok(())
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<Vec<Reject>> {
        self.begin().await?;
        self.loader.write(&mut self.line, &batch).await?;
        Ok(std::mem::take(&mut self.loader.refused))
    }

    async fn flush(&mut self) -> Result<Vec<Reject>> {
        self.loader.flush(&mut self.line).await?;
        Ok(std::mem::take(&mut self.loader.refused))
    }

    async fn stage(&mut self) -> Result<Staged> {
        self.begin().await?;
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
        self.written = staged.written;
        Ok(staged)
    }

    async fn commit(&mut self, positions: &BTreeMap<String, Position>) -> Result<()> {
        let attempt = self.attempt()?;
        let operation = self.operation();
        if !self.open {
            return Err(ConnectorError::new(ErrorKind::Bug, operation, "nothing was staged"));
        }
        if let Err(error) = self.commits.record(self.line.idle()?, &attempt, positions, self.written).await {
            self.abort().await?;
            return Err(error);
        }
        self.open = false;
        self.line.idle()?.execute(&operation, "COMMIT").await.map_err(|error| match error.kind {
            ErrorKind::Transient => error.remedy(
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
        if std::mem::take(&mut self.open)
            && let Ok(session) = self.line.idle()
            && let Err(error) = session.execute(&operation, "ROLLBACK").await
        {
            tracing::debug!(%error, "could not roll back");
        }
        Ok(())
    }
}
