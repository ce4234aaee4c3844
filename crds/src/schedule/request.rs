//! What is remembered of a request that makes a Schedule fire.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::usual::is_false;

/// A request that was taken: it is one fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FireRequest {
    /// What names it: a hash of the key that came with it, or else one that no other has.
    #[schemars(length(max = 64))]
    pub id: String,
    /// When it was taken, which is the time of its fire.
    pub time: jiff::Timestamp,
    /// Values of the Pipeline's parameters that its body had, until it is decided on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Whether it is decided what becomes of it. Then it stays for a while, to be known when its key comes again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub decided: bool,
}
