//! What the controllers have seen of the cluster: what every object has, and the whole of those that are decided upon.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::DynamicObject;
use serde::de::DeserializeOwned;

use super::garbage::Item;
use super::namespace::AUTHORITY;
use super::owner::finalizers;
use super::resource::{CLUSTER_ROLE, CONFIG_MAP, DEFINITION, JOB, LEASE, NAMESPACE, NODE, POD, Resource};
use super::watch::defined;

/// Where an object is: its kind, its namespace (empty for none) and its name.
pub(super) type Place = (Resource, String, String);

/// How many objects that went are remembered: as many as can go while an answer is on its way.
const REMEMBERED: usize = 1024;

/// The namespace of the Leases by which nodes say that they live.
const NODE_LEASES: &str = "kube-node-lease";

/// All that was seen.
#[derive(Debug, Default)]
pub(super) struct Cache(RwLock<Seen>);

/// All that was seen at one moment.
#[derive(Debug, Default)]
pub(super) struct Seen {
    items: BTreeMap<Place, Item>,
    /// Who names an object as an owner, by its UID.
    dependents: HashMap<String, BTreeSet<Place>>,
    /// Who is to be deleted and has a finalizer.
    waiting: BTreeSet<Place>,
    /// The UIDs of the last that went.
    gone: VecDeque<String>,
    /// The whole of the objects that are decided upon.
    pub(super) jobs: Whole<Job>,
    pub(super) pods: Whole<Pod>,
    pub(super) nodes: Whole<Node>,
    pub(super) leases: Whole<Lease>,
    pub(super) namespaces: Whole<Namespace>,
    pub(super) roles: Whole<ClusterRole>,
    pub(super) authorities: Whole<ConfigMap>,
    /// What each CustomResourceDefinition defines, by its name.
    definitions: HashMap<String, Resource>,
}

/// The objects of a kind, by namespace and name.
#[derive(Debug)]
pub(super) struct Whole<K>(BTreeMap<(String, String), Arc<K>>);

impl<K> Default for Whole<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K> Whole<K> {
    /// One object.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<K>> {
        self.0.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<K>> {
        self.0.values()
    }

    /// Those of a namespace, by name.
    pub(super) fn of<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = (&'a str, &'a Arc<K>)> {
        let from = (namespace.to_owned(), String::new());
        let there = self.0.range(from..).take_while(move |((other, _), _)| other == namespace);
        there.map(|((_, name), object)| (name.as_str(), object))
    }
}

/// What has changed of an object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// Where it is.
    pub(super) place: Place,
    /// What it was.
    pub(super) before: Option<Item>,
    /// What it is.
    pub(super) after: Option<Item>,
}

impl Cache {
    /// What was seen.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Seen> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Seen> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an object.
    pub(super) fn put(&self, resource: &Resource, object: DynamicObject) -> Change {
        let metadata = Arc::new(object.metadata.clone());
        let place = place(resource, metadata.namespace.as_deref(), metadata.name.as_deref());
        let item = Item { resource: resource.clone(), metadata };
        let mut seen = self.write();
        seen.keep(&place, Some(object));
        let before = seen.items.insert(place.clone(), item.clone());
        seen.tie(&place, before.as_ref(), Some(&item));
        Change { place, before, after: Some(item) }
    }

    /// Takes note that an object is gone.
    pub(super) fn remove(&self, place: &Place) -> Change {
        let mut seen = self.write();
        seen.keep(place, None);
        let before = seen.items.remove(place);
        seen.bury(before.as_ref());
        seen.tie(place, before.as_ref(), None);
        Change { place: place.clone(), before, after: None }
    }

    /// Where the objects of a kind are.
    pub(super) fn places(&self, resource: &Resource) -> Vec<Place> {
        self.read().items.keys().filter(|(other, ..)| other == resource).cloned().collect()
    }
}

/// Where an object is.
pub(super) fn place(resource: &Resource, namespace: Option<&str>, name: Option<&str>) -> Place {
    (resource.clone(), namespace.unwrap_or_default().to_owned(), name.unwrap_or_default().to_owned())
}

impl Seen {
    /// What every object has, of one.
    pub(super) fn item(&self, place: &Place) -> Option<&Item> {
        self.items.get(place)
    }

    /// Every object.
    pub(super) fn items(&self) -> impl Iterator<Item = (&Place, &Item)> {
        self.items.iter()
    }

    /// Those that wait for their dependents, or for their being told.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&Place, &Item)> {
        self.waiting.iter().filter_map(|place| Some((place, self.items.get(place)?)))
    }

    /// Who names the object of that UID as an owner.
    pub(super) fn dependents(&self, uid: &str) -> impl Iterator<Item = &Place> {
        self.dependents.get(uid).into_iter().flatten()
    }

    /// Whether the object of that UID has been there and is gone.
    pub(super) fn is_gone(&self, uid: &str) -> bool {
        self.gone.iter().any(|gone| gone == uid)
    }

    fn bury(&mut self, item: Option<&Item>) {
        self.gone.extend(item.and_then(|item| item.metadata.uid.clone()));
        let superfluous = self.gone.len().saturating_sub(REMEMBERED);
        self.gone.drain(..superfluous);
    }

    fn tie(&mut self, place: &Place, before: Option<&Item>, after: Option<&Item>) {
        let going = |item: &Item| item.metadata.deletion_timestamp.is_some() && !finalizers(&item.metadata).is_empty();
        if after.is_some_and(going) {
            self.waiting.insert(place.clone());
        } else {
            self.waiting.remove(place);
        }
        let uids = |item: Option<&Item>| -> BTreeSet<String> {
            let owners = item.into_iter().flat_map(|item| item.metadata.owner_references.iter().flatten());
            owners.map(|owner| owner.uid.clone()).collect()
        };
        let (before, after) = (uids(before), uids(after));
        for uid in before.difference(&after) {
            if let Some(all) = self.dependents.get_mut(uid) {
                all.remove(place);
                if all.is_empty() {
                    self.dependents.remove(uid);
                }
            }
        }
        for uid in after {
            self.dependents.entry(uid).or_default().insert(place.clone());
        }
    }

    /// Keeps the whole of an object, if its kind is decided upon.
    fn keep(&mut self, place: &Place, object: Option<DynamicObject>) {
        let (resource, namespace, name) = place;
        match resource {
            _ if *resource == JOB => keep(&mut self.jobs, place, object),
            _ if *resource == POD => keep(&mut self.pods, place, object),
            _ if *resource == NODE => keep(&mut self.nodes, place, object),
            _ if *resource == NAMESPACE => keep(&mut self.namespaces, place, object),
            _ if *resource == CLUSTER_ROLE => keep(&mut self.roles, place, object),
            _ if *resource == LEASE && namespace == NODE_LEASES => keep(&mut self.leases, place, object),
            _ if *resource == CONFIG_MAP && name == AUTHORITY => keep(&mut self.authorities, place, object),
            _ if *resource == DEFINITION => {
                self.definitions.remove(name);
                let whole = object.and_then(|object| serde_json::to_value(object).ok());
                self.definitions.extend(whole.and_then(|whole| Some((name.clone(), defined(&whole)?))));
            }
            _ => {}
        }
    }

    /// What a CustomResourceDefinition defines, once it is served.
    pub(super) fn definition(&self, name: &str) -> Option<Resource> {
        self.definitions.get(name).cloned()
    }

    /// The Lease by which a node says that it lives.
    pub(super) fn lease(&self, node: &str) -> Option<&Arc<Lease>> {
        self.leases.get(NODE_LEASES, node)
    }
}

fn keep<K: DeserializeOwned>(whole: &mut Whole<K>, place: &Place, object: Option<DynamicObject>) {
    let (resource, namespace, name) = place;
    let key = (namespace.clone(), name.clone());
    let read = object.map(|object| serde_json::to_value(object).and_then(serde_json::from_value::<K>));
    match read {
        Some(Ok(object)) => {
            whole.0.insert(key, Arc::new(object));
        }
        Some(Err(error)) => {
            // Of one that cannot be read nothing is decided; the others go on.
            tracing::error!(%error, kind = %resource.kind, namespace, name, "an object cannot be read");
            whole.0.remove(&key);
        }
        None => {
            whole.0.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(name: &str, owners: &[&str]) -> DynamicObject {
        let owners: Vec<Value> =
            owners.iter().map(|uid| json!({"apiVersion": "v1", "kind": "X", "name": uid, "uid": uid})).collect();
        let metadata = json!({"name": name, "namespace": "ns", "uid": name, "ownerReferences": owners});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"containers": []}})).unwrap()
    }

    fn dependents(cache: &Cache, uid: &str) -> Vec<String> {
        cache.read().dependents(uid).map(|(_, _, name)| name.clone()).collect()
    }

    #[test]
    fn dependents_are_known_by_their_owners() {
        let cache = Cache::default();
        cache.put(&POD, object("p", &["a", "b"]));
        cache.put(&POD, object("q", &["b"]));
        assert_eq!(
            (dependents(&cache, "a"), dependents(&cache, "b")),
            (vec!["p".into()], vec!["p".into(), "q".into()])
        );
        let change = cache.put(&POD, object("p", &["b"]));
        assert_eq!(change.before.unwrap().metadata.owner_references.as_ref().unwrap().len(), 2);
        assert!(dependents(&cache, "a").is_empty());
        let change = cache.remove(&place(&POD, Some("ns"), Some("q")));
        assert!(change.before.is_some() && change.after.is_none());
        assert_eq!(dependents(&cache, "b"), ["p"]);
        assert_eq!(cache.places(&POD), [place(&POD, Some("ns"), Some("p"))]);
    }

    #[test]
    fn the_whole_of_an_object_is_kept_where_it_is_decided_upon_and_can_be_read() {
        let cache = Cache::default();
        cache.put(&POD, object("p", &[]));
        cache.put(&CONFIG_MAP, object("other", &[]));
        assert_eq!(cache.read().pods.of("ns").map(|(name, _)| name).collect::<Vec<_>>(), ["p"]);
        assert_eq!((cache.read().pods.of("n").count(), cache.read().authorities.all().count()), (0, 0));
        let mut wrong = object("p", &[]);
        wrong.data["spec"]["containers"] = "none".into();
        cache.put(&POD, wrong);
        assert!(cache.read().pods.get("ns", "p").is_none() && cache.read().items().count() == 2);
    }
}
