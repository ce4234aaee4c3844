//! Fields of a `sqlite` Connector.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::VolumeRef;

/// A SQLite database file. A stream is a table, or a query (text that begins with `SELECT` or `WITH`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SqliteConnector {
    /// The claim that holds the file, on a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeRef>,
    /// The file: a path inside the volume, or, without one, a path on this machine (relative to the manifest). A sink
    /// creates it when it is missing.
    #[schemars(length(min = 1))]
    pub path: String,
}
