//! New objects.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::super::admission::{AdmissionRequest, Operation};
use super::super::registry::key;
use super::super::{Api, body, event};
use super::{AGAIN, Asking, Done, check_size, forbidden, is_pod, unwritten};
use crate::api::store::{Change, Expected, Key, NotWritten, Resource, Scope, Stored};
use crate::api::{Cause, Refusal, apply, builtin, lifecycle};

/// The ServiceAccount of Pods that name none. It comes soon after its namespace, and that long it is waited for.
const ACCOUNT: &str = "default";
const SOON: Duration = Duration::from_millis(1500);

impl Api {
    /// The namespace of a new object is there, and is not about to go.
    fn check_namespace(&self, asking: &Asking<'_>, name: &str) -> Result<(), Refusal> {
        let Some(namespace) = asking.path.namespace.as_deref() else { return Ok(()) };
        let registry = self.registry();
        let Some(kind) = registry.named("v1", "Namespace") else { return Ok(()) };
        let there = self.0.store.get(&key(kind, None, namespace)).ok_or_else(|| Refusal::not_found(kind, namespace))?;
        if there.object["metadata"]["deletionTimestamp"].is_null() {
            return Ok(());
        }
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut refusal = forbidden(asking.kind, name, &why);
        if let Some(details) = &mut refusal.details {
            details.causes.push(Cause {
                reason: "NamespaceTerminating".into(),
                message: format!("namespace {namespace} is being terminated"),
                field: "metadata.namespace".into(),
            });
        }
        Err(refusal)
    }

    pub(super) async fn create(&self, asking: &Asking<'_>) -> Result<Done, Refusal> {
        let Asking { asked, kind, .. } = asking;
        let bytes = body::json(kind, &asked.headers, &asked.body)?;
        let decoded = self.0.schemas.decoded(kind, &bytes, asking.strictness())?;
        self.make(asking, decoded.object, decoded.warnings).await
    }

    /// Makes an object.
    pub(super) async fn make(
        &self,
        asking: &Asking<'_>,
        object: Value,
        mut warnings: Vec<String>,
    ) -> Result<Done, Refusal> {
        let kind = asking.kind;
        asking.asked.warn(&warnings);
        let mut tries = 0;
        loop {
            tries += 1;
            let random = uuid::Uuid::new_v4();
            let seed = random.as_u64_pair().0;
            let mut begun =
                lifecycle::begin(kind, object.clone(), asking.namespace(), (&random.to_string(), seed), asking.now)?;
            let name = begun["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            self.check_namespace(asking, called(&object))?;
            self.check_definition(kind, called(&object))?;
            if begun["metadata"].get("managedFields").is_none() {
                begun = apply::tracked(kind, None, begun, &asking.manager(), asking.now);
            }
            if is_pod(kind) {
                let suffix = lifecycle::generated_name("", random.as_u64_pair().1);
                self.complete(asking, called(&object), &mut begun, &suffix).await?;
            }
            self.check_written(asking, &begun, None)?;
            let admitted = self.0.schemas.created(kind, begun)?;
            warnings.extend(admitted.warnings);
            self.admit(&AdmissionRequest {
                name: &name,
                object: Some(&admitted.object),
                ..AdmissionRequest::new(self, asking, Operation::Create)
            })?;
            self.check_quotas(asking, &admitted.object)?;
            let new = self.counted(kind, admitted.object);
            check_size(asking.asked, &new)?;
            if asking.options.dry_run {
                if self.0.store.get(&asking.key(&name)).is_some() {
                    return Err(self.already_there(asking, &name));
                }
                return Ok(Done { object: new, warnings, created: true });
            }
            let change = Change::Put(event::kept(kind, new));
            match self.0.store.write(asking.key(&name), Expected::Absent, change).await {
                Ok(stored) => {
                    self.after(&stored).await;
                    return Ok(Done { object: stored.object.clone(), warnings, created: true });
                }
                Err(NotWritten::Unexpected(_)) if tries < AGAIN && is_generated(&object) => warnings.clear(),
                Err(NotWritten::Unexpected(_)) => return Err(self.already_there(asking, &name)),
                Err(error) => return Err(unwritten(kind, &name, error, true)),
            }
        }
    }

    /// There is an object of that name already; whether it will go is said, too.
    fn already_there(&self, asking: &Asking<'_>, name: &str) -> Refusal {
        let mut refusal = Refusal::already_exists(asking.kind, name);
        let there = self.0.store.get(&asking.key(name));
        if there.is_some_and(|there| !there.object["metadata"]["deletionTimestamp"].is_null()) {
            refusal.message.insert_str(0, "object is being deleted: ");
        }
        refusal
    }

    /// Adds what plug-ins of the real one add to a new Pod, whose ServiceAccount has to be there.
    async fn complete(&self, asking: &Asking<'_>, called: &str, pod: &mut Value, suffix: &str) -> Result<(), Refusal> {
        let namespace = asking.namespace();
        let name = pod["spec"]["serviceAccountName"].as_str().filter(|name| !name.is_empty()).unwrap_or(ACCOUNT);
        let Some(account) = self.account(namespace, name).await else {
            let why =
                format!("error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found");
            return Err(forbidden(asking.kind, called, &why));
        };
        builtin::with_plugins(pod, &account.object, suffix);
        Ok(())
    }

    /// A ServiceAccount; the one that each namespace gets is waited for.
    async fn account(&self, namespace: &str, name: &str) -> Option<Arc<Stored>> {
        let resource = Resource { group: String::new(), plural: "serviceaccounts".into() };
        let key = Key { resource: resource.clone(), namespace: namespace.to_owned(), name: name.to_owned() };
        let there = self.0.store.get(&key);
        if there.is_some() || name != ACCOUNT {
            return there;
        }
        // From here on, nothing comes unnoticed.
        let scope = Scope { name: Some(name.to_owned()), ..Scope::within(Some(namespace)) };
        let (_, mut watch) = self.0.store.list_and_watch(&resource, &scope);
        let comes = async {
            loop {
                let there = self.0.store.get(&key);
                if there.is_some() || !matches!(watch.next().await, Ok(Some(_))) {
                    return there;
                }
            }
        };
        timeout(SOON, comes).await.ok().flatten()
    }
}

/// What a new object is called before it has a name.
fn called(object: &Value) -> &str {
    let of = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    if of("name").is_empty() { of("generateName") } else { of("name") }
}

/// Whether it came without a name, for which one is made up if it is new.
pub(super) fn is_generated(object: &Value) -> bool {
    object["metadata"]["name"].as_str().is_none_or(str::is_empty)
}
