//! What becomes of a definition after it was written: it is accepted, and, when it is to go, everything of its kind goes first.

use jiff::Timestamp;
use serde_json::Value;

use super::super::apply::{self, Manager};
use super::super::builtin::{self, CLEANUP, Leaving};
use super::super::lifecycle::{self, DeleteOptions, Deleted};
use super::super::store::{Change, Expected, Key, NotWritten, Resource, Scope, Stored};
use super::super::{Kind, Refusal, RefusalReason};
use super::Api;
use super::registry::definitions;
use super::write::AGAIN;

/// Who says what has become of a definition.
const MANAGER: &str = "kube-apiserver";

fn text(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn is_going(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

pub(super) fn is_definition(kind: &Kind) -> bool {
    kind.kind == "CustomResourceDefinition" && !kind.custom
}

/// What becomes of a definition that somebody wants to go, if that was not said before: it stays until its objects are gone.
pub(super) fn going(object: &Value, deleted: Deleted, now: Timestamp) -> Deleted {
    if is_going(object) { deleted } else { Deleted::Marked(builtin::leaving(object, Leaving::Pending, &text(now))) }
}

impl Api {
    /// Whether the definition of a kind is to go, so that nothing of the kind comes any more.
    pub(super) fn check_definition(&self, kind: &Kind, name: &str) -> Result<(), Refusal> {
        if !kind.custom {
            return Ok(());
        }
        let key = Key { resource: definitions(), namespace: String::new(), name: kind.resource() };
        if self.0.store.get(&key).is_none_or(|there| !is_going(&there.object)) {
            return Ok(());
        }
        let why = "create not allowed while custom resource definition is terminating";
        let message = format!("{} \"{name}\" is forbidden: {why}", kind.resource());
        Err(Refusal::about(RefusalReason::Forbidden, kind, name, message))
    }

    /// What is said of a version of a kind that is not to be used any more.
    pub(super) fn deprecations(&self, kind: &Kind) -> Vec<String> {
        if !kind.custom {
            return Vec::new();
        }
        let key = Key { resource: definitions(), namespace: String::new(), name: kind.resource() };
        let there = self.0.store.get(&key);
        there.and_then(|there| builtin::deprecation(&there.object, &kind.version)).into_iter().collect()
    }

    /// Goes on with what was begun before the last end of the program.
    pub(super) async fn resume_definitions(&self) {
        for stored in self.0.store.list(&definitions(), None).items {
            if is_going(&stored.object) || !stored.object["status"]["conditions"].is_array() {
                self.defined(&stored.key).await;
            }
        }
    }

    /// What follows from a definition that has come, has changed, or is to go.
    pub(super) async fn defined(&self, key: &Key) {
        if self.0.store.get(key).is_some_and(|there| is_going(&there.object)) {
            let (api, key, closed) = (self.clone(), key.clone(), self.0.closed.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = closed.cancelled() => {}
                    cleared = api.clear(&key) => {
                        if let Err(error) = cleared {
                            tracing::warn!(%error, name = key.name, "a definition that is to go stays for now");
                        }
                    }
                }
            });
        } else if let Err(error) = self.accept(key).await {
            tracing::warn!(%error, name = key.name, "a definition is not accepted for now");
        }
        self.redefine();
    }

    /// Gives a definition its names, if nobody else has them.
    async fn accept(&self, key: &Key) -> Result<(), NotWritten> {
        self.say(key, |there| {
            if is_going(there) {
                return None;
            }
            let others: Vec<Value> =
                self.0.store.list(&definitions(), None).items.iter().map(|it| it.object.clone()).collect();
            let mut object = there.clone();
            object["status"] = builtin::accepted(there, &others, &text(Timestamp::now()));
            Some(object)
        })
        .await
    }

    /// Deletes everything of a kind, and then its definition.
    async fn clear(&self, key: &Key) -> Result<(), NotWritten> {
        let Some(there) = self.0.store.get(key) else { return Ok(()) };
        let finalizers = there.object["metadata"]["finalizers"].as_array();
        if !finalizers.is_some_and(|all| all.iter().any(|one| one == CLEANUP)) {
            return Ok(());
        }
        let part = |of: &Value| of.as_str().unwrap_or_default().to_owned();
        let spec = &there.object["spec"];
        let resource = Resource { group: part(&spec["group"]), plural: part(&spec["names"]["plural"]) };
        self.say(key, |there| Some(builtin::leaving(there, Leaving::InProgress, &text(Timestamp::now())))).await?;
        let built_in = |kind: &Kind| !kind.custom && Resource::of(kind) == resource;
        if !self.registry().kinds().iter().any(built_in) {
            self.empty(&resource).await?;
        }
        self.say(key, |there| Some(builtin::leaving(there, Leaving::Completed, &text(Timestamp::now())))).await?;
        self.redefine();
        // Names that it had are free for others.
        for other in self.0.store.list(&definitions(), None).items {
            if other.object["spec"]["group"] == resource.group.as_str() && !is_going(&other.object) {
                self.accept(&other.key).await?;
            }
        }
        self.redefine();
        Ok(())
    }

    /// Deletes all objects of a resource, and waits until they are gone.
    async fn empty(&self, resource: &Resource) -> Result<(), NotWritten> {
        loop {
            let (listed, mut watch) = self.0.store.list_and_watch(resource, &Scope::default());
            if listed.items.is_empty() {
                return Ok(());
            }
            for stored in listed.items {
                match self.let_go(&stored).await {
                    // It has changed: that is seen at once, and it is looked at again.
                    Ok(()) | Err(NotWritten::Unexpected(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if let Ok(None) = watch.next().await {
                return Err(NotWritten::Closed);
            }
        }
    }

    async fn let_go(&self, stored: &Stored) -> Result<(), NotWritten> {
        let registry = self.registry();
        // Only Pods go in a way of their own.
        let Some(kind) = registry.named("apiextensions.k8s.io/v1", "CustomResourceDefinition") else { return Ok(()) };
        let change = match lifecycle::delete(kind, &stored.object, &DeleteOptions::default(), Timestamp::now()) {
            Ok(Deleted::Gone(object)) => Change::Remove(object),
            Ok(Deleted::Marked(object)) => Change::Put(object),
            Ok(Deleted::Same(_)) | Err(_) => return Ok(()),
        };
        self.0.store.write(stored.key.clone(), Expected::Version(stored.version), change).await.map(drop)
    }

    /// Changes a definition as the API server itself. One that is to go, and that nothing keeps, is gone then.
    async fn say(&self, key: &Key, wanted: impl Fn(&Value) -> Option<Value>) -> Result<(), NotWritten> {
        let registry = self.registry();
        let Some(kind) = registry.named("apiextensions.k8s.io/v1", "CustomResourceDefinition") else { return Ok(()) };
        let kind = Kind { schema: builtin::schema(kind), ..kind.clone() };
        let manager = Manager { name: MANAGER.to_owned(), subresource: "status".to_owned() };
        for left in (0..AGAIN).rev() {
            let Some(there) = self.0.store.get(key) else { return Ok(()) };
            let Some(object) = wanted(&there.object).filter(|object| *object != there.object) else { return Ok(()) };
            let kept = object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
            let change = if is_going(&object) && !kept {
                Change::Remove(object)
            } else {
                Change::Put(apply::tracked(&kind, Some(&there.object), object, &manager, Timestamp::now()))
            };
            match self.0.store.write(key.clone(), Expected::Version(there.version), change).await {
                Ok(_) => return Ok(()),
                Err(NotWritten::Unexpected(_)) if left > 0 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
