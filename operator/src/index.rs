//! What the caches hold, and what they find it by: names, and what objects have to do with others. With thousands of objects, a
//! look at one must not look at all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use aggregator_crds::schedule::Trigger;
use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Resource;
use kube::runtime::watcher::{self, Event};
use tokio::sync::watch;

use crate::labels;
use crate::names::{self, Mark};
use crate::run::{connectors_of, transformations_of};

/// Of how many objects of a watch it is remembered that they are gone.
const GONE: usize = 1000;

/// What an object has to do with another one of its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Tie {
    /// The one with that UID controls it.
    Owner(String),
    /// It runs that Pipeline.
    Runs(String),
    /// It waits for that Pipeline's success.
    After(String),
    /// It names that Connector.
    Connector(String),
    /// It names that Transformation.
    Transformation(String),
    /// Nothing but the namespace.
    Neighbour,
}

impl Tie {
    /// What stands for it in a namespace.
    fn mark(&self, namespace: &str) -> Mark {
        let (what, whose) = match self {
            Self::Owner(uid) => ("owner", uid.as_str()),
            Self::Runs(pipeline) => ("runs", pipeline.as_str()),
            Self::After(pipeline) => ("after", pipeline.as_str()),
            Self::Connector(name) => ("connector", name.as_str()),
            Self::Transformation(name) => ("transformation", name.as_str()),
            Self::Neighbour => ("neighbour", ""),
        };
        names::mark([namespace, what, whose])
    }
}

/// A kind of which the caches know more than names.
pub trait Tied: Resource + Sized {
    /// What an object has to do with others.
    fn ties(&self) -> Vec<Tie> {
        owner(self)
    }
}

fn owner<K: Resource>(object: &K) -> Vec<Tie> {
    labels::controller(object).map(|reference| Tie::Owner(reference.uid.clone())).into_iter().collect()
}

impl Tied for Connector {
    fn ties(&self) -> Vec<Tie> {
        vec![Tie::Neighbour]
    }
}

impl Tied for Transformation {
    fn ties(&self) -> Vec<Tie> {
        vec![Tie::Neighbour]
    }
}

impl Tied for Pipeline {
    fn ties(&self) -> Vec<Tie> {
        let connectors = connectors_of(&self.spec).into_iter().map(|name| Tie::Connector(name.to_owned()));
        let steps = transformations_of(&self.spec).into_iter().map(|name| Tie::Transformation(name.to_owned()));
        connectors.chain(steps).collect()
    }
}

impl Tied for Schedule {
    fn ties(&self) -> Vec<Tie> {
        let waits = match &self.spec.trigger {
            Trigger::PipelineSucceeded(other) => Some(Tie::After(other.name.clone())),
            Trigger::FileArrival(arrival) => Some(Tie::Connector(arrival.connector.clone())),
            _ => None,
        };
        std::iter::once(Tie::Runs(self.spec.pipeline_ref.name.clone())).chain(waits).collect()
    }
}

impl Tied for PipelineRun {
    fn ties(&self) -> Vec<Tie> {
        let others = [Tie::Runs(self.spec.pipeline_ref.name.clone()), Tie::Neighbour];
        owner(self).into_iter().chain(others).collect()
    }
}

impl Tied for Checkpoint {}
impl Tied for Job {}
impl Tied for Pod {}
impl Tied for ConfigMap {}
impl Tied for ControllerRevision {}
impl Tied for ServiceAccount {}
impl Tied for Role {}
impl Tied for RoleBinding {}

/// An object, and the marks of its ties.
#[derive(Debug)]
struct Entry<K> {
    object: Arc<K>,
    ties: Box<[Mark]>,
}

/// All objects of a watch, by the marks of their namespaces and names.
#[derive(Debug)]
struct Held<K> {
    objects: HashMap<Mark, Entry<K>>,
    by_tie: HashMap<Mark, Vec<Mark>>,
    /// The newest version that the watch has told of, of any object since its last list, or in that.
    newest: u128,
    /// The last ones that were there and are not any more, with their owners.
    gone: VecDeque<Mark>,
}

impl<K> Default for Held<K> {
    fn default() -> Self {
        Self { objects: HashMap::new(), by_tie: HashMap::new(), newest: 0, gone: VecDeque::new() }
    }
}

fn mark_of<K: Resource>(object: &K) -> Mark {
    let metadata = object.meta();
    names::mark([metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default()])
}

/// What stands for an object of that owner that is gone: another one of its name may come.
fn grave(namespace: &str, name: &str, owner: &str) -> Mark {
    names::mark([namespace, name, owner])
}

impl<K: Tied> Held<K> {
    /// An object was there, and is gone.
    fn bury(&mut self, object: &K) {
        let Some(owner) = labels::controller(object) else { return };
        let metadata = object.meta();
        if self.gone.len() >= GONE {
            self.gone.pop_front();
        }
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        self.gone.push_back(grave(namespace, metadata.name.as_deref().unwrap_or_default(), &owner.uid));
    }

    /// A list of what is there takes the place of what was known.
    fn listed(&mut self, list: Self) {
        let before = std::mem::replace(self, list);
        self.gone = before.gone;
        for (mark, Entry { object, .. }) in before.objects {
            if !self.objects.contains_key(&mark) {
                self.bury(&object);
            }
        }
    }

    /// The watch has told of a version of an object, be it the last one.
    fn told(&mut self, object: &K) {
        let version = object.meta().resource_version.as_ref().and_then(|version| version.parse().ok());
        self.newest = self.newest.max(version.unwrap_or(0));
    }

    fn put(&mut self, object: Arc<K>) {
        self.told(object.as_ref());
        let mark = mark_of(object.as_ref());
        let namespace = object.meta().namespace.as_deref().unwrap_or_default();
        let mut ties: Vec<Mark> = object.ties().iter().map(|tie| tie.mark(namespace)).collect();
        ties.sort_unstable();
        ties.dedup();
        if let Some(entry) = self.objects.get_mut(&mark)
            && *entry.ties == *ties
        {
            // As it is nearly always: what an object names changes seldom.
            entry.object = object;
            return;
        }
        self.take(&mark);
        for tie in &ties {
            self.by_tie.entry(*tie).or_insert_with(|| Vec::with_capacity(1)).push(mark);
        }
        self.objects.insert(mark, Entry { object, ties: ties.into_boxed_slice() });
    }

    fn take(&mut self, mark: &Mark) {
        let Some(entry) = self.objects.remove(mark) else { return };
        for tie in &*entry.ties {
            let Some(tied) = self.by_tie.get_mut(tie) else { continue };
            if let Some(at) = tied.iter().position(|other| other == mark) {
                tied.swap_remove(at);
            }
            if tied.is_empty() {
                self.by_tie.remove(tie);
            }
        }
    }
}

/// The objects of one watch.
#[derive(Debug)]
pub struct Objects<K>(Arc<RwLock<Held<K>>>);

impl<K> Clone for Objects<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Objects<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> Objects<K> {
    fn held(&self) -> RwLockReadGuard<'_, Held<K>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn holding(&self) -> RwLockWriteGuard<'_, Held<K>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn by_mark(&self, mark: &Mark) -> Option<Arc<K>> {
        self.held().objects.get(mark).map(|entry| Arc::clone(&entry.object))
    }

    /// One object.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.by_mark(&names::mark([namespace, name]))
    }

    /// All objects.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<K>> {
        self.held().objects.values().map(|entry| Arc::clone(&entry.object)).collect()
    }

    /// The newest version that the watch has told of: what has happened up to it is known. Versions of a kind are numbers that
    /// grow, whatever objects they are of.
    #[must_use]
    pub(crate) fn newest(&self) -> u128 {
        self.held().newest
    }

    /// Whether an object of that name and owner is known to have gone. What went before anybody watched, or long ago, is not.
    #[must_use]
    pub(crate) fn is_gone(&self, namespace: &str, name: &str, owner: &str) -> bool {
        let grave = grave(namespace, name, owner);
        self.held().gone.contains(&grave)
    }
}

impl<K: Tied> Objects<K> {
    /// Those of a watch that has listed these.
    #[cfg(test)]
    pub(crate) fn of(objects: impl IntoIterator<Item = Arc<K>>) -> Self {
        let mut held = Held::default();
        objects.into_iter().for_each(|object| held.put(object));
        Self(Arc::new(RwLock::new(held)))
    }

    /// The objects of a namespace that have this tie, by name.
    #[must_use]
    pub fn tied(&self, namespace: &str, tie: &Tie) -> Vec<Arc<K>> {
        let tie = tie.mark(namespace);
        let mut found: Vec<Arc<K>> = {
            let held = self.held();
            let marks = held.by_tie.get(&tie).into_iter().flatten();
            marks.filter_map(|mark| held.objects.get(mark)).map(|entry| Arc::clone(&entry.object)).collect()
        };
        found.sort_by(|one, other| one.meta().name.cmp(&other.meta().name));
        found
    }

    /// Follows the events of a watch, and says when its objects were listed for the first time. A watch that begins anew has a
    /// list of what is there; until that has ended, what was known stays.
    pub fn follow(
        self,
        events: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
        listed: watch::Sender<bool>,
    ) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static
    where
        K: Clone + Send + Sync + 'static,
    {
        let mut list = Held::default();
        // A clone has room for what it holds, and for no more.
        let kept = |object: &K| Arc::new(object.clone());
        events.inspect(move |event| match event {
            Ok(Event::Apply(object)) => {
                let object = kept(object);
                self.holding().put(object);
            }
            Ok(Event::Delete(object)) => {
                let mut held = self.holding();
                held.told(object);
                held.take(&mark_of(object));
                held.bury(object);
            }
            Ok(Event::Init) => list = Held::default(),
            Ok(Event::InitApply(object)) => {
                // Most of what is listed anew is known.
                let known = self.by_mark(&mark_of(object)).filter(|known| is_same(known.as_ref(), object));
                list.put(known.unwrap_or_else(|| kept(object)));
            }
            Ok(Event::InitDone) => {
                self.holding().listed(std::mem::take(&mut list));
                listed.send_replace(true);
            }
            Err(_) => {}
        })
    }
}

/// Whether both are one version of one object.
fn is_same<K: Resource>(one: &K, other: &K) -> bool {
    let (one, other) = (one.meta(), other.meta());
    one.uid.is_some() && one.uid == other.uid && one.resource_version == other.resource_version
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use serde_json::json;

    use super::*;
    use crate::fixture::object;

    fn schedule(name: &str, pipeline: &str) -> Schedule {
        object(json!({
            "metadata": {"name": name, "namespace": "demo"},
            "spec": {"pipelineRef": {"name": pipeline}, "interval": {"every": "1h"}},
        }))
    }

    fn names_of(objects: &[Arc<Schedule>]) -> Vec<String> {
        objects.iter().filter_map(|object| object.metadata.name.clone()).collect()
    }

    async fn after(events: Vec<Event<Schedule>>) -> Objects<Schedule> {
        let objects = Objects::default();
        let (listed, _) = watch::channel(false);
        let events = stream::iter(events.into_iter().map(Ok));
        objects.clone().follow(events, listed).for_each(|_| std::future::ready(())).await;
        objects
    }

    fn of(objects: &Objects<Schedule>, pipeline: &str) -> Vec<String> {
        names_of(&objects.tied("demo", &Tie::Runs(pipeline.to_owned())))
    }

    #[tokio::test]
    async fn objects_are_found_by_name_and_by_what_they_name_now() {
        use Event::{Apply, Delete, Init, InitApply, InitDone};
        let mut events = vec![
            Init,
            InitApply(schedule("b", "orders")),
            InitApply(schedule("a", "orders")),
            InitDone,
            Apply(schedule("c", "orders")),
        ];
        let objects = after(events.clone()).await;
        assert_eq!(of(&objects, "orders"), ["a", "b", "c"], "by name");
        events.extend([Apply(schedule("a", "returns")), Delete(schedule("b", "orders"))]);
        let objects = after(events.clone()).await;
        assert_eq!((of(&objects, "orders"), of(&objects, "returns")), (vec!["c".to_owned()], vec!["a".to_owned()]));
        assert!(objects.tied("other", &Tie::Runs("orders".to_owned())).is_empty());
        let get = |name: &str| objects.get("demo", name).map(|there| there.spec.pipeline_ref.name.clone());
        assert_eq!([get("a"), get("b"), get("c")], [Some("returns".into()), None, Some("orders".into())]);
        assert!(objects.get("other", "a").is_none());
        assert_eq!(objects.all().len(), 2);

        // A watch that begins anew has a list of what is there; until it has ended, what was known stays.
        events.extend([Init, InitApply(schedule("d", "orders"))]);
        assert_eq!(of(&after(events.clone()).await, "orders"), ["c"]);
        events.push(InitDone);
        let objects = after(events).await;
        assert_eq!((of(&objects, "orders"), of(&objects, "returns")), (vec!["d".to_owned()], Vec::new()));
    }

    #[tokio::test]
    async fn it_is_known_up_to_which_version_everything_is_told() {
        use Event::{Apply, Delete, Init, InitApply, InitDone};
        let version = |name: &str, version: &str| {
            let mut schedule = schedule(name, "orders");
            schedule.metadata.resource_version = Some(version.into());
            schedule
        };
        let mut events = Vec::new();
        for (event, newest) in [
            (Init, 0),
            (InitApply(version("a", "7")), 0),
            (InitApply(version("b", "5")), 0),
            (InitDone, 7),
            (Apply(version("b", "9")), 9),
            (Delete(version("b", "10")), 10),
            (Apply(version("a", "no number")), 10),
            // What a list has not may have come and gone while nobody watched.
            (Init, 10),
            (InitApply(version("a", "8")), 10),
            (InitDone, 8),
        ] {
            events.push(event);
            assert_eq!(after(events.clone()).await.newest(), newest, "{events:?}");
        }
    }

    #[tokio::test]
    async fn it_is_known_for_some_time_what_is_gone() {
        use Event::{Delete, Init, InitApply, InitDone};
        let owned = |name: &str, owner: &str| -> Schedule {
            let mut schedule = schedule(name, "orders");
            let owner = json!([{"apiVersion": "v1", "kind": "Owner", "name": "o", "uid": owner, "controller": true}]);
            schedule.metadata.owner_references = object(owner);
            schedule
        };
        let mut events = vec![Init, InitApply(owned("a", "one")), InitApply(owned("b", "one")), InitDone];
        let gone = |objects: &Objects<Schedule>| {
            [("a", "one"), ("a", "two"), ("b", "one")].map(|(name, owner)| objects.is_gone("demo", name, owner))
        };
        assert_eq!(gone(&after(events.clone()).await), [false; 3]);
        events.push(Delete(owned("a", "one")));
        assert_eq!(gone(&after(events.clone()).await), [true, false, false], "of another owner it may come");
        events.extend([Init, InitDone]);
        assert_eq!(gone(&after(events.clone()).await), [true, false, true], "it went while nobody watched");
        events.extend((0..GONE - 1).map(|number| Delete(owned(&number.to_string(), "one"))));
        assert_eq!(gone(&after(events).await), [false, false, true], "the oldest is forgotten");
    }

    #[tokio::test]
    async fn what_is_gone_leaves_nothing_behind() {
        let objects = after(vec![Event::Apply(schedule("a", "orders")), Event::Delete(schedule("a", "orders"))]).await;
        let held = objects.held();
        assert!(held.objects.is_empty() && held.by_tie.is_empty(), "{held:?}");
    }

    #[tokio::test]
    async fn a_list_is_known_when_it_has_ended_and_keeps_what_has_not_changed() {
        use Event::{Init, InitApply, InitDone};
        let version = |version: &str| {
            let mut schedule = schedule("a", "orders");
            schedule.metadata.uid = Some("uid".into());
            schedule.metadata.resource_version = Some(version.into());
            schedule
        };
        let objects = Objects::default();
        let (listed, is_listed) = watch::channel(false);
        let list = |which: &str| [Init, InitApply(version(which)), InitDone];
        let events = stream::iter(list("1").into_iter().chain(list("1")).chain(list("2")).map(Ok));
        let mut events = Box::pin(objects.clone().follow(events, listed));
        let mut seen = Vec::new();
        while let Some(event) = events.next().await {
            let known = *is_listed.borrow();
            seen.extend(matches!(event, Ok(InitDone)).then(|| (known, objects.get("demo", "a").expect("it is there"))));
        }
        assert!(seen.iter().all(|(known, _)| *known));
        assert!(Arc::ptr_eq(&seen[0].1, &seen[1].1), "nothing has changed");
        assert_eq!(seen[2].1.metadata.resource_version.as_deref(), Some("2"));
    }
}
