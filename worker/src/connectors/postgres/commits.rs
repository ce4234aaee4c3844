//! The table `_aggregator_commits` beside a target: who owns the sink, and what was committed last.
//!
//! Every transaction that writes to the sink shares an advisory lock. By it the next attempt finds those of an attempt that
//! was overtaken: one that is stopped, or whose network has gone, would keep its locks, and everybody would wait for it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::session::{Session, get};
use super::source::quote;
use crate::connector::{Attempt, CommitRecord, ConnectorError, ErrorKind, Position, Result, SinkRequest};
use crate::connectors::sql;

/// The table's name.
pub(super) const TABLE: &str = "_aggregator_commits";

/// The commits of one sink node, in one schema.
pub(super) struct Commits {
    table: String,
    pipeline: String,
    node: String,
}

impl Commits {
    /// Those of the request's node.
    pub(super) fn new(schema: &str, request: &SinkRequest) -> Self {
        Self {
            table: format!("{}.{}", sql::identifier(schema), sql::identifier(TABLE)),
            pipeline: request.pipeline.clone(),
            node: request.node.clone(),
        }
    }

    /// The statement that creates the table.
    pub(super) fn create(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} (pipeline text, node text, epoch bigint NOT NULL, run text, positions jsonb, \
             \"rows\" bigint, committed_at timestamptz, PRIMARY KEY (pipeline, node))",
            self.table
        )
    }

    /// Whether the table is there.
    pub(super) async fn exists(&self, session: &mut Session) -> Result<bool> {
        let query = sqlx::query("SELECT to_regclass($1) IS NOT NULL AS found").bind(self.table.clone());
        let rows = session.fetch("look for the table of commits", query).await?;
        rows.first().map_or(Ok(false), |row| get(row, "found"))
    }

    /// What was committed last.
    pub(super) async fn last(&self, session: &mut Session) -> Result<Option<CommitRecord>> {
        if !self.exists(session).await? {
            return Ok(None);
        }
        let operation = format!("read the last commit from {}", self.table);
        let text = format!(
            "SELECT epoch, run, positions::text AS positions, \"rows\" FROM {} WHERE pipeline = $1 AND node = $2",
            self.table
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(&self.pipeline).bind(&self.node);
        let rows = session.fetch(&operation, query).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let damaged = |what: &str| {
            ConnectorError::new(ErrorKind::Data, &operation, format!("the {what} there cannot be read"))
                .remedy("somebody changed the row by hand; put it back, or delete it and run in mode Full")
        };
        let positions = match get::<Option<String>>(row, "positions")? {
            Some(text) => serde_json::from_str(&text).map_err(|_| damaged("positions"))?,
            None => BTreeMap::new(),
        };
        Ok(Some(CommitRecord {
            epoch: u64::try_from(get::<i64>(row, "epoch")?).map_err(|_| damaged("epoch"))?,
            run: get(row, "run")?,
            positions,
            rows: u64::try_from(get::<Option<i64>>(row, "rows")?.unwrap_or_default()).map_err(|_| damaged("count"))?,
        }))
    }

    /// The number of the lock that the transactions of all attempts share.
    fn lock(&self) -> i64 {
        let id = Sha256::digest(format!("{}\0{}\0{}", self.table, self.pipeline, self.node));
        id.iter().take(8).fold(0, |number, byte| number << 8 | i64::from(*byte))
    }

    /// Begins a transaction that writes to the sink; none is open when that fails.
    pub(super) async fn begin(&self, session: &mut Session, operation: &str, attempt: &Attempt) -> Result<()> {
        let begin = format!("BEGIN; SELECT pg_advisory_xact_lock_shared('{}'::bigint)", self.lock());
        session.execute(operation, &begin).await?;
        // One that was overtaken already would have to be ended once more.
        let owned = self.owned(session, attempt).await;
        if owned.is_err()
            && let Err(error) = session.execute(operation, "ROLLBACK").await
        {
            tracing::debug!(%error, "could not roll back");
        }
        owned
    }

    /// Ends the transactions of attempts that this one overtakes: the server rolls them back, and gives their locks free.
    async fn end_overtaken(&self, session: &mut Session, operation: &str, attempt: &Attempt) -> Result<()> {
        let text = format!(
            "SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
             WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND a.datname = current_database() \
             AND l.database = a.datid AND (l.classid::bigint << 32 | l.objid::bigint) = $1 \
             AND a.pid <> pg_backend_pid() AND a.usename = current_user \
             AND NOT EXISTS (SELECT FROM {} WHERE pipeline = $2 AND node = $3 AND epoch >= $4)",
            self.table
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(self.lock())
            .bind(self.pipeline.clone())
            .bind(self.node.clone())
            .bind(epoch(attempt)?);
        session.fetch(operation, query).await.map(drop)
    }

    /// Takes the sink over, in a transaction of its own.
    pub(super) async fn fence(&self, session: &mut Session, attempt: &Attempt) -> Result<()> {
        let operation = format!("take over {}", self.table);
        if !self.exists(session).await? {
            // Two first attempts at once would collide in the catalogue: the lock makes the second one wait.
            let create = format!("SELECT pg_advisory_xact_lock(hashtext('{TABLE}')); {}", self.create());
            session.execute(&operation, &create).await?;
        }
        self.end_overtaken(session, &operation, attempt).await?;
        let text = format!(
            "INSERT INTO {table} AS own (pipeline, node, epoch) VALUES ($1, $2, $3) \
             ON CONFLICT (pipeline, node) DO UPDATE SET epoch = excluded.epoch WHERE own.epoch < excluded.epoch \
             RETURNING epoch",
            table = self.table
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(&self.pipeline).bind(&self.node).bind(epoch(attempt)?);
        if session.fetch(&operation, query).await?.is_empty() {
            return Err(self.fenced(&operation, attempt));
        }
        Ok(())
    }

    /// Makes sure that the attempt owns the sink. Locks nothing: an attempt that is stopped here must not hold up the one
    /// that takes over.
    pub(super) async fn owned(&self, session: &mut Session, attempt: &Attempt) -> Result<()> {
        let operation = format!("look at {}", self.table);
        let text = format!("SELECT epoch FROM {} WHERE pipeline = $1 AND node = $2", self.table);
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(self.pipeline.clone()).bind(self.node.clone());
        let rows = session.fetch(&operation, query).await?;
        let owner = rows.first().map(|row| get::<i64>(row, "epoch")).transpose()?;
        if owner == Some(epoch(attempt)?) { Ok(()) } else { Err(self.fenced(&operation, attempt)) }
    }

    /// Records a commit inside the open transaction, if the attempt still owns the sink.
    pub(super) async fn record(
        &self,
        session: &mut Session,
        attempt: &Attempt,
        positions: &BTreeMap<String, Position>,
        rows: u64,
    ) -> Result<()> {
        let operation = format!("commit to {}", self.table);
        let bug = |error: &dyn std::fmt::Display| ConnectorError::new(ErrorKind::Bug, &operation, error.to_string());
        let positions = serde_json::to_string(positions).map_err(|error| bug(&error))?;
        let statement = format!(
            "UPDATE {} SET run = {}, positions = {}::jsonb, \"rows\" = {rows}, committed_at = now() \
             WHERE pipeline = {} AND node = {} AND epoch = {}",
            self.table,
            quote(&attempt.run),
            quote(&positions),
            quote(&self.pipeline),
            quote(&self.node),
            attempt.epoch
        );
        match session.execute(&operation, &statement).await? {
            1 => Ok(()),
            _ => Err(self.fenced(&operation, attempt)),
        }
    }

    fn fenced(&self, operation: &str, attempt: &Attempt) -> ConnectorError {
        let detail = format!(
            "epoch {} of {} `{}` is not the newest: another attempt owns the sink",
            attempt.epoch, self.pipeline, self.node
        );
        ConnectorError::new(ErrorKind::Fenced, operation, detail)
            .remedy("nothing to do: the newer attempt writes the rows")
    }
}

fn epoch(attempt: &Attempt) -> Result<i64> {
    i64::try_from(attempt.epoch).map_err(|_| {
        ConnectorError::new(ErrorKind::Bug, "take over the sink", format!("epoch {} is too large", attempt.epoch))
    })
}
