//! The content of an object, in ranges: each is a request of its own, for the very object that was listed.
//!
//! One long answer would be cut off by the store while a slow sink holds it up, and would have no bound on its time.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use object_store::path::Path;
use tokio_util::task::AbortOnDropHandle;

use super::bucket::Bucket;
use super::fault;
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::connectors::files::Store;
use crate::connectors::pipe::{Cause, Failure, Piece, PipeReader, pipe};
use crate::format::Ranges;

/// Content that is read from its beginning to its end is asked for in steps. So many of these wait; one more is on its way,
/// and one is being read.
const WAITING: usize = 1;

impl Failure for ConnectorError {
    fn detail(&self) -> String {
        self.to_string()
    }

    fn abandoned() -> Self {
        Self::new(ErrorKind::Interrupted, "read an object", "it was not read to its end")
    }
}

/// An object that was listed.
#[derive(Clone)]
pub(super) struct Listed {
    bucket: Bucket,
    path: String,
    key: Path,
    size: u64,
    etag: Option<String>,
}

impl Listed {
    /// Names it. Asks for nothing yet.
    pub(super) fn new(bucket: &Bucket, path: &str, size: u64, etag: Option<String>) -> Result<Self> {
        Ok(Self { bucket: bucket.clone(), path: path.to_owned(), key: bucket.key(path)?, size, etag })
    }

    async fn fetch(&self, range: Range<u64>) -> Result<Bytes> {
        let operation = || format!("read {}", self.bucket.address(&self.path));
        let wanted = range.end - range.start;
        let bytes = match self.bucket.range(&self.key, range, self.etag.as_deref()).await {
            Ok(bytes) => bytes,
            Err(error) if fault::is_condition(&error) || fault::is_missing(&error) => {
                let what = if fault::is_missing(&error) { "removed" } else { "replaced" };
                return Err(ConnectorError::new(
                    ErrorKind::Transient,
                    operation(),
                    format!("the object was {what} while it was read"),
                )
                .remedy(super::objects::Objects::REPLACED));
            }
            Err(error) => return Err(fault::of(&operation(), &error)),
        };
        if bytes.len() as u64 != wanted {
            let detail = format!("{} bytes came of {wanted}", bytes.len());
            return Err(ConnectorError::new(ErrorKind::Transient, operation(), detail).remedy("try again"));
        }
        Ok(bytes)
    }

    /// The content from its beginning to its end, fetched a little ahead.
    pub(super) fn stream(self) -> (Streamed, Cause<ConnectorError>) {
        let (sender, reader) = pipe(WAITING);
        let cause = reader.cause();
        let runtime = self.bucket.runtime().clone();
        let task = runtime.spawn(async move {
            let (mut start, step) = (0, self.bucket.buffers().step());
            loop {
                let end = self.size.min(start + step);
                let piece = match self.fetch_some(start..end).await {
                    Ok(Some(bytes)) => Piece::Bytes(bytes),
                    Ok(None) => Piece::End,
                    Err(error) => Piece::Broken(error),
                };
                let last = !matches!(piece, Piece::Bytes(_));
                // A reader that is gone wants no more.
                if sender.send(piece).await.is_err() || last {
                    return;
                }
                start = end;
            }
        });
        (Streamed { reader, _task: AbortOnDropHandle::new(task) }, cause)
    }

    async fn fetch_some(&self, range: Range<u64>) -> Result<Option<Bytes>> {
        if range.is_empty() { Ok(None) } else { self.fetch(range).await.map(Some) }
    }

    /// The content where it is asked for.
    pub(super) fn ranges(self) -> (RangesOf, Cause<ConnectorError>) {
        let cause = Cause::default();
        (RangesOf { object: self, cause: cause.clone() }, cause)
    }
}

/// Content from its beginning to its end; dropping it ends the requests.
pub(super) struct Streamed {
    reader: PipeReader<ConnectorError>,
    _task: AbortOnDropHandle<()>,
}

impl io::Read for Streamed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// Content where it is asked for.
pub(super) struct RangesOf {
    object: Listed,
    cause: Cause<ConnectorError>,
}

impl Ranges for RangesOf {
    fn size(&self) -> u64 {
        self.object.size
    }

    fn fetch(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.object.bucket.wait(self.object.fetch(range)).map_err(|error| {
            let said = io::Error::other(error.to_string());
            self.cause.set(error);
            said
        })
    }
}
