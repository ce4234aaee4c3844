//! Where objects are kept: in memory for reading, and, before anybody sees a change, in SQLite.
//!
//! ```text
//! write ─► one thread: precondition ─► version ─► SQLite, many in one transaction ─► memory ─► log of the resource ─► watches
//! get, list ─────────────────────────────────────────────────────────────────────────┘
//! ```
//! Versions are one counter for everything, as in etcd. It is kept with the objects, so that it never goes back, also when
//! the newest object is deleted.

mod change;
mod disk;
mod log;
mod memory;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::{Arc, OnceLock, RwLock};

use serde_json::Value;
use tokio::sync::oneshot;

pub use change::{Change, Expected, Key, Resource, Stored};
pub use disk::StoreError;
pub use log::{Event, EventKind, Expired, Scope, Watch};
pub(crate) use writer::TOGETHER;

use memory::Memory;
use writer::{Observer, Order, Writer};

/// All objects. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    memory: Arc<RwLock<Memory>>,
    writer: Arc<Writer>,
    observer: Arc<OnceLock<Observer>>,
}

/// Objects, and the version at which they were so.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The version of the whole store.
    pub version: u64,
    /// The objects, by namespace and name.
    pub items: Vec<Arc<Stored>>,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// The object is not what was expected; what is there instead.
    #[error("the object is not what was expected")]
    Unexpected(Option<Arc<Stored>>),
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store is closing.
    #[error("the store is closed")]
    Closed,
}

impl Store {
    /// Opens the store of that file, or one that is in memory only. The file is made for its owner alone.
    ///
    /// # Errors
    /// When the file cannot be used, or holds something else.
    pub fn open(file: Option<&Path>) -> Result<Self, StoreError> {
        let disk = disk::Disk::open(file)?;
        let memory = Arc::new(RwLock::new(Memory::load(&disk)?));
        let observer = Arc::default();
        let writer = Arc::new(Writer::start(disk, Arc::clone(&memory), Arc::clone(&observer))?);
        Ok(Self { memory, writer, observer })
    }

    /// Tells somebody of each change, and whether it removes the object, before anybody else can know of it. There can be
    /// one; a second one is told nothing.
    pub fn observe(&self, observer: impl Fn(&Stored, bool) + Send + Sync + 'static) {
        if self.observer.set(Box::new(observer)).is_err() {
            tracing::error!("the store has an observer already: this is a mistake of the program");
        }
    }

    /// The version of the last change.
    #[must_use]
    pub fn version(&self) -> u64 {
        memory::read(&self.memory).version
    }

    /// One object.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        memory::read(&self.memory).get(key)
    }

    /// The objects of a resource, of one namespace or of all, sorted by namespace and name, after one of these and not more
    /// than `most`.
    #[must_use]
    pub fn list(&self, resource: &Resource, namespace: Option<&str>) -> Listed {
        memory::read(&self.memory).list(resource, namespace)
    }

    /// Makes a change, if the object is what is expected. It is on disk when this returns.
    ///
    /// # Errors
    /// [`NotWritten`]; nothing has changed then.
    pub async fn write(&self, key: Key, expected: Expected, change: Change) -> Result<Arc<Stored>, NotWritten> {
        let (answer, answered) = oneshot::channel();
        self.writer.send(Order { key, expected, change, answer })?;
        answered.await.map_err(|_| NotWritten::Closed)?
    }

    /// What happens to some objects of a resource after a version.
    ///
    /// # Errors
    /// When that is too long ago.
    pub fn watch(&self, resource: &Resource, scope: &Scope, after: u64) -> Result<Watch, Expired> {
        memory::write(&self.memory).watch(resource, scope, after)
    }

    /// Some objects of a resource, and what happens to them afterwards, without a gap.
    #[must_use]
    pub fn list_and_watch(&self, resource: &Resource, scope: &Scope) -> (Listed, Watch) {
        memory::write(&self.memory).list_and_watch(resource, scope)
    }
}

/// An object with its version in it.
fn versioned(mut object: Value, version: u64) -> Value {
    object["metadata"]["resourceVersion"] = version.to_string().into();
    object
}
