//! Fields of an `s3` Connector.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FileFormat;
use crate::secret::{CertificateAuthority, SecretKeyRef};

/// Objects in an S3-compatible store. A stream is a glob over keys below `prefix` (`2026/**/*.csv.gz`), or a folder for a
/// sink (`delayed/`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3Connector {
    /// The bucket.
    #[schemars(length(min = 3, max = 63))]
    pub bucket: String,
    /// The region. Default: us-east-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The address of an S3-compatible store. Default: that of AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether the bucket's name stands in the path of an address, not in its host. Default: true with an `endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// The authority that signed the store's certificate, trusted besides the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,
    /// How long one request may take, as `30s`; of larger objects, a request takes a few MiB. Default: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// A prefix that every stream's keys begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Keys to sign requests with. Default: the identity of the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<S3Credentials>,
    /// How the objects' content reads. Default: by the ending of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
}

/// Keys to sign requests with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3Credentials {
    /// The access key's id.
    pub access_key_id: SecretKeyRef,
    /// The access key's secret.
    pub secret_access_key: SecretKeyRef,
    /// The token of a session, where the keys are temporary ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<SecretKeyRef>,
}
