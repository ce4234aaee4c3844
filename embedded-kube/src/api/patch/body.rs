//! A patch as it arrives.

use serde_json::Value;

use crate::api::{Kind, Refusal, RefusalReason};

use super::Operation;

const OPERATIONS: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// A patch.
#[derive(Clone, Debug, PartialEq)]
pub enum PatchBody {
    /// A JSON merge patch (RFC 7396).
    Merge(Value),
    /// A JSON patch (RFC 6902).
    Operations(Vec<Operation>),
    /// A strategic merge patch: keyed lists are merged by their keys.
    Strategic(Value),
    /// A configuration for server-side apply.
    Apply(Value),
}

impl PatchBody {
    /// Reads a patch.
    ///
    /// # Errors
    /// When the kind does not take patches of that content type, or the text is no patch.
    pub fn read(kind: &Kind, content_type: &str, bytes: &[u8]) -> Result<Self, Refusal> {
        let content_type = content_type.split(';').next().unwrap_or_default();
        match content_type {
            OPERATIONS => super::operations::read(&json(bytes)?).map(Self::Operations),
            MERGE => merge(json(bytes)?).map(Self::Merge),
            STRATEGIC if !kind.custom => map(json(bytes)?, "").map(Self::Strategic),
            APPLY => configuration(bytes).map(Self::Apply),
            _ => Err(unknown(kind)),
        }
    }
}

fn unknown(kind: &Kind) -> Refusal {
    if !kind.custom {
        // Of built-in kinds, the real one's router says so, which knows no details, and tells that there are none.
        let refusal = Refusal::new(RefusalReason::UnsupportedMediaType, "415: Unsupported Media Type");
        return Refusal { details: Some(Box::default()), ..refusal };
    }
    let message = "the body of the request was in an unknown format - accepted media types include: ";
    let accepted = [OPERATIONS, MERGE, APPLY].join(", ");
    Refusal::new(RefusalReason::UnsupportedMediaType, format!("{message}{accepted}"))
}

fn json(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|_| Refusal::bad_request("invalid JSON patch"))
}

fn merge(patch: Value) -> Result<Value, Refusal> {
    match map(patch, "error decoding patch: ")? {
        Value::Null => Err(Refusal::bad_request("Invalid JSON Patch")),
        patch => Ok(patch),
    }
}

/// `null` passes: it is an empty map to the API server.
fn map(patch: Value, prefix: &str) -> Result<Value, Refusal> {
    if patch.is_object() || patch.is_null() {
        return Ok(patch);
    }
    Err(Refusal::bad_request(format!("{prefix}{}", not_of_type(&patch, "value of type map[string]interface {}"))))
}

/// A configuration is YAML; most clients send JSON, which is the faster to read.
fn configuration(bytes: &[u8]) -> Result<Value, Refusal> {
    let configuration = serde_json::from_slice(bytes).or_else(|_| yaml(bytes))?;
    map(configuration, "error decoding patch: error unmarshaling JSON: while decoding JSON: ")
}

fn yaml(bytes: &[u8]) -> Result<Value, Refusal> {
    let refused = |why: String| Refusal::bad_request(format!("error encoding patch: yaml: {why}"));
    let text = std::str::from_utf8(bytes).map_err(|_| refused("invalid UTF-8".into()))?;
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| refused(error.to_string()))
}

/// How Go says that a JSON value is of another type than it should be.
pub(in crate::api) fn not_of_type(value: &Value, expected: &str) -> String {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("json: cannot unmarshal {found} into Go {expected}")
}
