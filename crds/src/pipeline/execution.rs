//! What a run may use, and how often it is tried.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run may use, and how often it is tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Execution {
    /// CPU and memory of the run's Pod, as Kubernetes writes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// In how many Pods the run is split, which work side by side. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub shards: Option<u32>,
    /// About how much of a stream is read between two points from which an interrupted run goes on, as `256Mi`: so much
    /// may have to be read twice. Default: 1Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_size: Option<String>,
    /// What a stream that fails means for the others of a source of many `streams`. Default: Continue.
    #[serde(default, skip_serializing_if = "is_continue")]
    pub on_stream_failure: StreamFailurePolicy,
    /// The longest a run may take, over all attempts, as `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// How often a failed attempt is repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

/// What a stream that fails means for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StreamFailurePolicy {
    /// They go on; the run fails at its end.
    #[default]
    Continue,
    /// Those that have not ended are stopped; the next run continues them.
    Stop,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_continue(policy: &StreamFailurePolicy) -> bool {
    *policy == StreamFailurePolicy::Continue
}

/// CPU and memory, as Kubernetes writes them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// What the scheduler sets aside.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: ResourceList,
    /// What the run may not exceed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: ResourceList,
}

/// Quantities by resource name, as `{cpu: "1", memory: 512Mi}`.
pub type ResourceList = BTreeMap<String, String>;

/// How often a failed attempt is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// The most repetitions without progress between them.
    #[schemars(range(max = 100))]
    pub limit: u32,
    /// The pauses between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
}

/// Pauses that grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backoff {
    /// The first pause, as `10s`.
    pub initial: String,
    /// What each pause is multiplied by for the next, as `"2"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<String>,
    /// The longest pause, as `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
}
