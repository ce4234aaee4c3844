//! The commit, tried: what it would write, and which rows the table refuses.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode};

use super::database::fault;
use super::side::Waiting;
use super::stage::reject;
use super::target::{Applied, Role, STAGE, Target};
use crate::connector::{Reject, Result, Staged};
use crate::connectors::sql;

/// Does what the commit will do and takes it back: so the target itself counts, and rows it refuses are known before.
/// The file is locked for this moment only, and again at the commit.
pub(super) fn rehearse(
    connection: &mut Connection,
    operation: &str,
    target: &Target,
    run: jiff::Timestamp,
    waiting: Waiting,
    rejects: bool,
) -> Result<Staged> {
    let failed = |error: rusqlite::Error| fault(operation, error);
    let deduplicated = target.deduplicate(connection, waiting).map_err(failed)?;
    let began = target.began(connection, run).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let outcome = target.apply(&transaction, &began);
    let applied = match outcome {
        Ok(applied) => Some(applied),
        Err(error) if refuses_a_row(&error) => None,
        // A full disk, say: SQLite may have rolled back by itself, and doing it again would be the error that is shown.
        Err(error) => return Err(failed(error)),
    };
    transaction.rollback().map_err(failed)?;
    let (applied, rejects) = match applied {
        Some(applied) => (applied, Vec::new()),
        None => one_by_one(connection, operation, target, &began, waiting, rejects)?,
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

/// Tries each staged row alone, in order, and leaves out those that are refused.
fn one_by_one(
    connection: &mut Connection,
    operation: &str,
    target: &Target,
    began: &str,
    waiting: Waiting,
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
        connection.execute(&waiting.leave_out(&format!("row = {number}")), []).map_err(failed)?;
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
