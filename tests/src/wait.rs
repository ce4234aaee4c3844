//! Waiting for what comes about by itself.

use std::time::{Duration, Instant};

/// How long anything may take that takes seconds: machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks again until there is an answer.
///
/// # Panics
/// When there is none for two minutes.
pub fn eventually<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "in {} seconds there was not: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}
