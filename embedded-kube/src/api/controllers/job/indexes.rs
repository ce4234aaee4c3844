//! Sets of indexes, as `0,2-5,7` in statuses.

use std::collections::BTreeSet;
use std::fmt;

/// A set of indexes, as ranges in order that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(Vec<(i32, i32)>);

impl Indexes {
    /// The indexes that a text names, below a limit. What is no range is left out.
    #[must_use]
    pub(super) fn parse(text: &str, limit: i32) -> Self {
        let ranges = text.split(',').filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first < limit).then_some((first, i32::min(last, limit - 1)))
        });
        Self::default().and(&Self(ranges.collect()))
    }

    /// These indexes.
    pub(super) fn of(indexes: impl IntoIterator<Item = i32>) -> Self {
        let indexes: BTreeSet<i32> = indexes.into_iter().collect();
        Self::default().and(&Self(indexes.into_iter().map(|index| (index, index)).collect()))
    }

    /// The indexes of both.
    #[must_use]
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut all: Vec<(i32, i32)> = self.0.iter().chain(&other.0).copied().collect();
        all.sort_unstable();
        let mut merged: Vec<(i32, i32)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// How many there are.
    #[must_use]
    pub(super) fn total(&self) -> i32 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// How many of these are in the other, too.
    #[must_use]
    pub(super) fn common(&self, other: &Self) -> i32 {
        let overlaps = self.0.iter().flat_map(|(first, last)| {
            other.0.iter().map(move |(start, end)| i32::max(0, i32::min(*last, *end) - i32::max(*first, *start) + 1))
        });
        overlaps.sum()
    }

    /// Whether an index is among them.
    #[must_use]
    pub(super) fn has(&self, index: i32) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&index))
    }

    /// Whether there is none.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first so many indexes below a limit that are not among them.
    #[must_use]
    pub(super) fn missing(&self, limit: i32, count: usize) -> Vec<i32> {
        (0..limit).filter(|index| !self.has(*index)).take(count).collect()
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (first, last)) in self.0.iter().enumerate() {
            if place > 0 {
                out.write_str(",")?;
            }
            match last - first {
                0 => write!(out, "{first}")?,
                1 => write!(out, "{first},{last}")?,
                _ => write!(out, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_and_written_again() {
        for (text, limit, again, total) in [
            ("", 10, "", 0),
            ("0", 10, "0", 1),
            ("0,1", 10, "0,1", 2),
            ("0-2", 10, "0-2", 3),
            ("0,1,2,4", 10, "0-2,4", 4),
            ("1,3-5,7", 10, "1,3-5,7", 5),
            ("1,3-9", 5, "1,3,4", 3),
            ("7", 5, "", 0),
            ("x,2,3-y", 5, "2", 1),
        ] {
            let indexes = Indexes::parse(text, limit);
            assert_eq!((indexes.to_string().as_str(), indexes.total()), (again, total), "{text}");
        }
    }

    #[test]
    fn sets_are_put_together_and_compared() {
        let some = Indexes::parse("1-3,7", 10);
        assert_eq!(some.and(&Indexes::of([8, 4, 0])).to_string(), "0-4,7,8");
        assert_eq!(some.common(&Indexes::parse("2-7", 10)), 3);
        assert!(some.has(2) && some.has(7) && !some.has(0) && !some.has(5));
        assert_eq!(some.missing(10, 3), [0, 4, 5]);
        assert_eq!(some.missing(6, 9), [0, 4, 5]);
        assert_eq!(Indexes::default().missing(2, 9), [0, 1]);
    }
}
