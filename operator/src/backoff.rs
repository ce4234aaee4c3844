//! How soon an object is looked at again that could not be brought further: the longer, the more often in a row.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::names;
use crate::routes::Key;

/// How soon after a conflict, and how late after many in a row: a cache that lags for long brings one with every look.
const CONFLICT: Duration = Duration::from_millis(100);
const CONFLICTS: Duration = Duration::from_secs(5);
/// The pauses after failures in a row.
pub(crate) const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// By how many thousandths a pause is longer at most: objects that failed together come back apart.
const SPREAD: u32 = 250;

/// How often in a row each object could not be brought further.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: Counts,
    conflicts: Counts,
}

#[derive(Debug, Default)]
struct Counts(Mutex<HashMap<Key, u32>>);

impl Counts {
    fn of(&self, key: &Key) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied().unwrap_or(0)
    }

    /// Once more.
    fn more(&self, key: &Key) -> u32 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(key.clone()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    fn forget(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Backoff {
    /// How often it has failed in a row.
    pub(crate) fn failures(&self, key: &Key) -> u32 {
        self.failures.of(key)
    }

    /// It has failed: how soon it is tried again.
    pub(crate) fn failed(&self, key: &Key) -> Duration {
        spread(after_failures(self.failures.more(key)), key)
    }

    /// Somebody else has written meanwhile: how soon it is tried again.
    pub(crate) fn conflicted(&self, key: &Key) -> Duration {
        after_conflicts(self.conflicts.more(key))
    }

    /// It was brought further, or is gone: what came before is forgotten.
    pub(crate) fn forgive(&self, key: &Key) {
        self.failures.forget(key);
        self.conflicts.forget(key);
    }
}

/// The pause after so many failures in a row, the last one counted.
fn after_failures(failures: u32) -> Duration {
    doubled(FIRST, failures).min(LONGEST)
}

/// The pause after so many conflicts in a row, the last one counted.
fn after_conflicts(conflicts: u32) -> Duration {
    doubled(CONFLICT, conflicts).min(CONFLICTS)
}

/// The pause after so many in a row, of which each is twice as long as the one before.
pub(crate) fn doubled(first: Duration, count: u32) -> Duration {
    first.saturating_mul(2u32.saturating_pow(count.saturating_sub(1)))
}

/// A pause that is longer by a part of it that is the object's own.
fn spread(pause: Duration, key: &Key) -> Duration {
    let own = u32::from_str_radix(&names::hash(&[&key.namespace, &key.name], 4), 16).unwrap_or(0) % SPREAD;
    pause + pause * own / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Kind;

    fn key(name: &str) -> Key {
        Key { kind: Kind::Pipeline, namespace: "shop".into(), name: name.into() }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let millis = |pause: fn(u32) -> Duration, counts: &[u32]| -> Vec<u128> {
            counts.iter().map(|count| pause(*count).as_millis()).collect()
        };
        let counts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 33, u32::MAX];
        let failures =
            [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000, 300_000, 300_000];
        assert_eq!(millis(after_failures, &counts), failures);
        let conflicts = [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000];
        assert_eq!(millis(after_conflicts, &counts), conflicts);
    }

    #[test]
    fn objects_that_failed_together_come_back_apart() {
        let backoff = Backoff::default();
        let names = ["orders", "customers", "items"];
        for failures in 1..=12 {
            let [orders, customers, items] = names.map(|name| backoff.failed(&key(name)));
            assert!(orders != customers && customers != items && items != orders, "{orders:?} {customers:?} {items:?}");
            let least = after_failures(failures);
            for pause in [orders, customers, items] {
                assert!(least <= pause && pause < least * 5 / 4, "{pause:?} after {failures} failures");
            }
        }
    }

    #[test]
    fn each_object_has_a_count_of_its_own_that_is_forgotten_when_it_was_brought_further() {
        let backoff = Backoff::default();
        let (one, other) = (key("one"), key("other"));
        let first = backoff.failed(&one);
        assert_eq!((backoff.failed(&one), backoff.failures(&one)), (2 * first, 2));
        assert_eq!(backoff.failures(&other), 0);
        // Conflicts are no failures, and are counted on their own.
        assert_eq!([backoff.conflicted(&one), backoff.conflicted(&one)], [CONFLICT, 2 * CONFLICT]);
        assert_eq!(backoff.failures(&one), 2);
        backoff.failed(&other);
        backoff.forgive(&one);
        assert_eq!((backoff.failures(&one), backoff.failures(&other)), (0, 1));
        assert_eq!((backoff.failed(&one), backoff.conflicted(&one)), (first, CONFLICT));
    }
}
