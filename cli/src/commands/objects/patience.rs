//! How long a server that was there before is waited for.

use std::time::{Duration, Instant};

use super::trouble::Trouble;

/// How long it is waited for.
const LONGEST: Duration = Duration::from_secs(60);
/// The time between two attempts of those that make them themselves.
const PAUSE: Duration = Duration::from_secs(1);

/// For how long the server has been away.
#[derive(Debug, Default)]
pub(super) struct Patience(Option<Instant>);

impl Patience {
    /// It is there.
    pub(super) fn answered(&mut self) {
        self.0 = None;
    }

    /// Bears what may pass by itself, and gives back what does not, or has lasted for too long.
    pub(super) fn bear(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        let since = *self.0.get_or_insert_with(Instant::now);
        if trouble.passes() && since.elapsed() < LONGEST { Ok(()) } else { Err(trouble) }
    }

    /// Waits before another attempt.
    pub(super) async fn pause() {
        tokio::time::sleep(PAUSE).await;
    }
}
