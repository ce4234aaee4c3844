//! What a connector is opened with: its object, its secrets, the folder that relative paths start from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use aggregator_crds::ConnectorSpec;

use super::{ConnectorError, ErrorKind, Result};

/// What a connector is opened with.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The Connector's name, for messages.
    pub name: String,
    /// What the user declared.
    pub spec: ConnectorSpec,
    /// The values of its Secret.
    pub secrets: Secrets,
    /// The folder that relative paths start from: the manifest's.
    pub base: PathBuf,
}

/// A secret's value; its text is never shown.
#[derive(Clone)]
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Takes the bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the one place that needs them.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretValue(***)")
    }
}

/// The values of one Secret, by key.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The Secret's name, for messages.
    pub name: String,
    /// The values.
    pub values: BTreeMap<String, SecretValue>,
}

impl Secrets {
    /// The value of a key as text, without a final line end.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] when the Secret has no such key, or the value is not UTF-8.
    pub fn text(&self, key: &str) -> Result<String> {
        let operation = || format!("read key `{key}` of Secret `{}`", self.name);
        let value = self.values.get(key).ok_or_else(|| {
            ConnectorError::new(ErrorKind::Credentials, operation(), "there is no such key").remedy(format!(
                "add it: a file `{}/{key}` in the folder given with --secrets, or a v1 Secret among the manifests",
                self.name
            ))
        })?;
        let text = std::str::from_utf8(value.expose_bytes())
            .map_err(|_| ConnectorError::new(ErrorKind::Credentials, operation(), "the value is not UTF-8 text"))?;
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}
