//! What a sink's table is, what it must become, and the statements that do it.

use aggregator_compiler::types;
use aggregator_crds::pipeline::WriteMode;
use rusqlite::Connection;

use super::catalogue::Relation;
use super::types::Kind;
use crate::connector::{ConnectorError, ErrorKind, PlannedChange, Result, SinkRequest};
use crate::connectors::sql;

/// The staging table: `row` numbers the rows, `c0`, `c1`, … hold the columns as they were given.
pub(super) const STAGE: &str = "temp._aggregator_stage";

/// How rows get into the table, and what has to be done to it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The table as people name it.
    pub(super) shown: String,
    table: String,
    mode: WriteMode,
    /// Names and kinds, in the order of the request's schema.
    pub(super) columns: Vec<(String, Kind)>,
    /// The key of an Upsert; empty for other modes.
    pub(super) key: Vec<String>,
    changes: Vec<PlannedChange>,
    exists: bool,
    /// Whether the table of commits is there.
    pub(super) commits: bool,
}

impl Target {
    /// Decides; `relation` is what is there.
    pub(super) fn decide(request: &SinkRequest, relation: Option<&Relation>, commits: bool) -> Result<Self> {
        let mut parts = sql::name_parts(&request.stream)?;
        if parts.len() == 2 && parts[0].eq_ignore_ascii_case("main") {
            parts.remove(0);
        }
        let operation = format!("write {}", request.stream);
        let wrong =
            |detail: String, remedy: String| ConnectorError::new(ErrorKind::Config, &operation, detail).remedy(remedy);
        let [name] = parts.as_slice() else {
            return Err(wrong("a table of SQLite has one name".into(), "write `stream: table`".into()));
        };
        let key = match request.write.mode {
            WriteMode::Append | WriteMode::Overwrite => Vec::new(),
            WriteMode::Upsert if request.write.key.is_empty() => {
                return Err(wrong(
                    "mode Upsert needs a key".into(),
                    "name its columns: `write: {mode: Upsert, key: [id]}`".into(),
                ));
            }
            WriteMode::Upsert => request.write.key.clone(),
            mode @ (WriteMode::Merge | WriteMode::Scd2) => {
                return Err(wrong(
                    format!("a sqlite sink does not support the write mode {mode:?}"),
                    "use Append, Overwrite or Upsert".into(),
                ));
            }
        };
        if request.schema.fields().is_empty() {
            return Err(wrong(
                "the rows have no columns".into(),
                "let the node before the sink put out a column".into(),
            ));
        }
        let incoming = request.schema.fields().iter().map(|field| field.name().as_str());
        for column in &request.write.key {
            if request.schema.field_with_name(column).is_err() {
                return Err(sql::no_such_column("the rows to write", column, incoming));
            }
        }
        let table = format!("main.{}", sql::identifier(name));
        let mut columns = Vec::new();
        let mut changes = Vec::new();
        let mut definitions = Vec::new();
        for field in request.schema.fields() {
            let kind = Kind::of_arrow(field.data_type()).ok_or_else(|| {
                let detail = format!(
                    "column `{}` is {}, which SQLite cannot hold",
                    field.name(),
                    types::name(field.data_type())
                );
                wrong(detail, "turn it into text or into columns of its own, in a mapping or in SQL".into())
            })?;
            let quoted = sql::identifier(field.name());
            let there = relation
                .map(|relation| relation.columns.iter().find(|column| column.name.eq_ignore_ascii_case(field.name())));
            match there {
                None => {
                    let required = !field.is_nullable() || request.write.key.contains(field.name());
                    definitions.push(format!(
                        "{quoted} {}{}",
                        kind.column_type(),
                        if required { " NOT NULL" } else { "" }
                    ));
                }
                Some(None) => changes.push(PlannedChange {
                    action: format!("add column {} {} to {name}", field.name(), kind.column_type()),
                    statement: Some(format!("ALTER TABLE {table} ADD COLUMN {quoted} {}", kind.column_type())),
                }),
                Some(Some(column)) if !kind.fits(&column.declared) => {
                    let detail = format!(
                        "column `{}` is {} in the rows and declared {} in the table: values would be changed",
                        field.name(),
                        types::name(field.data_type()),
                        column.declared
                    );
                    return Err(wrong(
                        detail,
                        format!("cast it in a mapping, or declare the column {}", kind.column_type()),
                    ));
                }
                Some(Some(_)) => {}
            }
            columns.push((field.name().clone(), kind));
        }
        match relation {
            None => {
                let mut words = format!("create table {name} ({} columns", columns.len());
                if !request.write.key.is_empty() {
                    let list = sql::identifiers(request.write.key.iter().map(String::as_str));
                    definitions.push(format!("PRIMARY KEY ({list})"));
                    words = format!("{words}, key {}", request.write.key.join(", "));
                }
                let statement = format!("CREATE TABLE {table} ({})", definitions.join(", "));
                changes.push(PlannedChange { action: format!("{words})"), statement: Some(statement) });
            }
            Some(relation) if !key.is_empty() => {
                let same = |unique: &Vec<String>| {
                    unique.len() == key.len() && key.iter().all(|column| unique.contains(column))
                };
                if !relation.unique.iter().any(same) {
                    let list = sql::identifiers(key.iter().map(String::as_str));
                    let index = sql::identifier(&format!("{name}_key"));
                    return Err(wrong(
                        format!("mode Upsert needs a unique index on ({list}), and {name} has none"),
                        format!("CREATE UNIQUE INDEX {index} ON {} ({list})", sql::identifier(name)),
                    ));
                }
            }
            Some(_) => {}
        }
        let exists = relation.is_some();
        Ok(Self { shown: name.clone(), table, mode: request.write.mode, columns, key, changes, exists, commits })
    }

    /// What a commit does, in order.
    pub(super) fn steps(&self) -> Vec<PlannedChange> {
        let mut steps = self.changes.clone();
        if self.empties() {
            let statement = Some(format!("DELETE FROM {}", self.table));
            steps.push(PlannedChange { action: format!("remove all rows of {}", self.shown), statement });
        }
        let action = if self.key.is_empty() {
            format!("add rows to {}", self.shown)
        } else {
            format!("add or replace rows of {} by {}", self.shown, self.key.join(", "))
        };
        steps.push(PlannedChange { action, statement: Some(self.insert("")) });
        steps
    }

    fn empties(&self) -> bool {
        self.exists && self.mode == WriteMode::Overwrite
    }

    /// The statement that creates the staging table. Its columns have no type, so they keep what they are given.
    pub(super) fn stage_table(&self) -> String {
        format!("CREATE TEMP TABLE _aggregator_stage (row INTEGER PRIMARY KEY, {})", self.stage_columns())
    }

    /// The statement that puts a row into the staging table.
    pub(super) fn stage_insert(&self) -> String {
        let marks: Vec<String> = (1..=self.columns.len()).map(|number| format!("?{number}")).collect();
        format!("INSERT INTO {STAGE} ({}) VALUES ({})", self.stage_columns(), marks.join(", "))
    }

    fn stage_columns(&self) -> String {
        (0..self.columns.len()).map(|number| format!("c{number}")).collect::<Vec<_>>().join(", ")
    }

    /// The statement that moves staged rows into the table.
    pub(super) fn insert(&self, condition: &str) -> String {
        let names = sql::identifiers(self.columns.iter().map(|(name, _)| name.as_str()));
        let mut statement = format!(
            "INSERT INTO {} ({names}) SELECT {} FROM {STAGE} WHERE true{condition} ORDER BY row",
            self.table,
            self.stage_columns()
        );
        if !self.key.is_empty() {
            let mut set: Vec<&str> = self
                .columns
                .iter()
                .map(|(name, _)| name.as_str())
                .filter(|name| !self.key.iter().any(|key| key == name))
                .collect();
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

    /// Of the staged rows with the same key, only the last one stays; gives the number of the others.
    pub(super) fn deduplicate(&self, connection: &Connection) -> rusqlite::Result<u64> {
        if self.key.is_empty() {
            return Ok(0);
        }
        let place = |key: &String| self.columns.iter().position(|(name, _)| name == key);
        let key: Vec<String> = self.key.iter().filter_map(place).map(|number| format!("c{number}")).collect();
        let statement =
            format!("DELETE FROM {STAGE} WHERE row NOT IN (SELECT max(row) FROM {STAGE} GROUP BY {})", key.join(", "));
        connection.execute(&statement, []).map(|rows| rows as u64)
    }

    /// Brings the table into shape inside the open transaction.
    pub(super) fn prepare(&self, connection: &Connection) -> rusqlite::Result<()> {
        for statement in self.changes.iter().filter_map(|change| change.statement.as_deref()) {
            connection.execute_batch(statement)?;
        }
        if self.empties() {
            connection.execute(&format!("DELETE FROM {}", self.table), [])?;
        }
        Ok(())
    }

    /// Does everything inside the open transaction; gives the number of rows that SQLite says it wrote.
    pub(super) fn apply(&self, connection: &Connection) -> rusqlite::Result<u64> {
        self.prepare(connection)?;
        connection.execute(&self.insert(""), []).map(|rows| rows as u64)
    }
}
