//! What the server's catalogues tell of tables, views and queries.

use std::collections::BTreeMap;

use aggregator_compiler::catalogue::{Column, Stream};
use aggregator_compiler::types;
use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr, Statement};

use super::session::{Session, get};
use super::types::ServerType;
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::connectors::sql;

/// A table, or what reads like one.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) comment: Option<String>,
    pub(super) columns: Vec<RelationColumn>,
    /// The primary key, in the key's order.
    pub(super) primary_key: Vec<String>,
    /// The columns of each unique index that ON CONFLICT can use: valid, over plain columns, without a condition.
    pub(super) unique: Vec<Vec<String>>,
    pub(super) estimated_rows: Option<u64>,
}

/// A column of a table or of a query's result.
#[derive(Clone, Debug)]
pub(super) struct RelationColumn {
    pub(super) name: String,
    pub(super) server: ServerType,
    pub(super) nullable: bool,
    pub(super) comment: Option<String>,
}

impl Relation {
    /// The name a Pipeline writes.
    pub(super) fn stream_name(&self) -> String {
        format!("{}.{}", sql::shown(&self.schema), sql::shown(&self.name))
    }

    /// The name a statement takes.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", sql::identifier(&self.schema), sql::identifier(&self.name))
    }

    /// The column of that name.
    pub(super) fn column(&self, name: &str) -> Option<&RelationColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// As the compiler knows it.
    pub(super) fn stream(&self) -> Stream {
        Stream {
            name: self.stream_name(),
            comment: self.comment.clone(),
            columns: stream_columns(&self.columns),
            primary_key: self.primary_key.clone(),
            estimated_rows: self.estimated_rows,
        }
    }
}

/// Columns as the compiler knows them.
pub(super) fn stream_columns(columns: &[RelationColumn]) -> Vec<Column> {
    columns
        .iter()
        .map(|column| Column {
            name: column.name.clone(),
            data_type: types::name(&column.server.reading().wire.arrow()),
            nullable: column.nullable,
            comment: column.comment.clone(),
        })
        .collect()
}

const RELATIONS: &str = "
    SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, obj_description(c.oid, 'pg_class') AS comment,
           CASE WHEN c.relkind IN ('r', 'm', 'p') AND c.reltuples >= 0 THEN c.reltuples::int8 END AS rows
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND (CASE WHEN $2::text IS NULL
                THEN NOT c.relispartition AND c.relname !~ '^_aggregator_'
                     AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
                ELSE c.relname = $2 AND n.nspname = coalesce($1::text, current_schema()) END)
    ORDER BY 2, 3";

const COLUMNS: &str = "
    SELECT a.attrelid, a.attname::text AS name, a.atttypid, a.atttypmod, a.attnotnull,
           format_type(a.atttypid, a.atttypmod) AS type, col_description(a.attrelid, a.attnum) AS comment
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum";

const KEYS: &str = "
    SELECT i.indrelid, i.indisprimary AS primary, array_agg(a.attname::text ORDER BY k.place) AS columns
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE i.indrelid = ANY($1) AND i.indisunique AND i.indisvalid AND i.indimmediate
      AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
    GROUP BY i.indexrelid, i.indrelid, i.indisprimary
    ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid";

/// Follows domains down to what they stand on; the modifier is the innermost domain's that has one.
const TYPES: &str = "
    WITH RECURSIVE chain AS (
        SELECT t.oid AS root, t.oid, t.typtype, t.typbasetype, t.typtypmod, t.typelem, t.typcategory, -1 AS modifier
        FROM pg_catalog.pg_type t WHERE t.oid = ANY($1)
        UNION ALL
        SELECT c.root, t.oid, t.typtype, t.typbasetype, t.typtypmod, t.typelem, t.typcategory,
               CASE WHEN c.typtypmod >= 0 THEN c.typtypmod ELSE c.modifier END
        FROM chain c JOIN pg_catalog.pg_type t ON t.oid = c.typbasetype WHERE c.typtype = 'd')
    SELECT root, oid, modifier, typtype = 'e' AS is_enum, CASE WHEN typcategory = 'A' THEN typelem ELSE 0 END AS element
    FROM chain WHERE typtype <> 'd'";

/// Everything that can be read, or the one relation of that name.
pub(super) async fn relations(session: &mut Session, only: Option<(Option<&str>, &str)>) -> Result<Vec<Relation>> {
    let operation = "read the catalogue";
    let (schema, table) = only.map_or((None, None), |(schema, table)| (schema, Some(table)));
    let rows = session.fetch(operation, sqlx::query(RELATIONS).bind(schema).bind(table)).await?;
    let mut relations: Vec<(Oid, Relation)> = Vec::with_capacity(rows.len());
    for row in &rows {
        let relation = Relation {
            schema: get(row, "schema")?,
            name: get(row, "name")?,
            comment: get(row, "comment")?,
            columns: Vec::new(),
            primary_key: Vec::new(),
            unique: Vec::new(),
            estimated_rows: get::<Option<i64>>(row, "rows")?.and_then(|rows| u64::try_from(rows).ok()),
        };
        relations.push((get(row, "oid")?, relation));
    }
    let oids: Vec<Oid> = relations.iter().map(|(oid, _)| *oid).collect();
    let place: BTreeMap<u32, usize> = oids.iter().enumerate().map(|(at, oid)| (oid.0, at)).collect();

    let columns = session.fetch(operation, sqlx::query(COLUMNS).bind(&oids)).await?;
    let mut wanted = Vec::with_capacity(columns.len());
    for row in &columns {
        let name = get::<Option<String>>(row, "type")?.unwrap_or_default();
        wanted.push((get::<Oid>(row, "atttypid")?, get::<i32>(row, "atttypmod")?, name));
    }
    let servers = server_types(session, wanted).await?;
    for (row, server) in columns.iter().zip(servers) {
        let Some(at) = place.get(&get::<Oid>(row, "attrelid")?.0) else { continue };
        relations[*at].1.columns.push(RelationColumn {
            name: get(row, "name")?,
            server,
            nullable: !get::<bool>(row, "attnotnull")?,
            comment: get(row, "comment")?,
        });
    }
    for row in &session.fetch(operation, sqlx::query(KEYS).bind(&oids)).await? {
        let Some(at) = place.get(&get::<Oid>(row, "indrelid")?.0) else { continue };
        let columns: Vec<String> = get(row, "columns")?;
        if get(row, "primary")? {
            relations[*at].1.primary_key.clone_from(&columns);
        }
        relations[*at].1.unique.push(columns);
    }
    Ok(relations.into_iter().map(|(_, relation)| relation).collect())
}

/// The columns of a query's result. The server plans the query; it is not run.
pub(super) async fn query_columns(session: &mut Session, operation: &str, query: &str) -> Result<Vec<RelationColumn>> {
    let prepared = session
        .silence
        .bound(operation, (&mut session.connection).prepare(AssertSqlSafe(query.to_owned()).into_sql_str()))
        .await?;
    let mut origins = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for column in prepared.columns() {
        let name = sqlx::Column::name(column).to_owned();
        if names.contains(&name) {
            let detail = format!("two columns of the result are named `{name}`");
            return Err(ConnectorError::new(ErrorKind::Config, operation, detail).remedy("name them apart with AS"));
        }
        names.push(name);
        let oid = sqlx::Column::type_info(column).oid().unwrap_or(Oid(super::types::oid::TEXT));
        origins.push((oid, column.relation_id(), column.relation_attribute_no()));
    }
    // A column that comes straight from a table has that column's precision and comment.
    let relations: Vec<Oid> = origins.iter().filter_map(|(_, relation, _)| *relation).collect();
    let rows = session
        .fetch(
            operation,
            sqlx::query(
                "SELECT a.attrelid, a.attnum, a.atttypid, a.atttypmod, col_description(a.attrelid, a.attnum) AS comment
                 FROM pg_catalog.pg_attribute a WHERE a.attrelid = ANY($1) AND a.attnum > 0",
            )
            .bind(&relations),
        )
        .await?;
    let mut known: BTreeMap<(u32, i16), (u32, i32, Option<String>)> = BTreeMap::new();
    for row in &rows {
        let key = (get::<Oid>(row, "attrelid")?.0, get(row, "attnum")?);
        known.insert(key, (get::<Oid>(row, "atttypid")?.0, get(row, "atttypmod")?, get(row, "comment")?));
    }
    let mut wanted = Vec::new();
    let mut comments = Vec::new();
    for (oid, relation, number) in origins {
        let origin = relation.zip(number).and_then(|(relation, number)| known.get(&(relation.0, number)));
        // A result's type is the domain's base, so the modifier only counts when the types agree.
        let modifier = origin.filter(|(origin, _, _)| *origin == oid.0).map_or(-1, |(_, modifier, _)| *modifier);
        comments.push(origin.and_then(|(_, _, comment)| comment.clone()));
        wanted.push((oid, modifier, String::new()));
    }
    let servers = server_types(session, wanted).await?;
    Ok(names
        .into_iter()
        .zip(servers)
        .zip(comments)
        .map(|((name, server), comment)| RelationColumn { name, server, nullable: true, comment })
        .collect())
}

/// Resolves domains and array elements.
async fn server_types(session: &mut Session, wanted: Vec<(Oid, i32, String)>) -> Result<Vec<ServerType>> {
    let outer = resolve(session, wanted.iter().map(|(oid, _, _)| *oid).collect()).await?;
    let elements = outer.values().map(|found| found.element).filter(|element| element.0 != 0).collect();
    let inner = resolve(session, elements).await?;
    Ok(wanted
        .into_iter()
        .map(|(oid, modifier, name)| {
            let unknown = Resolved { oid, modifier: -1, is_enum: false, element: Oid(0) };
            let found = outer.get(&oid.0).unwrap_or(&unknown);
            let modifier = if modifier >= 0 { modifier } else { found.modifier };
            let element = (found.element.0 != 0).then(|| {
                let element = inner.get(&found.element.0).unwrap_or(&unknown);
                Box::new(ServerType {
                    oid: element.oid.0,
                    modifier: if modifier >= 0 { modifier } else { element.modifier },
                    is_enum: element.is_enum,
                    element: None,
                    name: name.trim_end_matches("[]").to_owned(),
                })
            });
            ServerType { oid: found.oid.0, modifier, is_enum: found.is_enum, element, name }
        })
        .collect())
}

struct Resolved {
    oid: Oid,
    modifier: i32,
    is_enum: bool,
    element: Oid,
}

async fn resolve(session: &mut Session, oids: Vec<Oid>) -> Result<BTreeMap<u32, Resolved>> {
    let mut resolved = BTreeMap::new();
    for row in &session.fetch("read the catalogue of types", sqlx::query(TYPES).bind(oids)).await? {
        let found = Resolved {
            oid: get(row, "oid")?,
            modifier: get(row, "modifier")?,
            is_enum: get(row, "is_enum")?,
            element: get(row, "element")?,
        };
        resolved.insert(get::<Oid>(row, "root")?.0, found);
    }
    Ok(resolved)
}
