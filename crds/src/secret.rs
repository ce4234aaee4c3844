//! References to secret values: the only way a manifest may speak of one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A key of the Connector's own Secret (`connector-<name>` unless `spec.secretName` says otherwise).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// The key inside the Secret whose value is meant.
    #[schemars(length(min = 1, max = 253))]
    pub secret_key: String,
}

/// A certificate authority: inline PEM text (it is public), or a key of the Connector's Secret. Exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CertificateAuthority {
    /// PEM text of one or more certificates.
    Pem(String),
    /// A key of the Connector's Secret that holds PEM text.
    SecretKey(String),
}
