//! Every message in full: what is wrong with an object, where, and what would be right.

mod connector;
mod format;
mod http;
mod operation;
mod pipeline;
mod run;
mod schedule;
mod text;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Validate;

/// The violations of an object of that spec, one a line.
fn violations<Object: DeserializeOwned + Validate>(kind: &str, spec: &str) -> Vec<String> {
    let spec: Value = serde_saphyr::from_str(spec).unwrap();
    let document =
        json!({ "apiVersion": "aggregator.dev/v1alpha1", "kind": kind, "metadata": { "name": "a" }, "spec": spec });
    let object: Object = serde_json::from_value(document).unwrap();
    object.validate().iter().map(ToString::to_string).collect()
}
