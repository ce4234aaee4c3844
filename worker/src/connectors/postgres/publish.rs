//! Moving the staged rows into the table, in the transaction that will commit.

use super::load::{ROW, blame};
use super::moves::Rows;
use super::session::get;
use super::sink::PostgresSink;
use super::target::{Load, Target};
use super::versions::{History, Versions};
use crate::connector::{Effects, PlannedChange, Reject, Result, Staged};
use crate::connectors::sql;

/// One way over the staged rows.
#[derive(Clone, Debug)]
enum Pass {
    /// Rows are added or replaced.
    Insert,
    /// Rows are deleted.
    Delete,
    /// Rows are put into the history of their keys; without a time of their own, they hold from this one.
    Versions(Versions, String),
}

/// What one statement, or several, did.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    written: u64,
    closed: u64,
    unchanged: u64,
}

impl PostgresSink {
    /// Moves the staged rows into the table.
    pub(super) async fn publish(&mut self) -> Result<Staged> {
        let operation = self.operation();
        self.change().await?;
        let mut staged = Staged::default();
        let (load, stage) = (self.target.load.clone(), self.stage.table.clone());
        let mut done = None;
        match &load {
            Load::Straight | Load::Append => {}
            Load::Replace => self.empty(&operation).await?,
            Load::Upsert(_) => {
                if self.loader.keys.distinct() {
                    done = self.at_once(&operation).await?;
                }
                if done.is_none() {
                    self.deduplicate(&operation, &self.target.key_expressions(), &mut staged).await?;
                }
            }
            Load::Merge { .. } => {
                self.deduplicate(&operation, &self.target.key_expressions(), &mut staged).await?;
                if let Some(statement) = self.target.delete_missing(&stage) {
                    staged.effects.missing = self.line.idle()?.execute(&operation, &statement).await?;
                }
                // All deletes go first: an added row may take a unique value over from a deleted one.
                self.deletes(&operation, &mut staged).await?;
            }
            Load::Versions(versions) => self.versions(&operation, versions, &mut staged).await?,
        }
        if !matches!(load, Load::Versions(_)) {
            let done = match done {
                Some(done) => done,
                None => self.pass(&operation, &Pass::Insert, &mut staged.rejects).await?,
            };
            staged.written += done.written;
        }
        staged.deduplicated += staged.effects.unchanged;
        self.stage.remove(self.line.idle()?, &operation).await?;
        Ok(staged)
    }

    async fn empty(&mut self, operation: &str) -> Result<()> {
        // Unlike DROP and CREATE it keeps views, grants and indexes.
        let emptied = self.line.idle()?.execute(operation, &format!("TRUNCATE {}", self.target.table)).await;
        emptied.map(drop).map_err(|error| {
            if error.detail.contains("foreign key") {
                error.remedy(
                    "use the mode Upsert, or drop the foreign key: a table that others refer to cannot be emptied",
                )
            } else {
                error
            }
        })
    }

    /// Adds or replaces all rows by one statement, where no key seems to have come twice. None when the server refuses
    /// any, be it because it takes two keys for one: nothing has changed then.
    async fn at_once(&mut self, operation: &str) -> Result<Option<Done>> {
        self.line.idle()?.execute(operation, "SAVEPOINT _aggregator").await?;
        match self.try_pass(operation, &Pass::Insert, None).await? {
            Ok(done) => {
                self.line.idle()?.execute(operation, "RELEASE SAVEPOINT _aggregator").await?;
                Ok(Some(done))
            }
            Err(error) => {
                blame(operation, error)?;
                self.line.idle()?.execute(operation, "ROLLBACK TO SAVEPOINT _aggregator").await?;
                Ok(None)
            }
        }
    }

    async fn deduplicate(&mut self, operation: &str, by: &[String], staged: &mut Staged) -> Result<()> {
        let statement = Target::deduplicate(&self.stage.table, by);
        staged.deduplicated += self.line.idle()?.execute(operation, &statement).await?;
        Ok(())
    }

    /// Deletes what rows say is deleted. A key that is not there has nothing to delete: its row changes nothing.
    async fn deletes(&mut self, operation: &str, staged: &mut Staged) -> Result<()> {
        let stage = self.stage.table.clone();
        if self.target.delete(&stage, None).is_none() {
            return Ok(());
        }
        let asked = self.count(operation, &self.target.count_deletes(&stage)).await?;
        let before = staged.rejects.len();
        let done = self.pass(operation, &Pass::Delete, &mut staged.rejects).await?;
        let refused = (staged.rejects.len() - before) as u64;
        staged.written += done.written;
        staged.effects.deleted = done.written;
        staged.effects.unchanged += asked.saturating_sub(done.written + refused);
        Ok(())
    }

    async fn versions(&mut self, operation: &str, versions: &Versions, staged: &mut Staged) -> Result<()> {
        let stage = self.stage.table.clone();
        let began = self.target.began(versions, &stage, self.attempt()?.run_began());
        let query = sqlx::query(sqlx::AssertSqlSafe(began));
        let rows = self.line.idle()?.fetch(operation, query).await?;
        let began: String = rows.first().map_or(Ok(String::new()), |row| get(row, "began"))?;
        let began = Target::began_literal(versions, &began);
        let history = History { target: &self.target, versions, stage: &stage, began: &began };
        let (by, missing) = (history.expressions(), history.close_missing());
        self.deduplicate(operation, &by, staged).await?;
        self.line.idle()?.execute(operation, &format!("ANALYZE {stage}")).await?;
        if let Some(statement) = missing {
            staged.effects.missing = self.line.idle()?.execute(operation, &statement).await?;
        }
        let done = self.pass(operation, &Pass::Versions(versions.clone(), began), &mut staged.rejects).await?;
        staged.written += done.written;
        staged.effects = Effects { closed: done.closed, unchanged: done.unchanged, ..staged.effects.clone() };
        Ok(())
    }

    /// One go for all rows; where the server refuses some, the rows are halved until only those are left.
    async fn pass(&mut self, operation: &str, pass: &Pass, rejects: &mut Vec<Reject>) -> Result<Done> {
        if !self.request.rejects {
            let outcome = self.try_pass(operation, pass, None).await?;
            return outcome.or_else(|error| Err(blame(operation, error)?.into_error()));
        }
        let (row, stage) = (sql::identifier(ROW), self.stage.table.clone());
        let query = format!("SELECT coalesce(max({row}) + 1, 0) AS count FROM {stage}");
        let count = i64::try_from(self.count(operation, &query).await?).unwrap_or(i64::MAX);
        let mut all = Done::default();
        let mut indexed = false;
        let mut pieces = vec![(0, count)];
        while let Some((start, end)) = pieces.pop() {
            self.line.idle()?.execute(operation, "SAVEPOINT _aggregator").await?;
            match self.try_pass(operation, pass, Some((start, end))).await? {
                Ok(done) => {
                    all.written += done.written;
                    all.closed += done.closed;
                    all.unchanged += done.unchanged;
                    self.line.idle()?.execute(operation, "RELEASE SAVEPOINT _aggregator").await?;
                }
                Err(error) => {
                    let refusal = blame(operation, error)?;
                    self.line.idle()?.execute(operation, "ROLLBACK TO SAVEPOINT _aggregator").await?;
                    if !indexed {
                        self.line.idle()?.execute(operation, &format!("CREATE INDEX ON {stage} ({row})")).await?;
                        indexed = true;
                    }
                    // Between the rows that several processes have staged are large gaps.
                    let Some((first, last)) = self.staged_rows(operation, (start, end)).await? else {
                        // No row is to blame for what a statement without rows meets.
                        return Err(refusal.into_error());
                    };
                    if first == last {
                        let raw = self.staged_row(operation, first).await?;
                        rejects.push(refusal.into_reject(&self.target.shown, raw));
                        continue;
                    }
                    let half = first + (last - first) / 2 + 1;
                    pieces.extend([(half, last + 1), (first, half)]);
                }
            }
        }
        Ok(all)
    }

    /// The inner error is the server's, and may blame a row.
    async fn try_pass(&mut self, operation: &str, pass: &Pass, rows: Rows) -> Result<sqlx::Result<Done>> {
        let stage = self.stage.table.clone();
        let (versions, began) = match pass {
            Pass::Insert => return self.try_one(operation, self.target.insert(&stage, rows)).await,
            Pass::Delete => {
                return self.try_one(operation, self.target.delete(&stage, rows).unwrap_or_default()).await;
            }
            Pass::Versions(versions, began) => (versions, began),
        };
        let history = History { target: &self.target, versions, stage: &stage, began };
        let mut done = Done::default();
        let statements = [
            (Some(history.plan(rows)), 0),
            (Some(history.close()), 1),
            (history.correct(), 2),
            (Some(history.insert()), 2),
        ];
        for (statement, counts_as) in statements {
            let Some(statement) = statement else { continue };
            match (self.line.idle()?.try_execute(operation, &statement).await?, counts_as) {
                (Ok(rows), 1) => done.closed += rows,
                (Ok(rows), 2) => done.written += rows,
                (Ok(_), _) => {}
                (Err(error), _) => return Ok(Err(error)),
            }
        }
        done.unchanged = self.count(operation, &History::count_same()).await?;
        self.line.idle()?.execute(operation, &History::forget()).await?;
        Ok(Ok(done))
    }

    async fn try_one(&mut self, operation: &str, statement: String) -> Result<sqlx::Result<Done>> {
        let outcome = self.line.idle()?.try_execute(operation, &statement).await?;
        Ok(outcome.map(|written| Done { written, ..Done::default() }))
    }

    /// The number that a query gives as `count`.
    async fn count(&mut self, operation: &str, query: &str) -> Result<u64> {
        let query = sqlx::query(sqlx::AssertSqlSafe(query.to_owned()));
        let rows = self.line.idle()?.fetch(operation, query).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| get(row, "count"))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// The smallest and the greatest number of a staged row in that range.
    async fn staged_rows(&mut self, operation: &str, (start, end): (i64, i64)) -> Result<Option<(i64, i64)>> {
        let row = sql::identifier(ROW);
        let text = format!(
            "SELECT min({row}) AS first, max({row}) AS last FROM {} WHERE {row} >= {start} AND {row} < {end}",
            self.stage.table
        );
        let rows = self.line.idle()?.fetch(operation, sqlx::query(sqlx::AssertSqlSafe(text))).await?;
        let Some(found) = rows.first() else { return Ok(None) };
        Ok(get::<Option<i64>>(found, "first")?.zip(get(found, "last")?))
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

impl Target {
    /// What moving the rows will do, in order.
    pub(super) fn moves(&self, stage: &str) -> Vec<PlannedChange> {
        let shown = &self.shown;
        let step = |action: String, statement: String| PlannedChange { action, statement: Some(statement) };
        let insert = || self.insert(stage, None);
        match &self.load {
            Load::Straight => vec![step(format!("add rows to {shown}"), self.copy(&self.table, ""))],
            Load::Append => vec![step(format!("add rows to {shown}"), insert())],
            Load::Replace => vec![
                step(format!("remove all rows of {shown}"), format!("TRUNCATE {}", self.table)),
                step(format!("add rows to {shown}"), insert()),
            ],
            Load::Upsert(key) => vec![step(format!("add or replace rows of {shown} by {}", key.join(", ")), insert())],
            Load::Merge { key, .. } => {
                let key = key.join(", ");
                let missing = self.delete_missing(stage);
                let missing =
                    missing.map(|it| step(format!("delete rows of {shown} whose {key} does not come any more"), it));
                let deletes = self.delete(stage, None);
                let deletes = deletes
                    .map(|it| step(format!("delete rows of {shown} that the rows say are deleted, by {key}"), it));
                let insert = step(format!("add or replace rows of {shown} by {key}"), insert());
                missing.into_iter().chain(deletes).chain([insert]).collect()
            }
            Load::Versions(versions) => {
                let key = versions.key.join(", ");
                let history = History { target: self, versions, stage, began: "now()" };
                let missing = history.close_missing();
                let missing =
                    missing.map(|it| step(format!("end versions of {shown} whose {key} does not come any more"), it));
                let correct = history.correct();
                let correct = correct.map(|it| step(format!("correct versions of {shown} of the same time"), it));
                let steps = [step(format!("end versions of {shown} that changed, by {key}"), history.close())];
                let insert = step(format!("add versions to {shown}"), history.insert());
                missing.into_iter().chain(steps).chain(correct).chain([insert]).collect()
            }
        }
    }
}
