//! What the database tells of tables, views and queries.

use aggregator_compiler::catalogue::{Column, Stream};
use aggregator_compiler::types;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::database::{Database, fault};
use super::types::Kind;
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::connectors::sql;

/// How many rows say what a column without a declared type holds.
const SAMPLE: usize = 1000;

/// A table, a view or a query.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// The name a Pipeline writes.
    pub(super) name: String,
    /// What stands behind FROM.
    pub(super) from: String,
    pub(super) columns: Vec<RelationColumn>,
    pub(super) primary_key: Vec<String>,
    /// The columns of each unique index that ON CONFLICT can use.
    pub(super) unique: Vec<Vec<String>>,
    /// The name of its rowid, if it has one that no column hides.
    pub(super) rowid: Option<&'static str>,
}

/// One of its columns.
#[derive(Clone, Debug)]
pub(super) struct RelationColumn {
    pub(super) name: String,
    pub(super) declared: String,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
}

impl Relation {
    /// As the compiler knows it.
    pub(super) fn stream(&self) -> Stream {
        let columns = self.columns.iter().map(|column| Column {
            name: column.name.clone(),
            data_type: types::name(&column.kind.arrow()),
            nullable: column.nullable,
            comment: None,
        });
        Stream {
            name: self.name.clone(),
            columns: columns.collect(),
            primary_key: self.primary_key.clone(),
            ..Stream::default()
        }
    }
}

/// The names of all tables and views.
pub(super) fn names(connection: &Connection) -> Result<Vec<String>> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(
            "SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view') \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_aggregator\\_%' ESCAPE '\\' ORDER BY name",
        )?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    read().map_err(|error| fault("read the schema", error))
}

/// The table or view of that name, if it is there.
pub(super) fn table(connection: &Connection, name: &str) -> Result<Option<Relation>> {
    let operation = || format!("read the schema of {name}");
    let read = || -> rusqlite::Result<Option<Relation>> {
        let mut columns = Vec::new();
        let mut key: Vec<(i64, String)> = Vec::new();
        let mut required = Vec::new();
        let mut statement = connection.prepare(
            "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1 ORDER BY cid",
        )?;
        let mut rows = statement.query([name])?;
        while let Some(row) = rows.next()? {
            let (column, declared): (String, String) = (row.get(0)?, row.get(1)?);
            if row.get::<_, i64>(3)? > 0 {
                key.push((row.get(3)?, column.clone()));
            }
            required.push(row.get::<_, bool>(2)?);
            columns.push(RelationColumn { name: column, declared, kind: Kind::Loose, nullable: true });
        }
        if columns.is_empty() {
            return Ok(None);
        }
        key.sort();
        let key: Vec<String> = key.into_iter().map(|(_, column)| column).collect();
        for (column, required) in columns.iter_mut().zip(required) {
            // Only the alias of the rowid is never null by being the key alone.
            let alias = key.as_slice() == [column.name.clone()] && column.declared.eq_ignore_ascii_case("INTEGER");
            column.nullable = !(required || alias);
        }
        let mut unique = if key.is_empty() { Vec::new() } else { vec![key.clone()] };
        let mut indexes =
            connection.prepare("SELECT name FROM pragma_index_list(?1, 'main') WHERE \"unique\" AND NOT partial")?;
        let indexes: Vec<String> = indexes.query_map([name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for index in indexes {
            let mut parts = connection.prepare("SELECT name FROM pragma_index_info(?1, 'main') ORDER BY seqno")?;
            let parts: Vec<Option<String>> =
                parts.query_map([&index], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            unique.extend(parts.into_iter().collect::<Option<Vec<String>>>());
        }
        let rowid = connection.query_row(
            "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE AND type = 'table' AND NOT wr",
            [name],
            |row| row.get::<_, i64>(0),
        )?;
        let taken = |alias: &str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(alias));
        let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(|alias| rowid > 0 && !taken(alias));
        let from = format!("main.{}", sql::identifier(name));
        Ok(Some(Relation { name: name.to_owned(), from, columns, primary_key: key, unique, rowid }))
    };
    let Some(mut relation) = read().map_err(|error| fault(operation(), error))? else { return Ok(None) };
    resolve(connection, &mut relation)?;
    Ok(Some(relation))
}

/// What a stream is: the table of that name, or the query.
pub(super) fn readable(connection: &Connection, database: &Database, stream: &str) -> Result<Relation> {
    if let Some(query) = sql::query(stream) {
        return from_query(connection, database, stream, query);
    }
    let mut parts = sql::name_parts(stream)?;
    if parts.len() == 2 && parts[0].eq_ignore_ascii_case("main") {
        parts.remove(0);
    }
    if let [name] = parts.as_slice()
        && let Some(mut found) = table(connection, name)?
    {
        stream.clone_into(&mut found.name);
        return Ok(found);
    }
    let known = names(connection)?;
    let remedy = sql::did_you_mean(stream, known.iter().map(String::as_str)).unwrap_or_else(|| {
        format!("it holds {}", if known.is_empty() { "no tables".into() } else { known.join(", ") })
    });
    let operation = format!("read {stream} from {}", database.shown());
    Err(ConnectorError::new(ErrorKind::NotFound, operation, "there is no such table or view").remedy(remedy))
}

fn from_query(connection: &Connection, database: &Database, stream: &str, query: &str) -> Result<Relation> {
    let operation = format!("describe the query at {}", database.shown());
    let prepared = match connection.prepare(query) {
        Ok(prepared) => prepared,
        Err(error) => {
            let known = names(connection)?;
            let holds = if known.is_empty() { "no tables".to_owned() } else { known.join(", ") };
            let mut refused = fault(&operation, error);
            refused.remedy.get_or_insert(format!("correct the query; the database holds {holds}"));
            return Err(refused);
        }
    };
    let mut columns: Vec<RelationColumn> = Vec::new();
    for column in prepared.columns() {
        let name = column.name().to_owned();
        if columns.iter().any(|other| other.name == name) {
            let detail = format!("two columns of the result are named `{name}`");
            return Err(ConnectorError::new(ErrorKind::Config, operation, detail).remedy("name them apart with AS"));
        }
        let declared = column.decl_type().unwrap_or_default().to_owned();
        columns.push(RelationColumn { name, declared, kind: Kind::Loose, nullable: true });
    }
    let mut relation = Relation {
        name: stream.to_owned(),
        from: format!("({query}\n)"),
        columns,
        primary_key: Vec::new(),
        unique: Vec::new(),
        rowid: None,
    };
    resolve(connection, &mut relation)?;
    Ok(relation)
}

/// Gives every column its kind; those without a declared type are seen from the first rows.
fn resolve(connection: &Connection, relation: &mut Relation) -> Result<()> {
    let mut open = Vec::new();
    for (at, column) in relation.columns.iter_mut().enumerate() {
        match Kind::declared(&column.declared) {
            Some(kind) => column.kind = kind,
            None => open.push((at, [0_usize; 4])),
        }
    }
    if open.is_empty() {
        return Ok(());
    }
    let mut sample = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare(&format!("SELECT * FROM {} LIMIT {SAMPLE}", relation.from))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for (at, seen) in &mut open {
                match row.get_ref(*at)? {
                    ValueRef::Null => {}
                    ValueRef::Integer(_) => seen[0] += 1,
                    ValueRef::Real(_) => seen[1] += 1,
                    ValueRef::Blob(_) => seen[2] += 1,
                    ValueRef::Text(_) => seen[3] += 1,
                }
            }
        }
        Ok(())
    };
    sample().map_err(|error| fault(format!("look at the first rows of {}", relation.name), error))?;
    for (at, seen) in open {
        relation.columns[at].kind = match seen {
            [0, 0, 0, _] => Kind::Loose,
            [_, 0, 0, 0] => Kind::Int,
            [_, _, 0, 0] => Kind::Real,
            [0, 0, _, 0] => Kind::Blob,
            _ => Kind::Loose,
        };
    }
    Ok(())
}
