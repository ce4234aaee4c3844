//! Objects in memory, and what has happened to them lately.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Listed;
use super::change::{Key, Resource, Stored};
use super::disk::{Disk, StoreError};
use super::log::{Event, Expired, Log, Scope, Watch};

/// The objects of one resource, by namespace and name.
type Objects = BTreeMap<(String, String), Arc<Stored>>;

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The version of the last change.
    pub(super) version: u64,
    /// What happened before it is forgotten: the version at which this process began.
    begun: u64,
    objects: HashMap<Resource, Objects>,
    logs: HashMap<Resource, Log>,
}

pub(super) fn read(memory: &RwLock<Memory>) -> RwLockReadGuard<'_, Memory> {
    memory.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn write(memory: &RwLock<Memory>) -> RwLockWriteGuard<'_, Memory> {
    memory.write().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    pub(super) fn load(disk: &Disk) -> Result<Self, StoreError> {
        let version = disk.version()?;
        let mut memory = Self { version, begun: version, ..Self::default() };
        for (key, version, object) in disk.all()? {
            let place = (key.namespace.clone(), key.name.clone());
            let objects = memory.objects.entry(key.resource.clone()).or_default();
            objects.insert(place, Arc::new(Stored { key, version, object }));
        }
        Ok(memory)
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        self.objects.get(&key.resource)?.get(&(key.namespace.clone(), key.name.clone())).cloned()
    }

    pub(super) fn list(&self, resource: &Resource, namespace: Option<&str>) -> Listed {
        let objects = self.objects.get(resource);
        let items = match (objects, namespace) {
            (None, _) => Vec::new(),
            (Some(objects), None) => objects.values().cloned().collect(),
            (Some(objects), Some(namespace)) => {
                let from = (namespace.to_owned(), String::new());
                let own = objects.range(from..).take_while(|((of, _), _)| of == namespace);
                own.map(|(_, stored)| Arc::clone(stored)).collect()
            }
        };
        Listed { version: self.version, items }
    }

    /// Takes changes in that are on disk, the oldest first.
    pub(super) fn take(&mut self, events: Vec<Event>) {
        for event in events {
            let stored = &event.stored;
            self.version = stored.version;
            let place = (stored.key.namespace.clone(), stored.key.name.clone());
            let objects = self.objects.entry(stored.key.resource.clone()).or_default();
            if event.is_removal() {
                objects.remove(&place);
            } else {
                objects.insert(place, Arc::clone(stored));
            }
            self.log(&stored.key.resource.clone()).push(event);
        }
    }

    fn log(&mut self, resource: &Resource) -> &mut Log {
        let begun = self.begun;
        self.logs.entry(resource.clone()).or_insert_with(|| Log::new(begun))
    }

    pub(super) fn watch(&mut self, resource: &Resource, scope: &Scope, after: u64) -> Result<Watch, Expired> {
        let newest = self.version;
        self.log(resource).watch(scope, after, newest)
    }

    pub(super) fn list_and_watch(&mut self, resource: &Resource, scope: &Scope) -> (Listed, Watch) {
        let mut listed = self.list(resource, scope.namespace.as_deref());
        if let Some(name) = &scope.name {
            listed.items.retain(|stored| stored.key.name == *name);
        }
        let version = self.version;
        (listed, self.log(resource).watch_from_now(scope, version))
    }
}
