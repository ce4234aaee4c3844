//! A table in ranges of its rowids, all in one snapshot.
//!
//! Nothing tells cheaply how rowids are spread, so a table is one range at first. A read that has enough of it leaves the
//! rest to a range of its own.

use serde::{Deserialize, Serialize};

use super::identity::Identity;
use crate::connector::{ConnectorError, Cut, ErrorKind, ReadSplit, Result, Split};

/// What a split of a table is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RowRange {
    /// The smallest rowid.
    pub(super) first: i64,
    /// The greatest rowid, itself among them.
    pub(super) last: i64,
    /// The state of the file that it is read from; None when nobody could tell it from a later one.
    file: Option<Identity>,
}

fn bug(error: &serde_json::Error) -> ConnectorError {
    ConnectorError::new(ErrorKind::Bug, "divide a table", error.to_string())
}

impl RowRange {
    pub(super) fn of(split: &Split) -> Result<Self> {
        serde_json::from_value(split.state.clone()).map_err(|error| {
            ConnectorError::new(ErrorKind::Data, "go on with a divided read", format!("a split is broken: {error}"))
                .remedy("run in mode Full: it reads everything again")
        })
    }

    fn split(&self, bytes: u64) -> Result<Split> {
        Ok(Split { state: serde_json::to_value(self).map_err(|error| bug(&error))?, bytes: bytes.max(1) })
    }

    /// Of a split that was read up to before the row `next`: what was read, and what is left.
    pub(super) fn cut(&self, next: i64, read_bytes: u64, all_bytes: u64) -> Result<Cut> {
        let read = Self { last: next.saturating_sub(1), ..self.clone() }.split(read_bytes)?;
        let rest = Self { first: next, ..self.clone() }.split(all_bytes.saturating_sub(read_bytes))?;
        Ok(Cut { read, rest })
    }
}

/// Says which of the ranges that were read earlier stand, and what is left of a table of about so many bytes.
pub(super) fn divide(bytes: u64, file: Option<&Identity>, earlier: &[ReadSplit]) -> Result<(Vec<bool>, Vec<Split>)> {
    let mut stands = Vec::with_capacity(earlier.len());
    let mut done: Vec<RowRange> = Vec::new();
    let mut left = bytes;
    for read in earlier {
        let range = RowRange::of(&read.split)?;
        let apart = done.iter().all(|done| range.last < done.first || done.last < range.first);
        let same = file.is_some() && range.file.as_ref() == file && range.first <= range.last && apart;
        stands.push(same);
        if same {
            left = left.saturating_sub(read.split.bytes);
            done.push(range);
        }
    }
    done.sort_by_key(|range| range.first);
    let mut gaps = Vec::new();
    let mut next = Some(i64::MIN);
    for range in &done {
        if let Some(first) = next.filter(|first| *first < range.first) {
            gaps.push((first, range.first - 1));
        }
        next = range.last.checked_add(1);
    }
    gaps.extend(next.map(|first| (first, i64::MAX)));
    let share = left / (gaps.len() as u64).max(1);
    let rest = gaps.into_iter().map(|(first, last)| RowRange { first, last, file: file.cloned() }.split(share));
    Ok((stands, rest.collect::<Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(size: u64) -> Identity {
        let stat = serde_json::json!({"inode": 1, "size": size, "changed": 7});
        serde_json::from_value(serde_json::json!({"file": stat, "log": null})).unwrap()
    }

    fn read(first: i64, last: i64, file: Option<&Identity>) -> ReadSplit {
        let range = RowRange { first, last, file: file.cloned() };
        ReadSplit { split: range.split(100).unwrap(), read: 10 }
    }

    fn ranges(splits: &[Split]) -> Vec<(i64, i64, u64)> {
        let of = |split| {
            let range = RowRange::of(split).unwrap();
            (range.first, range.last, split.bytes)
        };
        splits.iter().map(of).collect()
    }

    #[test]
    fn what_is_left_are_the_gaps() {
        let file = identity(4096);
        let (stands, rest) = divide(1000, Some(&file), &[]).unwrap();
        assert_eq!((stands, ranges(&rest)), (vec![], vec![(i64::MIN, i64::MAX, 1000)]));
        let earlier = [read(50, 99, Some(&file)), read(i64::MIN, -1, Some(&file)), read(0, 9, Some(&file))];
        let (stands, rest) = divide(1000, Some(&file), &earlier).unwrap();
        assert_eq!((stands, ranges(&rest)), (vec![true; 3], vec![(10, 49, 350), (100, i64::MAX, 350)]));
        let earlier = [read(i64::MIN, 5, Some(&file)), read(6, i64::MAX, Some(&file))];
        let (stands, rest) = divide(1000, Some(&file), &earlier).unwrap();
        assert_eq!((stands, ranges(&rest)), (vec![true; 2], vec![]));
    }

    #[test]
    fn what_was_read_of_another_state_or_twice_does_not_stand() {
        let file = identity(4096);
        let earlier = [
            read(i64::MIN, 5, Some(&file)),
            read(6, 9, Some(&identity(8192))),
            read(10, 19, None),
            read(4, 30, Some(&file)),
            read(9, 6, Some(&file)),
        ];
        let (stands, rest) = divide(90, Some(&file), &earlier).unwrap();
        assert_eq!((stands, ranges(&rest)), (vec![true, false, false, false, false], vec![(6, i64::MAX, 1)]));
        let (stands, rest) = divide(90, None, &earlier).unwrap();
        assert_eq!((stands, ranges(&rest)), (vec![false; 5], vec![(i64::MIN, i64::MAX, 90)]));
    }

    #[test]
    fn a_cut_leaves_no_row_out() {
        let range = RowRange { first: i64::MIN, last: i64::MAX, file: Some(identity(1)) };
        let Cut { read, rest } = range.cut(7, 600, 1000).unwrap();
        assert_eq!(ranges(&[read, rest]), [(i64::MIN, 6, 600), (7, i64::MAX, 400)]);
        let Cut { rest, .. } = range.cut(i64::MAX, 600, 500).unwrap();
        assert_eq!(ranges(&[rest]), [(i64::MAX, i64::MAX, 1)], "a guess that was too small");
    }
}
