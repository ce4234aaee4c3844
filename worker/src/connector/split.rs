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
