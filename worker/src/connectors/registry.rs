//! The registry: one line a connector.

use super::guard::{self, Guarded};
use crate::connector::{Connector, ConnectorError, Environment, ErrorKind, Result};

/// What is known of a connector type before one is opened.
pub struct ConnectorInfo {
    /// The key that names the type in a manifest.
    pub key: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Whether streams can be written.
    pub sink: bool,
    /// Opens one. Reads the spec, reaches nothing yet.
    open: fn(Environment) -> Result<Box<dyn Connector>>,
}

/// Every connector of this build.
#[must_use]
pub fn all() -> &'static [ConnectorInfo] {
    &[
        #[cfg(feature = "file")]
        ConnectorInfo {
            key: "file",
            summary: "Files in a folder: CSV, NDJSON, JSON, Parquet",
            sink: true,
            open: super::file::open,
        },
        #[cfg(feature = "s3")]
        ConnectorInfo {
            key: "s3",
            summary: "Objects in an S3-compatible store: CSV, NDJSON, JSON, Parquet",
            sink: true,
            open: super::s3::open,
        },
        #[cfg(feature = "postgres")]
        ConnectorInfo {
            key: "postgres",
            summary: "Tables and queries of a PostgreSQL database",
            sink: true,
            open: super::postgres::open,
        },
        #[cfg(feature = "sqlite")]
        ConnectorInfo {
            key: "sqlite",
            summary: "Tables and queries of a SQLite database file",
            sink: true,
            open: super::sqlite::open,
        },
        #[cfg(feature = "http")]
        ConnectorInfo { key: "http", summary: "An HTTP API, read page by page", sink: false, open: super::http::open },
        #[cfg(feature = "generator")]
        ConnectorInfo {
            key: "generator",
            summary: "Rows made up from a seed, for tests and load",
            sink: false,
            open: super::generator::open,
        },
    ]
}

/// The connector type of that key, if this build has it.
#[must_use]
pub fn find(key: &str) -> Option<&'static ConnectorInfo> {
    all().iter().find(|info| info.key == key)
}

/// Opens the connector that a Connector object names. No text of it will hold a value of the Secret.
///
/// # Errors
/// [`ErrorKind::Config`] when this build has no connector of that type, or the spec cannot work.
pub fn open(environment: Environment) -> Result<Box<dyn Connector>> {
    let key = environment.spec.connector_type.key();
    let info = find(key).ok_or_else(|| {
        let known: Vec<&str> = all().iter().map(|info| info.key).collect();
        ConnectorError::new(
            ErrorKind::Config,
            format!("open Connector `{}`", environment.name),
            format!("this build has no connector of type `{key}`"),
        )
        .remedy(format!("use one of {}, or a build with the feature `{key}`", known.join(", ")))
    })?;
    let known = guard::named(&environment);
    let unanswered = guard::unanswered(&environment);
    match (info.open)(environment) {
        Ok(connector) => Ok(Box::new(Guarded::new(connector, known))),
        Err(error) => {
            let place = unanswered.filter(|_| error.kind == ErrorKind::Credentials);
            Err(guard::cleaned(error, |text| known.clean(text)).at(place))
        }
    }
}
