//! A bounded pipe: the bytes of an answer go in as they come, and a reader that blocks takes them out.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use reqwest::Response;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::failure::Failure;
use crate::connector::ErrorKind;

/// How many pieces wait in the pipe; each has what came from the connection at once, some hundred KiB at most.
const PIECES: usize = 8;

/// What goes through the pipe. The end is said, so that a sender that is gone is no end.
enum Piece {
    Bytes(Bytes),
    End,
    Broken(Failure),
}

/// Why the bytes broke off. Whoever reads through decoders gets an error of theirs; this tells what was behind it.
#[derive(Clone, Debug, Default)]
pub(super) struct Cause(Arc<Mutex<Option<Failure>>>);

impl Cause {
    /// Keeps a failure, unless there is one: the first is the cause of the others.
    pub(super) fn set(&self, failure: Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    /// The failure, if there was one.
    pub(super) fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The end that bytes come out of. Blocks.
pub(super) struct PipeReader {
    pieces: mpsc::Receiver<Piece>,
    rest: Bytes,
    ended: bool,
    cause: Cause,
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
    let (sender, pieces) = mpsc::channel(PIECES);
    let transferred = Arc::new(AtomicU64::new(0));
    let task = tokio::spawn(pump(response, silence, sender, Arc::clone(&transferred)));
    (PipeReader::new(pieces), Receiving { transferred, _task: AbortOnDropHandle::new(task) })
}

async fn pump(mut response: Response, silence: Duration, pieces: mpsc::Sender<Piece>, transferred: Arc<AtomicU64>) {
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

impl PipeReader {
    fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        Self { pieces, rest: Bytes::new(), ended: false, cause: Cause::default() }
    }

    /// Where the cause of an error is kept.
    pub(super) fn cause(&self) -> Cause {
        self.cause.clone()
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.ended {
            let failure = match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => {
                    self.rest = bytes;
                    continue;
                }
                Some(Piece::End) => {
                    self.ended = true;
                    continue;
                }
                Some(Piece::Broken(failure)) => failure,
                None => Failure::new(ErrorKind::Interrupted, false, "the answer was not read to its end"),
            };
            let error = io::Error::other(failure.detail.clone());
            self.cause.set(failure);
            return Err(error);
        }
        let count = buffer.len().min(self.rest.len());
        self.rest.split_to(count).copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe(pieces: Vec<Piece>) -> PipeReader {
        let (sender, receiver) = mpsc::channel(PIECES);
        for piece in pieces {
            assert!(sender.try_send(piece).is_ok());
        }
        PipeReader::new(receiver)
    }

    fn bytes(text: &'static str) -> Piece {
        Piece::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn bytes_come_out_in_order_and_the_end_is_said() {
        let mut pipe = pipe(vec![bytes("a,"), bytes(""), bytes("b\n1,2\n"), Piece::End]);
        let mut few = [0; 3];
        assert_eq!(pipe.read(&mut few).unwrap(), 2, "what is there is given");
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        assert_eq!(text, "b\n1,2\n");
        assert!(pipe.cause().take().is_none());
    }

    #[test]
    fn what_breaks_off_is_no_end_and_its_first_cause_is_kept() {
        let cut = Failure::new(ErrorKind::Transient, true, "cut");
        let mut broken = pipe(vec![bytes("a"), Piece::Broken(cut)]);
        let mut text = Vec::new();
        assert!(broken.read_to_end(&mut text).is_err());
        assert!(broken.read_to_end(&mut text).is_err(), "it stays broken");
        assert_eq!(text, b"a");
        let cause = broken.cause().take().unwrap();
        assert_eq!((cause.kind, cause.again, cause.detail.as_str()), (ErrorKind::Transient, true, "cut"));

        let mut abandoned = pipe(vec![bytes("a")]);
        assert!(abandoned.read_to_end(&mut text).is_err());
        assert_eq!(abandoned.cause().take().unwrap().kind, ErrorKind::Interrupted);
    }
}
