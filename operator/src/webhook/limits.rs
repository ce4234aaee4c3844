//! How much clients may take of the listener: whoever sends nothing, or too much, is in nobody's way for long.

use std::time::Duration;

/// How much clients may take of the listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many connections are served at a time, each for one request; the next ones wait to be accepted.
    pub(super) connections: usize,
    /// How long the headers of a request may take to come.
    pub(super) headers: Duration,
    /// How long its body may take to come.
    pub(super) body: Duration,
    /// How long it is tried to write a request down while others write as well.
    pub(super) tries: Duration,
    /// How long all of a request may take, from its headers to its answer.
    pub(super) request: Duration,
    /// How long requests are answered that have come before the operator's end.
    pub(super) grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            headers: Duration::from_secs(10),
            body: Duration::from_secs(10),
            tries: Duration::from_secs(10),
            request: Duration::from_secs(30),
            grace: Duration::from_secs(5),
        }
    }
}
