//! Makes, changes and removes objects.

mod change;
mod creation;
mod removal;
#[cfg(test)]
mod tests;

use http::StatusCode;
use http::header::USER_AGENT;
use jiff::Timestamp;
use serde_json::Value;

use super::super::access::{User, Write, escalation};
use super::super::apply::Manager;
use super::super::discovery::Endpoint;
use super::super::lifecycle;
use super::super::request::{FieldValidation, ResourcePath, Verb, WriteOptions, query};
use super::super::schema::Strictness;
use super::super::store::{Change, Expected, Key, NotWritten, StoreError, Stored};
use super::super::{Kind, Refusal, RefusalReason};
use super::answer::Answer;
use super::form::Shape;
use super::read::{not_allowed, unknown_part};
use super::registry::{definitions, key};
use super::{Api, Asked, event, quota};

/// How often a change is made again that met another one.
pub(super) const AGAIN: usize = 20;
/// The most bytes of an object, as etcd has it.
const KEPT: usize = 3 << 19;
/// How deep an object may be nested: what is stored has to be read again, which goes 128 levels deep.
const DEEPEST: usize = 120;

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

    /// Looks at what is about to be written: it is not nested too deep, and nobody grants what they do not have.
    fn check_written(&self, asking: &Asking<'_>, object: &Value, old: Option<&Value>) -> Result<(), Refusal> {
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

/// An object that must not be there.
fn forbidden(kind: &Kind, name: &str, why: &str) -> Refusal {
    let message = format!("{} \"{name}\" is forbidden: {why}", kind.resource());
    Refusal::about(RefusalReason::Forbidden, kind, name, message)
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
