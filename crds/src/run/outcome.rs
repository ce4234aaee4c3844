//! How an attempt of a run ended, as its worker says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::{LedgerVerdict, NodeCounters, RunCost, RunTotals};

/// How an attempt ended, or one shard of it, as its worker says: what stands in the container's termination message, as JSON,
/// and in `status.progress` or `status.shards`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptOutcome {
    /// Whether it ended well.
    pub result: AttemptResult,
    /// Why it did not end well, in a word of the closed set of `docs/operations/reasons.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Whether the same attempt may succeed when it is made again without any change.
    #[serde(default)]
    pub retryable: bool,
    /// Whether something was saved that the next attempt need not do again.
    #[serde(default)]
    pub progressed: bool,
    /// For one of several processes that share the run: how far that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardState>,
    /// Sums over all sources and sinks.
    #[serde(default)]
    pub totals: RunTotals,
    /// Whether every row is accounted for.
    #[serde(default)]
    pub ledger: LedgerVerdict,
    /// What the attempt used.
    #[serde(default)]
    pub cost: RunCost,
    /// What became of the rows at each node, at most 100 entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeCounters>,
    /// How many entries `nodes` leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_omitted: Option<u64>,
}

/// Whether an attempt ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AttemptResult {
    /// Everything was committed, and every row is accounted for.
    Succeeded,
    /// It failed.
    Failed,
    /// It was asked to stop.
    Interrupted,
}

/// How far a run is that processes share, as one of them says when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ShardState {
    /// This shard's part did not end well.
    Working,
    /// What is this shard's own is saved; others have something left.
    Waiting,
    /// Another process completes the run.
    Finishing,
    /// This process has completed the run, or tried to.
    Completing,
    /// The run had succeeded already.
    Succeeded,
    /// Of a source of many streams: this shard's streams are runs of their own.
    Streams,
}

/// The most bytes of a container's termination message (Kubernetes' `terminationMessagePath`).
pub const TERMINATION_MESSAGE_BYTES: usize = 4096;

impl AttemptOutcome {
    /// An attempt that ended so, and moved nothing.
    #[must_use]
    pub fn new(result: AttemptResult) -> Self {
        Self {
            result,
            reason: None,
            message: None,
            remedy: None,
            retryable: false,
            progressed: false,
            shard: None,
            totals: RunTotals::default(),
            ledger: LedgerVerdict::default(),
            cost: RunCost::default(),
            nodes: Vec::new(),
            nodes_omitted: None,
        }
    }

    /// The outcome as a container's termination message.
    #[must_use]
    pub fn termination_message(&self) -> String {
        self.within(TERMINATION_MESSAGE_BYTES).to_json()
    }

    /// The outcome in at most so many bytes of JSON, as far as that can be: without the nodes when it would be too long with
    /// them, and with a shortened text when it still is.
    #[must_use]
    pub fn within(&self, most: usize) -> Self {
        let mut outcome = self.clone();
        if outcome.to_json().len() <= most {
            return outcome;
        }
        let omitted = outcome.nodes_omitted.unwrap_or(0) + std::mem::take(&mut outcome.nodes).len() as u64;
        outcome.nodes_omitted = Some(omitted).filter(|omitted| *omitted > 0);
        let mut bytes = most / 4;
        while outcome.to_json().len() > most && bytes > 0 {
            let mismatches = outcome.ledger.mismatches.iter_mut();
            for text in [&mut outcome.message, &mut outcome.remedy].into_iter().flatten().chain(mismatches) {
                shorten(text, bytes);
            }
            bytes /= 2;
        }
        outcome
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Cuts a text after so many bytes, and says so.
fn shorten(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(nodes: usize, message: &str) -> AttemptOutcome {
        let node = |number| NodeCounters { name: format!("node_{number}"), read: Some(u64::MAX), ..Default::default() };
        AttemptOutcome {
            reason: Some("Refused".into()),
            message: Some(message.into()),
            remedy: Some(message.into()),
            progressed: true,
            ledger: LedgerVerdict { balanced: false, mismatches: vec![message.into(); 20] },
            nodes: (0..nodes).map(node).collect(),
            ..AttemptOutcome::new(AttemptResult::Failed)
        }
    }

    #[test]
    fn a_termination_message_fits_and_reads() {
        let small = outcome(2, "no");
        assert_eq!(serde_json::from_str::<AttemptOutcome>(&small.termination_message()).expect("JSON"), small);
        // The worst of texts: every character takes six bytes in JSON.
        for text in ["ü".repeat(5000), "\u{1}".repeat(5000)] {
            let message = outcome(100, &text).termination_message();
            let read: AttemptOutcome = serde_json::from_str(&message).expect("JSON");
            assert!(message.len() <= TERMINATION_MESSAGE_BYTES, "{}", message.len());
            assert_eq!((read.nodes.len(), read.nodes_omitted, read.result), (0, Some(100), AttemptResult::Failed));
        }
    }
}
