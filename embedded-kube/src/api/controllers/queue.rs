//! What has to be looked at, and when: each once, and by one at a time.

use std::collections::HashMap;
use std::time::Instant;

use super::route::Key;

/// What has to be looked at.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// When each is due.
    due: HashMap<Key, Instant>,
    /// What is looked at right now, and when it is due again.
    busy: HashMap<Key, Option<Instant>>,
}

impl Queue {
    /// Something has to be looked at, at that time or before.
    pub(super) fn add(&mut self, key: Key, when: Instant) {
        if let Some(again) = self.busy.get_mut(&key) {
            *again = Some(again.map_or(when, |before| before.min(when)));
            return;
        }
        let due = self.due.entry(key).or_insert(when);
        *due = when.min(*due);
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    /// Takes what is due, at most so many: they are busy until they are done.
    pub(super) fn take(&mut self, now: Instant, most: usize) -> Vec<Key> {
        let mut due: Vec<(Instant, Key)> =
            self.due.iter().filter(|(_, when)| **when <= now).map(|(key, when)| (*when, key.clone())).collect();
        due.sort_by_key(|(when, _)| *when);
        due.truncate(most);
        let keys: Vec<Key> = due.into_iter().map(|(_, key)| key).collect();
        for key in &keys {
            self.due.remove(key);
            self.busy.insert(key.clone(), None);
        }
        keys
    }

    /// One was looked at.
    pub(super) fn done(&mut self, key: Key, again: Option<Instant>) {
        let meanwhile = self.busy.remove(&key).flatten();
        if let Some(when) = again.into_iter().chain(meanwhile).min() {
            self.add(key, when);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::route::Controller;
    use super::*;

    #[test]
    fn each_is_looked_at_once_by_one_at_a_time_and_again_if_something_came_meanwhile() {
        let key = |name: &str| Key::new(Controller::Job, "ns", name);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut queue = Queue::default();
        queue.add(key("a"), at(5));
        queue.add(key("a"), at(3));
        queue.add(key("b"), at(4));
        assert_eq!((queue.next(), queue.take(at(2), 9)), (Some(at(3)), vec![]));
        assert_eq!(queue.take(at(5), 1), [key("a")]);
        queue.add(key("a"), at(0));
        assert_eq!(queue.take(at(5), 9), [key("b")]);
        assert_eq!(queue.next(), None);
        queue.done(key("b"), None);
        assert_eq!(queue.next(), None);
        queue.done(key("a"), Some(at(9)));
        assert_eq!(queue.take(at(0), 9), [key("a")]);
        queue.done(key("a"), Some(at(9)));
        assert_eq!(queue.next(), Some(at(9)));
    }
}
