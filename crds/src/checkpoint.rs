//! The Checkpoint: how far a Pipeline's streams were read.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schedule::PipelineRef;

/// How far a Pipeline's streams were read. It belongs to the Pipeline, not to the run that wrote it, and survives it.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "aggregator.dev",
    version = "v1alpha1",
    kind = "Checkpoint",
    plural = "checkpoints",
    shortname = "ackpt",
    category = "aggregator",
    doc = "How far a Pipeline's streams were read.",
    namespaced,
    derive = "PartialEq",
    printcolumn(name = "Pipeline", type_ = "string", json_path = ".spec.pipelineRef.name"),
    printcolumn(name = "Epoch", type_ = "integer", json_path = ".spec.epoch"),
    printcolumn(name = "Run", type_ = "string", json_path = ".spec.run"),
    printcolumn(name = "Written", type_ = "date", json_path = ".spec.time"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckpointSpec {
    /// The Pipeline whose streams were read.
    pub pipeline_ref: PipelineRef,
    /// The attempt epoch that wrote it. It grows with every attempt of every run; a lower one may not write.
    pub epoch: u64,
    /// The run that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<jiff::Timestamp>,
    /// How far each stream was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10000))]
    pub positions: Vec<StreamPosition>,
    /// What the last runs did, for the worker that goes on: one entry, or one for each of many streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10000))]
    pub attempts: Vec<StreamAttempt>,
}

/// The last attempt at a Pipeline, or at one of its many streams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamAttempt {
    /// The stream, where each of many is moved on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// What only the worker that wrote it understands.
    pub state: PositionState,
}

/// How far one stream, or one partition of it, was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamPosition {
    /// The source node.
    #[schemars(length(min = 1, max = 63))]
    pub source: String,
    /// The stream.
    #[schemars(length(min = 1))]
    pub stream: String,
    /// The partition, where the stream has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// What made the position, as `cursor` or `files`.
    #[schemars(length(min = 1))]
    pub kind: String,
    /// The version of `state`.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// What only the source understands.
    pub state: PositionState,
}

/// What only the source that wrote it understands: any value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PositionState(pub serde_json::Value);

impl JsonSchema for PositionState {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PositionState".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
    }
}
