//! What has happened to the objects of a resource lately, for those who watch.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::change::Stored;

/// How many events of a resource are remembered: who is further behind has to list again.
const REMEMBERED: usize = 10_000;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The object is new.
    Added,
    /// It has changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// The object after it; as it was last, with the version of its going, when it is gone.
    pub stored: Arc<Stored>,
    /// The object before it.
    pub before: Option<Arc<Stored>>,
}

impl Event {
    pub(super) fn is_removal(&self) -> bool {
        self.kind == EventKind::Deleted
    }
}

/// What is asked for is too long ago; the oldest version that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct Expired {
    /// What was asked for.
    pub asked: u64,
    /// The oldest version after which everything is known.
    pub oldest: u64,
}

/// The events of a resource.
#[derive(Debug)]
pub(super) struct Log {
    events: Arc<Mutex<Remembered>>,
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Remembered {
    events: VecDeque<Event>,
    /// Everything after this version is here.
    oldest: u64,
}

fn lock(events: &Mutex<Remembered>) -> MutexGuard<'_, Remembered> {
    events.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    pub(super) fn new(begun: u64) -> Self {
        let events = Remembered { events: VecDeque::new(), oldest: begun };
        Self { events: Arc::new(Mutex::new(events)), newest: watch::Sender::new(begun) }
    }

    pub(super) fn push(&self, event: Event) {
        let version = event.stored.version;
        let mut remembered = lock(&self.events);
        remembered.events.push_back(event);
        if remembered.events.len() > REMEMBERED
            && let Some(forgotten) = remembered.events.pop_front()
        {
            remembered.oldest = forgotten.stored.version;
        }
        drop(remembered);
        self.newest.send_replace(version);
    }

    pub(super) fn watch(&self, after: u64, newest: u64) -> Result<Watch, Expired> {
        let oldest = lock(&self.events).oldest;
        if after < oldest {
            return Err(Expired { asked: after, oldest });
        }
        // A version that is not there yet may be one of a store that was thrown away.
        Ok(self.watch_from_now(after.min(newest)))
    }

    pub(super) fn watch_from_now(&self, version: u64) -> Watch {
        Watch { events: Arc::clone(&self.events), newest: self.newest.subscribe(), seen: version }
    }
}

/// Follows the events of a resource.
#[derive(Debug)]
pub struct Watch {
    events: Arc<Mutex<Remembered>>,
    newest: watch::Receiver<u64>,
    seen: u64,
}

impl Watch {
    /// The version up to which everything was seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The next events, the oldest first, at least one; None when the store is closed. What is dropped while it waits is not
    /// lost.
    ///
    /// # Errors
    /// When it was so slow that some were forgotten.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, Expired> {
        loop {
            // Before looking: what comes meanwhile wakes the next wait.
            self.newest.mark_unchanged();
            {
                let remembered = lock(&self.events);
                if self.seen < remembered.oldest {
                    return Err(Expired { asked: self.seen, oldest: remembered.oldest });
                }
                let first = remembered.events.partition_point(|event| event.stored.version <= self.seen);
                let new: Vec<Event> = remembered.events.range(first..).cloned().collect();
                if let Some(last) = new.last() {
                    self.seen = last.stored.version;
                    return Ok(Some(new));
                }
            }
            if self.newest.changed().await.is_err() {
                return Ok(None);
            }
        }
    }
}
