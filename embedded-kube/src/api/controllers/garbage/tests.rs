use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Value, json};

use super::{Fate, Item, View, plan};
use crate::api::controllers::action::{Action, Propagation};
use crate::api::controllers::resource::CONFIG_MAP;

const GOING: &str = "2026-01-01T00:00:00Z";

fn item(name: &str, more: Value) -> Item {
    let mut metadata = json!({"name": name, "namespace": "ns", "uid": name, "resourceVersion": "7"});
    for (key, value) in more.as_object().unwrap() {
        metadata[key] = value.clone();
    }
    Item { resource: CONFIG_MAP, metadata: Arc::new(serde_json::from_value(metadata).unwrap()) }
}

fn owner(name: &str, blocks: bool) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": name, "blockOwnerDeletion": blocks})
}

fn owned(name: &str, owners: &[&str]) -> Item {
    let owners: Vec<Value> = owners.iter().map(|name| owner(name, true)).collect();
    item(name, json!({ "ownerReferences": owners }))
}

fn planned(item: Item, fates: &[Fate], dependents: Vec<Item>) -> Vec<Action> {
    let owners: Vec<OwnerReference> = item.metadata.owner_references.clone().unwrap_or_default();
    assert_eq!(owners.len(), fates.len());
    plan(&View { item, owners: owners.into_iter().zip(fates.iter().copied()).collect(), dependents }).actions
}

fn deleted(actions: &[Action]) -> Option<Propagation> {
    match actions {
        [Action::Delete { target, propagation, grace: None }] => {
            assert_eq!((target.uid.as_str(), target.resource_version.as_deref()), ("x", Some("7")));
            *propagation
        }
        _ => None,
    }
}

/// What a write says of owners and finalizers, and of whom.
fn merged(action: &Action) -> (&str, &Value) {
    let Action::Merge { target, part: None, patch } = action else { panic!("{action}") };
    assert_eq!(target.resource_version.as_deref(), Some("7"));
    (&target.name, &patch["metadata"])
}

#[test]
fn an_object_goes_when_all_its_owners_are_gone_and_not_before() {
    for (fates, goes) in [
        (&[][..], false),
        (&[Fate::Solid], false),
        (&[Fate::Gone], true),
        (&[Fate::Waits], true),
        (&[Fate::Gone, Fate::Waits], true),
        (&[Fate::Unknown], false),
        (&[Fate::Gone, Fate::Unknown], false),
        (&[Fate::Solid, Fate::Unknown], false),
    ] {
        let owners = &["a", "b"][..fates.len()];
        let deleted = deleted(&planned(owned("x", owners), fates, vec![]));
        assert_eq!(deleted, goes.then_some(Propagation::Background), "{fates:?}");
    }
}

#[test]
fn a_reference_to_a_lost_owner_goes_while_another_owner_is_there() {
    for lost in [Fate::Gone, Fate::Waits] {
        let actions = planned(owned("x", &["a", "b"]), &[lost, Fate::Solid], vec![]);
        assert_eq!(actions.len(), 1);
        assert_eq!(merged(&actions[0]), ("x", &json!({"ownerReferences": [owner("b", true)]})));
    }
}

#[test]
fn a_finalizer_on_an_object_says_how_it_is_deleted() {
    for (finalizer, propagation) in [
        ("orphan", Propagation::Orphan),
        ("foregroundDeletion", Propagation::Foreground),
        ("x/y", Propagation::Background),
    ] {
        let item = item("x", json!({"ownerReferences": [owner("a", true)], "finalizers": [finalizer]}));
        assert_eq!(deleted(&planned(item, &[Fate::Gone], vec![])), Some(propagation));
    }
}

#[test]
fn what_has_dependents_goes_after_them_when_its_owner_does() {
    let actions = planned(owned("x", &["a"]), &[Fate::Waits], vec![owned("y", &["x"])]);
    assert_eq!(deleted(&actions), Some(Propagation::Foreground));
    let actions = planned(owned("x", &["a"]), &[Fate::Gone], vec![owned("y", &["x"])]);
    assert_eq!(deleted(&actions), Some(Propagation::Background));
}

#[test]
fn two_that_would_wait_for_each_other_do_not() {
    let waiting = json!({"ownerReferences": [owner("x", true)], "finalizers": ["foregroundDeletion"], "deletionTimestamp": GOING});
    let actions = planned(owned("x", &["y"]), &[Fate::Waits], vec![item("y", waiting.clone())]);
    assert_eq!(merged(&actions[0]), ("x", &json!({"ownerReferences": [owner("y", false)]})));
    // And then it goes.
    let unblocked = item("x", json!({"ownerReferences": [owner("y", false)]}));
    assert_eq!(deleted(&planned(unblocked, &[Fate::Waits], vec![item("y", waiting)])), Some(Propagation::Foreground));
}

#[test]
fn an_object_that_goes_last_waits_for_those_that_block_it() {
    let going = || item("x", json!({"finalizers": ["foregroundDeletion", "x/y"], "deletionTimestamp": GOING}));
    assert_eq!(planned(going(), &[], vec![owned("y", &["x"])]), []);
    let free = json!({"ownerReferences": [owner("x", false)]});
    for dependents in [vec![], vec![item("y", free)], vec![owned("y", &["other"])]] {
        let actions = planned(going(), &[], dependents);
        assert_eq!(merged(&actions[0]), ("x", &json!({"finalizers": ["x/y"]})));
    }
}

#[test]
fn dependents_of_an_object_that_leaves_them_are_told_first() {
    let going = item("x", json!({"finalizers": ["orphan"], "deletionTimestamp": GOING}));
    let actions = planned(going, &[], vec![owned("y", &["x"]), owned("z", &["a", "x"])]);
    assert_eq!(merged(&actions[0]), ("y", &json!({"ownerReferences": null})));
    assert_eq!(merged(&actions[1]), ("z", &json!({"ownerReferences": [owner("a", true)]})));
    assert_eq!(merged(&actions[2]), ("x", &json!({"finalizers": null})));
}

#[test]
fn an_object_that_goes_anyway_is_left_alone() {
    let going =
        item("x", json!({"ownerReferences": [owner("a", true)], "finalizers": ["x/y"], "deletionTimestamp": GOING}));
    assert_eq!(planned(going, &[Fate::Gone], vec![owned("y", &["x"])]), []);
}
