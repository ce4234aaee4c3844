//! What the operator has seen of the cluster: one cache for each kind, each fed by one watch.

use std::fmt::Debug;
use std::sync::Arc;

use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::index::{Objects, Tie, Tied};
use crate::labels::MANAGED_BY;
use crate::lean::Lean;
use crate::pipeline::Checks;
use crate::run::Turns;
use crate::unreadable::Unreadable;

/// How long a watch stays open. The API server's own limit is random, from 30 minutes; a connection that died in silence
/// would be missed as long.
const WATCH_SECONDS: u32 = 230;
/// How many objects are listed at a time: all that is there is listed once, of every kind at the same time, and a page is in
/// memory as text and as objects.
const PAGE: u32 = 100;

/// A kind that is cached.
pub trait Cached:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Tied
    + Lean
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Cached for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Tied
        + Lean
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// A watch has ended for good before it had listed what is there.
#[derive(Debug, thiserror::Error)]
#[error("a watch has ended before all objects were listed")]
pub struct NeverFilled;

/// The objects of one watch, and whether they have been listed.
#[derive(Clone)]
struct Watched<K: Cached> {
    /// The namespace that is watched, or all.
    namespace: Option<String>,
    objects: Objects<K>,
    listed: watch::Receiver<bool>,
}

/// All objects of a kind, of the namespaces that are watched.
#[derive(Clone)]
pub struct Cache<K: Cached> {
    watched: Vec<Watched<K>>,
}

impl<K: Cached> Cache<K> {
    /// One object.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.watched.iter().find_map(|watched| watched.objects.get(namespace, name))
    }

    /// The objects of these names, as far as they are there.
    pub fn named<'a>(&self, namespace: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<Arc<K>> {
        names.into_iter().filter_map(|name| self.get(namespace, name)).collect()
    }

    /// All objects.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<K>> {
        self.watched.iter().flat_map(|watched| watched.objects.all()).collect()
    }

    /// The objects of a namespace that have this tie, by name.
    #[must_use]
    pub fn tied(&self, namespace: &str, tie: &Tie) -> Vec<Arc<K>> {
        self.watched.iter().flat_map(|watched| watched.objects.tied(namespace, tie)).collect()
    }

    /// The UID and version of an object, and whether it is being deleted.
    pub(crate) fn version(&self, namespace: &str, name: &str) -> Option<(String, String, bool)> {
        let object = self.get(namespace, name)?;
        let meta = object.meta();
        Some((meta.uid.clone()?, meta.resource_version.clone()?, meta.deletion_timestamp.is_some()))
    }

    /// The newest version that the watch of a namespace has told of; it is that of any of its objects.
    pub(crate) fn newest(&self, namespace: &str) -> u128 {
        self.watch_of(namespace).map_or(0, |watched| watched.objects.newest())
    }

    /// The watch that tells of a namespace.
    fn watch_of(&self, namespace: &str) -> Option<&Watched<K>> {
        self.watched.iter().find(|watched| watched.namespace.as_deref().is_none_or(|own| own == namespace))
    }

    /// Whether an object of that name and owner is known to have gone.
    pub(crate) fn is_gone(&self, namespace: &str, name: &str, owner: &str) -> bool {
        self.watch_of(namespace).is_some_and(|watched| watched.objects.is_gone(namespace, name, owner))
    }

    /// One that holds these objects, and has listed them.
    #[cfg(test)]
    pub(crate) fn of(objects: impl IntoIterator<Item = Arc<K>>) -> Self {
        let (_, listed) = watch::channel(true);
        Self { watched: vec![Watched { namespace: None, objects: Objects::of(objects), listed }] }
    }

    async fn ready(&self) -> Result<(), NeverFilled> {
        for watched in &self.watched {
            let mut listed = watched.listed.clone();
            while !*listed.borrow_and_update() {
                listed.changed().await.map_err(|_| NeverFilled)?;
            }
        }
        Ok(())
    }
}

/// One cache for each kind.
#[derive(Clone)]
pub struct World {
    /// All Connectors.
    pub connectors: Cache<Connector>,
    /// All Pipelines.
    pub pipelines: Cache<Pipeline>,
    /// All Transformations.
    pub transformations: Cache<Transformation>,
    /// All Schedules.
    pub schedules: Cache<Schedule>,
    /// All PipelineRuns.
    pub runs: Cache<PipelineRun>,
    /// All Checkpoints.
    pub checkpoints: Cache<Checkpoint>,
    /// The Jobs that the operator has made.
    pub jobs: Cache<Job>,
    /// Their Pods.
    pub pods: Cache<Pod>,
    /// The ConfigMaps that the operator has made.
    pub config_maps: Cache<ConfigMap>,
    /// The kept versions of Pipelines.
    pub revisions: Cache<ControllerRevision>,
    /// The identities of workers.
    pub service_accounts: Cache<ServiceAccount>,
    /// Their rights.
    pub roles: Cache<Role>,
    /// Who has them.
    pub role_bindings: Cache<RoleBinding>,
    /// What was found out of Pipelines.
    pub checks: Checks,
    /// Which runs were let begin.
    pub turns: Turns,
}

/// Something that has changed.
#[derive(Clone, Debug)]
pub enum Changed {
    /// A Connector.
    Connector(Box<Connector>),
    /// A Pipeline.
    Pipeline(Box<Pipeline>),
    /// A Transformation.
    Transformation(Box<Transformation>),
    /// A Schedule.
    Schedule(Box<Schedule>),
    /// A PipelineRun.
    Run(Box<PipelineRun>),
    /// A Checkpoint.
    Checkpoint(Box<Checkpoint>),
    /// A Job.
    Job(Box<Job>),
    /// A Pod.
    Pod(Box<Pod>),
    /// A ConfigMap.
    ConfigMap(Box<ConfigMap>),
    /// A kept version of a Pipeline.
    Revision(Box<ControllerRevision>),
    /// Something of the workers' identity in that namespace.
    Identity(String),
    /// An object that cannot be read.
    Unreadable(Box<Unreadable>),
    /// A watch has begun anew: what was missed is unknown.
    Anything,
}

/// Everything that changes, as it is seen; a watch that fails is told and begun anew.
pub type Changes = futures::stream::SelectAll<futures::stream::BoxStream<'static, Result<Changed, watcher::Error>>>;

impl World {
    /// The caches, and the stream that feeds them as it is polled.
    pub fn watch(client: &Client, namespaces: &[String]) -> (Self, Changes) {
        let mut changes = Changes::new();
        let (sender, unreadable) = unbounded();
        changes.push(unreadable.map(|it| Ok(Changed::Unreadable(Box::new(it)))).boxed());
        let own = watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE);
        let made = own.clone().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
        let world = Self {
            connectors: feed(client, namespaces, &own, (&mut changes, &sender), |it| Changed::Connector(Box::new(it))),
            pipelines: feed(client, namespaces, &own, (&mut changes, &sender), |it| Changed::Pipeline(Box::new(it))),
            transformations: feed(client, namespaces, &own, (&mut changes, &sender), |it| {
                Changed::Transformation(Box::new(it))
            }),
            schedules: feed(client, namespaces, &own, (&mut changes, &sender), |it| Changed::Schedule(Box::new(it))),
            runs: feed(client, namespaces, &own, (&mut changes, &sender), |it| Changed::Run(Box::new(it))),
            checkpoints: feed(client, namespaces, &own, (&mut changes, &sender), |it| {
                Changed::Checkpoint(Box::new(it))
            }),
            jobs: feed(client, namespaces, &made, (&mut changes, &sender), |it| Changed::Job(Box::new(it))),
            pods: feed(client, namespaces, &made, (&mut changes, &sender), |it| Changed::Pod(Box::new(it))),
            config_maps: feed(client, namespaces, &made, (&mut changes, &sender), |it| {
                Changed::ConfigMap(Box::new(it))
            }),
            revisions: feed(client, namespaces, &made, (&mut changes, &sender), |it| Changed::Revision(Box::new(it))),
            service_accounts: feed(client, namespaces, &made, (&mut changes, &sender), |it: ServiceAccount| {
                identity(&it)
            }),
            roles: feed(client, namespaces, &made, (&mut changes, &sender), |it: Role| identity(&it)),
            role_bindings: feed(client, namespaces, &made, (&mut changes, &sender), |it: RoleBinding| identity(&it)),
            checks: Checks::default(),
            turns: Turns::default(),
        };
        (world, changes)
    }

    /// Caches that are filled, and hold nothing.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        Self {
            connectors: Cache::of([]),
            pipelines: Cache::of([]),
            transformations: Cache::of([]),
            schedules: Cache::of([]),
            runs: Cache::of([]),
            checkpoints: Cache::of([]),
            jobs: Cache::of([]),
            pods: Cache::of([]),
            config_maps: Cache::of([]),
            revisions: Cache::of([]),
            service_accounts: Cache::of([]),
            roles: Cache::of([]),
            role_bindings: Cache::of([]),
            checks: Checks::default(),
            turns: Turns::default(),
        }
    }

    /// Forgets what was found out of a Pipeline that is gone.
    pub fn forget(&self, pipeline: &Pipeline) {
        let (namespace, name) = (pipeline.namespace().unwrap_or_default(), pipeline.name_any());
        if self.pipelines.get(&namespace, &name).is_none() {
            self.turns.forget(&namespace, &name);
            self.checks.forget(pipeline.metadata.uid.as_deref().unwrap_or_default());
        }
    }

    /// Waits until every cache has been filled.
    ///
    /// # Errors
    /// When a watch has ended for good.
    pub async fn ready(&self) -> Result<(), NeverFilled> {
        self.connectors.ready().await?;
        self.pipelines.ready().await?;
        self.transformations.ready().await?;
        self.schedules.ready().await?;
        self.runs.ready().await?;
        self.checkpoints.ready().await?;
        self.jobs.ready().await?;
        self.pods.ready().await?;
        self.config_maps.ready().await?;
        self.revisions.ready().await?;
        self.service_accounts.ready().await?;
        self.roles.ready().await?;
        self.role_bindings.ready().await
    }
}

fn identity<K: Cached>(object: &K) -> Changed {
    Changed::Identity(object.meta().namespace.clone().unwrap_or_default())
}

/// One cache, and a watch for each namespace.
fn feed<K: Cached>(
    client: &Client,
    namespaces: &[String],
    config: &watcher::Config,
    (changes, unreadable): (&mut Changes, &UnboundedSender<Unreadable>),
    told: impl Fn(K) -> Changed + Clone + Send + 'static,
) -> Cache<K> {
    let scopes: Vec<Option<&String>> =
        if namespaces.is_empty() { vec![None] } else { namespaces.iter().map(Some).collect() };
    let mut watched = Vec::with_capacity(scopes.len());
    for scope in scopes {
        let api: Api<DeserializeGuard<K>> =
            scope.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace));
        let objects = Objects::default();
        let (listed, is_listed) = watch::channel(false);
        let events = readable(watching(api, config.clone()), objects.clone(), unreadable.clone());
        changes.push(tell(objects.clone().follow(events, listed), told.clone()).boxed());
        watched.push(Watched { namespace: scope.cloned(), objects, listed: is_listed });
    }
    Cache { watched }
}

/// The events of a watch. One that may not begin because its version is too old is begun anew, with a list: `watcher` would ask
/// for that version for ever.
fn watching<K: Cached>(
    api: Api<DeserializeGuard<K>>,
    config: watcher::Config,
) -> impl Stream<Item = Result<watcher::Event<DeserializeGuard<K>>, watcher::Error>> + Send + 'static {
    let begin = move || watcher(api.clone(), config.clone()).boxed();
    let events = futures::stream::unfold((begin(), begin), |(mut events, begin)| async move {
        let event = events.next().await?;
        if matches!(&event, Err(watcher::Error::WatchStartFailed(kube::Error::Api(status))) if status.code == 410) {
            events = begin();
        }
        Some((event, (events, begin)))
    });
    events.default_backoff()
}

/// The events of objects that can be read.
///
/// One that cannot (say, because a later release has written it) is taken for one that is gone: it must not keep all others
/// of its kind from being seen.
fn readable<K: Cached>(
    events: impl Stream<Item = Result<watcher::Event<DeserializeGuard<K>>, watcher::Error>> + Send + 'static,
    objects: Objects<K>,
    unreadable: UnboundedSender<Unreadable>,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static {
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    let gone = move |metadata: &ObjectMeta| {
        let known = objects.get(metadata.namespace.as_deref()?, metadata.name.as_deref()?)?;
        Some(Delete(K::clone(&known)))
    };
    let told = move |invalid: InvalidObject| {
        let ObjectMeta { namespace, name, .. } = &invalid.metadata;
        let (namespace, name) = (namespace.as_deref().unwrap_or_default(), name.as_deref().unwrap_or_default());
        tracing::error!(kind = %K::kind(&()), namespace, name, error = invalid.error, "an object cannot be read");
        // Who does not listen any more is about to end.
        unreadable.unbounded_send(Unreadable::new(&K::kind(&()), invalid)).unwrap_or_default();
    };
    events.filter_map(move |event| {
        let event = match event {
            Ok(Apply(DeserializeGuard(Ok(object)))) => Some(Ok(Apply(lean(object)))),
            Ok(Delete(DeserializeGuard(Ok(object)))) => Some(Ok(Delete(lean(object)))),
            Ok(InitApply(DeserializeGuard(Ok(object)))) => Some(Ok(InitApply(lean(object)))),
            Ok(Init) => Some(Ok(Init)),
            Ok(InitDone) => Some(Ok(InitDone)),
            Ok(Apply(DeserializeGuard(Err(invalid)))) => {
                let gone = gone(&invalid.metadata);
                told(invalid);
                gone.map(Ok)
            }
            Ok(Delete(DeserializeGuard(Err(invalid)))) => gone(&invalid.metadata).map(Ok),
            Ok(InitApply(DeserializeGuard(Err(invalid)))) => {
                told(invalid);
                None
            }
            Err(error) => Some(Err(error)),
        };
        std::future::ready(event)
    })
}

/// An object as it is kept. A copy has no more room than it needs; what was read has lists with room for some more, and large
/// elements.
fn lean<K: Cached>(mut object: K) -> K {
    object.lean();
    K::clone(&object)
}

/// What an event of a watch says has changed. After a watch began anew, anything may have.
fn tell<K: Cached>(
    events: impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static,
    told: impl Fn(K) -> Changed + Clone + Send + 'static,
) -> impl Stream<Item = Result<Changed, watcher::Error>> + Send + 'static {
    events.filter_map(move |event| {
        let changed = match event {
            Ok(watcher::Event::Apply(object) | watcher::Event::Delete(object)) => Some(Ok(told(object))),
            Ok(watcher::Event::InitDone) => Some(Ok(Changed::Anything)),
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => None,
            Err(error) => Some(Err(error)),
        };
        std::future::ready(changed)
    })
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use serde_json::{Value, json};

    use super::*;

    fn guarded(metadata: &str, spec: Value) -> DeserializeGuard<Schedule> {
        let object = json!({
            "apiVersion": aggregator_crds::API_VERSION,
            "kind": "Schedule",
            "metadata": {"name": metadata, "namespace": "demo"},
            "spec": spec,
        });
        serde_json::from_value(object).expect("metadata can be read")
    }

    fn sound(every: &str) -> Value {
        json!({"pipelineRef": {"name": "p"}, "interval": {"every": every}})
    }

    /// What a cache holds after these events, and what was told of.
    async fn seen(events: Vec<watcher::Event<DeserializeGuard<Schedule>>>) -> (Vec<String>, Vec<String>) {
        let (objects, (listed, _)) = (Objects::<Schedule>::default(), watch::channel(false));
        let (sender, unreadable) = unbounded();
        let events = readable(stream::iter(events.into_iter().map(Ok)), objects.clone(), sender);
        let events = objects.clone().follow(events, listed);
        let told = tell(events, |schedule: Schedule| Changed::Schedule(Box::new(schedule)));
        let name = |schedule: &Schedule| schedule.metadata.name.clone().unwrap_or_default();
        let told = told.map(|changed| match changed {
            Ok(Changed::Schedule(schedule)) => name(&schedule),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        });
        let told = told.collect().await;
        let unreadable: Vec<String> = unreadable.map(|it| it.to_string()).collect().await;
        assert!(unreadable.iter().all(|it| it.contains("Expected a string")), "{unreadable:?}");
        let mut held: Vec<String> = objects.all().iter().map(|schedule| name(schedule)).collect();
        held.sort();
        (held, told)
    }

    #[tokio::test]
    async fn an_object_that_cannot_be_read_keeps_no_other_from_being_seen() {
        use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
        let poison = json!({"pipelineRef": {"name": "p"}, "interval": {"every": 5}});
        let (held, told) = seen(vec![
            Init,
            InitApply(guarded("poison", poison.clone())),
            InitApply(guarded("a", sound("1s"))),
            InitApply(guarded("b", sound("1s"))),
            InitDone,
            Apply(guarded("another", poison.clone())),
            Apply(guarded("c", sound("1s"))),
        ])
        .await;
        assert_eq!(held, ["a", "b", "c"]);
        assert_eq!(told, ["Anything", "c"]);

        // One that could be read before is gone until it can be read again.
        let listed = vec![Init, InitApply(guarded("a", sound("1s"))), InitDone];
        let edited = Apply(guarded("a", poison.clone()));
        let (held, told) = seen(listed.iter().cloned().chain([edited.clone()]).collect()).await;
        assert_eq!((held, told), (vec![], vec!["Anything".to_owned(), "a".to_owned()]));
        let mended = Apply(guarded("a", sound("2s")));
        let (held, _) = seen(listed.iter().cloned().chain([edited.clone(), mended]).collect()).await;
        assert_eq!(held, ["a"]);
        let deleted = Delete(guarded("a", poison));
        let (held, _) = seen(listed.into_iter().chain([edited, deleted]).collect()).await;
        assert_eq!(held, [] as [&str; 0]);
    }
}
