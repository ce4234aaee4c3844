//! What every connector offers: `check`, `discover`, read a stream ([`Source`]), write a stream ([`Sink`]).
//!
//! A connector is one folder below `connectors/` and one line in its registry. The engine calls in this order:
//!
//! ```text
//! Connector::describe ─ schema of a stream ─► compile ─► Connector::source ─► Source::read ─► events … End
//!                                                   └──► Connector::sink ─► last_commit ─ fence ─ write… ─ stage ─ commit
//! ```

mod buffers;
mod environment;
mod error;
mod limit;
mod position;
mod reject;
mod sink;
mod size;
mod source;
mod split;

use std::time::Duration;

use aggregator_compiler::catalogue::{Catalogue, Stream};
use aggregator_crds::schedule::FilesFound;
use async_trait::async_trait;

pub use buffers::Buffers;
pub use environment::{Environment, SecretValue, Secrets, Sought};
pub use error::{ConnectorError, ErrorKind, Result};
pub(crate) use limit::check_columns;
#[cfg(any(feature = "formats", feature = "postgres"))]
pub(crate) use limit::row_too_large;
pub use limit::{MAX_COLUMNS, MAX_ROW};
pub use position::Position;
pub use reject::{Reject, RejectReason};
pub use sink::{
    Attempt, CommitRecord, DELETED, Effects, PlannedChange, SchemaChange, SchemaChangeKind, Sink, SinkRequest, Staged,
    WriteOptions,
};
pub use size::Size;
pub use source::{CursorWindow, EventStream, Source, SourceEnd, SourceEvent, SourceRequest};
pub use split::{Cut, Division, ReadSplit, SavedSplit, SharedNumber, Split, is_long};

/// The answer of a system that was reached.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// What answered, in a line: `PostgreSQL 15.18, 2 of 4 connections`.
    pub message: String,
    /// How long the answer took.
    #[serde(serialize_with = "milliseconds", rename = "latencyMs")]
    pub latency: std::time::Duration,
}

fn milliseconds<S: serde::Serializer>(
    duration: &std::time::Duration,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_u128(duration.as_millis())
}

/// A place where data is. One instance serves one run; it may keep connections open between calls.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Reaches the system with the given credentials and says what answered. Changes nothing there.
    async fn check(&self) -> Result<CheckReport>;

    /// Finds the streams and their columns. Changes nothing there.
    async fn discover(&self) -> Result<Catalogue>;

    /// The columns, types and primary key of one stream, as [`Source::schema`] will give them. For a stream that
    /// cannot be found: [`ErrorKind::NotFound`], with the names of streams that can.
    async fn describe(&self, stream: &str) -> Result<Stream>;

    /// Prepares to read one stream.
    async fn source(&self, request: SourceRequest) -> Result<Box<dyn Source>>;

    /// Prepares to write one stream. Opens connections, but changes nothing in the target before [`Sink::fence`].
    async fn sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>>;

    /// The files of a stream that have stayed as they are for at least `settle`, in few words: enough to tell whether any have
    /// come since an earlier look.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when its streams are no files.
    async fn files(&self, stream: &str, _settle: Duration) -> Result<FilesFound> {
        Err(ConnectorError::new(
            ErrorKind::Config,
            format!("look for files of `{stream}`"),
            "the Connector holds no files",
        )
        .remedy("name a Connector of type `file` or `s3`"))
    }

    /// The text without secrets that the connector has met by itself, as a token that it fetched. The values of its
    /// Secret are taken out by whoever opens it.
    fn cleaned(&self, text: &str) -> String {
        text.to_owned()
    }
}
