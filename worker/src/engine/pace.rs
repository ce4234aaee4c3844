//! A limit on rows a second, shared by all that one run reads from or writes to a Connector.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets at most so many rows a second pass.
#[derive(Clone, Debug)]
pub struct Pace {
    rows_per_second: f64,
    /// When the rows that have passed so far are paid for.
    paid_until: Arc<Mutex<Instant>>,
}

impl Pace {
    /// A pace that begins now.
    #[must_use]
    pub fn new(rows_per_second: u64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate; beyond 2^53 rows a second there is no limit to speak of"
        )]
        let rows_per_second = rows_per_second.max(1) as f64;
        Self { rows_per_second, paid_until: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Waits until these rows may pass.
    pub async fn pass(&self, rows: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a batch has few rows")]
        let cost = Duration::from_secs_f64(rows as f64 / self.rows_per_second);
        let due = {
            let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
            *paid_until = (*paid_until).max(Instant::now()) + cost;
            *paid_until
        };
        tokio::time::sleep_until(due).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_pass_no_faster_than_the_limit_whoever_asks() {
        let pace = Pace::new(1000);
        let started = Instant::now();
        tokio::join!(pace.pass(100), pace.pass(100), pace.pass(100));
        assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    }
}
