//! Who owns which fields of an object (`managedFields`), and server-side apply. No I/O.
//!
//! ```text
//! create, update, patch ─► tracked: who wrote what has changed owns it
//! apply ─► applied: merged by schema ─► minus what was applied before ─► conflicts? ─► object with owners
//! ```
//! The rules are those of <https://kubernetes.io/docs/reference/using-api/server-side-apply/>.

mod compare;
mod configuration;
mod conflict;
mod element;
mod fields;
mod identity;
mod last_applied;
mod list_type;
mod managed;
mod manager;
mod map_type;
mod merge;
mod metadata;
mod mistake;
mod named;
mod owned;
mod remove;
mod reset;
mod set;
mod typed;
mod update;
mod validate;
mod zero;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::Value;

use super::{Kind, Refusal, RefusalReason};
use configuration::{Apply, Failure};
use managed::Managed;

pub use managed::settled;
pub use manager::Manager;

/// The object that is created or updated, with its `managedFields`: what has changed is the manager's now.
///
/// `new` is the whole object with defaults, be it from an update or a patch; `live` is nothing when it is created. Writes to a
/// part of the object (`manager.subresource`) own nothing of the rest, even if the rest differs.
#[must_use]
pub fn tracked(kind: &Kind, live: Option<&Value>, new: Value, manager: &Manager, now: Timestamp) -> Value {
    let of_live = || Managed::of(live).unwrap_or_default();
    let managed = if !manager.subresource.is_empty() {
        of_live()
    } else if managed::resets(kind, &new) {
        Managed::default()
    } else {
        // Clients that do not know of managers do not remove them by leaving them out.
        Managed::of(Some(&new)).ok().filter(|managed| !managed.is_empty()).unwrap_or_else(of_live)
    };
    let new = managed::without(new);
    // An object that is not tracked by now is not until somebody applies to it.
    if managed.is_empty() && live.is_some() {
        return new;
    }
    let before = live.map_or_else(|| zero::object(kind), |live| managed::without(live.clone()));
    match update::updated(kind, &before, &new, managed, manager, now) {
        Ok(managed) => managed.written(new),
        // It has no valid form, and will be refused for that.
        Err(_) => managed::as_in(live, new),
    }
}

/// The object with the configuration applied, and with its `managedFields`; before defaults, pruning and validation.
///
/// `live` is nothing when there is no such object, which is then to be created. After defaults, [`settled`] tells whether
/// anything is left to be stored.
///
/// # Errors
/// When others own what would change and it is not forced, when the configuration is not of the kind's schema, or when it names
/// another version of the object, or another object, than there is.
pub fn applied(
    kind: &Kind,
    live: Option<&Value>,
    configuration: &Value,
    manager: &Manager,
    force: bool,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let managed = Managed::of(live)
        .map_err(|error| Refusal::new(RefusalReason::Unknown, format!("failed to decode managed fields: {error}")))?;
    of_kind(kind, configuration)?;
    let apply = Apply { kind, live, configuration, manager, now };
    let from_kubectl = manager.name == last_applied::KUBECTL;
    let object = match apply.run(managed.clone(), force) {
        Err(Failure::Conflicts(conflicts)) if from_kubectl => {
            let own = live.and_then(|live| last_applied::still_there(kind, live)).unwrap_or_default();
            let conflicts = conflicts.outside(&own);
            if !conflicts.is_empty() {
                return Err(conflicts.into());
            }
            apply.run(managed, true)
        }
        outcome => outcome,
    };
    let object = object.map_err(|failure| match failure {
        Failure::Conflicts(conflicts) => conflicts.into(),
        Failure::Refused(refusal) => refusal,
    })?;
    let object = identity::kept(kind, live, object)?;
    let kept = from_kubectl && last_applied::is_kept(&object);
    Ok(if kept { last_applied::kept(object, configuration) } else { object })
}

fn of_kind(kind: &Kind, configuration: &Value) -> Result<(), Refusal> {
    let text = |name: &str| configuration.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion") == kind.api_version() && text("kind") == kind.kind {
        return Ok(());
    }
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    Err(Refusal::bad_request(format!("invalid object type: {group}/{version}, Kind={}", text("kind"))))
}
