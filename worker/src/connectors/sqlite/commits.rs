//! Who owns a sink, and what it committed last: a table beside the rows, so that one transaction changes both.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::database::fault;
use crate::connector::{Attempt, CommitRecord, ConnectorError, ErrorKind, Result, SinkRequest};

/// The statement that creates the table of commits.
pub(super) const COMMITS: &str = "CREATE TABLE IF NOT EXISTS main._aggregator_commits (pipeline TEXT NOT NULL, node TEXT NOT NULL, \
    epoch INTEGER NOT NULL, run TEXT, positions TEXT, \"rows\" INTEGER, committed_at TEXT, PRIMARY KEY (pipeline, node))";

pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn fenced(operation: &str, attempt: &Attempt) -> ConnectorError {
    let detail = format!("epoch {} is not the newest: another attempt owns the sink", attempt.epoch);
    ConnectorError::new(ErrorKind::Fenced, operation, detail).remedy("nothing to do: the newer attempt writes the rows")
}

/// What taking a sink over found.
pub(super) enum Taken {
    /// It is this attempt's; whether an earlier one of the same run has committed.
    Over { committed: bool },
    /// Another attempt owns it.
    Not,
}

/// Takes a sink over from all attempts with a smaller epoch.
pub(super) fn take_over(
    connection: &mut Connection,
    request: &SinkRequest,
    attempt: &Attempt,
) -> rusqlite::Result<Taken> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(COMMITS)?;
    let run: Option<Option<String>> = transaction
        .query_row(
            "INSERT INTO main._aggregator_commits (pipeline, node, epoch) VALUES (?1, ?2, ?3) \
             ON CONFLICT (pipeline, node) DO UPDATE SET epoch = excluded.epoch WHERE epoch < excluded.epoch \
             RETURNING run",
            params![request.pipeline, request.node, integer(attempt.epoch)],
            |row| row.get(0),
        )
        .optional()?;
    transaction.commit()?;
    Ok(match run {
        Some(run) => Taken::Over { committed: run.as_deref() == Some(attempt.run.as_str()) },
        None => Taken::Not,
    })
}

/// Whether the attempt still owns the sink.
pub(super) fn owned(connection: &Connection, request: &SinkRequest, attempt: &Attempt) -> rusqlite::Result<bool> {
    let epoch: Option<i64> = connection
        .query_row(
            "SELECT epoch FROM main._aggregator_commits WHERE pipeline = ?1 AND node = ?2",
            params![request.pipeline, request.node],
            |row| row.get(0),
        )
        .optional()?;
    Ok(epoch == Some(integer(attempt.epoch)))
}

/// Records a commit in the open transaction; says whether the attempt owns the sink.
pub(super) fn record(
    transaction: &Connection,
    request: &SinkRequest,
    attempt: &Attempt,
    positions: &str,
    rows: u64,
) -> rusqlite::Result<bool> {
    let owned = transaction.execute(
        "UPDATE main._aggregator_commits SET run = ?1, positions = ?2, \"rows\" = ?3, \
         committed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pipeline = ?4 AND node = ?5 AND epoch = ?6",
        params![attempt.run, positions, integer(rows), request.pipeline, request.node, integer(attempt.epoch)],
    )?;
    Ok(owned == 1)
}

/// What the sink committed last.
pub(super) fn last_commit(connection: &Connection, request: &SinkRequest) -> Result<Option<CommitRecord>> {
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
