//! What a sink's table is, what it must become, and the statements that do it.

use aggregator_compiler::plural::counted;
use aggregator_compiler::types;
use aggregator_crds::pipeline::{ChangePolicy, MissingRows, TablePolicy, WriteMode};
use arrow::datatypes::FieldRef;
use rusqlite::Connection;

use super::catalogue::Relation;
use super::types::Kind;
use super::versions::{History, Versions};
use crate::connector::{
    ConnectorError, DELETED, Effects, ErrorKind, PlannedChange, Result, SchemaChange, SchemaChangeKind, SinkRequest,
};
use crate::connectors::shape::{self, Misfit, There};
use crate::connectors::sql;

/// The staged rows, in a table or a view of that name: `row` numbers the rows, `c0`, `c1`, … hold the columns as they were given.
pub(super) const STAGE: &str = "temp._aggregator_stage";

/// How rows get into the table, and what has to be done to it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The table as people name it.
    pub(super) shown: String,
    pub(super) table: String,
    mode: WriteMode,
    /// The columns of the rows, in the order of the request's schema.
    pub(super) columns: Vec<TargetColumn>,
    /// The key of a mode that has one.
    pub(super) key: Vec<String>,
    /// Whether rows whose keys do not come are deleted.
    pub(super) missing: bool,
    /// How versions are kept, by SCD2.
    pub(super) versions: Option<Versions>,
    changes: Vec<PlannedChange>,
    /// The same, for the report.
    pub(super) schema_changes: Vec<SchemaChange>,
    exists: bool,
    /// Whether the table of commits is there.
    pub(super) commits: bool,
}

/// One column of the rows that are written.
#[derive(Clone, Debug)]
pub(super) struct TargetColumn {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) role: Role,
    /// What the table's column is declared as.
    pub(super) declared: String,
}

/// What a column of the rows is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is a column of the table.
    Value,
    /// It says whether the row deletes its key.
    Deleted,
    /// It says from when the row holds.
    Effective,
}

/// What was done to the table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Applied {
    /// Rows that SQLite says it wrote or deleted.
    pub(super) written: u64,
    pub(super) effects: Effects,
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
        let mode = request.write.mode;
        let key = match request.write.mode {
            WriteMode::Append | WriteMode::Overwrite => Vec::new(),
            _ if request.write.key.is_empty() => {
                let remedy = "name its columns: `write: {key: [id]}`";
                return Err(wrong(format!("mode {mode} needs a key"), remedy.into()));
            }
            WriteMode::Upsert | WriteMode::Merge | WriteMode::Scd2 => request.write.key.clone(),
        };
        let history = request.write.history.as_ref().filter(|_| request.write.mode == WriteMode::Scd2);
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
        let mut schema_changes = Vec::new();
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
            let role = match request.write.mode {
                WriteMode::Merge if request.write.deletes && field.name() == DELETED => Role::Deleted,
                WriteMode::Scd2 if history.and_then(|it| it.effective_from.as_ref()) == Some(field.name()) => {
                    Role::Effective
                }
                _ => Role::Value,
            };
            let mut declared = kind.column_type();
            if role != Role::Value {
                columns.push(TargetColumn { name: field.name().clone(), kind, role, declared });
                continue;
            }
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
                Some(None) => {
                    let statement = format!("ALTER TABLE {table} ADD COLUMN {quoted} {}", kind.column_type());
                    if shape::columns(request) == ChangePolicy::Freeze {
                        return Err(shape::frozen_column(&operation, field.name(), name, &statement));
                    }
                    schema_changes.push(SchemaChange {
                        column: Some(field.name().clone()),
                        to: Some(kind.column_type()),
                        ..SchemaChange::of(SchemaChangeKind::ColumnAdded)
                    });
                    let action = format!("add column {} {} to {name}", field.name(), kind.column_type());
                    changes.push(PlannedChange { action, statement: Some(statement) });
                }
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
                Some(Some(column)) => declared.clone_from(&column.declared),
            }
            columns.push(TargetColumn { name: field.name().clone(), kind, role, declared });
        }
        let versions =
            history.map(|names| Versions::decide(names, request.write.missing, &columns, relation, &operation));
        let versions = versions.transpose()?;
        let mut unique = request.write.key.clone();
        if let Some(versions) = &versions {
            definitions.extend(versions.definitions());
            unique.push(versions.names.valid_from.clone());
        }
        match relation {
            None => {
                let mut words = format!("create table {name} ({}", counted(definitions.len(), "column"));
                if !unique.is_empty() {
                    let list = sql::identifiers(unique.iter().map(String::as_str));
                    definitions.push(format!("PRIMARY KEY ({list})"));
                    words = format!("{words}, key {}", unique.join(", "));
                }
                let statement = format!("CREATE TABLE {table} ({})", definitions.join(", "));
                if request.write.policy.tables == Some(TablePolicy::Freeze) {
                    return Err(shape::frozen_table(&operation, name, &statement));
                }
                schema_changes.push(SchemaChange::of(SchemaChangeKind::TableCreated));
                changes.push(PlannedChange { action: format!("{words})"), statement: Some(statement) });
            }
            Some(relation) if !key.is_empty() => {
                let same = |there: &Vec<String>| {
                    there.len() == unique.len() && unique.iter().all(|column| there.contains(column))
                };
                if !relation.unique.iter().any(same) {
                    let list = sql::identifiers(unique.iter().map(String::as_str));
                    let index = sql::identifier(&format!("{name}_key"));
                    return Err(wrong(
                        format!("mode {mode} needs a unique index on ({list}), and {name} has none"),
                        format!("CREATE UNIQUE INDEX {index} ON {} ({list})", sql::identifier(name)),
                    ));
                }
            }
            Some(_) => {}
        }
        let exists = relation.is_some();
        Ok(Self {
            shown: name.clone(),
            table,
            mode: request.write.mode,
            columns,
            key,
            missing: request.write.missing == MissingRows::Delete,
            versions,
            changes,
            schema_changes,
            exists,
            commits,
        })
    }

    /// The columns whose values the table may have no place for, by the policies of the request.
    pub(super) fn misfits(request: &SinkRequest, relation: Option<&Relation>) -> Vec<(usize, Misfit)> {
        let Some(relation) = relation else { return Vec::new() };
        let history = request.write.history.as_ref();
        let misfit = |(at, field): (usize, &FieldRef)| {
            let name = match history.filter(|history| history.effective_from.as_ref() == Some(field.name())) {
                Some(history) => &history.valid_from,
                None if request.write.deletes && field.name() == DELETED => return None,
                None => field.name(),
            };
            let Some(column) = relation.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)) else {
                return Misfit::of(shape::columns(request), None).map(|misfit| (at, misfit));
            };
            if Kind::of_arrow(field.data_type())?.fits(&column.declared) {
                return None;
            }
            let there = There { kind: column.kind.arrow(), characters: None, shown: column.declared.clone() };
            Misfit::of(shape::data_type(request), Some(there)).map(|misfit| (at, misfit))
        };
        request.schema.fields().iter().enumerate().filter_map(misfit).collect()
    }

    /// What a commit does, in order.
    pub(super) fn steps(&self) -> Vec<PlannedChange> {
        let mut steps = self.changes.clone();
        if self.empties() {
            let statement = Some(format!("DELETE FROM {}", self.table));
            steps.push(PlannedChange { action: format!("remove all rows of {}", self.shown), statement });
        }
        let step = |action: String, statement: String| PlannedChange { action, statement: Some(statement) };
        let (shown, key) = (&self.shown, self.key.join(", "));
        if let Some(versions) = &self.versions {
            let history = History { target: self, versions, began: "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')" };
            steps.extend(
                history
                    .close_missing()
                    .map(|it| step(format!("end versions of {shown} whose {key} does not come any more"), it)),
            );
            steps.push(step(format!("end versions of {shown} that changed, by {key}"), history.close()));
            steps.extend(history.correct().map(|it| step(format!("correct versions of {shown} of the same time"), it)));
            steps.push(step(format!("add versions to {shown}"), history.insert()));
            return steps;
        }
        steps.extend(
            self.delete_missing()
                .map(|it| step(format!("delete rows of {shown} whose {key} does not come any more"), it)),
        );
        steps.extend(
            self.delete("")
                .map(|it| step(format!("delete rows of {shown} that the rows say are deleted, by {key}"), it)),
        );
        let action = if key.is_empty() {
            format!("add rows to {shown}")
        } else {
            format!("add or replace rows of {shown} by {key}")
        };
        steps.push(step(action, self.insert("")));
        steps
    }

    fn empties(&self) -> bool {
        self.exists && self.mode == WriteMode::Overwrite
    }

    /// The columns of the staging table as it is created. They have no type, so they keep what they are given; rows that
    /// are compared with those of the table have the table's types, so that equal ones look equal.
    pub(super) fn stage_definitions(&self) -> String {
        let columns = if matches!(self.mode, WriteMode::Merge | WriteMode::Scd2) {
            let typed = self.columns.iter().enumerate();
            typed.map(|(number, column)| format!("c{number} {}", column.declared)).collect::<Vec<_>>().join(", ")
        } else {
            self.stage_columns()
        };
        format!("row INTEGER PRIMARY KEY, {columns}")
    }

    /// The statement that puts a row into that staging table.
    pub(super) fn stage_insert(&self, table: &str) -> String {
        let marks: Vec<String> = (1..=self.columns.len()).map(|number| format!("?{number}")).collect();
        format!("INSERT INTO {table} ({}) VALUES ({})", self.stage_columns(), marks.join(", "))
    }

    fn stage_columns(&self) -> String {
        (0..self.columns.len()).map(|number| format!("c{number}")).collect::<Vec<_>>().join(", ")
    }

    /// A text that differs when rows that wait are of another shape.
    pub(super) fn shape(&self) -> String {
        let columns = self.columns.iter().map(|column| (&column.name, column.kind, column.role));
        format!("{}: {:?}", self.stage_definitions(), columns.collect::<Vec<_>>())
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
}
