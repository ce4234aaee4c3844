//! Where rows wait: a temporary table, or, for a run in pieces, a table that outlives the attempt, with a record a split.
//!
//! The lasting tables are unlogged: they cost no write-ahead log, and a server that crashes empties the rows and the
//! records alike.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use sha2::{Digest, Sha256};

use super::commits::Commits;
use super::load::ROW;
use super::session::{Session, get};
use super::source::quote;
use super::target::Target;
use super::types::column_type;
use crate::connector::{Attempt, ConnectorError, ErrorKind, Result, SavedSplit, SinkRequest};
use crate::connectors::sql;

/// The table of saved splits, beside the target.
const SPLITS: &str = "_aggregator_splits";

/// Where the rows of one sink wait.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// The table, as a statement takes it.
    pub(super) table: String,
    /// Whether it outlives the attempt.
    pub(super) lasting: bool,
    schema: String,
    bare: String,
    splits: String,
    pipeline: String,
    node: String,
    columns: String,
}

impl Stage {
    /// A temporary one for now.
    pub(super) fn new(target: &Target, request: &SinkRequest) -> Self {
        let id = Sha256::digest(format!("{}\0{}", request.pipeline, request.node));
        let id: String = id.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self {
            table: "pg_temp._aggregator_stage".into(),
            lasting: false,
            schema: sql::identifier(&target.schema),
            bare: format!("_aggregator_stage_{id}"),
            splits: format!("{}.{}", sql::identifier(&target.schema), sql::identifier(SPLITS)),
            pipeline: request.pipeline.clone(),
            node: request.node.clone(),
            columns: columns(target),
        }
    }

    /// The statement that creates the temporary table. It is the connection's own and vanishes with the transaction.
    pub(super) fn create_temporary(&self) -> String {
        format!("CREATE TEMPORARY TABLE _aggregator_stage ({}) ON COMMIT DROP", self.columns)
    }

    /// The splits that attempts of the run have saved; none if the rows are gone or of another shape.
    pub(super) async fn saved(&self, session: &mut Session, operation: &str, run: &str) -> Result<Vec<SavedSplit>> {
        if !self.is_there(session, operation).await? {
            return Ok(Vec::new());
        }
        let text = format!(
            "SELECT split::text AS split FROM {} WHERE pipeline = $1 AND node = $2 AND run = $3 ORDER BY number",
            self.splits
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(self.pipeline.clone())
            .bind(self.node.clone())
            .bind(run.to_owned());
        let rows = session.fetch(operation, query).await?;
        let read = |row| {
            serde_json::from_str(&get::<String>(row, "split")?).map_err(|error| {
                ConnectorError::new(ErrorKind::Data, operation, format!("a saved split does not read: {error}")).remedy(
                    format!("DROP TABLE {}, {}: the run reads its rows again", self.splits, self.lasting_table()),
                )
            })
        };
        rows.iter().map(read).collect()
    }

    /// Whether an attempt has left a lasting table.
    pub(super) async fn lasts(&self, session: &mut Session, operation: &str) -> Result<bool> {
        self.exists(session, operation, &self.lasting_table()).await
    }

    /// Whether the lasting table holds rows of the present shape.
    async fn is_there(&self, session: &mut Session, operation: &str) -> Result<bool> {
        let text = "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL \
                    AND coalesce(obj_description(to_regclass($2), 'pg_class') = $3, false) AS found";
        let query = sqlx::query(text).bind(self.splits.clone()).bind(self.lasting_table()).bind(self.columns.clone());
        let rows = session.fetch(operation, query).await?;
        rows.first().map_or(Ok(false), |row| get(row, "found"))
    }

    /// Keeps the rows of some splits and removes all others, in the open transaction; with `more`, rows wait in the
    /// lasting table from now on. Gives the number of the next row.
    pub(super) async fn keep(
        &mut self,
        session: &mut Session,
        operation: &str,
        commits: &Commits,
        attempt: &Attempt,
        numbers: &BTreeSet<u64>,
        more: bool,
    ) -> Result<i64> {
        let (table, mine) = (self.lasting_table(), self.mine());
        // Who else works on this table is an attempt that was overtaken; a stopped one would hold its locks for ever.
        let overtaken = sqlx::query(
            "SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
             WHERE l.relation = to_regclass($1) AND a.pid <> pg_backend_pid() AND a.usename = current_user",
        )
        .bind(table.clone());
        session.fetch(operation, overtaken).await?;
        if self.exists(session, operation, &table).await? {
            self.lock(session, operation, "SHARE ROW EXCLUSIVE").await?;
        }
        // Asked under the lock: what an attempt that was overtaken has taken over from here on, it cannot change.
        commits.owned(session, attempt).await?;
        let there = self.is_there(session, operation).await?;
        if !more || !there {
            session.execute(operation, &format!("DROP TABLE IF EXISTS {table}")).await?;
            if self.exists(session, operation, &self.splits).await? {
                session.execute(operation, &format!("DELETE FROM {} WHERE {mine}", self.splits)).await?;
            }
        }
        if !more {
            return Ok(0);
        }
        self.wait_lastingly();
        if !there {
            let create = format!(
                "SELECT pg_advisory_xact_lock(hashtext('{SPLITS}')); \
                 CREATE UNLOGGED TABLE IF NOT EXISTS {} (pipeline text, node text, run text, number bigint, \
                 split jsonb NOT NULL, first_row bigint NOT NULL, end_row bigint NOT NULL, \
                 PRIMARY KEY (pipeline, node, number)); \
                 CREATE UNLOGGED TABLE {table} ({}); COMMENT ON TABLE {table} IS {}",
                self.splits,
                self.columns,
                quote(&self.columns)
            );
            session.execute(operation, &create).await?;
            return Ok(0);
        }
        let list: Vec<String> = numbers.iter().map(u64::to_string).collect();
        let kept = format!("run = {} AND number = ANY('{{{}}}')", quote(&attempt.run), list.join(","));
        let row = sql::identifier(ROW);
        let rows = format!(
            "DELETE FROM {table} s WHERE NOT EXISTS (SELECT FROM {} p WHERE {mine} AND {kept} \
             AND s.{row} >= p.first_row AND s.{row} < p.end_row)",
            self.splits
        );
        session.execute(operation, &rows).await?;
        session.execute(operation, &format!("DELETE FROM {} WHERE {mine} AND NOT ({kept})", self.splits)).await?;
        let text = format!("SELECT coalesce(max(end_row), 0) AS next FROM {} WHERE {mine}", self.splits);
        let rows = session.fetch(operation, sqlx::query(sqlx::AssertSqlSafe(text))).await?;
        rows.first().map_or(Ok(0), |row| get(row, "next"))
    }

    /// From here on, rows wait in the lasting table.
    pub(super) fn wait_lastingly(&mut self) {
        self.table = self.lasting_table();
        self.lasting = true;
    }

    /// Removes a split that is saved and will be written anew, in the open transaction.
    pub(super) async fn discard(&self, session: &mut Session, operation: &str, number: u64) -> Result<()> {
        let row = sql::identifier(ROW);
        let statement = format!(
            "WITH p AS (DELETE FROM {} WHERE {} AND number = {number} RETURNING first_row, end_row) \
             DELETE FROM {} s USING p WHERE s.{row} >= p.first_row AND s.{row} < p.end_row",
            self.splits,
            self.mine(),
            self.table
        );
        session.execute(operation, &statement).await.map(drop)
    }

    /// Holds the lasting table in that mode until the open transaction ends.
    async fn lock(&self, session: &mut Session, operation: &str, mode: &str) -> Result<()> {
        session.execute(operation, &format!("LOCK TABLE {} IN {mode} MODE", self.lasting_table())).await.map(drop)
    }

    async fn exists(&self, session: &mut Session, operation: &str, table: &str) -> Result<bool> {
        let query = sqlx::query("SELECT to_regclass($1) IS NOT NULL AS found").bind(table.to_owned());
        let rows = session.fetch(operation, query).await?;
        rows.first().map_or(Ok(false), |row| get(row, "found"))
    }

    /// Records a split, in the transaction that wrote its rows.
    pub(super) async fn save(
        &self,
        session: &mut Session,
        operation: &str,
        commits: &Commits,
        attempt: &Attempt,
        split: &SavedSplit,
        rows: std::ops::Range<i64>,
    ) -> Result<()> {
        // Without rows nothing is locked yet, and a successor could not see that this attempt is still at work.
        self.lock(session, operation, "ROW EXCLUSIVE").await?;
        commits.owned(session, attempt).await?;
        let text = serde_json::to_string(split)
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, operation, error.to_string()))?;
        let statement = format!(
            "INSERT INTO {} VALUES ({}, {}, {}, {}, {}::jsonb, {}, {})",
            self.splits,
            quote(&self.pipeline),
            quote(&self.node),
            quote(&attempt.run),
            split.number,
            quote(&text),
            rows.start,
            rows.end
        );
        session.execute(operation, &statement).await.map(drop)
    }

    /// Removes the staged rows, in the transaction that has moved them.
    pub(super) async fn remove(&self, session: &mut Session, operation: &str) -> Result<()> {
        session.execute(operation, &format!("DROP TABLE {}", self.table)).await?;
        if self.lasting {
            session.execute(operation, &format!("DELETE FROM {} WHERE {}", self.splits, self.mine())).await?;
        }
        Ok(())
    }

    fn lasting_table(&self) -> String {
        format!("{}.{}", self.schema, sql::identifier(&self.bare))
    }

    fn mine(&self) -> String {
        format!("pipeline = {} AND node = {}", quote(&self.pipeline), quote(&self.node))
    }
}

fn columns(target: &Target) -> String {
    let columns: Vec<String> = target
        .columns
        .iter()
        .map(|column| {
            let kind = match &column.sent {
                // An array is sent with the element type `timestamp` in its header.
                DataType::List(element) if matches!(element.data_type(), DataType::Timestamp(_, _)) => {
                    "timestamp[]".to_owned()
                }
                sent => column_type(sent),
            };
            format!("{} {kind}", sql::identifier(&column.name))
        })
        .collect();
    format!("{}, {} bigint NOT NULL", columns.join(", "), sql::identifier(ROW))
}
