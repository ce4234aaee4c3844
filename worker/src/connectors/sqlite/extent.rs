//! About how large a table is, without reading it.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::catalogue::Relation;
use super::database::fault;
use crate::connector::{Result, Size};

/// How many rows are looked at, at each end of a table, and of how many bytes.
const ROWS: u64 = 100;
const BYTES: u64 = 1024 * 1024;
/// What a row takes beside its values.
const OVERHEAD: u64 = 8;

/// About how large a table is: no larger than the file, and than its largest row as often as its rowids allow. What has no
/// rowid is unknown.
pub(super) fn of(connection: &Connection, relation: &Relation) -> Result<Size> {
    let Some(rowid) = relation.rowid else { return Ok(Size::default()) };
    let failed = |error| fault(format!("look at the ends of {}", relation.name), error);
    let sample = |order: String| match Sample::take(connection, relation, &order) {
        // Whether that row can be read is the read's affair, which may do without the column.
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::TooBig) => Ok(Sample::TOO_LARGE),
        taken => taken.map_err(failed),
    };
    let head = sample(format!("ORDER BY {rowid}"))?;
    if head.all {
        return Ok(Size { rows: Some(head.rows), bytes: Some(head.bytes) });
    }
    let tail = sample(format!("ORDER BY {rowid} DESC"))?;
    let from = &relation.from;
    let query = format!(
        "SELECT (page_count - freelist_count) * page_size, (SELECT min({rowid}) FROM {from}), \
         (SELECT max({rowid}) FROM {from}) FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    );
    let figures = connection.query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let (file, first, last): (i64, Option<i64>, Option<i64>) = figures.map_err(failed)?;
    let most = match (first, last) {
        (Some(first), Some(last)) => last.abs_diff(first).saturating_add(1),
        _ => 0,
    };
    let rows = most.saturating_mul(head.largest.max(tail.largest));
    Ok(Size { rows: None, bytes: Some(rows.min(file.unsigned_abs())) })
}

/// The bytes of a row, as they are counted everywhere.
pub(super) fn bytes_of(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Null => 0,
        ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(held) | ValueRef::Blob(held) => held.len() as u64,
    }
}

/// Rows and the bytes of their values, as bytes of a split.
pub(super) fn weight(rows: u64, bytes: u64) -> u64 {
    bytes.saturating_add(rows.saturating_mul(OVERHEAD))
}

/// Some rows at one end.
struct Sample {
    rows: u64,
    bytes: u64,
    largest: u64,
    /// Whether there are no others.
    all: bool,
}

impl Sample {
    /// Of rows that are larger than can be read.
    const TOO_LARGE: Self = Self { rows: 0, bytes: 0, largest: u64::MAX, all: false };

    fn take(connection: &Connection, relation: &Relation, order: &str) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare(&format!("SELECT * FROM {} NOT INDEXED {order}", relation.from))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut sample = Self { rows: 0, bytes: 0, largest: 0, all: false };
        while sample.rows < ROWS && sample.bytes < BYTES {
            let Some(row) = rows.next()? else {
                sample.all = true;
                break;
            };
            let mut bytes = 0;
            for column in 0..columns {
                bytes += bytes_of(row.get_ref(column)?);
            }
            let bytes = weight(1, bytes);
            sample.rows += 1;
            sample.bytes += bytes;
            sample.largest = sample.largest.max(bytes);
        }
        Ok(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue;
    use super::*;

    fn of_table(statements: &str) -> Size {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(statements).unwrap();
        of(&connection, &catalogue::table(&connection, "t").unwrap().unwrap()).unwrap()
    }

    #[test]
    fn a_small_table_is_counted_and_a_large_one_guessed() {
        let rows = |count: u32| {
            format!(
                "CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT); CREATE TABLE other (bytes BLOB); \
                 INSERT INTO other VALUES (zeroblob(10000000)); \
                 WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count}) \
                 INSERT INTO t SELECT n, 'twelve bytes' FROM c;"
            )
        };
        assert_eq!(of_table(&rows(50)), Size { rows: Some(50), bytes: Some(50 * 28) });
        assert_eq!(of_table(&rows(5000)), Size { rows: None, bytes: Some(5000 * 28) });
        // Rowids that are far apart say nothing, so the file does.
        let sparse = of_table(&format!("{} UPDATE t SET id = id * 1000000000;", rows(5000))).bytes.unwrap();
        assert!((10_000_000..11_000_000).contains(&sparse), "{sparse}");
        assert_eq!(of_table("CREATE TABLE t (id INTEGER)"), Size { rows: Some(0), bytes: Some(0) });
        assert_eq!(of_table("CREATE TABLE t (id TEXT PRIMARY KEY) WITHOUT ROWID"), Size::default());
    }
}
