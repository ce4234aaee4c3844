//! `managedFields`: who owns what of an object.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::Kind;

use super::manager::{Manager, Operation, Owner};
use super::set::FieldSet;

/// Owners by updates that are told apart; the oldest of more are merged.
const MOST_UPDATERS: usize = 10;
/// Who the oldest are merged into.
const ANCIENT: &str = "ancient-changes";

/// The owners of an object's fields, by their identifiers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Managed(pub(super) BTreeMap<String, Owner>);

impl Managed {
    /// The owners that the object names.
    pub(super) fn of(object: Option<&Value>) -> Result<Self, String> {
        let entries = object.and_then(entries).and_then(Value::as_array);
        let owners = entries.into_iter().flatten().map(|entry| {
            let owner = Owner::read(entry)?;
            Ok((owner.identifier(), owner))
        });
        Ok(Self(owners.collect::<Result<_, String>>()?))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object, with these owners in place of its own.
    pub(super) fn written(&self, mut object: Value) -> Value {
        let mut owners: Vec<&Owner> = self.0.values().collect();
        owners.sort_by_key(|owner| {
            let seconds = owner.time.map_or(0, Timestamp::as_second);
            (owner.operation, seconds, &owner.manager, &owner.version, &owner.subresource)
        });
        let entries = owners.into_iter().map(Owner::written).collect::<Vec<_>>();
        let entries = (!entries.is_empty()).then_some(Value::Array(entries));
        set_entries(&mut object, entries);
        object
    }

    /// Adds fields to what an owner has by updates, who is then of now.
    pub(super) fn add(&mut self, manager: &Manager, version: &str, fields: &FieldSet, now: Timestamp) {
        let mut owner = Owner::new(manager, Operation::Update, version.to_owned());
        let identifier = owner.identifier();
        owner.fields = match self.0.get(&identifier) {
            Some(previous) => fields.union(&previous.fields),
            None => fields.clone(),
        };
        owner.time = Some(now);
        self.0.insert(identifier, owner);
    }

    /// Merges the oldest updaters until there are no more than [`MOST_UPDATERS`].
    pub(super) fn capped(mut self) -> Self {
        let mut updaters: Vec<(i64, String)> = self
            .0
            .iter()
            .filter(|(_, owner)| owner.operation == Operation::Update)
            .map(|(identifier, owner)| (owner.time.map_or(0, Timestamp::as_second), identifier.clone()))
            .collect();
        updaters.sort();
        let mut count = updaters.len();
        let mut first_of: BTreeMap<String, String> = BTreeMap::new();
        for (_, identifier) in updaters {
            if count <= MOST_UPDATERS {
                break;
            }
            let Some(owner) = self.0.get(&identifier).cloned() else { continue };
            let Some(first) = first_of.get(&owner.version) else {
                first_of.insert(owner.version, identifier);
                continue;
            };
            let ancient = Manager { name: ANCIENT.into(), subresource: String::new() };
            let mut bucket = Owner::new(&ancient, Operation::Update, owner.version.clone());
            let name = bucket.identifier();
            if !self.0.contains_key(&name)
                && let Some(oldest) = self.0.remove(first)
            {
                bucket.fields = oldest.fields;
                self.0.insert(name.clone(), bucket);
            }
            self.0.remove(&identifier);
            count -= 1;
            if let Some(bucket) = self.0.get_mut(&name) {
                bucket.fields = owner.fields.union(&bucket.fields);
                bucket.time = owner.time;
            }
        }
        self
    }
}

fn entries(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

/// Whether the object asks to forget who owns what: by a list of one empty entry; for the built-in kinds also by an empty list,
/// which those of custom kinds lose when they are read.
pub(super) fn resets(kind: &Kind, object: &Value) -> bool {
    match entries(object).and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => !kind.custom,
        Some([one]) => one.as_object().is_some_and(serde_json::Map::is_empty),
        None | Some(_) => false,
    }
}

/// Whether the object says who owns what, be it nobody.
pub(super) fn is_said(object: &Value) -> bool {
    entries(object).is_some_and(Value::is_array)
}

/// The object without a word about it.
pub(super) fn without(mut object: Value) -> Value {
    set_entries(&mut object, None);
    object
}

/// The object, with what `other` says about it.
pub(super) fn as_in(other: Option<&Value>, mut object: Value) -> Value {
    set_entries(&mut object, other.and_then(entries).cloned());
    object
}

fn set_entries(object: &mut Value, to: Option<Value>) {
    let Some(object) = object.as_object_mut() else { return };
    match (object.get_mut("metadata"), to) {
        (Some(Value::Object(metadata)), Some(to)) => {
            metadata.insert("managedFields".into(), to);
        }
        (Some(Value::Object(metadata)), None) => {
            metadata.shift_remove("managedFields");
        }
        (_, Some(to)) => {
            object.insert("metadata".into(), serde_json::json!({"managedFields": to}));
        }
        (_, None) => {}
    }
}

/// The object as it is stored: owners are of another time only if something else has changed.
///
/// To be asked after defaults and the like, which can make a change undone.
#[must_use]
pub fn settled(live: &Value, object: Value) -> Value {
    let timeless = |object: &Value| -> Option<Vec<Value>> {
        let mut entries = entries(object)?.as_array()?.clone();
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        Some(entries)
    };
    let same = timeless(live).is_some() && timeless(live) == timeless(&object);
    if same && without(live.clone()) == without(object.clone()) { live.clone() } else { object }
}
