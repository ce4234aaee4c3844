//! Who watches: a list and its events are the state, and what was told stays so.

use std::collections::BTreeMap;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};

use super::writer::version;

/// What somebody has seen who watches, and goes on after every restart.
#[derive(Default)]
pub(crate) struct Watcher {
    state: BTreeMap<String, ConfigMap>,
    /// The version of it.
    pub(crate) until: u64,
    /// How many events it was told.
    pub(crate) told: u64,
}

impl Watcher {
    /// Lists, and is told what happens, until nobody answers any more.
    pub(crate) async fn watch(mut self, client: Client, namespace: &'static str) -> Self {
        let api: Api<ConfigMap> = Api::namespaced(client, namespace);
        let Ok(list) = api.list(&ListParams::default()).await else { return self };
        let listed = list.metadata.resource_version.expect("the version of a list");
        self.take(list.items, listed.parse().expect("a number"));
        let Ok(events) = api.watch(&WatchParams::default(), &listed).await else { return self };
        let mut events = events.boxed();
        while let Some(Ok(event)) = events.next().await {
            self.fold(event);
        }
        self
    }

    /// Takes a list over. What it was told up to its own version is in it, unless it has changed since.
    fn take(&mut self, items: Vec<ConfigMap>, listed: u64) {
        assert!(listed >= self.until, "versions go back from {} to {listed}", self.until);
        let there: BTreeMap<String, ConfigMap> = items.into_iter().map(|item| (item.name_any(), item)).collect();
        for (name, object) in there.iter().filter(|(_, object)| version(object) <= self.until) {
            assert_eq!(self.state.get(name), Some(object), "it was told otherwise at {}", self.until);
        }
        if listed == self.until {
            assert_eq!(self.state.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>(), "at {listed}");
        }
        (self.state, self.until) = (there, listed);
    }

    fn fold(&mut self, event: WatchEvent<ConfigMap>) {
        let (object, was, is) = match event {
            WatchEvent::Added(object) => (object, false, true),
            WatchEvent::Modified(object) => (object, true, true),
            WatchEvent::Deleted(object) => (object, true, false),
            WatchEvent::Bookmark(_) => return,
            WatchEvent::Error(status) => unreachable!("it is quick enough: {status:?}"),
        };
        let (name, now) = (object.name_any(), version(&object));
        assert!(now > self.until, "{name}: {now} comes after {}", self.until);
        assert_eq!(self.state.contains_key(&name), was, "{name} at {now}");
        if is {
            self.state.insert(name, object);
        } else {
            self.state.remove(&name);
        }
        self.until = now;
        self.told += 1;
    }
}
