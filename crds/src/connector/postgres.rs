//! Fields of a `postgres` Connector.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::{CertificateAuthority, SecretKeyRef};

/// A PostgreSQL database (or one that speaks its protocol). A stream is a table (`schema.table`) or a query
/// (text that begins with `SELECT` or `WITH`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostgresConnector {
    /// A host name, an IP address, or the folder of a Unix socket.
    #[schemars(length(min = 1))]
    pub host: String,
    /// The TCP port.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The database to connect to.
    #[schemars(length(min = 1))]
    pub database: String,
    /// The role to connect as.
    #[schemars(length(min = 1))]
    pub username: String,
    /// The role's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretKeyRef>,
    /// How the connection is protected. Default: `{mode: Prefer}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<PostgresTls>,
    /// How long to wait for a connection, as `10s`. Default: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<String>,
    /// The longest a single statement may stay silent before the run gives up, as `5m`. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_timeout: Option<String>,
}

fn default_port() -> u16 {
    5432
}

/// How a connection to PostgreSQL is protected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostgresTls {
    /// What is asked of the server.
    pub mode: TlsMode,
    /// The authority that signed the server's certificate. Default: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,
}

/// What is asked of the server, from nothing to everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsMode {
    /// No encryption.
    Disable,
    /// Encryption if the server offers it; whose server it is stays unchecked.
    #[default]
    Prefer,
    /// Encryption; whose server it is stays unchecked.
    Require,
    /// Encryption, and the certificate is signed by a known authority.
    VerifyCa,
    /// Encryption, a known authority, and the certificate names the host.
    VerifyFull,
}
