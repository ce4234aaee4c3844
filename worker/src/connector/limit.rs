//! How much one row and one stream may be: what keeps memory bounded, whatever comes. `docs/limits.md` has all limits.

use super::{ConnectorError, ErrorKind, Result};

/// The most bytes of one row, and so of one value.
pub const MAX_ROW: usize = 64 * 1024 * 1024;
/// The most columns of a stream: what is made of columns grows with their square.
pub const MAX_COLUMNS: usize = 10_000;

/// Refuses more columns than a stream may have; `place` is where they were found.
///
/// # Errors
/// [`ErrorKind::Limit`].
pub(crate) fn check_columns(place: &str, columns: usize) -> Result<()> {
    if columns <= MAX_COLUMNS {
        return Ok(());
    }
    let detail = format!("there are {columns} columns, and a stream may have {MAX_COLUMNS}");
    Err(ConnectorError::new(ErrorKind::Limit, format!("read {place}"), detail).remedy(
        "if they are columns, write what they hold as rows of a name and a value; otherwise correct the format",
    ))
}

/// A row, or a value of one, that is larger than it may be; `place` is where it is.
pub(crate) fn row_too_large(place: &str, what: &str) -> ConnectorError {
    let detail = format!("{what} is larger than {} MiB", MAX_ROW >> 20);
    ConnectorError::new(ErrorKind::Limit, format!("read {place}"), detail)
        .remedy("leave the column out, or keep such content in files of its own and their names in the row")
}
