//! What a sink's table is, and what it must become: decided before anything is changed.

use aggregator_compiler::plural::counted;
use aggregator_compiler::types;
use aggregator_crds::pipeline::{ChangePolicy, MissingRows, TablePolicy, WriteMode};
use arrow::datatypes::{DataType, Field, FieldRef};

use super::catalogue::{Relation, RelationColumn};
use super::source::quote;
use super::types::{Fit, ServerType, column_type, fit, oid, sent_as};
use super::versions::Versions;
use super::widen::widen;
use crate::connector::{
    ConnectorError, DELETED, ErrorKind, PlannedChange, Result, SchemaChange, SchemaChangeKind, SinkRequest,
};
use crate::connectors::shape::{self, Misfit, There};
use crate::connectors::sql;

/// How rows get into the table, and what has to be done to it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The table as a statement takes it.
    pub(super) table: String,
    /// The table's schema, by its bare name.
    pub(super) schema: String,
    /// The table as people name it.
    pub(super) shown: String,
    /// What changes the table's shape, in order.
    pub(super) changes: Vec<PlannedChange>,
    /// The same, for the report.
    pub(super) schema_changes: Vec<SchemaChange>,
    /// The columns, in the order of the request's schema.
    pub(super) columns: Vec<TargetColumn>,
    /// How rows meet what is there.
    pub(super) load: Load,
}

/// One column of the rows that are written.
#[derive(Clone, Debug)]
pub(super) struct TargetColumn {
    pub(super) name: String,
    /// The Arrow type in which its values are sent.
    pub(super) sent: DataType,
    /// What the server casts it to on the way from the staging table; assignment rules apply otherwise.
    pub(super) cast: Option<String>,
    /// The type in which the table tells its values apart, where that is another than the one they are staged in.
    pub(super) compared: Option<String>,
    pub(super) role: Role,
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

impl TargetColumn {
    /// The value of a staged row, as the table takes it.
    pub(super) fn staged(&self, alias: &str) -> String {
        let name = format!("{alias}.{}", sql::identifier(&self.name));
        self.cast.as_ref().map_or_else(|| name.clone(), |cast| format!("{name}::{cast}"))
    }

    /// That value as the table tells it from others, when it is part of a key.
    pub(super) fn key(&self, alias: &str) -> String {
        let staged = self.staged(alias);
        self.compared.as_ref().map_or_else(|| staged.clone(), |compared| format!("({staged})::{compared}"))
    }

    /// That value as it is compared: some types have no equality, but all of them have a text.
    pub(super) fn comparable(&self, alias: &str) -> String {
        if self.cast.is_some() { format!("({})::text", self.staged(alias)) } else { self.staged(alias) }
    }

    /// The value of a row of the table, as it is compared.
    pub(super) fn comparable_there(&self, alias: &str) -> String {
        let name = format!("{alias}.{}", sql::identifier(&self.name));
        if self.cast.is_some() { format!("{name}::text") } else { name }
    }
}

/// How rows meet what is there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Load {
    /// Copied into the table itself; it is new, or rows are only added.
    Straight,
    /// Copied into a staging table, then added.
    Append,
    /// Copied into a staging table, then put in the place of all that was there.
    Replace,
    /// Copied into a staging table, then merged by these columns.
    Upsert(Vec<String>),
    /// The same; rows can delete, and so can their absence.
    Merge { key: Vec<String>, missing: bool },
    /// Copied into a staging table, then put into the history of their keys.
    Versions(Versions),
}

impl Load {
    /// The columns that name a row.
    pub(super) fn key(&self) -> &[String] {
        match self {
            Self::Straight | Self::Append | Self::Replace => &[],
            Self::Upsert(key) | Self::Merge { key, .. } => key,
            Self::Versions(versions) => &versions.key,
        }
    }
}

impl Target {
    /// Decides. `schema` is where a table without one goes; `relation` is what is there.
    pub(super) fn decide(request: &SinkRequest, schema: &str, name: &str, relation: Option<&Relation>) -> Result<Self> {
        let shown = format!("{}.{}", sql::shown(schema), sql::shown(name));
        let table = format!("{}.{}", sql::identifier(schema), sql::identifier(name));
        let operation = format!("write {shown}");
        check_mode(request, &operation)?;
        let history = request.write.history.as_ref().filter(|_| request.write.mode == WriteMode::Scd2);
        let mut columns = Vec::new();
        let mut changes = Vec::new();
        let mut missing = Vec::new();
        let mut widened = Vec::new();
        let mut straight = true;
        for field in request.schema.fields() {
            let sent = sent(field, &operation)?;
            let role = role(request, field.name());
            let there = match role {
                Role::Value => relation.map(|relation| relation.column(field.name())),
                Role::Deleted => None,
                Role::Effective => relation.and_then(|relation| relation.column(&history?.valid_from)).map(Some),
            };
            let fit = match there {
                // A new column holds what is sent, but for arrays whose header names another type.
                None | Some(None) => {
                    if there.is_some() {
                        missing.push((field, column_type(&sent)));
                    }
                    match &sent {
                        DataType::List(element) if matches!(element.data_type(), DataType::Timestamp(_, Some(_))) => {
                            Fit::Staged(Some(column_type(&sent)))
                        }
                        _ => Fit::Straight(sent.clone()),
                    }
                }
                Some(Some(column)) => {
                    let evolves = role == Role::Value && shape::data_type(request) == ChangePolicy::Evolve;
                    let wider = widen(&sent, &column.server).filter(|_| evolves);
                    if let Some(wider) = &wider {
                        widened.push((column, wider.name.clone()));
                    }
                    fit(&sent, wider.as_ref().unwrap_or(&column.server))
                }
            };
            let (sent, cast) = match fit {
                Fit::Straight(sent) => (sent, None),
                Fit::Staged(cast) => {
                    straight = false;
                    (sent, cast)
                }
                Fit::No => {
                    let column = history.filter(|_| role == Role::Effective).map_or(field.name(), |it| &it.valid_from);
                    return Err(misfit(&operation, field, column, relation));
                }
            };
            let compared = there.flatten().and_then(|column| compared(&column.server, &sent));
            columns.push(TargetColumn { name: field.name().clone(), sent, cast, compared, role });
        }
        let versions =
            history.map(|names| Versions::decide(request, names, &columns, relation, &operation)).transpose()?;
        let unique = unique_columns(request);
        if let (Some(relation), false) = (relation, unique.is_empty()) {
            check_unique(&operation, relation, request.write.mode, &unique)?;
        }
        match relation {
            None => changes.extend(create(request, &shown, &table, &columns, versions.as_ref(), &unique)),
            Some(_) => {
                changes.extend(missing.iter().flat_map(|(field, kind)| add(field, kind, &shown, &table)));
                changes.extend(widened.iter().map(|(column, kind)| alter(column, kind, &shown, &table)));
            }
        }
        let created = SchemaChange::of(SchemaChangeKind::TableCreated);
        let added = missing.iter().map(|(field, kind)| SchemaChange {
            column: Some(field.name().clone()),
            to: Some(kind.clone()),
            ..SchemaChange::of(SchemaChangeKind::ColumnAdded)
        });
        let wider = widened.iter().map(|(column, kind)| SchemaChange {
            column: Some(column.name.clone()),
            from: Some(column.server.name.clone()),
            to: Some(kind.clone()),
            ..SchemaChange::of(SchemaChangeKind::TypeWidened)
        });
        let schema_changes = if relation.is_none() { vec![created] } else { added.chain(wider).collect() };
        if let (None, Some(TablePolicy::Freeze)) = (relation, request.write.policy.tables) {
            let statement = changes.first().and_then(|change| change.statement.as_deref()).unwrap_or_default();
            return Err(shape::frozen_table(&operation, &shown, statement));
        }
        if let (Some((field, kind)), ChangePolicy::Freeze) = (missing.first(), shape::columns(request)) {
            let statement = format!("ALTER TABLE {table} ADD COLUMN {} {kind}", sql::identifier(field.name()));
            return Err(shape::frozen_column(&operation, field.name(), &shown, &statement));
        }
        let key = request.write.key.clone();
        let load = match (request.write.mode, relation, versions) {
            (_, _, Some(versions)) => Load::Versions(versions),
            (WriteMode::Upsert, ..) => Load::Upsert(key),
            (WriteMode::Merge, ..) => Load::Merge { key, missing: request.write.missing == MissingRows::Delete },
            (_, None, _) if straight => Load::Straight,
            // Adding a column locks the table; through a staging table it is locked for a moment only.
            (WriteMode::Append, Some(_), _) if straight && missing.is_empty() && widened.is_empty() => Load::Straight,
            (WriteMode::Overwrite, Some(_), _) => Load::Replace,
            _ => Load::Append,
        };
        Ok(Self { table, schema: schema.to_owned(), shown, changes, schema_changes, columns, load })
    }

    /// The columns of the rows that are columns of the table under the same name.
    pub(super) fn values(&self) -> impl Iterator<Item = &TargetColumn> {
        self.columns.iter().filter(|column| column.role == Role::Value)
    }

    /// The statement that copies rows into a table of that name.
    pub(super) fn copy(&self, table: &str, extra: &str) -> String {
        let columns = sql::identifiers(self.columns.iter().map(|column| column.name.as_str()));
        format!("COPY {table} ({columns}{extra}) FROM STDIN (FORMAT binary)")
    }
}

/// The type in which a column tells values apart, without a length, which would cut them; None when it is the one sent.
fn compared(server: &ServerType, sent: &DataType) -> Option<String> {
    // `character` without a length has one character.
    let name = if server.oid == oid::BPCHAR { "bpchar" } else { server.name.as_str() };
    (!name.contains('(') && name != column_type(sent)).then(|| name.to_owned())
}

fn role(request: &SinkRequest, column: &str) -> Role {
    let effective = request.write.history.as_ref().and_then(|history| history.effective_from.as_deref());
    match request.write.mode {
        WriteMode::Merge if request.write.deletes && column == DELETED => Role::Deleted,
        WriteMode::Scd2 if effective == Some(column) => Role::Effective,
        _ => Role::Value,
    }
}

/// The columns by which the table must tell rows apart; none when it need not.
fn unique_columns(request: &SinkRequest) -> Vec<String> {
    let from = request.write.history.iter().map(|history| history.valid_from.clone());
    match request.write.mode {
        WriteMode::Append | WriteMode::Overwrite => Vec::new(),
        WriteMode::Upsert | WriteMode::Merge => request.write.key.clone(),
        WriteMode::Scd2 => request.write.key.iter().cloned().chain(from).collect(),
    }
}

fn check_mode(request: &SinkRequest, operation: &str) -> Result<()> {
    let wrong =
        |detail: String, remedy: &str| Err(ConnectorError::new(ErrorKind::Config, operation, detail).remedy(remedy));
    let mode = request.write.mode;
    if matches!(mode, WriteMode::Upsert | WriteMode::Merge | WriteMode::Scd2) && request.write.key.is_empty() {
        return wrong(format!("mode {mode} needs a key"), "name its columns: `write: {key: [id]}`");
    }
    if mode == WriteMode::Scd2 && request.write.history.is_none() {
        return wrong("mode SCD2 needs to know the columns of versions".into(), "name them in `scd2`");
    }
    if request.schema.fields().is_empty() {
        return wrong("the rows have no columns".into(), "let the node before the sink put out at least one column");
    }
    for column in &request.write.key {
        if request.schema.field_with_name(column).is_err() {
            let known = request.schema.fields().iter().map(|field| field.name().as_str());
            return Err(sql::no_such_column("the rows to write", column, known));
        }
    }
    Ok(())
}

fn sent(field: &Field, operation: &str) -> Result<DataType> {
    sent_as(field.data_type()).ok_or_else(|| {
        let kind = types::name(field.data_type());
        let detail = format!("column `{}` is {kind}, for which PostgreSQL has no type", field.name());
        ConnectorError::new(ErrorKind::Config, operation, detail)
            .remedy("turn it into text or into columns of its own, in a mapping or in SQL")
    })
}

fn misfit(operation: &str, field: &Field, column: &str, relation: Option<&Relation>) -> ConnectorError {
    let there = relation.and_then(|relation| relation.column(column));
    let there = there.map_or("another type", |column| column.server.name.as_str());
    let detail = format!(
        "column `{column}` is {} in the rows and {there} in the table: values would be rounded or have no way over",
        types::name(field.data_type())
    );
    ConnectorError::new(ErrorKind::Config, operation, detail).remedy(format!(
        "cast it in a mapping before the sink, or ALTER TABLE … ALTER COLUMN {} TYPE …",
        sql::identifier(column)
    ))
}

fn check_unique(operation: &str, relation: &Relation, mode: WriteMode, key: &[String]) -> Result<()> {
    let same = |unique: &Vec<String>| unique.len() == key.len() && key.iter().all(|column| unique.contains(column));
    if relation.unique.iter().any(same) {
        return Ok(());
    }
    let columns = sql::identifiers(key.iter().map(String::as_str));
    let name = relation.stream_name();
    let detail = format!("mode {mode} needs a unique index on ({columns}), and {name} has none");
    Err(ConnectorError::new(ErrorKind::Config, operation, detail)
        .remedy(format!("CREATE UNIQUE INDEX ON {} ({columns})", relation.quoted())))
}

fn create(
    request: &SinkRequest,
    shown: &str,
    table: &str,
    columns: &[TargetColumn],
    versions: Option<&Versions>,
    unique: &[String],
) -> Vec<PlannedChange> {
    let key = &request.write.key;
    let values = || std::iter::zip(request.schema.fields(), columns).filter(|(_, column)| column.role == Role::Value);
    let mut definitions: Vec<String> = values()
        .map(|(field, column)| {
            let required = !field.is_nullable() || key.contains(field.name());
            let kind = column.cast.clone().unwrap_or_else(|| column_type(&column.sent));
            format!("{} {kind}{}", sql::identifier(field.name()), if required { " NOT NULL" } else { "" })
        })
        .collect();
    definitions.extend(versions.iter().flat_map(|versions| versions.definitions()));
    let mut words = format!("create table {shown} ({}", counted(definitions.len(), "column"));
    if !unique.is_empty() {
        definitions.push(format!("PRIMARY KEY ({})", sql::identifiers(unique.iter().map(String::as_str))));
        words = format!("{words}, key {}", unique.join(", "));
    }
    let statement = format!("CREATE TABLE {table} ({})", definitions.join(", "));
    let mut changes = vec![PlannedChange { action: format!("{words})"), statement: Some(statement) }];
    changes.extend(values().filter_map(|(field, _)| comment(field, shown, table)));
    changes
}

fn add(field: &Field, kind: &str, shown: &str, table: &str) -> Vec<PlannedChange> {
    // Rows that are there have no value for it, so it cannot be NOT NULL.
    let statement = format!("ALTER TABLE {table} ADD COLUMN {} {kind}", sql::identifier(field.name()));
    let action = format!("add column {} {kind} to {shown}", field.name());
    std::iter::once(PlannedChange { action, statement: Some(statement) }).chain(comment(field, shown, table)).collect()
}

fn alter(column: &RelationColumn, kind: &str, shown: &str, table: &str) -> PlannedChange {
    let statement = format!("ALTER TABLE {table} ALTER COLUMN {} TYPE {kind}", sql::identifier(&column.name));
    let action = format!("widen column {} of {shown} from {} to {kind}", column.name, column.server.name);
    PlannedChange { action, statement: Some(statement) }
}

/// The columns whose values the table may have no place for, by the policies of the request.
pub(super) fn misfits(request: &SinkRequest, relation: Option<&Relation>) -> Vec<(usize, Misfit)> {
    let Some(relation) = relation else { return Vec::new() };
    let misfit = |(at, field): (usize, &FieldRef)| {
        let name = match role(request, field.name()) {
            Role::Deleted => return None,
            Role::Effective => &request.write.history.as_ref()?.valid_from,
            Role::Value => field.name(),
        };
        let Some(column) = relation.column(name) else {
            return Misfit::of(shape::columns(request), None).map(|misfit| (at, misfit));
        };
        let sent = sent_as(field.data_type())?;
        // A number that may be too large for its column is sent all the same, and the server refuses it.
        let fits = match fit(&sent, &column.server) {
            Fit::Straight(_) => widen(&sent, &column.server).is_none(),
            Fit::Staged(cast) => cast.is_some(),
            Fit::No => false,
        };
        let limited = [oid::VARCHAR, oid::BPCHAR].contains(&column.server.oid);
        // The modifier of these types is the length and four.
        let characters = usize::try_from(column.server.modifier - 4).ok().filter(|_| limited);
        let fits = fits && characters.is_none();
        let kind = column.server.reading().wire.arrow();
        let there = There { kind, characters, shown: column.server.name.clone() };
        if fits { None } else { Misfit::of(shape::data_type(request), Some(there)).map(|misfit| (at, misfit)) }
    };
    request.schema.fields().iter().enumerate().filter_map(misfit).collect()
}

fn comment(field: &Field, shown: &str, table: &str) -> Option<PlannedChange> {
    let text = field.metadata().get(types::COMMENT_KEY)?;
    let statement = format!("COMMENT ON COLUMN {table}.{} IS {}", sql::identifier(field.name()), quote(text));
    Some(PlannedChange { action: format!("comment column {} of {shown}", field.name()), statement: Some(statement) })
}
