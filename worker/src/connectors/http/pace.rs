//! Spreads requests evenly over time, for all streams of a Connector together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Gives out the moments at which requests may be sent.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// At most so many requests a second; None for as many as one likes.
    pub(super) fn new(requests_per_second: Option<u32>) -> Self {
        let interval = requests_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1));
        Self { interval, next: Mutex::new(Instant::now()) }
    }

    /// Waits until the next request may be sent.
    pub(super) async fn turn(&self) {
        let moment = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let moment = (*next).max(Instant::now());
            *next = moment + self.interval;
            moment
        };
        sleep_until(moment).await;
    }

    /// No request is sent for so long: the server asked for it.
    pub(super) fn hold(&self, duration: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_are_spread_evenly_and_a_hold_delays_them_all() {
        let pace = Pace::new(Some(100));
        let begin = Instant::now();
        futures::future::join_all((0..6).map(|_| pace.turn())).await;
        assert!(begin.elapsed() >= Duration::from_millis(50), "{:?}", begin.elapsed());

        let held = Instant::now();
        pace.hold(Duration::from_millis(80));
        pace.turn().await;
        assert!(held.elapsed() >= Duration::from_millis(80), "{:?}", held.elapsed());
    }
}
