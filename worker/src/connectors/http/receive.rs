//! Takes the body of an answer in, into a pipe that a reader takes it out of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Response;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::failure::Failure;
use crate::connector::ErrorKind;
use crate::connectors::pipe::{self, Piece, pipe};

/// How many pieces wait in the pipe; each has what came from the connection at once, some hundred KiB at most.
const PIECES: usize = 8;

/// Why an answer broke off.
pub(super) type Cause = pipe::Cause<Failure>;
/// The end that the bytes of an answer come out of. Blocks.
pub(super) type PipeReader = pipe::PipeReader<Failure>;

impl pipe::Failure for Failure {
    fn detail(&self) -> String {
        self.detail.clone()
    }

    fn abandoned() -> Self {
        Self::new(ErrorKind::Interrupted, false, "the answer was not read to its end")
    }
}

/// The other end: bytes are taken in as long as this is kept.
pub(super) struct Receiving {
    transferred: Arc<AtomicU64>,
    _task: AbortOnDropHandle<()>,
}

impl Receiving {
    /// How many bytes were transferred so far.
    pub(super) fn transferred(&self) -> u64 {
        self.transferred.load(Ordering::Relaxed)
    }
}

/// Begins to take a body in; the server may be silent for so long while it is waited for.
pub(super) fn receive(response: Response, silence: Duration) -> (PipeReader, Receiving) {
    let (sender, reader) = pipe(PIECES);
    let transferred = Arc::new(AtomicU64::new(0));
    let task = tokio::spawn(pump(response, silence, sender, Arc::clone(&transferred)));
    (reader, Receiving { transferred, _task: AbortOnDropHandle::new(task) })
}

async fn pump(
    mut response: Response,
    silence: Duration,
    pieces: mpsc::Sender<Piece<Failure>>,
    transferred: Arc<AtomicU64>,
) {
    loop {
        // Only this wait is the server's: a full pipe is waited for below.
        let piece = match timeout(silence, response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                transferred.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Piece::Bytes(bytes)
            }
            Ok(Ok(None)) => Piece::End,
            Ok(Err(error)) => Piece::Broken(Failure::from_client(error)),
            Err(_) => Piece::Broken(Failure::late()),
        };
        let last = !matches!(piece, Piece::Bytes(_));
        // A reader that is gone wants no more.
        if pieces.send(piece).await.is_err() || last {
            return;
        }
    }
}
