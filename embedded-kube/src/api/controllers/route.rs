//! Who has to be looked at when something has changed.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;

use super::cache::{Change, Place, Seen};
use super::garbage::{Item, ORPHAN, waits};
use super::namespace::AUTHORITY;
use super::owner;
use super::pod;
use super::resource::{CLUSTER_ROLE, CONFIG_MAP, JOB, LEASE, NAMESPACE, NODE, POD, Resource, SERVICE_ACCOUNT};

/// Who decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Controller {
    /// About the Pods of a Job.
    Job,
    /// About the age of a Job.
    Expiry,
    /// About which Pod gets which node: about all at once.
    Schedule,
    /// About an object of that kind, because of its owners and dependents.
    Garbage(Resource),
    /// About a namespace.
    Namespace,
    /// About a node.
    Health,
    /// About a Pod that nobody would end.
    Stray,
    /// About a ClusterRole.
    Aggregation,
}

/// What has to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// By whom.
    pub(super) controller: Controller,
    /// Its namespace; empty for none.
    pub(super) namespace: String,
    /// Its name; empty for all.
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(controller: Controller, namespace: &str, name: &str) -> Self {
        Self { controller, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The look at what is tied to an object.
    fn garbage((resource, namespace, name): &Place) -> Self {
        Self::new(Controller::Garbage(resource.clone()), namespace, name)
    }
}

/// Who has to be looked at because of a change.
pub(super) fn interested(change: &Change, seen: &Seen) -> BTreeSet<Key> {
    let mut keys = tied(change, seen);
    let (resource, namespace, name) = &change.place;
    let pods_of = |node: &str| {
        let pods: Vec<_> = seen.pods.all().filter(|it| pod::node(it) == node).collect();
        pods.into_iter().map(|it| stray(it))
    };
    match resource {
        _ if *resource == POD => {
            let both = [&change.before, &change.after].into_iter().flatten();
            let jobs = both.filter_map(|item| owner::controller(&item.metadata)).filter(|owner| owner.kind == "Job");
            keys.extend(jobs.map(|job| Key::new(Controller::Job, namespace, &job.name)));
            keys.insert(Key::new(Controller::Schedule, "", ""));
            if let Some(changed) = seen.pods.get(namespace, name) {
                keys.insert(Key::new(Controller::Stray, namespace, name));
                keys.insert(Key::new(Controller::Health, "", pod::node(changed)));
            }
        }
        _ if *resource == JOB => {
            keys.insert(Key::new(Controller::Job, namespace, name));
            keys.insert(Key::new(Controller::Expiry, namespace, name));
            // Those that were counted are not any more.
            let uid = change.before.iter().chain(&change.after).filter_map(|item| item.metadata.uid.as_deref());
            let pods = uid.flat_map(|uid| seen.dependents(uid)).filter(|(resource, ..)| *resource == POD);
            keys.extend(pods.map(|(_, namespace, name)| Key::new(Controller::Stray, namespace, name)));
        }
        _ if *resource == NODE => {
            keys.insert(Key::new(Controller::Health, "", name));
            keys.insert(Key::new(Controller::Schedule, "", ""));
            if change.before.is_none() || change.after.is_none() {
                keys.extend(pods_of(name));
            }
        }
        _ if *resource == LEASE && seen.nodes.get("", name).is_some() => {
            keys.insert(Key::new(Controller::Health, "", name));
        }
        _ if *resource == NAMESPACE => {
            keys.insert(Key::new(Controller::Namespace, "", name));
        }
        _ if *resource == SERVICE_ACCOUNT && name == "default" || *resource == CONFIG_MAP && name == AUTHORITY => {
            keys.insert(Key::new(Controller::Namespace, "", namespace));
        }
        _ if *resource == CLUSTER_ROLE => {
            let aggregated = seen.roles.all().filter(|role| role.aggregation_rule.is_some());
            let names = aggregated.filter_map(|role| role.metadata.name.as_deref());
            keys.extend(names.map(|name| Key::new(Controller::Aggregation, "", name)));
        }
        _ => {}
    }
    let home = seen.namespaces.get("", namespace).filter(|_| !namespace.is_empty());
    if home.is_some_and(|home| home.metadata.deletion_timestamp.is_some()) {
        keys.insert(Key::new(Controller::Namespace, "", namespace));
    }
    keys
}

fn stray(pod: &Pod) -> Key {
    let metadata = &pod.metadata;
    let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
    Key::new(Controller::Stray, namespace.unwrap_or_default(), name.unwrap_or_default())
}

/// Whether an object is tied to others.
pub(super) fn is_tied(item: &Item) -> bool {
    let metadata = &item.metadata;
    let owned = metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
    let ending = waits(metadata) || metadata.deletion_timestamp.is_some() && owner::has_finalizer(metadata, ORPHAN);
    owned || ending
}

/// The object itself, its owners that may wait for it, and its dependents when it goes.
fn tied(change: &Change, seen: &Seen) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    if change.after.as_ref().is_some_and(is_tied) {
        keys.insert(Key::garbage(&change.place));
    }
    let both = || change.before.iter().chain(&change.after);
    let owners = both().flat_map(|item| item.metadata.owner_references.iter().flatten());
    let owners: BTreeSet<&str> = owners.map(|owner| owner.uid.as_str()).collect();
    if !owners.is_empty() {
        let owns = |item: &Item| item.metadata.uid.as_deref().is_some_and(|uid| owners.contains(uid));
        let waiting = seen.waiting().filter(|(_, item)| owns(item) && is_tied(item));
        keys.extend(waiting.map(|(place, _)| Key::garbage(place)));
    }
    let uid = |item: &Option<Item>| item.as_ref().and_then(|item| item.metadata.uid.clone());
    let going = change.after.as_ref().is_some_and(|item| waits(&item.metadata));
    if going || uid(&change.before) != uid(&change.after) {
        let uids = both().filter_map(|item| item.metadata.uid.as_deref());
        keys.extend(uids.flat_map(|uid| seen.dependents(uid)).map(Key::garbage));
    }
    keys
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::cache::{Cache, place};
    use super::*;

    fn put(cache: &Cache, resource: &Resource, name: &str, more: Value) -> Vec<String> {
        let mut object = json!({"metadata": {"name": name, "uid": name, "resourceVersion": "1"}, "spec": {"containers": [], "template": {}}});
        if resource.namespaced {
            object["metadata"]["namespace"] = "ns".into();
        }
        for (key, value) in more.as_object().unwrap() {
            object["metadata"][key] = value.clone();
        }
        if let Some(node) = object["metadata"].as_object_mut().unwrap().remove("node") {
            object["spec"]["nodeName"] = node;
        }
        let change = cache.put(resource, serde_json::from_value(object).unwrap());
        texts(interested(&change, &cache.read()))
    }

    fn texts(keys: BTreeSet<Key>) -> Vec<String> {
        let text = |key: Key| match key.controller {
            Controller::Garbage(resource) => format!("Garbage {} {}", resource.kind, key.name),
            other => format!("{other:?} {}", key.name).trim_end().to_owned(),
        };
        keys.into_iter().map(text).collect()
    }

    fn owned(name: &str, kind: &str, version: &str) -> Value {
        let owner = json!({"apiVersion": version, "kind": kind, "name": name, "uid": name, "controller": true});
        json!({ "ownerReferences": [owner] })
    }

    #[test]
    fn a_pod_is_of_interest_to_its_job_its_node_and_the_scheduler() {
        let cache = Cache::default();
        let mut more = owned("j", "Job", "batch/v1");
        more["node"] = "n".into();
        assert_eq!(put(&cache, &POD, "p", more), ["Job j", "Schedule", "Garbage Pod p", "Health n", "Stray p"]);
        let change = cache.remove(&place(&POD, Some("ns"), Some("p")));
        assert_eq!(texts(interested(&change, &cache.read())), ["Job j", "Schedule"]);
    }

    #[test]
    fn an_owner_that_goes_is_of_interest_to_its_dependents_and_they_to_it_when_it_waits() {
        let cache = Cache::default();
        assert_eq!(put(&cache, &JOB, "j", json!({})), ["Job j", "Expiry j"]);
        put(&cache, &POD, "p", owned("j", "Job", "batch/v1"));
        assert_eq!(put(&cache, &JOB, "j", json!({})), ["Job j", "Expiry j", "Stray p"]);
        let waiting = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]});
        assert_eq!(put(&cache, &JOB, "j", waiting), ["Job j", "Expiry j", "Garbage Pod p", "Garbage Job j", "Stray p"]);
        let change = cache.remove(&place(&POD, Some("ns"), Some("p")));
        assert_eq!(texts(interested(&change, &cache.read())), ["Job j", "Schedule", "Garbage Job j"]);
        put(&cache, &POD, "p", owned("j", "Job", "batch/v1"));
        let change = cache.remove(&place(&JOB, Some("ns"), Some("j")));
        assert_eq!(texts(interested(&change, &cache.read())), ["Job j", "Expiry j", "Garbage Pod p", "Stray p"]);
    }

    #[test]
    fn nodes_are_of_interest_to_their_pods_when_they_come_and_go() {
        let cache = Cache::default();
        put(&cache, &POD, "p", json!({"node": "n"}));
        assert_eq!(put(&cache, &NODE, "n", json!({})), ["Schedule", "Health n", "Stray p"]);
        assert_eq!(put(&cache, &NODE, "n", json!({})), ["Schedule", "Health n"]);
        assert_eq!(put(&cache, &LEASE, "n", json!({})), ["Health n"]);
        assert_eq!(put(&cache, &LEASE, "other", json!({})), [] as [&str; 0]);
    }

    #[test]
    fn a_namespace_that_goes_is_looked_at_with_everything_in_it() {
        let cache = Cache::default();
        assert_eq!(put(&cache, &NAMESPACE, "ns", json!({})), ["Namespace ns"]);
        assert_eq!(put(&cache, &CONFIG_MAP, "c", json!({})), [] as [&str; 0]);
        assert_eq!(put(&cache, &SERVICE_ACCOUNT, "default", json!({})), ["Namespace ns"]);
        put(&cache, &NAMESPACE, "ns", json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
        assert_eq!(put(&cache, &CONFIG_MAP, "c", json!({})), ["Namespace ns"]);
    }
}
