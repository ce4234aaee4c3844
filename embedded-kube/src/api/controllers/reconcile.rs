//! Looks at one thing: what is known of it, and what is to be done.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::api::ListParams;

use super::action::Plan;
use super::cache::{Cache, Place, Seen, place};
use super::execute::api;
use super::garbage::{self, Fate, Item};
use super::memory::Memory;
use super::resource::{EVENT, NODE, POD, Resource, SERVICE_ACCOUNT};
use super::route::{Controller, Key};
use super::{Options, aggregation, expiry, health, job, namespace, owner, pod, schedule, stray};

/// The kinds that are watched.
pub(super) type Kinds = Arc<Vec<Resource>>;

/// What is to be done about one thing now.
///
/// # Errors
/// When the API server has to be asked, and does not answer.
pub(super) async fn look(around: &Around, key: &Key, kinds: &Kinds) -> Result<Plan, kube::Error> {
    let now = Timestamp::now();
    let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
    let cache = &around.cache;
    let plan = match &key.controller {
        Controller::Job => around.job(namespace, name).map(|view| job::plan(&view, now)),
        Controller::Expiry => cache.read().jobs.get(namespace, name).map(|job| expiry::plan(job, now)),
        Controller::Schedule => Some(schedule::plan(&around.schedule(), now)),
        Controller::Garbage(resource) => {
            around.garbage(&place(resource, Some(namespace), Some(name)), kinds).await?.map(|view| garbage::plan(&view))
        }
        Controller::Namespace => around.namespace(name, kinds).await?.map(|view| namespace::plan(&view, now)),
        Controller::Health => around.health(name).map(|view| health::plan(&view, now)),
        Controller::Stray => around.stray(namespace, name).map(|view| stray::plan(&view, now)),
        Controller::Aggregation => {
            let seen = cache.read();
            let all: Vec<_> = seen.roles.all().cloned().collect();
            seen.roles.get("", name).map(|role| aggregation::plan(role, &all))
        }
    };
    // What is not there needs nothing.
    Ok(plan.unwrap_or_default())
}

/// What the views are made of.
pub(super) struct Around {
    pub(super) client: Client,
    pub(super) cache: Cache,
    pub(super) memory: Memory,
    pub(super) options: Options,
}

impl Around {
    fn job(&self, namespace: &str, name: &str) -> Option<job::View> {
        let seen = self.cache.read();
        let job = Arc::clone(seen.jobs.get(namespace, name)?);
        let uid = job.metadata.uid.clone().unwrap_or_default();
        let pods = seen.dependents(&uid).filter(|(resource, ..)| *resource == POD);
        let pods = pods.filter_map(|(_, namespace, name)| seen.pods.get(namespace, name));
        let pods = pods.filter(|pod| owner::controls(&uid, &pod.metadata)).cloned().collect();
        let taken = seen.pods.of(namespace).map(|(name, _)| name.to_owned()).collect();
        Some(job::View { job, pods, taken, pauses: self.options.pauses })
    }

    fn schedule(&self) -> schedule::View {
        let seen = self.cache.read();
        let alive = seen.pods.all().filter(|pod| !pod::is_over(pod)).cloned();
        let (placed, waiting) = alive.partition(|pod: &Arc<Pod>| !pod::node(pod).is_empty());
        schedule::View { nodes: seen.nodes.all().cloned().collect(), placed, waiting }
    }

    fn health(&self, name: &str) -> Option<health::View> {
        let seen = self.cache.read();
        let Some(node) = seen.nodes.get("", name).cloned() else {
            self.memory.forget(name);
            return None;
        };
        let renewed = seen.lease(name).and_then(|lease| lease.spec.as_ref()?.renew_time.as_ref());
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let beat = conditions.filter(|it| it.type_ == "Ready").find_map(|it| it.last_heartbeat_time.as_ref());
        let sign = format!("{:?} {:?} {:?}", node.metadata.uid, renewed, beat);
        let silent = self.memory.silent(name, &sign);
        let pods = seen.pods.all().filter(|pod| pod::node(pod) == name).cloned().collect();
        Some(health::View { node, silent, pods, patience: self.options.patience })
    }

    fn stray(&self, namespace: &str, name: &str) -> Option<stray::View> {
        let seen = self.cache.read();
        let pod = Arc::clone(seen.pods.get(namespace, name)?);
        let node = pod::node(&pod);
        let there = seen.item(&place(&NODE, None, Some(node))).is_some();
        let lost = (!node.is_empty() && !there).then(|| self.memory.missing(node));
        if there {
            self.memory.found(node);
        }
        let counted = owner::controller(&pod.metadata).is_some_and(|owner| {
            let job = seen.jobs.get(namespace, &owner.name);
            job.is_some_and(|job| job.metadata.uid.as_ref() == Some(&owner.uid) && !job::is_finished(job))
        });
        Some(stray::View { pod, lost, counted, quarantine: self.options.quarantine })
    }

    async fn garbage(&self, place: &Place, kinds: &Kinds) -> Result<Option<garbage::View>, kube::Error> {
        let (item, dependents, owners) = {
            let seen = self.cache.read();
            let Some(item) = seen.item(place).cloned() else { return Ok(None) };
            let uid = item.metadata.uid.as_deref().unwrap_or_default();
            let dependents: Vec<Item> = seen.dependents(uid).filter_map(|place| seen.item(place)).cloned().collect();
            let owners = item.metadata.owner_references.clone().unwrap_or_default();
            let owners: Vec<(OwnerReference, Known)> = owners
                .into_iter()
                .map(|owner| {
                    let known = known(&seen, place, &owner, kinds);
                    (owner, known)
                })
                .collect();
            (item, dependents, owners)
        };
        let mut fates = Vec::with_capacity(owners.len());
        for (owner, known) in owners {
            let fate = match known {
                Known::Fate(fate) => fate,
                // The watches of two kinds do not go at the same pace: an owner that was not seen yet may be there.
                Known::Ask((resource, namespace, name)) => {
                    let there = api(&self.client, &resource, &namespace).get_opt(&name).await?;
                    match there.filter(|there| there.metadata.uid.as_deref() == Some(&owner.uid)) {
                        Some(there) if garbage::waits(&there.metadata) => Fate::Waits,
                        Some(_) => Fate::Solid,
                        None => Fate::Gone,
                    }
                }
            };
            fates.push((owner, fate));
        }
        Ok(Some(garbage::View { item, owners: fates, dependents }))
    }

    async fn namespace(&self, name: &str, kinds: &Kinds) -> Result<Option<namespace::View>, kube::Error> {
        let (namespace, account, authority) = {
            let seen = self.cache.read();
            let Some(namespace) = seen.namespaces.get("", name).cloned() else { return Ok(None) };
            let account = seen.item(&place(&SERVICE_ACCOUNT, Some(name), Some("default"))).is_some();
            (namespace, account, seen.authorities.get(name, namespace::AUTHORITY).cloned())
        };
        let mut content = BTreeMap::new();
        if namespace.metadata.deletion_timestamp.is_some() {
            // What was made at the last moment may not have been seen yet.
            for resource in kinds.iter().filter(|resource| resource.namespaced).chain([&EVENT]) {
                let listed = api(&self.client, resource, name).list(&ListParams::default()).await;
                let objects = match listed {
                    Ok(objects) => objects.items,
                    // Its definition has just gone.
                    Err(kube::Error::Api(status)) if status.code == 404 => continue,
                    Err(error) => return Err(error),
                };
                let items: Vec<Item> = objects
                    .into_iter()
                    .map(|object| Item { resource: resource.clone(), metadata: Arc::new(object.metadata) })
                    .collect();
                if !items.is_empty() {
                    content.insert(format!("{}.{}", resource.plural, resource.group), items);
                }
            }
        }
        let certificate = self.options.certificate.clone();
        Ok(Some(namespace::View { namespace, account, authority, certificate, content }))
    }
}

/// What is known of an owner.
enum Known {
    Fate(Fate),
    /// It has not been seen: whether it is there has to be asked for.
    Ask(Place),
}

fn known(seen: &Seen, dependent: &Place, owner: &OwnerReference, kinds: &Kinds) -> Known {
    let Some(resource) = kinds.iter().find(|kind| kind.is(&owner.api_version, &owner.kind)) else {
        return Known::Fate(Fate::Unknown);
    };
    let (_, namespace, _) = dependent;
    // What is in no namespace cannot belong to what is in one.
    if resource.namespaced && namespace.is_empty() {
        return Known::Fate(Fate::Unknown);
    }
    let at = place(resource, Some(namespace).filter(|_| resource.namespaced).map(String::as_str), Some(&owner.name));
    match seen.item(&at).filter(|there| there.metadata.uid.as_deref() == Some(&owner.uid)) {
        Some(there) if garbage::waits(&there.metadata) => Known::Fate(Fate::Waits),
        Some(_) => Known::Fate(Fate::Solid),
        None => Known::Ask(at),
    }
}
