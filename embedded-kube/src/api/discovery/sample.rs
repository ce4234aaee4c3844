//! Kinds for tests.

use std::sync::Arc;

use serde_json::json;

use super::super::Kind;

/// A namespaced, built-in kind without a schema.
pub(crate) fn kind(group: &str, version: &str, kind: &str, plural: &str) -> Kind {
    Kind {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: !matches!(kind, "Node" | "Namespace"),
        status: false,
        custom: false,
        schema: Arc::new(json!({"type": "object"})),
        columns: Vec::new(),
    }
}
