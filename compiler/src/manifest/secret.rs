//! `v1` Secrets and ConfigMaps, as far as a pipeline needs them.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use serde::Deserialize;

/// The values of a `v1` Secret: `data` (base64) and `stringData`, which wins.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretManifest {
    /// The values by key.
    pub values: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for SecretManifest {
    /// Shows the keys, never a value.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SecretManifest").field("keys", &self.values.keys().collect::<Vec<_>>()).finish()
    }
}

/// The values of a `v1` ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMapManifest {
    /// The values by key.
    pub values: BTreeMap<String, Vec<u8>>,
}

/// What is wrong with a Secret or a ConfigMap: the field, and a sentence without any value.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) path: String,
    pub(super) message: &'static str,
}

impl SecretManifest {
    pub(super) fn read(value: &serde_json::Value) -> Result<Self, Malformed> {
        Ok(Self { values: read(value, "stringData", "data")? })
    }
}

impl ConfigMapManifest {
    pub(super) fn read(value: &serde_json::Value) -> Result<Self, Malformed> {
        Ok(Self { values: read(value, "data", "binaryData")? })
    }
}

/// Values of a field of text and a field of base64.
fn read(value: &serde_json::Value, text: &str, base64: &str) -> Result<BTreeMap<String, Vec<u8>>, Malformed> {
    let mut values = BTreeMap::new();
    for (key, value) in entries(value, base64)? {
        let bytes = ByteString::deserialize(value).map_err(|_| Malformed {
            path: super::position::child(base64, key),
            message: "this value is not base64",
        })?;
        values.insert(key.clone(), bytes.0);
    }
    for (key, value) in entries(value, text)? {
        let Some(value) = value.as_str() else {
            let message = "this value is not text; quote it";
            return Err(Malformed { path: super::position::child(text, key), message });
        };
        values.insert(key.clone(), value.as_bytes().to_vec());
    }
    Ok(values)
}

fn entries<'a>(
    value: &'a serde_json::Value,
    field: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a serde_json::Value)>, Malformed> {
    let entries = match value.get(field) {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::Object(entries)) => Some(entries),
        Some(_) => return Err(Malformed { path: field.to_owned(), message: "this is not a mapping of key and value" }),
    };
    Ok(entries.into_iter().flatten())
}
