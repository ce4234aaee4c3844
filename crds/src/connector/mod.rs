//! The Connector: a place where data is, and how to reach it.

mod file;
mod generator;
mod http;
mod postgres;
mod probe;
mod s3;
mod sqlite;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;

pub use file::{
    Compression, CsvFormat, FileConnector, FileFormat, Formulas, InferSchema, JsonFormat, NdjsonFormat,
    ParquetCompression, ParquetFormat, Quoting, RaggedRows, SchemaColumn, StreamSchema, VolumeRef,
};
pub use generator::{GeneratedColumn, GeneratedStream, GeneratorConnector, GeneratorKind};
pub use http::{
    ApiKeyAuth, ApiKeyLocation, BasicAuth, BearerAuth, CursorPagination, HttpAuth, HttpConnector, HttpEndpoint,
    HttpMethod, LinkHeaderPagination, OAuth2ClientCredentials, OffsetPagination, PagePagination, Pagination, RateLimit,
};
pub use postgres::{PostgresConnector, PostgresTls, TlsMode};
pub use probe::{CATALOGUE, ProbeFailure, ProbeOutcome, ProbeStep};
pub use s3::{S3Connector, S3Credentials};
pub use sqlite::SqliteConnector;

/// A place where data is. Exactly one key of the spec names its type.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "aggregator.dev",
    version = "v1alpha1",
    kind = "Connector",
    plural = "connectors",
    shortname = "aconn",
    category = "aggregator",
    doc = "A place where data is, and how to reach it.",
    namespaced,
    status = "ConnectorStatus",
    derive = "PartialEq",
    printcolumn(name = "Type", type_ = "string", json_path = ".status.type"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Streams", type_ = "integer", json_path = ".status.streams.count"),
    printcolumn(name = "Last Check", type_ = "date", json_path = ".status.lastCheck.time"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = crate::schema::choice::open)]
pub struct ConnectorSpec {
    /// What this place is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The Secret whose keys the fields below name. Default: `connector-<name of this Connector>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// The type and its fields: exactly one of `postgres`, `file`, `s3`, `sqlite`, `http`, `generator`.
    #[serde(flatten)]
    pub connector_type: ConnectorType,
    /// How much of the system's capacity a run may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ConnectorLimits>,
    /// How often the place is checked and its streams are discovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<ConnectorCheck>,
}

/// The types of Connector, each with fields of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ConnectorType {
    /// A PostgreSQL database.
    Postgres(PostgresConnector),
    /// Files in a folder: a mounted volume on a cluster, a path on a laptop.
    File(FileConnector),
    /// Objects in an S3-compatible store.
    S3(S3Connector),
    /// A SQLite database file.
    Sqlite(SqliteConnector),
    /// An HTTP API that answers JSON or text formats.
    Http(HttpConnector),
    /// Rows made up from a seed, for tests and load.
    Generator(GeneratorConnector),
}

impl ConnectorType {
    /// Every key that may name a type, in the order of the documentation.
    pub const KEYS: [&'static str; 6] = ["postgres", "file", "s3", "sqlite", "http", "generator"];

    /// The key that names this type in a manifest.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::File(_) => "file",
            Self::S3(_) => "s3",
            Self::Sqlite(_) => "sqlite",
            Self::Http(_) => "http",
            Self::Generator(_) => "generator",
        }
    }
}

/// How much of the system's capacity a run may take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectorLimits {
    /// The most connections open at once, by one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub connections: Option<u32>,
    /// The most rows a second that are read or written, by one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub rows_per_second: Option<u64>,
}

/// When the place is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectorCheck {
    /// The time between two checks, as `30s`, `10m` or `1h`.
    pub interval: String,
}

/// What is known of the place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectorStatus {
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The key that names the Connector's type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub connector_type: Option<String>,
    /// `Ready`, `ConfigValid`, `CredentialsResolved`, `Reachable`, `Discovered`, and `Reconciling` or `Stalled` while it is so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The last check that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_check: Option<LastCheck>,
    /// The streams that discovery found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<StreamSummary>,
}

/// The last check that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastCheck {
    /// When it ended.
    pub time: jiff::Timestamp,
    /// How long the system took to answer, as `3ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<String>,
    /// The generation of the spec that was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The value of the annotation `aggregator.dev/check-requested-at` that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
    /// The Job that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

/// The streams that discovery found. The whole catalogue is in a ConfigMap that the Connector owns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamSummary {
    /// How many there are.
    pub count: u64,
    /// Their names, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}
