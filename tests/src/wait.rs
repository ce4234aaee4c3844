//! Waiting for what comes about by itself.

use std::time::{Duration, Instant};

/// How long anything may take that takes seconds: machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The pauses between two questions: an eighth of the time so far, within these. What is timed by waiting is right to so much of
/// itself, and asking costs little of what it waits for, which may need the machine.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));

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
        std::thread::sleep((started.elapsed() / 8).clamp(PAUSES.0, PAUSES.1));
    }
}
