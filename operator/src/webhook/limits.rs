//! How much clients may take of the listener, and of the time of who answers.

use std::time::Duration;

use crate::listener;

/// How much clients may take of the listener, and of the time of who answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of the listener. Who answers keeps to its time for a request as well.
    pub(super) listener: listener::Limits,
    /// How long the body of a request may take to come.
    pub(super) body: Duration,
    /// How long it is tried to write a request down while others write as well.
    pub(super) tries: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let headers = Duration::from_secs(10);
        Self {
            listener: listener::Limits {
                connections: 256,
                headers,
                // Who has come first is first, also where others wait.
                crowded: headers,
                request: Duration::from_secs(30),
                grace: Duration::from_secs(5),
            },
            body: Duration::from_secs(10),
            tries: Duration::from_secs(10),
        }
    }
}
