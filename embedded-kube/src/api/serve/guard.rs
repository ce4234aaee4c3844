//! Who asks, and whether they may.

use std::sync::{Arc, PoisonError, RwLock};

use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde_json::Value;

use super::super::Refusal;
use super::super::access::{
    Attributes, Authentication, Authority, Impersonation, Index, Issuer, Objects, Pods, Resource, Target, Tokens, User,
    wanted,
};
use super::super::request::{ResourcePath, Verb};
use super::super::store::{Key, Resource as Kept, Store};
use super::{Api, Asked};

/// What people are known by.
pub(super) struct Guard {
    pub(super) tokens: Tokens,
    pub(super) issuer: Issuer,
    impersonation: Impersonation,
}

impl Guard {
    pub(super) fn new(tokens: Tokens, issuer: Issuer) -> Self {
        Self { tokens, issuer, impersonation: Impersonation::default() }
    }
}

/// The group of roles.
const ROLES: &str = "rbac.authorization.k8s.io";

/// The roles and bindings of a store, now and from now on: whoever sees one there may count on its rights.
pub(super) fn roles(store: &Store) -> Arc<RwLock<Index>> {
    let index = Arc::new(RwLock::new(Index::default()));
    let kept = Arc::clone(&index);
    store.observe(move |stored, removed| {
        if stored.key.resource.group == ROLES {
            let mut index = kept.write().unwrap_or_else(PoisonError::into_inner);
            if removed { index.remove(&stored.object) } else { index.put(&stored.object) }
        }
    });
    for plural in ["roles", "clusterroles", "rolebindings", "clusterrolebindings"] {
        let resource = Kept { group: ROLES.to_owned(), plural: plural.to_owned() };
        for stored in store.list(&resource, None).items {
            index.write().unwrap_or_else(PoisonError::into_inner).put(&stored.object);
        }
    }
    index
}

/// Looks objects up in a store.
pub(super) struct Lookup<'a>(pub(super) &'a Store);

fn core(plural: &str) -> Kept {
    Kept { group: String::new(), plural: plural.to_owned() }
}

impl Objects for Lookup<'_> {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let key = Key { resource: core(resource), namespace: namespace.to_owned(), name: name.to_owned() };
        Some(Arc::new(self.0.get(&key)?.object.clone()))
    }
}

impl Pods for Lookup<'_> {
    fn any(&self, node: &str, is: &mut dyn FnMut(&Value) -> bool) -> bool {
        let pods = self.0.list(&core("pods"), None).items;
        pods.iter().any(|pod| pod.object["spec"]["nodeName"] == node && is(&pod.object))
    }
}

impl Api {
    /// Who asks. Whoever acts as somebody else is that one from here on.
    pub(super) fn who(&self, asked: &Asked, now: Timestamp) -> Result<User, Refusal> {
        let guard = &self.0.guard;
        let lookup = Lookup(&self.0.store);
        let known = Authentication { tokens: &guard.tokens, issuer: &guard.issuer, objects: &lookup };
        let header = asked.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        known.user(asked.certified.clone(), header, now)
    }

    /// What is decided with who may do what, as it is now.
    pub(super) fn with_authority<T>(&self, decide: impl FnOnce(&Authority<'_>) -> T) -> T {
        let roles = self.0.roles.read().unwrap_or_else(PoisonError::into_inner);
        let pods = Lookup(&self.0.store);
        decide(&Authority { rules: &*roles, pods: &pods })
    }

    /// Lets somebody do something; as somebody else, if the request says so.
    ///
    /// # Errors
    /// When they may not.
    pub(super) fn check(&self, asked: &Asked, user: User, verb: &str, target: Target) -> Result<User, Refusal> {
        let attributes = Attributes { user, verb: verb.to_owned(), target };
        let other = wanted(&asked.headers)?;
        self.with_authority(|authority| {
            let user = match other {
                None => attributes.user.clone(),
                Some(other) => self.0.guard.impersonation.act(&attributes, &other, authority)?,
            };
            let attributes = Attributes { user, ..attributes.clone() };
            authority.check(&attributes)?;
            Ok(attributes.user)
        })
    }

    /// Lets somebody ask for a path that has no objects.
    pub(super) fn check_path(&self, user: &User, asked: &Asked) -> Result<(), Refusal> {
        let verb = asked.method.as_str().to_ascii_lowercase();
        self.check(asked, user.clone(), &verb, Target::Path(asked.uri.path().to_owned())).map(drop)
    }

    /// Lets somebody do something with objects.
    pub(super) fn check_resource(
        &self,
        asked: &Asked,
        user: User,
        verb: Verb,
        path: &ResourcePath,
        fields: Vec<(String, String)>,
    ) -> Result<User, Refusal> {
        self.check(asked, user, verb.as_str(), target(path, fields))
    }

    /// Whether somebody, who has been found to be whom they act as, may also do that with objects.
    pub(super) fn check_also(&self, user: &User, verb: Verb, path: &ResourcePath) -> Result<(), Refusal> {
        let verb = verb.as_str().to_owned();
        let attributes = Attributes { user: user.clone(), verb, target: target(path, Vec::new()) };
        self.with_authority(|authority| authority.check(&attributes))
    }
}

/// What is to be done something with, as rights have it.
fn target(path: &ResourcePath, fields: Vec<(String, String)>) -> Target {
    let named = fields.iter().find(|(field, _)| field == "metadata.name").map(|(_, name)| name.clone());
    Target::Resource(Resource {
        namespace: match path.plural.as_str() {
            // A namespace is in itself, as rights have it.
            "namespaces" if path.group.is_empty() => path.name.clone().unwrap_or_default(),
            _ => path.namespace.clone().unwrap_or_default(),
        },
        group: path.group.clone(),
        resource: path.plural.clone(),
        subresource: path.subresource.clone().unwrap_or_default(),
        name: path.name.clone().or(named).unwrap_or_default(),
        fields,
    })
}
