//! Makes, changes and removes objects.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::USER_AGENT;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::super::access::{User, Write, escalation};
use super::super::apply::{self, Manager};
use super::super::builtin;
use super::super::discovery::Endpoint;
use super::super::lifecycle::{self, DeleteOptions, Deleted, Part, Updated};
use super::super::patch::{self, PatchBody};
use super::super::request::{FieldValidation, ResourcePath, Verb, WriteOptions, deletion, query};
use super::super::schema::{Strictness, strict_error};
use super::super::store::{Change, Expected, Key, NotWritten, Resource, StoreError, Stored};
use super::super::{Cause, Kind, Refusal, RefusalReason};
use super::answer::Answer;
use super::definitions::{going, is_definition};
use super::form::Shape;
use super::read::{not_allowed, unknown_part};
use super::registry::{definitions, key};
use super::{Api, Asked, body, event, quota};

/// How often a change is made again that met another one.
pub(super) const AGAIN: usize = 20;
/// The most bytes of an object, as etcd has it.
const KEPT: usize = 3 << 19;
/// How deep an object may be nested: what is stored has to be read again, which goes 128 levels deep.
const DEEPEST: usize = 120;
/// The ServiceAccount of Pods that name none. It comes soon after its namespace, and that long it is waited for.
const ACCOUNT: &str = "default";
const SOON: Duration = Duration::from_millis(1500);
/// Kinds whose objects are given back when they go; of others, it is said that they are gone.
const GIVEN_BACK: [&str; 4] = ["namespaces", "pods", "resourcequotas", "serviceaccounts"];
/// Namespaces that always are.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];
/// Kinds that are built in and never replaced blindly, by a request that does not say which version it replaces.
const VERSIONED: [&str; 2] = ["customresourcedefinitions", "leases"];

/// Kinds that are built in and whose objects are made by who replaces one that is not there.
const MADE: [(&str, &str); 8] = [
    ("", "events"),
    ("", "limitranges"),
    ("coordination.k8s.io", "leases"),
    ("events.k8s.io", "events"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
];

/// A write, with everything that goes along.
pub(super) struct Asking<'a> {
    pub(super) asked: &'a Asked,
    pub(super) user: &'a User,
    pub(super) kind: &'a Kind,
    pub(super) path: &'a ResourcePath,
    pub(super) options: WriteOptions,
    pub(super) now: Timestamp,
}

impl Asking<'_> {
    fn namespace(&self) -> &str {
        self.path.namespace.as_deref().unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.path.name.as_deref().unwrap_or_default()
    }

    fn part(&self) -> &str {
        self.path.subresource.as_deref().unwrap_or_default()
    }

    fn key(&self, name: &str) -> Key {
        key(self.kind, self.path.namespace.as_deref(), name)
    }

    /// Who writes.
    pub(super) fn manager(&self) -> Manager {
        let agent = self.asked.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Manager::named(&self.options.field_manager, agent, self.part())
    }

    /// What becomes of fields that nobody knows.
    pub(super) fn strictness(&self) -> Strictness {
        match self.options.field_validation {
            FieldValidation::Ignore => Strictness::Ignore,
            FieldValidation::Warn => Strictness::Warn,
            FieldValidation::Strict => Strictness::Strict,
        }
    }
}

/// How a changed object has come about.
enum Way<'a> {
    /// The request has it.
    Whole,
    /// A configuration was applied, which also settles its managed fields.
    Applied,
    /// By a patch of what is written.
    Patched,
    /// By that patch, which was merged by kind.
    Merged(&'a Value),
}

impl Way<'_> {
    /// What has come about cannot be read.
    fn unread(&self, object: &Value, why: &str) -> Refusal {
        match self {
            Self::Whole | Self::Applied => Refusal::bad_request(why),
            Self::Patched => Refusal::wrong_patch(&object.to_string(), why),
            Self::Merged(patch) => Refusal::wrong_patch(&patch::printed(patch), &patch::unrestored(why)),
        }
    }

    /// It has fields that nobody knows, and was to have none.
    fn unknown(&self, object: &Value, why: &str) -> Refusal {
        match self {
            Self::Whole | Self::Applied => Refusal::bad_request(format!("failed to create typed patch object: {why}")),
            Self::Patched => Refusal::wrong_patch(&object.to_string(), why),
            Self::Merged(patch) => Refusal::wrong_patch(&patch::printed(patch), why),
        }
    }
}

/// What was written, and what is said of it.
struct Done {
    object: Value,
    warnings: Vec<String>,
    created: bool,
}

impl Api {
    /// Answers a request that writes.
    pub(super) async fn write(
        &self,
        asked: &Asked,
        user: &User,
        kind: &Kind,
        path: &ResourcePath,
        verb: Verb,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let options = WriteOptions::of(&query(&asked.uri), verb)?;
        let asking = Asking { asked, user, kind, path, options, now };
        if let Some(answer) = self.reviewed(&asking, verb).await? {
            return Ok(answer);
        }
        // Nothing is written when the answer could not be given.
        let endpoint = if verb == Verb::DeleteCollection { Endpoint::List } else { Endpoint::Object };
        let shape = Shape::of(asked, kind, endpoint)?;
        match verb {
            Verb::Create if path.name.is_none() => {
                let made = self.create(&asking).await?;
                done(&asking, &shape, made)
            }
            Verb::Create if is_pod(kind) && asking.part() == "binding" => self.bind(&asking).await,
            Verb::Create if is_pod(kind) && asking.part() == "eviction" => self.evict(&asking).await,
            Verb::Update | Verb::Patch => {
                let known = match asking.part() {
                    "" | "finalize" => true,
                    "status" => kind.status,
                    _ => false,
                };
                if !known {
                    return Err(unknown_part(kind, asking.name()));
                }
                let changed =
                    if verb == Verb::Update { self.update(&asking).await? } else { self.patch(&asking).await? };
                done(&asking, &shape, changed)
            }
            Verb::Delete => self.delete(&asking).await,
            Verb::DeleteCollection => self.delete_all(&asking).await,
            _ => Err(not_allowed()),
        }
    }

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

    async fn create(&self, asking: &Asking<'_>) -> Result<Done, Refusal> {
        let Asking { asked, kind, .. } = asking;
        let bytes = body::json(kind, &asked.headers, &asked.body)?;
        let decoded = self.0.schemas.decoded(kind, &bytes, asking.strictness())?;
        self.make(asking, decoded.object, decoded.warnings).await
    }

    /// Makes an object.
    async fn make(&self, asking: &Asking<'_>, object: Value, mut warnings: Vec<String>) -> Result<Done, Refusal> {
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
            self.admit(asking, &mut begun, None)?;
            let admitted = self.0.schemas.created(kind, begun)?;
            warnings.extend(admitted.warnings);
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
        let (_, mut watch) = self.0.store.list_and_watch(&resource, Some(namespace));
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

    async fn update(&self, asking: &Asking<'_>) -> Result<Done, Refusal> {
        let Asking { asked, kind, .. } = asking;
        let bytes = body::json(kind, &asked.headers, &asked.body)?;
        let decoded = self.0.schemas.decoded(kind, &bytes, asking.strictness())?;
        if is_generated(&decoded.object) {
            let name = asking.name();
            let why = format!("the name of the object ({name} based on URL) was undeterminable: name must be provided");
            return Err(Refusal::bad_request(why));
        }
        let given = decoded.object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty());
        let makes = !kind.custom && MADE.contains(&(kind.group.as_str(), kind.plural.as_str()));
        if makes && self.0.store.get(&asking.key(asking.name())).is_none() {
            lifecycle::named(&decoded.object, asking.name())?;
            self.check_also(asking.user, Verb::Create, asking.path)?;
            return self.make(asking, decoded.object, decoded.warnings).await;
        }
        let tries = if given { 1 } else { AGAIN };
        let key = asking.key(asking.name());
        self.change(asking, tries, &decoded.warnings, &Way::Whole, |live| {
            lifecycle::meant(kind, &key, live, &decoded.object)?;
            Ok(decoded.object.clone())
        })
        .await
    }

    async fn patch(&self, asking: &Asking<'_>) -> Result<Done, Refusal> {
        let Asking { asked, kind, now, .. } = asking;
        let patch = PatchBody::read(kind, body::content_type(&asked.headers), &asked.body)?;
        patch::checked_options(&patch, &asking.options.field_manager, asking.options.force)?;
        let manager = asking.manager();
        let force = asking.options.force.unwrap_or(false);
        if let PatchBody::Apply(configuration) = &patch
            && asking.part().is_empty()
            && self.0.store.get(&asking.key(asking.name())).is_none()
        {
            let mut configuration = configuration.clone();
            if matches!(configuration["metadata"], Value::Null | Value::Object(_))
                && configuration["metadata"]["name"].is_null()
            {
                configuration["metadata"]["name"] = asking.name().into();
            }
            let object = apply::applied(kind, None, &configuration, &manager, force, *now)?;
            let (mut object, warnings) = self.strict(asking, &object, &Way::Applied)?;
            lifecycle::named(&object, asking.name())?;
            self.check_also(asking.user, Verb::Create, asking.path)?;
            // Whatever version is meant, there is none yet.
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.shift_remove("resourceVersion");
            }
            return self.make(asking, object, warnings).await;
        }
        let way = match &patch {
            PatchBody::Apply(_) => Way::Applied,
            PatchBody::Strategic(patch) => Way::Merged(patch),
            PatchBody::Merge(_) | PatchBody::Operations(_) => Way::Patched,
        };
        self.change(asking, AGAIN, &[], &way, |live| match &patch {
            PatchBody::Apply(configuration) => apply::applied(kind, Some(live), configuration, &manager, force, *now),
            patch => patch::patched(kind, live, patch),
        })
        .await
    }

    /// An object that was put together here, as one of its kind.
    fn strict(&self, asking: &Asking<'_>, object: &Value, way: &Way<'_>) -> Result<(Value, Vec<String>), Refusal> {
        if let Some(why) = self.other_kind(asking.kind, object).filter(|_| matches!(way, Way::Patched)) {
            return Err(way.unread(object, &why));
        }
        let converted = self.0.schemas.converted(asking.kind, object).map_err(|why| way.unread(object, &why))?;
        match asking.strictness() {
            Strictness::Strict if !converted.strict.is_empty() => {
                Err(way.unknown(object, &strict_error(&converted.strict)))
            }
            Strictness::Warn => Ok((converted.object, converted.strict)),
            _ => Ok((converted.object, Vec::new())),
        }
    }

    /// Why an object that a patch has made another kind's of cannot be that: the real one reads it as what it says it is.
    fn other_kind(&self, kind: &Kind, object: &Value) -> Option<String> {
        let said = |name: &str| object[name].as_str().unwrap_or_default();
        let (version, name) = (said("apiVersion"), said("kind"));
        if kind.custom || version.is_empty() || name.is_empty() || (version == kind.api_version() && name == kind.kind)
        {
            return None;
        }
        match self.registry().named(version, name).filter(|other| !other.custom) {
            Some(other) => self.0.schemas.converted(other, object).err(),
            None => Some(Refusal::unregistered(version, name).message),
        }
    }

    /// Changes an object to what `wanted` makes of it as it is. One that changes in between is looked at again.
    async fn change(
        &self,
        asking: &Asking<'_>,
        tries: usize,
        warnings: &[String],
        way: &Way<'_>,
        wanted: impl Fn(&Value) -> Result<Value, Refusal>,
    ) -> Result<Done, Refusal> {
        let Asking { kind, now, .. } = asking;
        let name = asking.name();
        for left in (0..tries).rev() {
            let there = self.0.store.get(&asking.key(name)).ok_or_else(|| Refusal::not_found(kind, name))?;
            let live = event::shown(kind, there.object.clone());
            let new = wanted(&live)?;
            let (new, strict) = self.strict(asking, &new, way)?;
            let mut warnings: Vec<String> = warnings.iter().cloned().chain(strict).collect();
            asking.asked.warn(&warnings);
            let part = if asking.part() == "status" { Part::Status } else { Part::Main };
            let managed = new["metadata"].get("managedFields").cloned();
            let blind = new["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty);
            let mut new = lifecycle::update(kind, &live, new, part)?;
            if blind && (kind.custom || VERSIONED.contains(&kind.plural.as_str())) {
                return Err(Refusal::unversioned(kind, name));
            }
            if is_pod(kind) && asking.part().is_empty() {
                builtin::bear_lost_nodes(&mut new);
            }
            if matches!(way, Way::Applied) {
                if let Some(managed) = managed {
                    new["metadata"]["managedFields"] = managed;
                }
            } else {
                new = apply::tracked(kind, Some(&live), new, &asking.manager(), *now);
            }
            self.admit(asking, &mut new, Some(&live))?;
            let admitted = self.0.schemas.updated(kind, new, &live, asking.part())?;
            warnings.extend(admitted.warnings);
            let object = self.counted(kind, apply::settled(&live, admitted.object));
            check_size(asking.asked, &object)?;
            let (change, object) = match Updated::of(&live, object) {
                Updated::Same => return Ok(Done { object: live, warnings, created: false }),
                Updated::Changed(object) => (Change::Put(event::kept(kind, object.clone())), object),
                Updated::Gone(object) => (Change::Remove(event::kept(kind, object.clone())), object),
            };
            if asking.options.dry_run {
                return Ok(Done { object, warnings, created: false });
            }
            match self.0.store.write(there.key.clone(), Expected::Version(there.version), change).await {
                Ok(stored) => {
                    self.after(&stored).await;
                    return Ok(Done { object: stored.object.clone(), warnings, created: false });
                }
                Err(NotWritten::Unexpected(_)) if left > 0 => {}
                Err(error) => return Err(unwritten(kind, name, error, false)),
            }
        }
        Err(Refusal::modified(kind, name))
    }

    /// Looks at what is about to be written: nobody grants what they do not have, and what the caller has to say.
    fn admit(&self, asking: &Asking<'_>, object: &mut Value, old: Option<&Value>) -> Result<(), Refusal> {
        if is_deeper(object, DEEPEST) {
            let message = format!("the object is nested more than {DEEPEST} levels deep");
            return Err(Refusal::bad_request(message));
        }
        let Asking { kind, user, .. } = asking;
        if kind.group == "rbac.authorization.k8s.io" {
            let write =
                Write { resource: &kind.plural, namespace: asking.namespace(), name: asking.name(), object, old };
            self.with_authority(|authority| escalation(user, authority, &write))?;
        }
        for admission in &self.0.admission {
            admission.admit(kind, user, object, old)?;
        }
        Ok(())
    }

    /// A quota with what is counted of it.
    fn counted(&self, kind: &Kind, mut object: Value) -> Value {
        if quota::is_quota(kind) {
            object["status"] = self.quota_status(&object);
        }
        object
    }

    /// What follows from a write.
    async fn after(&self, stored: &Stored) {
        if stored.key.resource == definitions() {
            self.defined(&stored.key).await;
        }
    }

    async fn delete(&self, asking: &Asking<'_>) -> Result<Answer, Refusal> {
        let options = delete_options(asking)?;
        let name = asking.name();
        let (object, gone) = self.remove(asking, &asking.key(name), &options).await?;
        if !gone || (asking.kind.group.is_empty() && GIVEN_BACK.contains(&asking.kind.plural.as_str())) {
            return Ok(Answer::object(StatusCode::OK, &event::shown(asking.kind, object)));
        }
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let mut details = json!({"name": name, "kind": asking.kind.plural, "uid": uid});
        if !asking.kind.group.is_empty() {
            details["group"] = asking.kind.group.clone().into();
        }
        let status =
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        Ok(Answer::object(StatusCode::OK, &status))
    }

    /// Removes an object, or marks it. Gives it back as it is then, and whether it is gone.
    pub(super) async fn remove(
        &self,
        asking: &Asking<'_>,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<(Value, bool), Refusal> {
        let (kind, name) = (asking.kind, key.name.as_str());
        let dry = asking.options.dry_run || options.dry_run.iter().any(|what| what == "All");
        if kind.group.is_empty() && kind.plural == "namespaces" && IMMORTAL.contains(&name) {
            return Err(forbidden(kind, name, "this namespace may not be deleted"));
        }
        for _ in 0..AGAIN {
            let there = self.0.store.get(key).ok_or_else(|| Refusal::not_found(kind, name))?;
            let mut deleted = lifecycle::delete(kind, &there.object, options, asking.now)?;
            if is_definition(kind) {
                deleted = going(&there.object, deleted, asking.now);
            }
            let (change, object, gone) = match deleted {
                Deleted::Same(object) => return Ok((object, false)),
                Deleted::Marked(object) => (Change::Put(object.clone()), object, false),
                Deleted::Gone(object) => (Change::Remove(object.clone()), object, true),
            };
            if dry {
                return Ok((object, gone));
            }
            match self.0.store.write(key.clone(), Expected::Version(there.version), change).await {
                Ok(stored) => {
                    self.after(&stored).await;
                    return Ok((stored.object.clone(), gone));
                }
                Err(NotWritten::Unexpected(_)) => {}
                Err(error) => return Err(unwritten(kind, name, error, false)),
            }
        }
        Err(Refusal::modified(kind, name))
    }

    async fn delete_all(&self, asking: &Asking<'_>) -> Result<Answer, Refusal> {
        use super::super::follow::Page;
        use super::super::request::ListOptions;
        use super::super::selector::{FieldSelector, LabelSelector};
        let kind = asking.kind;
        let options = delete_options(asking)?;
        let list = ListOptions::of(&query(&asking.asked.uri))?;
        let labels = LabelSelector::parse(&list.label_selector)?;
        let fields = FieldSelector::parse(&list.field_selector, kind, &self.selectable(kind))?;
        let listed = self.0.store.list(&event::resource(kind), asking.path.namespace.as_deref());
        let mut items = Vec::new();
        for stored in listed.items {
            let object = event::shown(kind, stored.object.clone());
            if !labels.matches(&object) || !fields.matches(kind, &object) {
                continue;
            }
            match self.remove(asking, &stored.key, &options).await {
                Ok(_) => items.push(stored),
                // Somebody else was faster.
                Err(refusal) if refusal.reason == RefusalReason::NotFound => {}
                Err(refusal) => return Err(refusal),
            }
        }
        let page = Page { version: self.0.store.version(), items, ..Page::default() };
        let shape = super::form::Shape::of(asking.asked, kind, super::super::discovery::Endpoint::List)?;
        Ok(Answer::object(StatusCode::OK, &shape.list(kind, &page, true)?))
    }

    /// Puts the default roles there, where they are not.
    pub(super) async fn seed(&self) -> Result<(), StoreError> {
        let registry = self.registry();
        let now = Timestamp::now();
        for object in super::super::access::defaults() {
            let (version, name) = (object["apiVersion"].as_str(), object["kind"].as_str());
            let kind = registry.named(version.unwrap_or_default(), name.unwrap_or_default());
            let Some(kind) = kind else { continue };
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let uid = uuid::Uuid::new_v4().to_string();
            let made = match lifecycle::begin(kind, object, "", (&uid, 0), now) {
                Ok(made) => made,
                Err(refusal) => {
                    tracing::error!(%refusal, "a default role is none: this is a mistake of the program");
                    continue;
                }
            };
            match self.0.store.write(key(kind, None, &name), Expected::Absent, Change::Put(made)).await {
                Ok(_) | Err(NotWritten::Unexpected(_) | NotWritten::Closed) => {}
                Err(NotWritten::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The answer with what was written.
fn done(asking: &Asking<'_>, shape: &Shape, done: Done) -> Result<Answer, Refusal> {
    let Done { object, warnings, created } = done;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let object = shape.object(asking.kind, &event::shown(asking.kind, object), true)?;
    Ok(Answer::object(status, &object).warning(&warnings))
}

fn is_pod(kind: &Kind) -> bool {
    kind.plural == "pods" && kind.group.is_empty()
}

/// Whether a value is nested deeper than so many levels.
fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Object(fields) => levels == 0 || fields.values().any(|it| is_deeper(it, levels - 1)),
        Value::Array(items) => levels == 0 || items.iter().any(|it| is_deeper(it, levels - 1)),
        _ => false,
    }
}

/// An object is not larger than etcd lets it be, which tells clients to make it smaller.
fn check_size(asked: &Asked, object: &Value) -> Result<(), Refusal> {
    // Whoever sends little makes nothing large.
    if asked.body.len() < KEPT / 2 || object.to_string().len() <= KEPT {
        return Ok(());
    }
    Err(Refusal::new(RefusalReason::Unknown, "etcdserver: request is too large"))
}

/// What a new object is called before it has a name.
fn called(object: &Value) -> &str {
    let of = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    if of("name").is_empty() { of("generateName") } else { of("name") }
}

/// An object that must not be there.
fn forbidden(kind: &Kind, name: &str, why: &str) -> Refusal {
    let message = format!("{} \"{name}\" is forbidden: {why}", kind.resource());
    Refusal::about(RefusalReason::Forbidden, kind, name, message)
}

/// Whether it came without a name, for which one is made up if it is new.
fn is_generated(object: &Value) -> bool {
    object["metadata"]["name"].as_str().is_none_or(str::is_empty)
}

fn delete_options(asking: &Asking<'_>) -> Result<DeleteOptions, Refusal> {
    let Asking { asked, kind, .. } = asking;
    let query = query(&asked.uri);
    if asked.body.is_empty() {
        return deletion(&[], &query);
    }
    deletion(&body::json(kind, &asked.headers, &asked.body)?, &query)
}

/// Why a change was not made.
pub(super) fn unwritten(kind: &Kind, name: &str, error: NotWritten, creates: bool) -> Refusal {
    match error {
        NotWritten::Unexpected(_) if creates => Refusal::already_exists(kind, name),
        NotWritten::Unexpected(None) => Refusal::not_found(kind, name),
        NotWritten::Unexpected(Some(_)) => Refusal::modified(kind, name),
        NotWritten::Store(_) | NotWritten::Closed => Refusal::new(RefusalReason::InternalError, error.to_string()),
    }
}
