//! What the pages of one Parquet file may take, over all of its columns, and why reading it was stopped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parquet::errors::{ParquetError, Result};

use super::compression::check_growth;
use super::large::{MORE_MEMORY, grown, row_of_lists_too_large, rows_of_lists_too_large};
use super::lists::MAX_LISTS;
use crate::connector::{Buffers, ConnectorError, ErrorKind, MAX_ROW};

/// What helps where a file is corrupt.
pub(super) const WRITE_AGAIN: &str = "fetch or write the file again";

/// What the pages of one file may take.
pub(super) struct Allowance {
    location: String,
    buffers: Buffers,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The bytes of the pages that were met: as they are in the file, and decompressed.
    taken: u64,
    given: u64,
    /// How many rows are decoded at once.
    rows: usize,
    /// How long a value may be that a page repeats.
    longest: ByColumn,
    /// What a row of lists takes at most in the last page of its column.
    lists: ByColumn,
    verdict: Option<Verdict>,
}

/// Numbers of bytes, by the numbers of their columns.
#[derive(Default)]
struct ByColumn {
    bytes: BTreeMap<usize, u64>,
    sum: u64,
}

impl ByColumn {
    /// Sets that of a column; gives the sum of all.
    fn set(&mut self, leaf: usize, bytes: u64) -> u64 {
        let before = self.bytes.insert(leaf, bytes).unwrap_or(0);
        self.sum = self.sum.saturating_sub(before).saturating_add(bytes);
        self.sum
    }
}

/// Why reading was stopped.
pub(super) enum Verdict {
    /// The file takes more than it may, or what it says of a page is not true.
    Refused(ConnectorError),
    /// So many rows at once are too many; with this many it can go on.
    Fewer(usize),
}

impl Allowance {
    /// That of a file of which so many rows are decoded at once.
    pub(super) fn new(location: &str, rows: usize, buffers: Buffers) -> Arc<Self> {
        let state = Mutex::new(State { rows, ..State::default() });
        Arc::new(Self { location: location.to_owned(), buffers, state })
    }

    /// Why the last error has come; None when the library says it.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        lock(&self.state).verdict.take()
    }

    /// Takes notice of a page of `column`, before it is fetched or decompressed.
    pub(super) fn admit(&self, column: &str, taken: u64, given: u64) -> Result<()> {
        let most = self.buffers.page();
        if taken.max(given) > most {
            let detail = format!("a page is larger than {} MiB when decompressed", most >> 20);
            return Err(self.too_large(column, detail, most < Buffers::default().page()));
        }
        let (taken, given) = {
            let mut state = lock(&self.state);
            state.taken = state.taken.saturating_add(taken);
            state.given = state.given.saturating_add(given);
            (state.taken, state.given)
        };
        check_growth(taken, given).map_err(|bomb| self.refuse(grown(&self.location, &bomb)))
    }

    /// Refuses a page of `column` that takes more than it may; `more` says whether there could be more.
    pub(super) fn too_large(&self, column: &str, detail: String, more: bool) -> ParquetError {
        let remedy = if more {
            format!("leave the column out, write the file again with smaller pages, or {MORE_MEMORY}")
        } else {
            "leave the column out, or write the file again with smaller pages".to_owned()
        };
        self.refuse(ConnectorError::new(ErrorKind::Limit, self.operation(column), detail).remedy(remedy))
    }

    /// Refuses a page of `column` that is not as it should be.
    pub(super) fn broken(&self, column: &str, why: &str) -> ParquetError {
        let detail = format!("the Parquet file is corrupt: {why}");
        self.refuse(ConnectorError::new(ErrorKind::Data, self.operation(column), detail).remedy(WRITE_AGAIN))
    }

    /// What is done with a column, for messages.
    fn operation(&self, column: &str) -> String {
        format!("read {}, column `{column}`", self.location)
    }

    fn refuse(&self, refused: ConnectorError) -> ParquetError {
        lock(&self.state).verdict = Some(Verdict::Refused(refused));
        stopped()
    }

    /// Takes notice of what a row takes of the next page of a column of lists, before it is decoded. Which rows of other
    /// columns are decoded with it is not known: they could be the largest ones of theirs.
    pub(super) fn hold(&self, leaf: usize, column: &str, largest: u64) -> Result<()> {
        let together = lock(&self.state).lists.set(leaf, largest);
        if largest > MAX_ROW as u64 {
            return Err(self.refuse(row_of_lists_too_large(&self.location, column)));
        }
        if together > MAX_LISTS {
            return Err(self.refuse(rows_of_lists_too_large(&self.location, column)));
        }
        Ok(())
    }

    /// How many rows are decoded at once.
    pub(super) fn rows(&self) -> u64 {
        lock(&self.state).rows as u64
    }

    /// Takes notice of how long values may be that the next pages of a column repeat, before they are decoded.
    pub(super) fn repeat(&self, leaf: usize, longest: u64) -> Result<()> {
        let mut state = lock(&self.state);
        let row = state.longest.set(leaf, longest);
        if state.rows <= 1 || row.saturating_mul(state.rows as u64) <= self.buffers.values() {
            return Ok(());
        }
        // With room for the columns that come next, as reading begins anew.
        state.rows = usize::try_from(self.buffers.values() / 4 / row).unwrap_or(1).max(1);
        state.verdict = Some(Verdict::Fewer(state.rows));
        Err(stopped())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the library is told; `Allowance::verdict` has the reason.
fn stopped() -> ParquetError {
    ParquetError::General("reading was stopped".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_take_no_more_than_they_may_alone_and_together() {
        let most = MAX_ROW as u64;
        let together = "the largest rows of its lists and of those of other columns take more than 256 MiB together when \
                        they are decoded";
        for (lists, detail) in [
            (vec![(0, most), (1, most), (2, most), (3, most), (1, most)], None),
            (vec![(0, most + 1)], Some("a row takes more than 64 MiB when it is decoded")),
            (vec![(0, most), (1, most), (2, most), (3, most), (4, 1)], Some(together)),
            // What a column took before does not count.
            (vec![(0, most), (1, most), (2, most), (3, most), (1, 1), (4, most - 1)], None),
            (vec![(0, most), (1, most), (2, most), (3, most), (1, 1), (4, most)], Some(together)),
        ] {
            let allowance = Allowance::new("a.parquet", 1, Buffers::default());
            let held = lists.into_iter().try_for_each(|(leaf, largest)| allowance.hold(leaf, "l.list.item", largest));
            assert_eq!(held.is_ok(), detail.is_none());
            let told = match allowance.verdict() {
                Some(Verdict::Refused(refused)) => Some((refused.kind, refused.to_string())),
                Some(Verdict::Fewer(_)) | None => None,
            };
            let expected = detail.map(|detail| format!("read a.parquet, column `l.list.item`: {detail}"));
            assert_eq!(told, expected.map(|text| (ErrorKind::Limit, text)));
        }
    }
}
