//! What the operator has seen of the cluster: one cache for each kind, each fed by one watch.

use std::fmt::Debug;
use std::sync::Arc;

use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::runtime::reflector::store::WriterDropped;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::labels::MANAGED_BY;

/// How long a watch stays open. The API server's own limit is random, from 30 minutes; a connection that died in silence
/// would be missed as long.
const WATCH_SECONDS: u32 = 230;

/// A kind that is cached.
pub trait Cached:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}

impl<K> Cached for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// All objects of a kind, of the namespaces that are watched.
#[derive(Clone)]
pub struct Cache<K: Cached> {
    stores: Vec<Store<K>>,
}

impl<K: Cached> Cache<K> {
    /// One object.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let reference = ObjectRef::new(name).within(namespace);
        self.stores.iter().find_map(|store| store.get(&reference))
    }

    /// The objects for which that holds.
    pub fn filter(&self, holds: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        self.stores.iter().flat_map(|store| store.state_filter(&holds)).collect()
    }

    /// The objects of a namespace.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Vec<Arc<K>> {
        self.filter(|object| object.meta().namespace.as_deref() == Some(namespace))
    }

    /// The UID and version of an object, and whether it is being deleted.
    pub(crate) fn version(&self, namespace: &str, name: &str) -> Option<(String, String, bool)> {
        let object = self.get(namespace, name)?;
        let meta = object.meta();
        Some((meta.uid.clone()?, meta.resource_version.clone()?, meta.deletion_timestamp.is_some()))
    }

    /// The store of each watch.
    #[must_use]
    pub fn stores(&self) -> &[Store<K>] {
        &self.stores
    }

    async fn ready(&self) -> Result<(), WriterDropped> {
        for store in &self.stores {
            store.wait_until_ready().await?;
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
    /// A watch has begun anew: what was missed is unknown.
    Anything,
}

/// Everything that changes, as it is seen; a watch that fails is told and begun anew.
pub type Changes = futures::stream::SelectAll<futures::stream::BoxStream<'static, Result<Changed, watcher::Error>>>;

impl World {
    /// The caches, and the stream that feeds them as it is polled.
    pub fn watch(client: &Client, namespaces: &[String]) -> (Self, Changes) {
        let mut changes = Changes::new();
        let own = watcher::Config::default();
        let made = watcher::Config::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
        let world = Self {
            connectors: feed(client, namespaces, &own, &mut changes, |it| Changed::Connector(Box::new(it))),
            pipelines: feed(client, namespaces, &own, &mut changes, |it| Changed::Pipeline(Box::new(it))),
            transformations: feed(client, namespaces, &own, &mut changes, |it| Changed::Transformation(Box::new(it))),
            schedules: feed(client, namespaces, &own, &mut changes, |it| Changed::Schedule(Box::new(it))),
            runs: feed(client, namespaces, &own, &mut changes, |it| Changed::Run(Box::new(it))),
            checkpoints: feed(client, namespaces, &own, &mut changes, |it| Changed::Checkpoint(Box::new(it))),
            jobs: feed(client, namespaces, &made, &mut changes, |it| Changed::Job(Box::new(it))),
            pods: feed(client, namespaces, &made, &mut changes, |it| Changed::Pod(Box::new(it))),
            config_maps: feed(client, namespaces, &made, &mut changes, |it| Changed::ConfigMap(Box::new(it))),
            revisions: feed(client, namespaces, &made, &mut changes, |it| Changed::Revision(Box::new(it))),
            service_accounts: feed(client, namespaces, &made, &mut changes, |it: ServiceAccount| identity(&it)),
            roles: feed(client, namespaces, &made, &mut changes, |it: Role| identity(&it)),
            role_bindings: feed(client, namespaces, &made, &mut changes, |it: RoleBinding| identity(&it)),
        };
        (world, changes)
    }

    /// Waits until every cache has been filled.
    ///
    /// # Errors
    /// When a watch has ended for good.
    pub async fn ready(&self) -> Result<(), WriterDropped> {
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
    changes: &mut Changes,
    told: impl Fn(K) -> Changed + Clone + Send + 'static,
) -> Cache<K> {
    let apis: Vec<Api<K>> = match namespaces {
        [] => vec![Api::all(client.clone())],
        some => some.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect(),
    };
    let mut stores = Vec::with_capacity(apis.len());
    for api in apis {
        let (store, writer) = reflector::store::<K>();
        let config = config.clone().timeout(WATCH_SECONDS);
        changes.push(tell(watcher(api, config).default_backoff().reflect(writer), told.clone()).boxed());
        stores.push(store);
    }
    Cache { stores }
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
