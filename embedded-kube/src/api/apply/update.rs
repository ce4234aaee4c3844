//! Owners after a write.

use jiff::Timestamp;
use serde_json::Value;

use crate::api::Kind;

use super::compare::{Comparison, compared};
use super::managed::Managed;
use super::manager::Manager;
use super::mistake::Mistakes;
use super::named::reconciled;
use super::reset;
use super::set::FieldSet;
use super::typed::Type;

/// The owners, as the schema of today has their fields.
pub(super) fn of_today(kind: &Kind, mut managed: Managed) -> Managed {
    for owner in managed.0.values_mut() {
        owner.fields = reconciled(Type::of(kind), &owner.fields);
    }
    managed
}

/// Takes what has changed from all owners but `except`, and forgets who owns nothing any more.
pub(super) fn take(managed: &mut Managed, comparison: &Comparison, except: Option<&str>) {
    let changed = comparison.changed();
    for (identifier, owner) in &mut managed.0 {
        if Some(identifier.as_str()) != except {
            let lost = owner.fields.intersection(&changed);
            owner.fields = owner.fields.difference(&lost).difference(&comparison.removed);
        }
    }
    managed.0.retain(|_, owner| !owner.fields.is_empty());
}

/// The owners after an update by that manager.
pub(super) fn updated(
    kind: &Kind,
    before: &Value,
    after: &Value,
    managed: Managed,
    manager: &Manager,
    now: Timestamp,
) -> Result<Managed, Mistakes> {
    let mut managed = of_today(kind, managed);
    let left = reset::left(kind, &manager.subresource);
    let comparison = compared(Type::of(kind), before, after)?.outside(&left);
    take(&mut managed, &comparison, None);
    let own: FieldSet = comparison.changed().difference(&reset::NOBODYS);
    if !own.is_empty() {
        managed.add(manager, &kind.api_version(), &own, now);
    }
    Ok(managed.capped())
}
