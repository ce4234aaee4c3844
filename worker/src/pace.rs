//! A limit on how many of something happen in a second: rows through a Connector, requests to an API.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Gives each its time, one after the other, whoever asks: clones share the limit.
#[derive(Clone, Debug)]
pub struct Pace {
    /// None for as many as one likes.
    per_second: Option<f64>,
    /// When the time of those that have come so far is over.
    free: Arc<Mutex<Instant>>,
}

impl Pace {
    /// At most so many a second, from now on.
    #[must_use]
    pub fn new(per_second: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a rate; beyond 2^53 a second there is no limit to speak of")]
        let per_second = per_second.max(1) as f64;
        Self { per_second: Some(per_second), ..Self::unlimited() }
    }

    /// As many as one likes, until somebody [holds](Self::hold) them.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { per_second: None, free: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Waits until the next one may begin, which the time belongs to from then on. For what is asked for: the first one
    /// begins at once, and all are spread evenly.
    pub async fn turn(&self) {
        let (begin, _) = self.reserve(1);
        sleep_until(begin).await;
    }

    /// Waits until the time of so many is over. For what is there already, and may only come through now.
    pub async fn pass(&self, count: usize) {
        let (_, end) = self.reserve(count);
        sleep_until(end).await;
    }

    /// None begins for so long.
    pub fn hold(&self, duration: Duration) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = (*free).max(Instant::now() + duration);
    }

    /// When the time of so many begins and ends.
    fn reserve(&self, count: usize) -> (Instant, Instant) {
        #[expect(clippy::cast_precision_loss, reason = "a batch has few rows")]
        let cost = self.per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(count as f64 / rate));
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = (*free).max(Instant::now());
        *free = begin + cost;
        (begin, *free)
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn rows_pass_no_faster_than_the_limit_whoever_asks() {
        let pace = Pace::new(1000);
        let started = Instant::now();
        tokio::join!(pace.pass(100), pace.pass(100), pace.pass(100));
        assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn turns_are_spread_evenly_and_a_hold_delays_them_all() {
        let pace = Pace::new(100);
        let begin = Instant::now();
        join_all((0..6).map(|_| pace.turn())).await;
        assert!(begin.elapsed() >= Duration::from_millis(50), "{:?}", begin.elapsed());

        for pace in [pace, Pace::unlimited()] {
            let held = Instant::now();
            pace.hold(Duration::from_millis(80));
            join_all((0..2).map(|_| pace.turn())).await;
            assert!(held.elapsed() >= Duration::from_millis(80), "{:?}", held.elapsed());
        }
    }
}
