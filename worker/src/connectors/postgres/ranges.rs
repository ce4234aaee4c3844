//! A table in ranges of its pages, all in one snapshot; and whether a range that was read in an earlier snapshot still
//! holds the same rows.
//!
//! A row version that appeared after a snapshot carries the number of a transaction that the snapshot does not see. If
//! none of those now visible in a range does, and there are as many as were read, then no row was added, changed or
//! removed there: what was read is what would be read.

use serde::{Deserialize, Serialize};

use super::session::{Session, get};
use super::source::quote;
use crate::connector::{ConnectorError, Division, ErrorKind, ReadSplit, Result, Split};

/// The first version of PostgreSQL that finds a range of pages without reading the others.
const TID_RANGE_SCAN: i32 = 140_000;

/// What a split of a table is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PageRange {
    /// The first page.
    first: u64,
    /// The page after the last one.
    end: u64,
    /// The snapshot it is read in, as PostgreSQL writes it.
    snapshot: String,
}

impl PageRange {
    pub(super) fn of(split: &Split) -> Result<Self> {
        serde_json::from_value(split.state.clone()).map_err(|error| {
            ConnectorError::new(ErrorKind::Data, "go on with a divided read", format!("a split is broken: {error}"))
                .remedy("run in mode Full: it reads everything again")
        })
    }

    fn split(&self, bytes: u64, operation: &str) -> Result<Split> {
        let state = serde_json::to_value(self)
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, operation, error.to_string()))?;
        Ok(Split { state, bytes })
    }

    /// As a condition on the rows of `t`.
    pub(super) fn condition(&self) -> String {
        format!("t.ctid >= '({},0)'::tid AND t.ctid < '({},0)'::tid", self.first, self.end)
    }
}

/// Divides a table, in the open transaction, whose snapshot all ranges are read in. None for what has no pages of its
/// own: views, partitioned and foreign tables.
pub(super) async fn divide(
    session: &mut Session,
    operation: &str,
    table: &str,
    bytes: u64,
    earlier: &[ReadSplit],
) -> Result<Option<Division>> {
    let query = sqlx::query(
        "SELECT current_setting('server_version_num')::int AS version, current_setting('block_size')::int8 AS page, \
         pg_relation_size(c.oid) AS size, c.relkind IN ('r', 'm') AND NOT c.relhassubclass AND a.amname = 'heap' AS plain, \
         pg_current_snapshot()::text AS snapshot \
         FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam WHERE c.oid = to_regclass($1)",
    )
    .bind(table.to_owned());
    let rows = session.fetch(operation, query).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    if get::<i32>(row, "version")? < TID_RANGE_SCAN || !get::<Option<bool>>(row, "plain")?.unwrap_or(false) {
        return Ok(None);
    }
    let number = |column| get::<i64>(row, column).map(|number| u64::try_from(number).unwrap_or(0));
    let (page, size, snapshot) = (number("page")?.max(1), number("size")?, get::<String>(row, "snapshot")?);
    let pages = size.div_ceil(page);
    let length = (bytes / page).max(1);
    let mut stands = Vec::with_capacity(earlier.len());
    let mut done: Vec<PageRange> = Vec::new();
    for read in earlier {
        let range = PageRange::of(&read.split)?;
        // Ranges of another length would overlap.
        let fits = range.end - range.first == length
            && range.first % length == 0
            && !done.iter().any(|done| done.first == range.first);
        let same = fits && unchanged(session, operation, table, &range, read.read).await?;
        stands.push(same);
        if same {
            done.push(range);
        }
    }
    let mut rest = Vec::new();
    for first in (0..pages.max(1)).step_by(usize::try_from(length).unwrap_or(usize::MAX)) {
        if done.iter().any(|range| range.first == first) {
            continue;
        }
        let range = PageRange { first, end: first + length, snapshot: snapshot.clone() };
        rest.push(range.split(length.min(pages - first) * page, operation)?);
    }
    Ok(Some(Division { stands, rest, position: None, note: None }))
}

/// The ranges of a division that was made in another snapshot, as they are read in that of the open transaction.
pub(super) async fn share(session: &mut Session, operation: &str, splits: Vec<Split>) -> Result<Vec<Split>> {
    let rows = session.fetch(operation, sqlx::query("SELECT pg_current_snapshot()::text AS snapshot")).await?;
    let Some(row) = rows.first() else {
        return Err(ConnectorError::new(ErrorKind::Bug, operation, "the server told no snapshot"));
    };
    let snapshot: String = get(row, "snapshot")?;
    let shared = splits.into_iter().map(|split| {
        let range = PageRange { snapshot: snapshot.clone(), ..PageRange::of(&split)? };
        range.split(split.bytes, operation)
    });
    shared.collect()
}

/// Whether the rows that are visible in a range now are those that were read in its snapshot. The server looks at the
/// rows; none is transferred.
async fn unchanged(session: &mut Session, operation: &str, table: &str, range: &PageRange, read: u64) -> Result<bool> {
    // xmin has 32 of a transaction's 64 bits. age() counts back from a number that stays the same in a transaction and
    // that age('3') tells; a version older than half the circle of 32 bits is taken for a new one: its range is read again.
    let text = format!(
        "WITH s AS MATERIALIZED (SELECT {snapshot}::pg_snapshot AS old, age('3'::xid)::int8 + 3 AS low, \
             pg_snapshot_xmax(pg_current_snapshot())::text::int8 AS top), \
         n AS MATERIALIZED (SELECT old, pg_snapshot_xmin(old)::text::int8 AS floor, \
             top + mod(low - mod(top, 4294967296) + 8589934592, 4294967296) AS next FROM s) \
         SELECT count(*) AS rows, coalesce(bool_or(CASE WHEN n.next - age(t.xmin) < n.floor THEN false \
             ELSE NOT pg_visible_in_snapshot((n.next - age(t.xmin))::text::xid8, n.old) END), false) AS newer \
         FROM {table} AS t, n WHERE {condition}",
        snapshot = quote(&range.snapshot),
        condition = range.condition(),
    );
    let rows = session.fetch(operation, sqlx::query(sqlx::AssertSqlSafe(text))).await?;
    let Some(row) = rows.first() else { return Ok(false) };
    let visible = u64::try_from(get::<i64>(row, "rows")?).unwrap_or(0);
    Ok(visible == read && !get::<bool>(row, "newer")?)
}
