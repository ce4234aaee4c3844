//! What the test sees of the cluster: one watch for each kind, of all namespaces, which no fault touches.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use aggregator_operator::action::Kind;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use tokio::sync::watch;
use tokio::time::Instant;

/// The kinds that are looked at.
const KINDS: [Kind; 12] = [
    Kind::Connector,
    Kind::Pipeline,
    Kind::Transformation,
    Kind::Schedule,
    Kind::PipelineRun,
    Kind::Checkpoint,
    Kind::ConfigMap,
    Kind::Job,
    Kind::ControllerRevision,
    Kind::ServiceAccount,
    Kind::Role,
    Kind::RoleBinding,
];

/// Pods, which the operator does not write.
pub(crate) fn pods() -> ApiResource {
    ApiResource::erase::<Pod>(&())
}

/// Everything that is seen, by namespace; of namespaces that nobody asked for, nothing.
#[derive(Default)]
pub(crate) struct Seen {
    places: Mutex<HashMap<String, Arc<Place>>>,
    /// Why nothing more is seen.
    broken: OnceLock<String>,
}

/// A namespace.
pub(crate) struct Place {
    inside: Mutex<Inside>,
    changes: watch::Sender<u64>,
}

/// The objects of a namespace.
#[derive(Default)]
pub(crate) struct Inside {
    /// Those that are there, by kind and name.
    pub(crate) objects: BTreeMap<(String, String), Arc<DynamicObject>>,
    /// Those that ever were, each once, in the order in which they came.
    pub(crate) ever: Vec<Known>,
    /// When something changed last.
    pub(crate) changed: Option<Instant>,
}

/// An object that was there.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// Whether it is gone again.
    pub(crate) gone: bool,
}

impl Inside {
    /// An object that is there.
    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<&DynamicObject> {
        self.objects.get(&(kind.to_owned(), name.to_owned())).map(AsRef::as_ref)
    }

    /// The objects of a kind that are there.
    pub(crate) fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Arc<DynamicObject>> {
        self.objects.iter().filter(move |((own, _), _)| own == kind).map(|(_, object)| object)
    }

    fn see(&mut self, kind: &str, object: DynamicObject, gone: bool) {
        let (name, uid) = (object.name_any(), object.uid().unwrap_or_default());
        self.changed = Some(Instant::now());
        let place = self.ever.iter().position(|known| known.uid == uid);
        let place = place.unwrap_or_else(|| {
            self.ever.push(Known { kind: kind.to_owned(), name: name.clone(), uid, gone: false });
            self.ever.len() - 1
        });
        self.ever[place].gone |= gone;
        let key = (kind.to_owned(), name);
        if gone {
            self.objects.remove(&key);
        } else {
            self.objects.insert(key, Arc::new(object));
        }
    }
}

impl Place {
    /// What is there now.
    pub(crate) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of changes from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until there is an answer.
    pub(crate) async fn until<T: Send>(
        &self,
        what: &str,
        deadline: Instant,
        answer: impl Fn(&Inside) -> Option<T> + Send + Sync,
    ) -> Result<T, String> {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let found = answer(&self.inside());
            if let Some(found) = found {
                return Ok(found);
            }
            match tokio::time::timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(format!("nobody watches any more; there was not: {what}")),
                Err(_) => return Err(format!("in time there was not: {what}")),
            }
        }
    }
}

impl Seen {
    fn places(&self) -> MutexGuard<'_, HashMap<String, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees what is in a namespace that is about to be made.
    pub(crate) fn look_at(&self, namespace: &str) -> Arc<Place> {
        let place = Arc::new(Place { inside: Mutex::default(), changes: watch::Sender::new(0) });
        self.places().insert(namespace.to_owned(), Arc::clone(&place));
        place
    }

    /// Sees no more of a namespace.
    pub(crate) fn leave(&self, namespace: &str) {
        self.places().remove(namespace);
    }

    /// Why nothing more is seen, if so: nothing that was concluded since then is true.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }

    fn see(&self, kind: &str, object: DynamicObject, gone: bool) {
        let place = object.namespace().and_then(|namespace| self.places().get(&namespace).map(Arc::clone));
        let Some(place) = place else { return };
        place.inside().see(kind, object, gone);
        place.changes.send_modify(|changes| *changes += 1);
    }

    /// Sees everything that changes from now on, until the runtime ends.
    pub(crate) async fn begin(self: &Arc<Self>, client: &Client) -> Result<(), kube::Error> {
        for resource in KINDS.into_iter().map(Kind::resource).chain([pods()]) {
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            let list = api.list(&ListParams::default().limit(1)).await?;
            let version = list.metadata.resource_version.unwrap_or_default();
            let seen = Arc::clone(self);
            tokio::spawn(async move {
                let Err(why) = seen.follow(&api, &resource.kind, version).await;
                seen.broken.set(format!("the watch of {}: {why}", resource.kind)).unwrap_or_default();
            });
        }
        Ok(())
    }

    async fn follow(
        &self,
        api: &Api<DynamicObject>,
        kind: &str,
        mut version: String,
    ) -> Result<Infallible, kube::Error> {
        loop {
            let mut events = pin!(api.watch(&WatchParams::default(), &version).await?);
            while let Some(event) = events.next().await {
                let (object, gone) = match event {
                    Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => (object, false),
                    Ok(WatchEvent::Deleted(object)) => (object, true),
                    Ok(WatchEvent::Bookmark(bookmark)) => {
                        version = bookmark.metadata.resource_version;
                        continue;
                    }
                    Ok(WatchEvent::Error(status)) => return Err(kube::Error::Api(status)),
                    // The next one goes on from what was seen.
                    Err(_) => break,
                };
                version = object.resource_version().unwrap_or(version);
                self.see(kind, object, gone);
            }
        }
    }
}
