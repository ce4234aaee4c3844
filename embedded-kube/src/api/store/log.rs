//! What has happened to the objects of a resource lately, and who is told of what happens.
//!
//! Each watch has a queue of its own, into which only what it may want is put: a thousand that watch one object each are not
//! woken by the writes of the others.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::change::{Key, Stored};

/// How many events of a resource are remembered, and how many may wait for whoever watches: who is further behind has to list
/// again.
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

/// Which objects of a resource somebody wants to know of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Of one namespace; None: of all.
    pub namespace: Option<String>,
    /// Of one name; None: of any.
    pub name: Option<String>,
}

impl Scope {
    /// Everything in a namespace; None: in all of them.
    #[must_use]
    pub fn within(namespace: Option<&str>) -> Self {
        Self { namespace: namespace.map(ToOwned::to_owned), name: None }
    }

    fn holds(&self, key: &Key) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
        fits(&self.namespace, &key.namespace) && fits(&self.name, &key.name)
    }
}

/// The events of a resource. Changed by one at a time: it is kept behind the lock of the memory.
#[derive(Debug)]
pub(super) struct Log {
    events: VecDeque<Event>,
    /// Everything after this version is here.
    oldest: u64,
    /// The version up to which everybody has been told.
    newest: Arc<AtomicU64>,
    /// Who wants to know of objects of any name.
    any: Vec<Listener>,
    /// Who wants to know of those of one name.
    named: HashMap<String, Vec<Listener>>,
}

/// The way to a watch.
#[derive(Debug)]
struct Listener {
    scope: Scope,
    queue: mpsc::Sender<Event>,
    slow: Arc<AtomicBool>,
}

impl Listener {
    /// Tells of an event that it wants to know of; false when it is to be told nothing more.
    fn tell(&self, event: &Event) -> bool {
        if !self.scope.holds(&event.stored.key) {
            return true;
        }
        match self.queue.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                // Seen when what waits has been read: the queue ends there.
                self.slow.store(true, Ordering::Release);
                false
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

impl Log {
    pub(super) fn new(begun: u64) -> Self {
        Self {
            events: VecDeque::new(),
            oldest: begun,
            newest: Arc::new(AtomicU64::new(begun)),
            any: Vec::new(),
            named: HashMap::new(),
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        let version = event.stored.version;
        self.any.retain(|listener| listener.tell(&event));
        if let Some(listeners) = self.named.get_mut(&event.stored.key.name) {
            listeners.retain(|listener| listener.tell(&event));
        }
        self.events.push_back(event);
        if self.events.len() > REMEMBERED
            && let Some(forgotten) = self.events.pop_front()
        {
            self.oldest = forgotten.stored.version;
        }
        // After the queues: what is not in them by then has not happened.
        self.newest.store(version, Ordering::Release);
    }

    pub(super) fn watch(&mut self, scope: &Scope, after: u64, newest: u64) -> Result<Watch, Expired> {
        if after < self.oldest {
            return Err(Expired { asked: after, oldest: self.oldest });
        }
        // A version that is not there yet may be one of a store that was thrown away.
        let after = after.min(newest);
        let first = self.events.partition_point(|event| event.stored.version <= after);
        let missed = self.events.range(first..).filter(|event| scope.holds(&event.stored.key)).cloned().collect();
        Ok(self.follow(scope, after, missed))
    }

    pub(super) fn watch_from_now(&mut self, scope: &Scope, version: u64) -> Watch {
        self.follow(scope, version, VecDeque::new())
    }

    fn follow(&mut self, scope: &Scope, seen: u64, missed: VecDeque<Event>) -> Watch {
        let (queue, events) = mpsc::channel(REMEMBERED);
        let slow = Arc::new(AtomicBool::new(false));
        let listener = Listener { scope: scope.clone(), queue, slow: Arc::clone(&slow) };
        match &scope.name {
            None => {
                self.any.retain(|listener| !listener.queue.is_closed());
                self.any.push(listener);
            }
            Some(name) => {
                // Nothing may ever happen to a name that somebody has waited for.
                self.named.retain(|_, listeners| {
                    listeners.retain(|listener| !listener.queue.is_closed());
                    !listeners.is_empty()
                });
                self.named.entry(name.clone()).or_default().push(listener);
            }
        }
        Watch { missed, events, newest: Arc::clone(&self.newest), slow, seen }
    }
}

/// Follows some objects of a resource.
#[derive(Debug)]
pub struct Watch {
    /// What had happened before it began.
    missed: VecDeque<Event>,
    events: mpsc::Receiver<Event>,
    newest: Arc<AtomicU64>,
    slow: Arc<AtomicBool>,
    seen: u64,
}

impl Watch {
    /// The version up to which everything was seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        // Before looking whether something waits: it was put there before the version was told.
        let newest = self.newest.load(Ordering::Acquire);
        if self.missed.is_empty() && self.events.is_empty() { self.seen.max(newest) } else { self.seen }
    }

    /// The next events, the oldest first, at least one; None when the store is closed. What is dropped while it waits is not
    /// lost.
    ///
    /// # Errors
    /// When it was so slow that some were forgotten.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, Expired> {
        let mut new: Vec<Event> = self.missed.drain(..).collect();
        if new.is_empty() && self.events.recv_many(&mut new, REMEMBERED).await == 0 {
            if self.slow.load(Ordering::Acquire) {
                return Err(Expired { asked: self.seen, oldest: self.newest.load(Ordering::Acquire) });
            }
            return Ok(None);
        }
        if let Some(last) = new.last() {
            self.seen = last.stored.version;
        }
        Ok(Some(new))
    }
}
