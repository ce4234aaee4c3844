//! Moving the staged rows into the table, inside an open transaction.

use rusqlite::Connection;

use super::side::Waiting;
use super::target::{Applied, Role, STAGE, Target, TargetColumn};
use super::versions::{History, Versions};
use crate::connectors::sql;

impl Target {
    /// The columns of the rows that are columns of the table, and their names in the staging table.
    pub(super) fn values(&self) -> impl Iterator<Item = (String, &TargetColumn)> {
        let named = self.columns.iter().enumerate().map(|(number, column)| (format!("c{number}"), column));
        named.filter(|(_, column)| column.role == Role::Value)
    }

    /// The column that says whether a staged row deletes its key.
    fn deleted(&self) -> Option<String> {
        self.columns.iter().position(|column| column.role == Role::Deleted).map(|number| format!("c{number}"))
    }

    /// The key's columns in the staging table and in the table, in the order of the rows' columns.
    pub(super) fn key_columns(&self) -> (Vec<String>, Vec<String>) {
        let key = self.values().filter(|(_, column)| self.key.contains(&column.name));
        key.map(|(staged, column)| (staged, sql::identifier(&column.name))).unzip()
    }

    /// Whether a row `t` of the table and a staged row `s` have the same key.
    pub(super) fn same_key(&self) -> String {
        let (staged, there) = self.key_columns();
        let parts: Vec<String> =
            std::iter::zip(staged, there).map(|(staged, there)| format!("t.{there} = s.{staged}")).collect();
        parts.join(" AND ")
    }

    /// The statement that adds or replaces rows.
    pub(super) fn insert(&self, condition: &str) -> String {
        let (staged, names): (Vec<String>, Vec<&str>) =
            self.values().map(|(staged, column)| (staged, column.name.as_str())).unzip();
        let stays = self.deleted().map(|column| format!(" AND NOT {column}")).unwrap_or_default();
        let mut statement = format!(
            "INSERT INTO {} ({}) SELECT {} FROM {STAGE} WHERE true{stays}{condition} ORDER BY row",
            self.table,
            sql::identifiers(names.iter().copied()),
            staged.join(", ")
        );
        if !self.key.is_empty() {
            let mut set: Vec<&str> =
                names.iter().copied().filter(|name| !self.key.iter().any(|key| key == name)).collect();
            if set.is_empty() {
                // DO NOTHING would not count the rows that are there.
                set = self.key.iter().map(String::as_str).collect();
            }
            let set: Vec<String> =
                set.iter().map(|name| format!("{name} = excluded.{name}", name = sql::identifier(name))).collect();
            let key = sql::identifiers(self.key.iter().map(String::as_str));
            statement = format!("{statement} ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "));
        }
        statement
    }

    /// The statement that deletes the rows whose keys are staged as deleted; None when rows cannot say so.
    pub(super) fn delete(&self, condition: &str) -> Option<String> {
        let deleted = self.deleted()?;
        let (staged, there) = self.key_columns();
        Some(format!(
            "DELETE FROM {} WHERE ({}) IN (SELECT {} FROM {STAGE} WHERE {deleted}{condition})",
            self.table,
            there.join(", "),
            staged.join(", ")
        ))
    }

    /// The statement that deletes the rows whose keys are not staged; None when they stay.
    pub(super) fn delete_missing(&self) -> Option<String> {
        self.missing.then(|| {
            let same = self.same_key();
            format!("DELETE FROM {} AS t WHERE NOT EXISTS (SELECT 1 FROM {STAGE} s WHERE {same})", self.table)
        })
    }

    /// The columns of the staging table by which rows are told apart, with commas between them; None without a key.
    fn identifying(&self) -> Option<String> {
        let (mut by, _) = self.key_columns();
        let effective = self.columns.iter().position(|column| column.role == Role::Effective);
        by.extend(effective.map(|number| format!("c{number}")));
        (!self.key.is_empty()).then(|| by.join(", "))
    }

    /// The columns by which rows of the table are looked up among the staged ones; None if none are.
    pub(super) fn looked_up_by(&self) -> Option<String> {
        self.identifying().filter(|_| self.missing || self.versions.is_some())
    }

    /// Of the staged rows with the same key, and of the same time, only the last one stays; gives the number of the others.
    pub(super) fn deduplicate(&self, connection: &Connection, waiting: Waiting) -> rusqlite::Result<u64> {
        let Some(by) = self.identifying() else { return Ok(0) };
        let older = format!("row NOT IN (SELECT max(row) FROM {STAGE} GROUP BY {by})");
        let dropped = connection.execute(&waiting.leave_out(&older), [])?;
        if let (Waiting::Temporary, Some(by)) = (waiting, self.looked_up_by()) {
            connection.execute_batch(&format!("CREATE INDEX temp._aggregator_keys ON _aggregator_stage ({by})"))?;
        }
        Ok(dropped as u64)
    }

    /// What happens before any row is looked at.
    pub(super) fn before(&self, connection: &Connection, began: &str) -> rusqlite::Result<Applied> {
        self.prepare(connection)?;
        let mut applied = Applied::default();
        let closing = self.versions.as_ref().and_then(|versions| self.history(versions, began).close_missing());
        if let Some(statement) = closing.or_else(|| self.delete_missing()) {
            applied.effects.missing = connection.execute(&statement, [])? as u64;
        }
        Ok(applied)
    }

    /// Deletes what staged rows say is deleted. A key that is not there has nothing to delete: its row changes nothing.
    pub(super) fn deletes(
        &self,
        connection: &Connection,
        condition: &str,
        applied: &mut Applied,
    ) -> rusqlite::Result<()> {
        let (Some(deleted), Some(statement)) = (self.deleted(), self.delete(condition)) else { return Ok(()) };
        let count = format!("SELECT count(*) FROM {STAGE} WHERE {deleted}{condition}");
        let asked: u64 = connection.query_row(&count, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
        let done = connection.execute(&statement, [])? as u64;
        applied.written += done;
        applied.effects.deleted += done;
        applied.effects.unchanged += asked.saturating_sub(done);
        Ok(())
    }

    /// Adds, replaces, or puts rows into the history of their keys.
    pub(super) fn inserts(
        &self,
        connection: &Connection,
        condition: &str,
        began: &str,
        applied: &mut Applied,
    ) -> rusqlite::Result<()> {
        match &self.versions {
            Some(versions) => self.history(versions, began).apply(connection, condition, applied),
            None => {
                applied.written += connection.execute(&self.insert(condition), [])? as u64;
                Ok(())
            }
        }
    }

    fn history<'a>(&'a self, versions: &'a Versions, began: &'a str) -> History<'a> {
        History { target: self, versions, began }
    }

    /// Does everything inside the open transaction.
    pub(super) fn apply(&self, connection: &Connection, began: &str) -> rusqlite::Result<Applied> {
        let mut applied = self.before(connection, began)?;
        // All deletes go first: an added row may take a unique value over from a deleted one.
        self.deletes(connection, "", &mut applied)?;
        self.inserts(connection, "", began, &mut applied)?;
        Ok(applied)
    }
}
