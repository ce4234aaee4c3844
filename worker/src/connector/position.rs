//! How far a stream was read: opaque to everyone but the source that wrote it.

use serde::{Deserialize, Serialize};

/// How far a stream was read. The source that made it says in `kind` and `version` how `state` reads; a source refuses
/// a position that is not its own with an error that names both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// What made it, as `cursor` or `files`.
    pub kind: String,
    /// The version of `state`.
    pub version: u32,
    /// What only the source understands.
    pub state: serde_json::Value,
}
