//! Writing a table: rows wait in a temporary table, which locks nothing, and move in one transaction at the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::database::{Database, blocking, fault};
use super::target::{Applied, Role, STAGE, Target, TargetColumn};
use super::types::Kind;
use super::versions::written;
use crate::connector::{
    Attempt, CommitRecord, ConnectorError, ErrorKind, PlannedChange, Position, Reject, RejectReason, Result, Sink,
    SinkRequest, Staged,
};
use crate::connectors::shape::Shape;
use crate::connectors::sql;

const COMMITS: &str = "CREATE TABLE IF NOT EXISTS main._aggregator_commits (pipeline TEXT NOT NULL, node TEXT NOT NULL, \
    epoch INTEGER NOT NULL, run TEXT, positions TEXT, \"rows\" INTEGER, committed_at TEXT, PRIMARY KEY (pipeline, node))";

/// A table, ready to be written by one attempt.
pub(super) struct SqliteSink {
    database: Database,
    request: SinkRequest,
    target: Arc<Target>,
    shape: Shape,
    /// What is planned for values that the table has no place for.
    discards: Vec<PlannedChange>,
    /// None until the fence creates or opens the file for writing.
    connection: Option<Connection>,
    attempt: Option<Attempt>,
    staged: Option<u64>,
    bytes: u64,
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
        Self { database, request, target, shape, discards, connection: None, attempt: None, staged: None, bytes: 0 }
    }

    fn operation(&self) -> String {
        format!("write {} to {}", self.target.shown, self.database.shown())
    }

    /// Runs work on the connection, on a thread that may block.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Connection, &str) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let operation = self.operation();
        let mut connection = self.connection.take().ok_or_else(|| {
            ConnectorError::new(
                ErrorKind::Bug,
                &operation,
                "the sink was used before it was fenced, or after it was given up",
            )
        })?;
        let (connection, outcome) = blocking(move || {
            let outcome = work(&mut connection, &operation);
            Ok((connection, outcome))
        })
        .await?;
        self.connection = Some(connection);
        outcome
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
        blocking(move || last_commit(&database.read()?, &request)).await
    }

    async fn fence(&mut self, attempt: &Attempt) -> Result<()> {
        let database = self.database.clone();
        let operation = self.operation();
        let target = Arc::clone(&self.target);
        let (request, attempt) = (self.request.clone(), attempt.clone());
        let (connection, attempt) = blocking(move || {
            let mut connection = database.write()?;
            let taken = take_over(&mut connection, &request, &attempt).map_err(|error| fault(&operation, error))?;
            if !taken {
                return Err(fenced(&operation, &attempt));
            }
            connection.execute_batch(&target.stage_table()).map_err(|error| fault(&operation, error))?;
            Ok((connection, attempt))
        })
        .await?;
        self.connection = Some(connection);
        self.attempt = Some(attempt);
        Ok(())
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<Vec<Reject>> {
        let target = Arc::clone(&self.target);
        let rejects = self.request.rejects;
        let operation = self.operation();
        let (batch, mut refused) = self.shape.fit(batch, rejects, &operation)?;
        let (more, bytes) = self
            .work(move |connection, operation| stage_batch(connection, operation, &target, &batch, rejects))
            .await?;
        self.bytes += bytes;
        refused.extend(more);
        Ok(refused)
    }

    async fn stage(&mut self) -> Result<Staged> {
        let target = Arc::clone(&self.target);
        let rejects = self.request.rejects;
        let began = self.attempt.as_ref().map(Attempt::run_began).unwrap_or_default();
        let mut staged =
            self.work(move |connection, operation| rehearse(connection, operation, &target, began, rejects)).await?;
        staged.bytes = self.bytes;
        staged.effects.schema_changes =
            self.target.schema_changes.iter().cloned().chain(self.shape.discarded()).collect();
        self.staged = Some(staged.written);
        Ok(staged)
    }

    async fn commit(&mut self, positions: &BTreeMap<String, Position>) -> Result<()> {
        let operation = self.operation();
        let (Some(attempt), Some(staged)) = (self.attempt.clone(), self.staged) else {
            return Err(ConnectorError::new(ErrorKind::Bug, operation, "nothing was staged"));
        };
        let positions = serde_json::to_string(positions)
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, &operation, error.to_string()))?;
        let (target, request) = (Arc::clone(&self.target), self.request.clone());
        self.work(move |connection, operation| {
            let failed = |error: rusqlite::Error| fault(operation, error);
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
            let owned = transaction
                .execute(
                    "UPDATE main._aggregator_commits SET run = ?1, positions = ?2, \"rows\" = ?3, \
                     committed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pipeline = ?4 AND node = ?5 AND epoch = ?6",
                    params![
                        attempt.run,
                        positions,
                        integer(staged),
                        request.pipeline,
                        request.node,
                        integer(attempt.epoch)
                    ],
                )
                .map_err(failed)?;
            if owned != 1 {
                return Err(fenced(operation, &attempt));
            }
            let began = target.began(&transaction, attempt.run_began()).map_err(failed)?;
            let written = target.apply(&transaction, &began).map_err(failed)?.written;
            if written != staged {
                let detail = format!("{staged} rows were staged, but {written} were written: the table changed in between");
                return Err(ConnectorError::new(ErrorKind::Transient, operation, detail));
            }
            transaction.commit().map_err(failed)
        })
        .await
    }

    async fn abort(&mut self) -> Result<()> {
        // The staging table is the connection's own.
        self.connection = None;
        Ok(())
    }
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn fenced(operation: &str, attempt: &Attempt) -> ConnectorError {
    let detail = format!("epoch {} is not the newest: another attempt owns the sink", attempt.epoch);
    ConnectorError::new(ErrorKind::Fenced, operation, detail).remedy("nothing to do: the newer attempt writes the rows")
}

fn take_over(connection: &mut Connection, request: &SinkRequest, attempt: &Attempt) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(COMMITS)?;
    let taken = transaction.execute(
        "INSERT INTO main._aggregator_commits (pipeline, node, epoch) VALUES (?1, ?2, ?3) \
         ON CONFLICT (pipeline, node) DO UPDATE SET epoch = excluded.epoch WHERE epoch < excluded.epoch",
        params![request.pipeline, request.node, integer(attempt.epoch)],
    )?;
    transaction.commit()?;
    Ok(taken == 1)
}

fn last_commit(connection: &Connection, request: &SinkRequest) -> Result<Option<CommitRecord>> {
    let operation = "read the last commit from _aggregator_commits";
    let failed = |error: rusqlite::Error| fault(operation, error);
    let there: bool = connection
        .query_row("SELECT count(*) FROM main.sqlite_schema WHERE name = '_aggregator_commits'", [], |row| row.get(0))
        .map_err(failed)?;
    if !there {
        return Ok(None);
    }
    type Row = (i64, Option<String>, Option<String>, Option<i64>);
    let row: Option<Row> = connection
        .query_row(
            "SELECT epoch, run, positions, \"rows\" FROM main._aggregator_commits WHERE pipeline = ?1 AND node = ?2",
            params![request.pipeline, request.node],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()
        .map_err(failed)?;
    let Some((epoch, run, positions, rows)) = row else { return Ok(None) };
    let damaged = |what: &str| {
        ConnectorError::new(ErrorKind::Data, operation, format!("the {what} there cannot be read"))
            .remedy("somebody changed the row by hand; put it back, or delete it and run in mode Full")
    };
    Ok(Some(CommitRecord {
        epoch: u64::try_from(epoch).map_err(|_| damaged("epoch"))?,
        run,
        positions: match positions {
            Some(text) => serde_json::from_str(&text).map_err(|_| damaged("positions"))?,
            None => BTreeMap::new(),
        },
        rows: u64::try_from(rows.unwrap_or_default()).map_err(|_| damaged("count"))?,
    }))
}

/// Puts a batch into the staging table; gives the rows that SQLite could not keep as they are, and the bytes.
fn stage_batch(
    connection: &mut Connection,
    operation: &str,
    target: &Target,
    batch: &RecordBatch,
    rejects: bool,
) -> Result<(Vec<Reject>, u64)> {
    let failed = |error: rusqlite::Error| fault(operation, error);
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns = Vec::new();
    for (column, TargetColumn { name, kind, role, .. }) in batch.columns().iter().zip(&target.columns) {
        let wrong =
            |error: String| ConnectorError::new(ErrorKind::Data, operation, format!("column `{name}`: {error}"));
        if *role == Role::Effective && *kind != Kind::Date {
            columns.push(times(column, *kind).map_err(wrong)?);
            continue;
        }
        // Times are written as Arrow shows them in microseconds, decimals with all their digits.
        let cast = cast_with_options(column, &kind.arrow(), &strict)
            .and_then(|column| cast_with_options(&column, &kind.stored(), &strict))
            .map_err(|error| wrong(error.to_string()))?;
        columns.push(cast);
    }
    let mut refused = Vec::new();
    let mut bytes = 0;
    let transaction = connection.transaction().map_err(failed)?;
    let mut insert = transaction.prepare(&target.stage_insert()).map_err(failed)?;
    'rows: for row in 0..batch.num_rows() {
        for (number, (column, TargetColumn { name, kind, role, .. })) in columns.iter().zip(&target.columns).enumerate()
        {
            let value = cell(column, row);
            let message = match value {
                ValueRef::Real(real) if real.is_nan() => Some("NaN, which SQLite would store as null"),
                ValueRef::Text(text) if kind.has_years() && !is_four_digits(text) => {
                    Some("the year is not between 0000 and 9999, where SQLite's dates end")
                }
                ValueRef::Null if target.key.contains(name) => {
                    Some("the key is null, so the row could not be found again")
                }
                ValueRef::Null if *role == Role::Effective => {
                    Some("it is null, so nobody knows from when the row holds")
                }
                _ => None,
            };
            if let Some(message) = message {
                if !rejects {
                    let detail = format!("column `{name}`: {message}, in the row {}", sql::row_json(batch, row));
                    return Err(ConnectorError::new(ErrorKind::Refused, operation, detail)
                        .remedy("clean the column in a mapping, or declare `rejects` in the Pipeline"));
                }
                refused.push(reject(target, Some(name.clone()), message.to_owned(), sql::row_json(batch, row)));
                continue 'rows;
            }
            bytes += match value {
                ValueRef::Null => 0,
                ValueRef::Integer(_) | ValueRef::Real(_) => 8,
                ValueRef::Text(held) | ValueRef::Blob(held) => held.len() as u64,
            };
            insert.raw_bind_parameter(number + 1, ToSqlOutput::Borrowed(value)).map_err(failed)?;
        }
        insert.raw_execute().map_err(failed)?;
    }
    drop(insert);
    transaction.commit().map_err(failed)?;
    Ok((refused, bytes))
}

/// Times as texts in the order of time.
fn times(column: &ArrayRef, kind: Kind) -> std::result::Result<ArrayRef, String> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = cast_with_options(column, &kind.arrow(), &strict)
        .and_then(|column| cast_with_options(&column, &DataType::Int64, &strict))
        .map_err(|error| error.to_string())?;
    let texts = cast.as_primitive::<Int64Type>().iter().map(|value| {
        value
            .map(|value| {
                written(kind, value).ok_or_else(|| format!("{value} microseconds since 1970 is a time without a name"))
            })
            .transpose()
    });
    Ok(Arc::new(texts.collect::<std::result::Result<StringArray, String>>()?))
}

/// Whether a date or timestamp begins with a year of four digits.
fn is_four_digits(text: &[u8]) -> bool {
    text.get(4) == Some(&b'-') && text[..4].iter().all(u8::is_ascii_digit)
}

fn cell(column: &ArrayRef, row: usize) -> ValueRef<'_> {
    if column.is_null(row) {
        return ValueRef::Null;
    }
    match column.data_type() {
        DataType::Int64 => ValueRef::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => ValueRef::Real(column.as_primitive::<Float64Type>().value(row)),
        DataType::Binary => ValueRef::Blob(column.as_binary::<i32>().value(row)),
        _ => ValueRef::Text(column.as_string::<i32>().value(row).as_bytes()),
    }
}

fn reject(target: &Target, column: Option<String>, message: String, raw: String) -> Reject {
    Reject {
        location: target.shown.clone(),
        line: None,
        offset: None,
        column,
        reason: RejectReason::WriteRefused,
        message,
        raw,
    }
}

/// Does what the commit will do and takes it back: so the target itself counts, and rows it refuses are known before.
/// The file is locked for this moment only, and again at the commit.
fn rehearse(
    connection: &mut Connection,
    operation: &str,
    target: &Target,
    run: jiff::Timestamp,
    rejects: bool,
) -> Result<Staged> {
    let failed = |error: rusqlite::Error| fault(operation, error);
    let deduplicated = target.deduplicate(connection).map_err(failed)?;
    let began = target.began(connection, run).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let outcome = target.apply(&transaction, &began);
    transaction.rollback().map_err(failed)?;
    let (applied, rejects) = match outcome {
        Ok(applied) => (applied, Vec::new()),
        Err(error) if refuses_a_row(&error) => one_by_one(connection, operation, target, &began, rejects)?,
        Err(error) => return Err(failed(error)),
    };
    let deduplicated = deduplicated + applied.effects.unchanged;
    Ok(Staged { written: applied.written, deduplicated, bytes: 0, rejects, effects: applied.effects })
}

fn refuses_a_row(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    )
}

/// Tries each staged row alone, in order, and takes those that are refused out of the staging table.
fn one_by_one(
    connection: &mut Connection,
    operation: &str,
    target: &Target,
    began: &str,
    rejects: bool,
) -> Result<(Applied, Vec<Reject>)> {
    let failed = |error: rusqlite::Error| fault(operation, error);
    let mut refused = Vec::new();
    let mut bad: BTreeSet<i64> = BTreeSet::new();
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let mut applied = target.before(&transaction, began).map_err(failed)?;
    let numbers: Vec<i64> = {
        let mut numbers = transaction.prepare(&format!("SELECT row FROM {STAGE} ORDER BY row")).map_err(failed)?;
        numbers.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(failed)?
    };
    for deletes in [true, false] {
        for &number in &numbers {
            if bad.contains(&number) || (deletes && target.delete("").is_none()) {
                continue;
            }
            let condition = format!(" AND row = {number}");
            let before = applied.clone();
            transaction.execute_batch("SAVEPOINT _aggregator").map_err(failed)?;
            let outcome = if deletes {
                target.deletes(&transaction, &condition, &mut applied)
            } else {
                target.inserts(&transaction, &condition, began, &mut applied)
            };
            let Err(error) = outcome else {
                transaction.execute_batch("RELEASE _aggregator").map_err(failed)?;
                continue;
            };
            if !refuses_a_row(&error) {
                return Err(failed(error));
            }
            applied = before;
            transaction.execute_batch("ROLLBACK TO _aggregator; RELEASE _aggregator").map_err(failed)?;
            let raw = staged_row(&transaction, target, number).map_err(failed)?;
            if !rejects {
                let mut error = failed(error);
                error.detail = format!("{}, for the row {raw}", error.detail);
                return Err(error);
            }
            refused.push(reject(target, None, error.to_string(), sql::cut(raw)));
            bad.insert(number);
        }
    }
    transaction.rollback().map_err(failed)?;
    for number in bad {
        connection.execute(&format!("DELETE FROM {STAGE} WHERE row = ?1"), [number]).map_err(failed)?;
    }
    Ok((applied, refused))
}

fn staged_row(connection: &Connection, target: &Target, number: i64) -> rusqlite::Result<String> {
    connection.query_row(&format!("SELECT * FROM {STAGE} WHERE row = ?1"), [number], |row| {
        let mut object = serde_json::Map::new();
        for (at, column) in target.columns.iter().enumerate() {
            let value = match row.get::<_, Value>(at + 1)? {
                Value::Null => serde_json::Value::Null,
                Value::Integer(value) => value.into(),
                Value::Real(value) => value.into(),
                Value::Text(text) => text.into(),
                Value::Blob(bytes) => format!("{} bytes", bytes.len()).into(),
            };
            if column.role != Role::Deleted {
                object.insert(column.name.clone(), value);
            }
        }
        Ok(serde_json::Value::Object(object).to_string())
    })
}
