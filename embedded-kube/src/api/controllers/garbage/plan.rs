//! What is to be done about an object because of its owners and dependents now: a pure decision.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::{FOREGROUND, Fate, Item, ORPHAN, View, waits};
use crate::api::controllers::action::{Action, Plan, Propagation, Target};
use crate::api::controllers::owner::{finalizers, has_finalizer};

/// What is to be done about an object because of its owners and dependents now.
#[must_use]
pub fn plan(view: &View) -> Plan {
    let metadata = view.item.metadata.as_ref();
    if metadata.deletion_timestamp.is_some() {
        return leaving(view);
    }
    let has = |fate: Fate| view.owners.iter().any(|(_, other)| *other == fate);
    // An owner of which nobody knows may be there.
    if view.owners.is_empty() || has(Fate::Unknown) {
        return Plan::nothing();
    }
    if has(Fate::Solid) {
        let stays = |fate: Fate| fate == Fate::Solid;
        let left = view.owners.iter().filter(|(_, fate)| stays(*fate)).map(|(owner, _)| owner.clone()).collect();
        let all = view.owners.iter().all(|(_, fate)| stays(*fate));
        return if all { Plan::nothing() } else { Plan::nothing().then(owned_by(&view.item, left)) };
    }
    let target = Target::of(&view.item.resource, metadata);
    let delete = |propagation| Action::Delete { target: target.clone(), propagation: Some(propagation), grace: None };
    if has(Fate::Waits) && !view.dependents.is_empty() {
        // Two that wait for each other would wait for ever: this one lets its owner go first.
        if view.dependents.iter().any(|dependent| waits(&dependent.metadata)) && is_blocking(metadata) {
            let owners = view.owners.iter().map(|(owner, _)| OwnerReference {
                block_owner_deletion: owner.block_owner_deletion.map(|_| false),
                ..owner.clone()
            });
            return Plan::nothing().then(owned_by(&view.item, owners.collect()));
        }
        return Plan::nothing().then(delete(Propagation::Foreground));
    }
    let propagation = if has_finalizer(metadata, ORPHAN) {
        Propagation::Orphan
    } else if has_finalizer(metadata, FOREGROUND) {
        Propagation::Foreground
    } else {
        Propagation::Background
    };
    Plan::nothing().then(delete(propagation))
}

/// What an object waits for that is to be deleted.
fn leaving(view: &View) -> Plan {
    let metadata = view.item.metadata.as_ref();
    let uid = metadata.uid.as_deref().unwrap_or_default();
    let done = |finalizer| {
        let target = Target::of(&view.item.resource, metadata);
        Action::without_finalizer(target, finalizers(metadata), finalizer)
    };
    if has_finalizer(metadata, ORPHAN) {
        let orphaned = view.dependents.iter().map(|dependent| {
            let owners = dependent.metadata.owner_references.iter().flatten();
            owned_by(dependent, owners.filter(|owner| owner.uid != uid).cloned().collect())
        });
        let plan = orphaned.fold(Plan::nothing(), Plan::then);
        return plan.then(done(ORPHAN));
    }
    let blocks = |dependent: &Item| {
        let mut owners = dependent.metadata.owner_references.iter().flatten();
        owners.any(|owner| owner.uid == uid && owner.block_owner_deletion == Some(true))
    };
    if has_finalizer(metadata, FOREGROUND) && !view.dependents.iter().any(blocks) {
        return Plan::nothing().then(done(FOREGROUND));
    }
    Plan::nothing()
}

/// Whether an owner waits for it.
fn is_blocking(metadata: &ObjectMeta) -> bool {
    metadata.owner_references.iter().flatten().any(|owner| owner.block_owner_deletion == Some(true))
}

fn owned_by(item: &Item, owners: Vec<OwnerReference>) -> Action {
    let target = Target::of(&item.resource, &item.metadata);
    // An empty list is none.
    let owners = if owners.is_empty() { Value::Null } else { json!(owners) };
    Action::Merge { target, part: None, patch: json!({"metadata": {"ownerReferences": owners}}) }
}
