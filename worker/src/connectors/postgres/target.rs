//! What a sink's table is, and what it must become: decided before anything is changed.

use aggregator_compiler::types;
use aggregator_crds::pipeline::WriteMode;
use arrow::datatypes::{DataType, Field};

use super::catalogue::Relation;
use super::source::quote;
use super::types::{Fit, column_type, fit, sent_as};
use crate::connector::{ConnectorError, ErrorKind, PlannedChange, Result, SinkRequest};
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
}

impl Target {
    /// Decides. `schema` is where a table without one goes; `relation` is what is there.
    pub(super) fn decide(request: &SinkRequest, schema: &str, name: &str, relation: Option<&Relation>) -> Result<Self> {
        let shown = format!("{}.{}", sql::shown(schema), sql::shown(name));
        let table = format!("{}.{}", sql::identifier(schema), sql::identifier(name));
        let operation = format!("write {shown}");
        let key = check_mode(request, &operation)?;
        let mut columns = Vec::new();
        let mut changes = Vec::new();
        let mut missing = Vec::new();
        let mut straight = true;
        for field in request.schema.fields() {
            let sent = sent(field, &operation)?;
            let there = relation.map(|relation| relation.column(field.name()));
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
                Some(Some(column)) => fit(&sent, &column.server),
            };
            let (sent, cast) = match fit {
                Fit::Straight(sent) => (sent, None),
                Fit::Staged(cast) => {
                    straight = false;
                    (sent, cast)
                }
                Fit::No => return Err(misfit(&operation, field, relation)),
            };
            columns.push(TargetColumn { name: field.name().clone(), sent, cast });
        }
        if let (Some(relation), Some(key)) = (relation, &key) {
            check_unique(&operation, relation, key)?;
        }
        match relation {
            None => changes.extend(create(request, &shown, &table, &columns)),
            Some(_) => changes.extend(missing.iter().flat_map(|(field, kind)| add(field, kind, &shown, &table))),
        }
        let load = match (request.write.mode, relation) {
            (_, None) if straight && key.is_none() => Load::Straight,
            // Adding a column locks the table; through a staging table it is locked for a moment only.
            (WriteMode::Append, Some(_)) if straight && missing.is_empty() => Load::Straight,
            (WriteMode::Overwrite, Some(_)) => Load::Replace,
            (WriteMode::Upsert, _) => Load::Upsert(key.unwrap_or_default()),
            _ => Load::Append,
        };
        Ok(Self { table, schema: schema.to_owned(), shown, changes, columns, load })
    }

    /// The table's columns for a statement.
    pub(super) fn column_list(&self) -> String {
        sql::identifiers(self.columns.iter().map(|column| column.name.as_str()))
    }

    /// The statement that moves rows from the staging table into the table.
    pub(super) fn insert(&self, stage: &str, condition: &str) -> String {
        let values: Vec<String> = self
            .columns
            .iter()
            .map(|column| {
                let name = sql::identifier(&column.name);
                column.cast.as_ref().map_or_else(|| name.clone(), |cast| format!("{name}::{cast}"))
            })
            .collect();
        let mut statement = format!(
            "INSERT INTO {} ({}) SELECT {} FROM {stage}{condition}",
            self.table,
            self.column_list(),
            values.join(", ")
        );
        if let Load::Upsert(key) = &self.load {
            let mut set: Vec<&TargetColumn> =
                self.columns.iter().filter(|column| !key.contains(&column.name)).collect();
            if set.is_empty() {
                // DO NOTHING would not count the rows that are there.
                set = self.columns.iter().collect();
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

    /// The statement that copies rows into a table of that name.
    pub(super) fn copy(&self, table: &str, extra: &str) -> String {
        format!("COPY {table} ({}{extra}) FROM STDIN (FORMAT binary)", self.column_list())
    }
}

fn check_mode(request: &SinkRequest, operation: &str) -> Result<Option<Vec<String>>> {
    let wrong =
        |detail: String, remedy: &str| Err(ConnectorError::new(ErrorKind::Config, operation, detail).remedy(remedy));
    match request.write.mode {
        WriteMode::Append | WriteMode::Overwrite => {}
        WriteMode::Upsert if request.write.key.is_empty() => {
            return wrong("mode Upsert needs a key".into(), "name its columns: `write: {mode: Upsert, key: [id]}`");
        }
        WriteMode::Upsert => {}
        mode @ (WriteMode::Merge | WriteMode::Scd2) => {
            let detail = format!("a postgres sink does not support the write mode {mode:?}");
            return wrong(detail, "use Append, Overwrite or Upsert");
        }
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
    Ok((request.write.mode == WriteMode::Upsert).then(|| request.write.key.clone()))
}

fn sent(field: &Field, operation: &str) -> Result<DataType> {
    sent_as(field.data_type()).ok_or_else(|| {
        let kind = types::name(field.data_type());
        let detail = format!("column `{}` is {kind}, for which PostgreSQL has no type", field.name());
        ConnectorError::new(ErrorKind::Config, operation, detail)
            .remedy("turn it into text or into columns of its own, in a mapping or in SQL")
    })
}

fn misfit(operation: &str, field: &Field, relation: Option<&Relation>) -> ConnectorError {
    let there = relation.and_then(|relation| relation.column(field.name()));
    let there = there.map_or("another type", |column| column.server.name.as_str());
    let detail = format!(
        "column `{}` is {} in the rows and {there} in the table: values would be rounded or have no way over",
        field.name(),
        types::name(field.data_type())
    );
    ConnectorError::new(ErrorKind::Config, operation, detail).remedy(format!(
        "cast it in a mapping before the sink, or ALTER TABLE … ALTER COLUMN {} TYPE …",
        sql::identifier(field.name())
    ))
}

fn check_unique(operation: &str, relation: &Relation, key: &[String]) -> Result<()> {
    let same = |unique: &Vec<String>| unique.len() == key.len() && key.iter().all(|column| unique.contains(column));
    if relation.unique.iter().any(same) {
        return Ok(());
    }
    let columns = sql::identifiers(key.iter().map(String::as_str));
    let detail = format!("mode Upsert needs a unique index on ({columns}), and {} has none", relation.stream_name());
    Err(ConnectorError::new(ErrorKind::Config, operation, detail)
        .remedy(format!("CREATE UNIQUE INDEX ON {} ({columns})", relation.quoted())))
}

fn create(request: &SinkRequest, shown: &str, table: &str, columns: &[TargetColumn]) -> Vec<PlannedChange> {
    let key = &request.write.key;
    let mut definitions: Vec<String> = request
        .schema
        .fields()
        .iter()
        .zip(columns)
        .map(|(field, column)| {
            let required = !field.is_nullable() || key.contains(field.name());
            let kind = column.cast.clone().unwrap_or_else(|| column_type(&column.sent));
            format!("{} {kind}{}", sql::identifier(field.name()), if required { " NOT NULL" } else { "" })
        })
        .collect();
    let mut words = format!("create table {shown} ({} columns", columns.len());
    if !key.is_empty() {
        definitions.push(format!("PRIMARY KEY ({})", sql::identifiers(key.iter().map(String::as_str))));
        words = format!("{words}, key {}", key.join(", "));
    }
    let statement = format!("CREATE TABLE {table} ({})", definitions.join(", "));
    let mut changes = vec![PlannedChange { action: format!("{words})"), statement: Some(statement) }];
    changes.extend(request.schema.fields().iter().filter_map(|field| comment(field, shown, table)));
    changes
}

fn add(field: &Field, kind: &str, shown: &str, table: &str) -> Vec<PlannedChange> {
    // Rows that are there have no value for it, so it cannot be NOT NULL.
    let statement = format!("ALTER TABLE {table} ADD COLUMN {} {kind}", sql::identifier(field.name()));
    let action = format!("add column {} {kind} to {shown}", field.name());
    std::iter::once(PlannedChange { action, statement: Some(statement) }).chain(comment(field, shown, table)).collect()
}

fn comment(field: &Field, shown: &str, table: &str) -> Option<PlannedChange> {
    let text = field.metadata().get(types::COMMENT_KEY)?;
    let statement = format!("COMMENT ON COLUMN {table}.{} IS {}", sql::identifier(field.name()), quote(text));
    Some(PlannedChange { action: format!("comment column {} of {shown}", field.name()), statement: Some(statement) })
}
