//! The past of a Schedule, read again interval by interval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads the past again: each time between two fires is read by a run of its own, the oldest first, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleBackfill {
    /// The first interval begins at the first fire that is not before this time, as RFC 3339.
    pub from: jiff::Timestamp,
    /// The last interval ends at the last fire that is not after this time, as RFC 3339.
    pub to: jiff::Timestamp,
    /// Which intervals are read. Default: Missing.
    #[serde(default)]
    pub reprocess: Reprocess,
}

/// Which intervals are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reprocess {
    /// Those that no backfill of this schedule has read with success yet.
    #[default]
    Missing,
    /// All of them.
    All,
}

/// How far a backfill is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleBackfillStatus {
    /// What was asked for.
    pub asked: ScheduleBackfill,
    /// The generation of the spec in which it was first asked for: its runs are named by it.
    pub generation: i64,
    /// How many intervals there are.
    pub intervals: u64,
    /// How many of them had been read before, and are left out.
    #[serde(default)]
    pub skipped: u64,
    /// How many were read with success.
    #[serde(default)]
    pub succeeded: u64,
    /// How many could not be read.
    #[serde(default)]
    pub failed: u64,
    /// What became of every interval up to this time is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_until: Option<jiff::Timestamp>,
    /// The last run that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failed_run: Option<String>,
}
