//! Applying a configuration.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::{Kind, Refusal, RefusalReason};

use super::compare::compared;
use super::conflict::Conflicts;
use super::element::same;
use super::managed::{self, Managed};
use super::manager::{Manager, Operation, Owner};
use super::merge::merged;
use super::named::with_named;
use super::owned::fields;
use super::remove::without;
use super::set::FieldSet;
use super::typed::Type;
use super::update::{of_today, take, updated};
use super::validate::validated;
use super::{reset, zero};

/// Who is said to own what was there before anybody was tracked.
const BEFORE: &str = "before-first-apply";

/// A configuration, on its way into an object.
pub(super) struct Apply<'a> {
    pub(super) kind: &'a Kind,
    /// Nothing when the object is to be created.
    pub(super) live: Option<&'a Value>,
    pub(super) configuration: &'a Value,
    pub(super) manager: &'a Manager,
    pub(super) now: Timestamp,
}

/// Why it does not get in.
pub(super) enum Failure {
    Conflicts(Conflicts),
    Refused(Refusal),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What the API server calls by the name of the Go function that failed.
fn failed(message: String) -> Failure {
    Failure::Refused(Refusal::new(RefusalReason::Unknown, message))
}

impl Apply<'_> {
    /// The object with the configuration in it, and with its owners.
    pub(super) fn run(&self, managed: Managed, force: bool) -> Result<Value, Failure> {
        let of = Type::of(self.kind);
        let nothing = json!({});
        let live = managed::without(self.live.unwrap_or(&nothing).clone());
        let managed = self.tracked(&live, managed)?;
        if managed::is_said(self.configuration) {
            return Err(Refusal::bad_request("metadata.managedFields must be nil").into());
        }
        validated(of, self.configuration, false).map_err(|mistakes| {
            let what = self.described(self.configuration);
            failed(format!("failed to create typed patch object ({what}): {mistakes}"))
        })?;
        validated(of, &live, true).map_err(|mistakes| {
            failed(format!("failed to create typed live object ({}): {mistakes}", self.described(&live)))
        })?;
        let object = merged(of, &live, self.configuration)
            .map_err(|mistakes| failed(format!("failed to merge config: {mistakes}")))?;
        let left = reset::left(self.kind, &self.manager.subresource);
        let mut managed = of_today(self.kind, managed);
        let mut owner = Owner::new(self.manager, Operation::Apply, self.kind.api_version());
        let identifier = owner.identifier();
        owner.fields = fields(of, self.configuration).outside(&left);
        let previous = managed.0.insert(identifier.clone(), owner);
        let object = match &previous {
            Some(previous) if !previous.fields.is_empty() => pruned(of, object, &managed, &previous.fields),
            _ => object,
        };
        let comparison = compared(of, &live, &object)
            .map_err(|mistakes| failed(format!("failed to compare objects: {mistakes}")))?
            .outside(&left);
        let conflicts = Conflicts::of(&managed, &comparison.changed(), &identifier);
        if !force && !conflicts.is_empty() {
            return Err(Failure::Conflicts(conflicts));
        }
        take(&mut managed, &comparison, Some(&identifier));
        let unchanged = same(&live, &object);
        if let Some(owner) = managed.0.get_mut(&identifier) {
            owner.fields = owner.fields.difference(&reset::NOBODYS);
            owner.time = if unchanged { previous.and_then(|previous| previous.time) } else { Some(self.now) };
            if owner.fields.is_empty() {
                managed.0.remove(&identifier);
            }
        }
        Ok(managed.written(if unchanged { live } else { object }))
    }

    /// The owners of the object, also of one that is older than owners.
    fn tracked(&self, live: &Value, managed: Managed) -> Result<Managed, Failure> {
        if !managed.is_empty() || self.live.is_none() {
            return Ok(managed);
        }
        let before = Manager { name: BEFORE.into(), subresource: self.manager.subresource.clone() };
        updated(self.kind, &zero::object(self.kind), live, managed, &before, self.now)
            .map_err(|mistakes| failed(format!("failed to create manager for existing fields: {mistakes}")))
    }

    fn described(&self, object: &Value) -> String {
        let text = |name: &str| object.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Value::as_str);
        let (namespace, name) = (text("namespace").unwrap_or_default(), text("name").unwrap_or_default());
        let Kind { group, version, kind, .. } = self.kind;
        format!("{namespace}/{name}; {group}/{version}, Kind={kind}")
    }
}

/// The object without what its applier applied last time and does not any more, unless it is others'.
fn pruned(of: Type<'_>, merged: Value, managed: &Managed, last: &FieldSet) -> Value {
    let last = with_named(of, last);
    let bare = without(of, &merged, &last);
    let everybodys = managed.0.values().fold(FieldSet::default(), |all, owner| all.union(&owner.fields));
    let all = with_named(of, &fields(of, &merged));
    let kept = with_named(of, &fields(of, &bare)).union(&with_named(of, &everybodys));
    let owned = without(of, &merged, &all.difference(&kept));
    // What nobody owns, or only updates have set, was not the applier's to remove.
    let gone = all.difference(&with_named(of, &fields(of, &owned))).intersection(&last);
    without(of, &merged, &gone)
}
