//! What the caches find objects by, besides their names: with thousands of objects, a look at one must not look at all.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use aggregator_crds::schedule::Trigger;
use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::runtime::watcher::{self, Event};
use kube::{Resource, ResourceExt};

use crate::labels;
use crate::run::{connectors_of, transformations_of};

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

/// The names of a kind's objects by their ties, and what each object's are.
#[derive(Debug, Default)]
struct Names {
    by_tie: HashMap<(String, Tie), BTreeSet<String>>,
    ties: HashMap<(String, String), Vec<Tie>>,
}

impl Names {
    fn put<K: Tied>(&mut self, object: &K) {
        self.take(object);
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let ties = object.ties();
        for tie in &ties {
            self.by_tie.entry((namespace.clone(), tie.clone())).or_default().insert(name.clone());
        }
        self.ties.insert((namespace, name), ties);
    }

    fn take<K: Tied>(&mut self, object: &K) {
        let key = (object.namespace().unwrap_or_default(), object.name_any());
        for tie in self.ties.remove(&key).into_iter().flatten() {
            let place = (key.0.clone(), tie);
            if let Some(names) = self.by_tie.get_mut(&place) {
                names.remove(&key.1);
                if names.is_empty() {
                    self.by_tie.remove(&place);
                }
            }
        }
    }
}

/// The names of a kind's objects by what these have to do with others.
#[derive(Clone, Debug, Default)]
pub struct Index(Arc<RwLock<Names>>);

impl Index {
    /// The names of a namespace's objects with that tie, sorted.
    #[must_use]
    pub fn names(&self, namespace: &str, tie: &Tie) -> Vec<String> {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = names.by_tie.get(&(namespace.to_owned(), tie.clone()));
        found.into_iter().flatten().cloned().collect()
    }

    /// Follows the events of a watch.
    ///
    /// It stands before the cache, so that it knows of nothing later than the cache does: who has seen in the cache what it
    /// wrote finds it here as well.
    pub fn follow<K: Tied>(
        &self,
        events: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    ) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static {
        let index = self.clone();
        let mut listed = Names::default();
        events.inspect(move |event| {
            let names = || index.0.write().unwrap_or_else(PoisonError::into_inner);
            match event {
                Ok(Event::Apply(object)) => names().put(object),
                Ok(Event::Delete(object)) => names().take(object),
                Ok(Event::Init) => listed = Names::default(),
                Ok(Event::InitApply(object)) => listed.put(object),
                Ok(Event::InitDone) => *names() = std::mem::take(&mut listed),
                Err(_) => {}
            }
        })
    }
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

    async fn after(events: Vec<Event<Schedule>>) -> Index {
        let index = Index::default();
        index.follow(stream::iter(events.into_iter().map(Ok))).for_each(|_| std::future::ready(())).await;
        index
    }

    fn of(index: &Index, pipeline: &str) -> Vec<String> {
        index.names("demo", &Tie::Runs(pipeline.to_owned()))
    }

    #[tokio::test]
    async fn objects_are_found_by_what_they_name_now() {
        use Event::{Apply, Delete, Init, InitApply, InitDone};
        let mut events = vec![
            Init,
            InitApply(schedule("a", "orders")),
            InitApply(schedule("b", "orders")),
            InitDone,
            Apply(schedule("c", "orders")),
            Apply(schedule("a", "returns")),
            Delete(schedule("b", "orders")),
        ];
        let index = after(events.clone()).await;
        assert_eq!((of(&index, "orders"), of(&index, "returns")), (vec!["c".to_owned()], vec!["a".to_owned()]));
        assert!(index.names("other", &Tie::Runs("orders".to_owned())).is_empty());

        // A watch that begins anew has a list of what is there; until it has ended, what was known stays.
        events.extend([Init, InitApply(schedule("d", "orders"))]);
        assert_eq!(of(&after(events.clone()).await, "orders"), ["c"]);
        events.push(InitDone);
        let index = after(events).await;
        assert_eq!((of(&index, "orders"), of(&index, "returns")), (vec!["d".to_owned()], Vec::new()));
    }

    #[tokio::test]
    async fn what_is_gone_leaves_nothing_behind() {
        let index = after(vec![Event::Apply(schedule("a", "orders")), Event::Delete(schedule("a", "orders"))]).await;
        let names = index.0.read().expect("nobody has panicked");
        assert!(names.by_tie.is_empty() && names.ties.is_empty(), "{names:?}");
    }
}
