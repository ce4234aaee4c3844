//! A bounded pipe: bytes go in as they come, and a reader that blocks takes them out.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// What broke the bytes off, in the words of who sends them.
pub(crate) trait Failure: Send + 'static {
    /// What happened, for a reader's message.
    fn detail(&self) -> String;

    /// The failure of a sender that is gone before the end.
    fn abandoned() -> Self;
}

/// What goes through the pipe. The end is said, so that a sender that is gone is no end.
pub(crate) enum Piece<F> {
    /// Some more bytes.
    Bytes(Bytes),
    /// There are no more.
    End,
    /// There should be more.
    Broken(F),
}

/// Why the bytes broke off. Whoever reads through decoders gets an error of theirs; this tells what was behind it.
#[derive(Debug)]
pub(crate) struct Cause<F>(Arc<Mutex<Option<F>>>);

impl<F> Default for Cause<F> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<F> Clone for Cause<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> Cause<F> {
    /// Keeps a failure, unless there is one: the first is the cause of the others.
    pub(crate) fn set(&self, failure: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    /// The failure, if there was one.
    pub(crate) fn take(&self) -> Option<F> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The end that bytes come out of. Blocks.
pub(crate) struct PipeReader<F> {
    pieces: mpsc::Receiver<Piece<F>>,
    rest: Bytes,
    ended: bool,
    cause: Cause<F>,
}

/// A pipe in which so many pieces wait at most.
pub(crate) fn pipe<F: Failure>(pieces: usize) -> (mpsc::Sender<Piece<F>>, PipeReader<F>) {
    let (sender, pieces) = mpsc::channel(pieces);
    (sender, PipeReader { pieces, rest: Bytes::new(), ended: false, cause: Cause::default() })
}

impl<F> PipeReader<F> {
    /// Where the cause of an error is kept.
    pub(crate) fn cause(&self) -> Cause<F> {
        self.cause.clone()
    }
}

impl<F: Failure> Read for PipeReader<F> {
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
                None => F::abandoned(),
            };
            let error = io::Error::other(failure.detail());
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

    #[derive(Debug, PartialEq)]
    struct Broken(&'static str);

    impl Failure for Broken {
        fn detail(&self) -> String {
            self.0.to_owned()
        }

        fn abandoned() -> Self {
            Self("abandoned")
        }
    }

    fn filled(pieces: Vec<Piece<Broken>>) -> PipeReader<Broken> {
        let (sender, reader) = pipe(8);
        for piece in pieces {
            assert!(sender.try_send(piece).is_ok());
        }
        reader
    }

    fn bytes(text: &'static str) -> Piece<Broken> {
        Piece::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn bytes_come_out_in_order_and_the_end_is_said() {
        let mut pipe = filled(vec![bytes("a,"), bytes(""), bytes("b\n1,2\n"), Piece::End]);
        let mut few = [0; 3];
        assert_eq!(pipe.read(&mut few).unwrap(), 2, "what is there is given");
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        assert_eq!(text, "b\n1,2\n");
        assert!(pipe.cause().take().is_none());
    }

    #[test]
    fn what_breaks_off_is_no_end_and_its_first_cause_is_kept() {
        let mut broken = filled(vec![bytes("a"), Piece::Broken(Broken("cut"))]);
        let mut text = Vec::new();
        assert!(broken.read_to_end(&mut text).is_err());
        assert!(broken.read_to_end(&mut text).is_err(), "it stays broken");
        assert_eq!(text, b"a");
        assert_eq!(broken.cause().take(), Some(Broken("cut")));

        let mut abandoned = filled(vec![bytes("a")]);
        assert!(abandoned.read_to_end(&mut text).is_err());
        assert_eq!(abandoned.cause().take(), Some(Broken("abandoned")));
    }
}
