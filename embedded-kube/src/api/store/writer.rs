//! The one thread that changes anything.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::change::{Change, Expected, Key, Stored};
use super::disk::{Disk, Row, StoreError};
use super::log::{Event, EventKind};
use super::memory::{self, Memory};
use super::{NotWritten, versioned};

/// The most changes of one transaction.
pub(crate) const TOGETHER: usize = 256;

/// A change that somebody waits for.
pub(super) struct Order {
    pub(super) key: Key,
    pub(super) expected: Expected,
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Result<Arc<Stored>, NotWritten>>,
}

/// Who is told of changes before anybody sees them.
pub(super) type Observer = Box<dyn Fn(&Stored, bool) + Send + Sync>;

/// The thread, and the way to it. When the last one who could ask is gone, it ends after what was asked before.
pub(super) struct Writer {
    orders: Mutex<Option<Sender<Order>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        disk: Disk,
        memory: Arc<RwLock<Memory>>,
        observer: Arc<OnceLock<Observer>>,
    ) -> Result<Self, StoreError> {
        let (sender, orders) = channel();
        let work = move || serve(disk, &memory, &observer, &orders);
        let thread = std::thread::Builder::new().name("store".into()).spawn(work);
        let thread = thread.map_err(StoreError::Thread)?;
        Ok(Self { orders: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn send(&self, order: Order) -> Result<(), NotWritten> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.as_ref().and_then(|orders| orders.send(order).ok()).ok_or(NotWritten::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes objects has panicked");
        }
    }
}

fn serve(mut disk: Disk, memory: &RwLock<Memory>, observer: &OnceLock<Observer>, orders: &Receiver<Order>) {
    while let Ok(first) = orders.recv() {
        let mut batch = vec![first];
        batch.extend(orders.try_iter().take(TOGETHER - 1));
        write(&mut disk, memory, observer.get(), batch);
    }
}

/// A change that is about to be made, and who waits for it.
type Made = (Event, oneshot::Sender<Result<Arc<Stored>, NotWritten>>);

/// Makes changes, in their order: all that can be made at once, or, when the disk refuses, none.
fn write(disk: &mut Disk, memory: &RwLock<Memory>, observer: Option<&Observer>, batch: Vec<Order>) {
    let mut made: Vec<Made> = Vec::with_capacity(batch.len());
    // What the changes before have made of objects, before anybody sees it.
    let mut ahead: HashMap<Key, Option<Arc<Stored>>> = HashMap::new();
    let mut version = memory::read(memory).version;
    for Order { key, expected, change, answer } in batch {
        let there = ahead.get(&key).cloned().unwrap_or_else(|| memory::read(memory).get(&key));
        if !expected.holds(there.as_ref()) {
            tell(answer, Err(NotWritten::Unexpected(there)));
            continue;
        }
        version += 1;
        let (object, removed) = match change {
            Change::Put(object) => (object, false),
            Change::Remove(object) => (object, true),
        };
        let stored = Arc::new(Stored { key: key.clone(), version, object: versioned(object, version) });
        let kind = match (&there, removed) {
            (_, true) => EventKind::Deleted,
            (None, false) => EventKind::Added,
            (Some(_), false) => EventKind::Modified,
        };
        ahead.insert(key, (!removed).then(|| Arc::clone(&stored)));
        made.push((Event { kind, stored, before: there }, answer));
    }
    let rows: Vec<Row<'_>> = made.iter().map(|(event, _)| row(event)).collect();
    let written = disk.write(&rows);
    drop(rows);
    match written {
        Ok(()) => {
            if let Some(observe) = observer {
                made.iter().for_each(|(event, _)| observe(&event.stored, event.is_removal()));
            }
            memory::write(memory).take(made.iter().map(|(event, _)| event.clone()).collect());
            for (event, answer) in made {
                tell(answer, Ok(event.stored));
            }
        }
        Err(error) => {
            tracing::error!(%error, "objects could not be written");
            let words = error.to_string();
            for (_, answer) in made {
                let error = StoreError::Database(rusqlite::Error::ToSqlConversionFailure(words.clone().into()));
                tell(answer, Err(NotWritten::Store(error)));
            }
        }
    }
}

fn row(event: &Event) -> Row<'_> {
    let Stored { key, version, object } = event.stored.as_ref();
    Row { key, version: *version, object: (!event.is_removal()).then(|| object.to_string()) }
}

fn tell(answer: oneshot::Sender<Result<Arc<Stored>, NotWritten>>, what: Result<Arc<Stored>, NotWritten>) {
    if answer.send(what).is_err() {
        tracing::debug!("who asked for a change waits no more");
    }
}
