//! A stream taken in pieces: each can be read by itself, and a sink can keep what was written of it.

use serde::{Deserialize, Serialize};

use super::Position;
use crate::ledger::Ledger;

/// A piece of a stream that can be read by itself. All splits of a division together are the stream, each row once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    /// What only the source understands: what to read, and how to tell later that it is still the same.
    pub state: serde_json::Value,
    /// About how many bytes it has.
    pub bytes: u64,
}

/// Whether so many bytes are more than one split should have.
#[must_use]
pub fn is_long(bytes: u64, split_bytes: u64) -> bool {
    bytes > split_bytes.saturating_add(split_bytes / 2)
}

/// A split that was read in part: what is left is a split of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// What was read.
    pub read: Split,
    /// What is left.
    pub rest: Split,
}

/// A split that an earlier attempt has read to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadSplit {
    /// The split.
    pub split: Split,
    /// The rows it had, by the source's own count.
    pub read: u64,
}

/// How a stream is divided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Division {
    /// For each split that was read earlier: whether it still stands, because reading it again would give the same rows.
    pub stands: Vec<bool>,
    /// What is left to read, in order.
    pub rest: Vec<Split>,
    /// Where the next run goes on when all of it was read, if the request was `incremental`.
    pub position: Option<Position>,
    /// What a person may want to know: `3 files, 1 already read`.
    pub note: Option<String>,
}

/// The number of a split in a run that processes share: what they save side by side has an order all the same.
///
/// Its bits are those of a place in the division, and below them those of a part of that place: a split that is read in
/// part leaves its rest to the next part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharedNumber(u64);

impl SharedNumber {
    const PART_BITS: u32 = 12;
    /// The most splits of a division.
    pub const MOST_SPLITS: u64 = 1 << 16;
    /// The most parts of a split.
    pub const MOST_PARTS: u64 = 1 << Self::PART_BITS;

    /// The first part of a place in the division; None beyond [`Self::MOST_SPLITS`].
    #[must_use]
    pub fn of(place: u64) -> Option<Self> {
        (place < Self::MOST_SPLITS).then_some(Self(place << Self::PART_BITS))
    }

    /// As [`SavedSplit::number`].
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// The next part of the same place; None beyond [`Self::MOST_PARTS`].
    #[must_use]
    pub fn next(self) -> Option<Self> {
        let next = self.0 + 1;
        (next >> Self::PART_BITS == self.0 >> Self::PART_BITS).then_some(Self(next))
    }

    /// The place in the division.
    #[must_use]
    pub fn place(number: u64) -> u64 {
        number >> Self::PART_BITS
    }
}

/// A split whose rows a sink keeps over attempts, durable and still invisible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedSplit {
    /// Its number in the run, over all sources: the order in which splits were written.
    pub number: u64,
    /// The source node.
    pub source: String,
    /// What was read.
    pub split: Split,
    /// What is left, when the split was read in part by one of several processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Split>,
    /// A text that differs when the rows of some sink have other columns or types.
    pub schemas: String,
    /// What became of its rows, without the counts that only staging can give.
    pub ledger: Ledger,
}

impl SavedSplit {
    /// As the source needs it to say whether it still stands.
    #[must_use]
    pub fn read(&self) -> ReadSplit {
        let read = self.ledger.nodes.iter().find(|entry| entry.name == self.source).map_or(0, |entry| entry.read);
        ReadSplit { split: self.split.clone(), read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_shared_runs_go_by_the_place_and_then_by_the_part() {
        let first = SharedNumber::of(0).expect("a place");
        let second = first.next().expect("a part");
        let later = SharedNumber::of(1).expect("a place");
        assert!(first < second && second < later);
        assert_eq!([first, second, later].map(|number| SharedNumber::place(number.number())), [0, 0, 1]);
        let mut parts = 1;
        let mut last = later;
        while let Some(next) = last.next() {
            (last, parts) = (next, parts + 1);
        }
        assert_eq!((parts, last.number()), (SharedNumber::MOST_PARTS, 8191));
        assert_eq!(SharedNumber::of(SharedNumber::MOST_SPLITS), None);
        let most = SharedNumber::of(SharedNumber::MOST_SPLITS - 1).expect("a place").number();
        assert!(most + SharedNumber::MOST_PARTS <= 1 << 28, "the PostgreSQL sink has 28 bits for it");
    }
}
