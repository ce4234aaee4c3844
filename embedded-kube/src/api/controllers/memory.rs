//! What is only known by watching for a while: since when a node has said nothing, and since when one is missing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What was noticed, and when.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Noticed>);

#[derive(Debug, Default)]
struct Noticed {
    /// The last sign of life of each node.
    heard: HashMap<String, (String, Instant)>,
    /// The nodes that Pods name and that are not there.
    missing: HashMap<String, Instant>,
}

impl Memory {
    fn noticed(&self) -> MutexGuard<'_, Noticed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long a node has given no other sign of life than this.
    pub(super) fn silent(&self, node: &str, sign: &str) -> Duration {
        let mut noticed = self.noticed();
        let (last, since) = noticed.heard.entry(node.to_owned()).or_insert_with(|| (sign.to_owned(), Instant::now()));
        if last != sign {
            (*last, *since) = (sign.to_owned(), Instant::now());
        }
        since.elapsed()
    }

    /// For how long a node has been missing.
    pub(super) fn missing(&self, node: &str) -> Duration {
        self.noticed().missing.entry(node.to_owned()).or_insert_with(Instant::now).elapsed()
    }

    /// A node is there.
    pub(super) fn found(&self, node: &str) {
        self.noticed().missing.remove(node);
    }

    /// A node is gone: another of its name has a life of its own.
    pub(super) fn forget(&self, node: &str) {
        self.noticed().heard.remove(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_sign_of_life_ends_the_silence() {
        let memory = Memory::default();
        memory.silent("n", "a");
        std::thread::sleep(Duration::from_millis(20));
        assert!(memory.silent("n", "a") >= Duration::from_millis(20));
        assert!(memory.silent("n", "b") < Duration::from_millis(20));
        memory.missing("n");
        std::thread::sleep(Duration::from_millis(20));
        assert!(memory.missing("n") >= Duration::from_millis(20));
        memory.found("n");
        assert!(memory.missing("n") < Duration::from_millis(20));
    }
}
