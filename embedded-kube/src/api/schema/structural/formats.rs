//! Formats that are not checked.

use serde_json::Value;

use super::{fields, list, text};
use crate::api::schema::formats;
use crate::api::schema::tree;

/// Formats that nobody knows, each once.
pub(crate) fn unknown_formats(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![schema];
    while let Some(schema) = open.pop() {
        let format = text(schema, "format");
        let known = match text(schema, "type") {
            "" | "string" => formats::is_known(format),
            "integer" => matches!(format, "int32" | "int64"),
            "number" => matches!(format, "float" | "double"),
            _ => false,
        };
        if !format.is_empty() && !known {
            tree::say_once(&mut found, format.to_owned());
        }
        open.extend(fields(schema, "properties").map(|(_, field)| field));
        open.extend(
            ["items", "additionalProperties", "not"].iter().map(|name| &schema[*name]).filter(|of| of.is_object()),
        );
        open.extend(["allOf", "anyOf", "oneOf"].iter().flat_map(|name| list(schema, name)));
    }
    found.sort();
    found
}
