//! The statements that move staged rows into the table, for all modes but SCD2.

use super::load::ROW;
use super::target::{Load, Role, Target, TargetColumn};
use crate::connector::DELETED;
use crate::connectors::sql;

/// A range of staged rows: all, or those whose numbers are at least the first and below the second.
pub(super) type Rows = Option<(i64, i64)>;

/// The condition of a range over the staging table `s`.
pub(super) fn within(rows: Rows) -> String {
    let row = sql::identifier(ROW);
    rows.map_or_else(|| "true".to_owned(), |(start, end)| format!("s.{row} >= {start} AND s.{row} < {end}"))
}

impl Target {
    fn deletes(&self) -> bool {
        self.columns.iter().any(|column| column.role == Role::Deleted)
    }

    /// The statement that adds or replaces rows.
    pub(super) fn insert(&self, stage: &str, rows: Rows) -> String {
        let names = sql::identifiers(self.values().map(|column| column.name.as_str()));
        let values: Vec<String> = self.values().map(|column| column.staged("s")).collect();
        let stays = if self.deletes() { format!(" AND NOT s.{}", sql::identifier(DELETED)) } else { String::new() };
        let mut statement = format!(
            "INSERT INTO {} ({names}) SELECT {} FROM {stage} s WHERE {}{stays}",
            self.table,
            values.join(", "),
            within(rows)
        );
        if let Load::Upsert(key) | Load::Merge { key, .. } = &self.load {
            let mut set: Vec<&TargetColumn> = self.values().filter(|column| !key.contains(&column.name)).collect();
            if set.is_empty() {
                // DO NOTHING would not count the rows that are there.
                set = self.values().collect();
            }
            let set: Vec<String> = set
                .iter()
                .map(|column| format!("{name} = excluded.{name}", name = sql::identifier(&column.name)))
                .collect();
            let key = sql::identifiers(key.iter().map(String::as_str));
            statement = format!("{statement} ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "));
        }
        statement
    }

    /// The statement that deletes the rows whose keys are staged as deleted; None when rows cannot say so.
    pub(super) fn delete(&self, stage: &str, rows: Rows) -> Option<String> {
        let Load::Merge { key, .. } = &self.load else { return None };
        self.deletes().then(|| {
            format!(
                "DELETE FROM {} t USING {stage} s WHERE {} AND s.{} AND {}",
                self.table,
                within(rows),
                sql::identifier(DELETED),
                self.same_key(key)
            )
        })
    }

    /// The query that counts the rows that are staged as deleted.
    pub(super) fn count_deletes(&self, stage: &str) -> String {
        format!("SELECT count(*) AS count FROM {stage} s WHERE s.{}", sql::identifier(DELETED))
    }

    /// The statement that deletes the rows whose keys are not staged; None when they stay.
    pub(super) fn delete_missing(&self, stage: &str) -> Option<String> {
        let Load::Merge { key, missing: true } = &self.load else { return None };
        let same = self.same_key(key);
        Some(format!("DELETE FROM {} t WHERE NOT EXISTS (SELECT FROM {stage} s WHERE {same})", self.table))
    }

    /// Whether a row `t` of the table and a staged row `s` have the same key.
    pub(super) fn same_key(&self, key: &[String]) -> String {
        let parts: Vec<String> = self
            .values()
            .filter(|column| key.contains(&column.name))
            .map(|column| format!("t.{} = {}", sql::identifier(&column.name), column.key("s")))
            .collect();
        parts.join(" AND ")
    }

    /// Of the staged rows for which these expressions over the table `s` are equal, only the last one stays.
    pub(super) fn deduplicate(stage: &str, expressions: &[String]) -> String {
        let row = sql::identifier(ROW);
        let named: Vec<String> = (0..expressions.len()).map(|number| format!("_aggregator_{number}")).collect();
        let columns: Vec<String> =
            std::iter::zip(expressions, &named).map(|(expression, name)| format!("{expression} AS {name}")).collect();
        let same: Vec<String> =
            std::iter::zip(expressions, &named).map(|(expression, name)| format!("{expression} = d.{name}")).collect();
        format!(
            "DELETE FROM {stage} s USING (SELECT {}, max(s.{row}) AS _aggregator_last FROM {stage} s \
             GROUP BY {} HAVING count(*) > 1) d WHERE {} AND s.{row} < d._aggregator_last",
            columns.join(", "),
            named.join(", "),
            same.join(" AND ")
        )
    }

    /// What tells staged rows apart that are of one key.
    pub(super) fn key_expressions(&self) -> Vec<String> {
        let key = self.load.key();
        self.values().filter(|column| key.contains(&column.name)).map(|column| column.key("s")).collect()
    }
}
