//! The Schedule: when a Pipeline runs.

mod backfill;
mod look;
mod request;
mod trigger;

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::run::Backfill;

pub use backfill::{Reprocess, ScheduleBackfill, ScheduleBackfillStatus};
pub use look::{FilesFound, LastLook, LookFailure, LookOutcome};
pub use request::FireRequest;
pub use trigger::{
    CronTrigger, FileArrivalTrigger, IntervalTrigger, KafkaTrigger, PipelineSucceededTrigger, Trigger, WebhookTrigger,
};

/// When a Pipeline runs. Exactly one key of the spec names the trigger.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "aggregator.dev",
    version = "v1alpha1",
    kind = "Schedule",
    plural = "schedules",
    shortname = "asched",
    category = "aggregator",
    doc = "When a Pipeline runs: a clock, or an event.",
    namespaced,
    status = "ScheduleStatus",
    derive = "PartialEq",
    printcolumn(name = "Pipeline", type_ = "string", json_path = ".spec.pipelineRef.name"),
    printcolumn(name = "Trigger", type_ = "string", json_path = ".status.trigger"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Last", type_ = "date", json_path = ".status.lastDecision.fire"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".status.lastDecision.decision"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.next[0]"),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.counts.active"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.lastDecision.reason", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = crate::schema::choice::open)]
pub struct ScheduleSpec {
    /// What this schedule is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The Pipeline that is run.
    pub pipeline_ref: PipelineRef,
    /// What makes it run: exactly one of `cron`, `interval`, `webhook`, `fileArrival`, `kafka`, `pipelineSucceeded`.
    #[serde(flatten)]
    pub trigger: Trigger,
    /// For `cron` and `interval`: every fire is later by a part of this time that is the schedule's own, so that many
    /// schedules of the same time do not start at once, as `5m`. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
    /// What happens when a run is due and the one before it still goes on. Default: Forbid.
    #[serde(default)]
    pub concurrency_policy: ConcurrencyPolicy,
    /// What happens to fires that came due while nobody could start them. Default: `{policy: Latest}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_runs: Option<MissedRuns>,
    /// For `cron` and `interval`: read the past again, interval by interval. It may stay here when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<ScheduleBackfill>,
    /// Nothing is started while this is true.
    #[serde(default)]
    pub suspend: bool,
    /// Values of the Pipeline's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// How many runs that succeeded are kept. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1000))]
    pub successful_runs_history_limit: Option<u32>,
    /// How many runs that failed are kept. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1000))]
    pub failed_runs_history_limit: Option<u32>,
}

/// A Pipeline of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineRef {
    /// The Pipeline's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What happens when a run is due and the one before it still goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// A run is made all the same. Runs of one Pipeline follow one another, since its sinks have one writer: the new one
    /// begins when those before it have ended, as with Queue. At most 100 go on or wait; beyond, the new one is skipped.
    Allow,
    /// The new one is skipped.
    #[default]
    Forbid,
    /// The old one is cancelled.
    Replace,
    /// The new one starts when the old one has ended. At most 100 go on or wait; beyond, the new one is skipped.
    Queue,
}

/// What happens to fires that came due while nobody could start them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MissedRuns {
    /// Which of them are made up for. Default: Latest.
    #[serde(default)]
    pub policy: MissedRunsPolicy,
    /// For All: the most fires that are made up for; the latest ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<u32>,
    /// Fires older than this are never made up for, as `6h`. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
}

/// Which missed fires are made up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MissedRunsPolicy {
    /// None.
    Skip,
    /// The latest one.
    #[default]
    Latest,
    /// All, up to `max`.
    All,
}

/// What is known of the schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What makes it fire, in words, as `every 15m` or `after flights`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// What became of every fire up to this time is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_until: Option<jiff::Timestamp>,
    /// Successes of the other Pipeline that were decided on just now, by the UIDs of their runs, at most 100: times of ends
    /// have whole seconds and are seen out of order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided_events: Vec<String>,
    /// The next fires as RFC 3339 times in the schedule's zone, at most 5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
    /// What became of the last fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_decision: Option<FireDecision>,
    /// The last fires that started no run, each with the reason, the newest first, at most 20. Those of one reason that were
    /// decided on at once are one entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub decisions: Vec<FireDecision>,
    /// For `webhook`: the requests that were taken, the oldest first: at most 16 that are not decided on yet, and the last 100
    /// that are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 116))]
    pub requests: Vec<FireRequest>,
    /// For `fileArrival`: the last look for files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_look: Option<LastLook>,
    /// How far `spec.backfill` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<ScheduleBackfillStatus>,
    /// What backfills of this schedule have read with success, as intervals that do not touch, at most 1000: the latest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filled: Vec<Backfill>,
    /// When the last run of a fire that succeeded ended. Those of a backfill are told of in `backfill`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_time: Option<jiff::Timestamp>,
    /// The Pipeline that this run was of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_pipeline: Option<String>,
    /// The runs that go on, by name, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub active: Vec<String>,
    /// How many fires became what, since the schedule was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<FireCounts>,
    /// `Ready`, `Suspended`, with a backfill `Backfilled`, and `Stalled` while it waits for an edit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// What became of a fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FireDecision {
    /// When it was due, as an RFC 3339 time in the schedule's zone.
    pub fire: String,
    /// What was decided.
    pub decision: Decision,
    /// Why, in a word; absent where the decision says it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run that was started or is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Of how many fires this was decided at once, this one being the last; absent: of this one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fires: Option<u64>,
}

/// What can become of a fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Decision {
    /// A run was created.
    Started,
    /// A run waits for the one before it.
    Queued,
    /// A run was created, and the one before it cancelled.
    Replaced,
    /// No run: the one before it still goes on, or the schedule is suspended.
    Skipped,
    /// No run: it came due while nobody could start it, and is not made up for.
    Missed,
    /// A run could not be created.
    Failed,
}

/// How many fires became what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FireCounts {
    /// Fires that started a run.
    #[serde(default)]
    pub started: u64,
    /// Fires that were skipped.
    #[serde(default)]
    pub skipped: u64,
    /// Fires that were missed.
    #[serde(default)]
    pub missed: u64,
    /// Runs that go on now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<u64>,
}
