//! Work of one reader on several threads, its results in the order it was given.

use std::collections::VecDeque;
use std::sync::mpsc;

/// Results that are being worked out, oldest first.
pub(crate) struct Workers<T> {
    threads: usize,
    pending: VecDeque<mpsc::Receiver<T>>,
}

impl<T: Send + 'static> Workers<T> {
    /// At most so many at once; with one, or outside of a runtime, whoever gives the work does it.
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads: threads.max(1), pending: VecDeque::new() }
    }

    /// Whether more can be given without waiting for what there is.
    pub(crate) fn has_room(&self) -> bool {
        // One more than can be worked on at once: nobody waits for the reader. Alone, it hands on what it has.
        let most = if self.threads == 1 { 1 } else { self.threads + 1 };
        self.pending() < most
    }

    /// How many results were not taken yet.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Gives work.
    pub(crate) fn give(&mut self, work: impl FnOnce() -> T + Send + 'static) {
        let (sender, receiver) = mpsc::sync_channel(1);
        let work = move || {
            // A reader that has stopped wants no result.
            sender.send(work()).unwrap_or_default();
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.threads > 1 => drop(runtime.spawn_blocking(work)),
            _ => work(),
        }
        self.pending.push_back(receiver);
    }

    /// The oldest result; None when nothing is pending. The error is a panic of the work.
    pub(crate) fn take(&mut self) -> Option<Result<T, mpsc::RecvError>> {
        self.pending.pop_front().map(|receiver| receiver.recv())
    }
}
