//! What feeds the cache: one watch for each kind, the custom ones as they come and go.

use std::collections::{BTreeSet, HashMap};
use std::pin::pin;

use futures::StreamExt;
use kube::Client;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::cache::{Cache, Change, Place, place};
use super::execute::api;
use super::resource::{BUILT_IN, DEFINITION, Resource};

/// How long a watch stays open: one that died in silence would be missed as long.
const WATCH_SECONDS: u32 = 230;

/// What a watch has told.
type Told = (Resource, Result<watcher::Event<DynamicObject>, watcher::Error>);

/// All watches.
pub(super) struct Watches {
    client: Client,
    sender: UnboundedSender<Told>,
    told: UnboundedReceiver<Told>,
    running: HashMap<Resource, AbortHandle>,
    /// What is listed anew, kind by kind.
    listed: HashMap<Resource, BTreeSet<Place>>,
    /// The kinds of which nothing is known yet.
    unknown: BTreeSet<Resource>,
}

impl Watches {
    /// Begins to watch the built-in kinds.
    pub(super) fn new(client: Client) -> Self {
        let (sender, told) = unbounded_channel();
        let (running, listed) = (HashMap::new(), HashMap::new());
        let mut watches = Self { client, sender, told, running, listed, unknown: BTreeSet::new() };
        BUILT_IN.into_iter().for_each(|resource| watches.start(resource));
        watches
    }

    /// The kinds that have been listed, once all built-in ones have: a custom one that cannot be listed holds nobody up.
    pub(super) fn kinds(&self) -> Option<Vec<Resource>> {
        if BUILT_IN.iter().any(|resource| self.unknown.contains(resource)) {
            return None;
        }
        let mut kinds: Vec<Resource> =
            self.running.keys().filter(|resource| !self.unknown.contains(*resource)).cloned().collect();
        kinds.sort();
        Some(kinds)
    }

    /// Takes note of what is told next, and gives back what has changed. Nothing when there is no watch any more.
    pub(super) async fn next(&mut self, cache: &Cache) -> Option<Vec<Change>> {
        let (resource, event) = self.told.recv().await?;
        let changes = match event {
            Ok(event) => self.take(&resource, event, cache),
            Err(error) => {
                tracing::warn!(%error, kind = %resource.kind, "a watch failed and is begun anew");
                Vec::new()
            }
        };
        let mut all = changes;
        if resource == DEFINITION {
            let more: Vec<Change> = all.clone().iter().flat_map(|change| self.define(change, cache)).collect();
            all.extend(more);
        }
        Some(all)
    }

    fn start(&mut self, resource: Resource) {
        if self.running.contains_key(&resource) {
            return;
        }
        let (api, sender, kind) = (api(&self.client, &resource, ""), self.sender.clone(), resource.clone());
        let task = tokio::spawn(async move {
            let events = watcher::watcher(api, Config::default().timeout(WATCH_SECONDS)).default_backoff();
            let mut events = pin!(events);
            while let Some(event) = events.next().await {
                if sender.send((kind.clone(), event)).is_err() {
                    break;
                }
            }
        });
        self.running.insert(resource.clone(), task.abort_handle());
        self.unknown.insert(resource);
    }

    fn stop(&mut self, resource: &Resource, cache: &Cache) -> Vec<Change> {
        let Some(task) = self.running.remove(resource) else { return Vec::new() };
        task.abort();
        self.unknown.remove(resource);
        cache.places(resource).iter().map(|place| cache.remove(place)).collect()
    }

    fn take(&mut self, resource: &Resource, event: watcher::Event<DynamicObject>, cache: &Cache) -> Vec<Change> {
        // What is still told of a kind that was just stopped.
        if !self.running.contains_key(resource) {
            return Vec::new();
        }
        match event {
            watcher::Event::Init => {
                self.listed.insert(resource.clone(), BTreeSet::new());
                Vec::new()
            }
            watcher::Event::InitApply(object) => {
                let metadata = &object.metadata;
                let place = place(resource, metadata.namespace.as_deref(), metadata.name.as_deref());
                self.listed.entry(resource.clone()).or_default().insert(place);
                vec![cache.put(resource, object)]
            }
            watcher::Event::InitDone => {
                let listed = self.listed.remove(resource).unwrap_or_default();
                self.unknown.remove(resource);
                let gone = cache.places(resource).into_iter().filter(|place| !listed.contains(place));
                gone.map(|place| cache.remove(&place)).collect()
            }
            watcher::Event::Apply(object) => vec![cache.put(resource, object)],
            watcher::Event::Delete(object) => {
                let metadata = &object.metadata;
                vec![cache.remove(&place(resource, metadata.namespace.as_deref(), metadata.name.as_deref()))]
            }
        }
    }

    /// Begins to watch what a definition defines, or ends it.
    fn define(&mut self, change: &Change, cache: &Cache) -> Vec<Change> {
        let (_, _, name) = &change.place;
        let defined = change.after.as_ref().and_then(|_| cache.read().definition(name));
        let group_and_plural = |resource: &Resource| format!("{}.{}", resource.plural, resource.group) == *name;
        let old: Vec<Resource> =
            self.running.keys().filter(|it| group_and_plural(it) && Some(*it) != defined.as_ref()).cloned().collect();
        let gone = old.iter().flat_map(|resource| self.stop(resource, cache)).collect();
        if let Some(defined) = defined {
            self.start(defined);
        }
        gone
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.running.values().for_each(AbortHandle::abort);
    }
}

/// What a CustomResourceDefinition defines, once it is served.
pub(super) fn defined(definition: &Value) -> Option<Resource> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let established = all(&definition["status"]["conditions"])
        .iter()
        .any(|condition| condition["type"] == "Established" && condition["status"] == "True");
    let spec = &definition["spec"];
    let versions = all(&spec["versions"]);
    let served = |version: &&Value| version["served"] == true;
    let version = versions.iter().filter(served).find(|version| version["storage"] == true);
    let version = version.or_else(|| versions.iter().find(served))?;
    established.then_some(())?;
    Some(Resource {
        group: text(&spec["group"])?.into(),
        version: text(&version["name"])?.into(),
        kind: text(&spec["names"]["kind"])?.into(),
        plural: text(&spec["names"]["plural"])?.into(),
        namespaced: spec["scope"] == "Namespaced",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_defines_a_kind_when_it_is_served() {
        let definition = |established: &str, served: [bool; 2]| {
            let version =
                |name: &str, served: bool, storage: bool| json!({"name": name, "served": served, "storage": storage});
            defined(&json!({
                "spec": {
                    "group": "x.dev", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
                    "versions": [version("v1", served[0], false), version("v2", served[1], true)],
                },
                "status": {"conditions": [{"type": "Established", "status": established}]},
            }))
        };
        let version = |resource: Option<Resource>| resource.map(|resource| resource.version.into_owned());
        assert_eq!(version(definition("False", [true, true])), None);
        assert_eq!(version(definition("True", [true, true])).as_deref(), Some("v2"));
        assert_eq!(version(definition("True", [true, false])).as_deref(), Some("v1"));
        assert_eq!(version(definition("True", [false, false])), None);
        let thing = definition("True", [true, true]).unwrap();
        assert!(thing.is("x.dev/v1", "Thing") && thing.namespaced && thing.plural == "things");
    }
}
