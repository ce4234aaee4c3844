//! What the cache must have seen before something is planned again: our own last writes for it.
//!
//! A plan that is made from what was there before the last write makes that write again: one Pod too many.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cache::{Place, Seen};
use super::pod;
use super::route::Key;

/// A write that no watch has told of for so long was undone in between.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// What a write has done to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is there now.
    Made { place: Place, uid: String, version: String },
    /// It has this version now, or a later one, or is gone.
    Changed { place: Place, uid: String, version: String },
    /// It goes.
    Deleted { place: Place, uid: String },
    /// It has a node.
    Bound { place: Place, uid: String },
}

/// What the cache must have seen, by what was planned.
#[derive(Debug, Default)]
pub(super) struct Expectations(Mutex<HashMap<Key, Vec<(Instant, Written)>>>);

impl Expectations {
    /// Notes a write.
    pub(super) fn expect(&self, key: &Key, written: Written) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(key.clone()).or_default().push((Instant::now(), written));
    }

    /// Whether everything that was written has been seen.
    pub(super) fn met(&self, key: &Key, seen: &Seen) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(expected) = all.get_mut(key) else { return true };
        expected.retain(|(when, written)| when.elapsed() < FORGOTTEN && !is_seen(written, seen));
        if !expected.is_empty() {
            return false;
        }
        all.remove(key);
        true
    }
}

fn is_seen(written: &Written, seen: &Seen) -> bool {
    let there = |place: &Place| {
        let metadata = &seen.item(place)?.metadata;
        Some((metadata.uid.as_deref()?, metadata.resource_version.as_deref()?, metadata.deletion_timestamp.is_some()))
    };
    match written {
        Written::Made { place, uid, version } => match there(place) {
            // One of the same name that went before it may still be there.
            Some((_, newest, _)) => at_least(newest, version),
            None => seen.is_gone(uid),
        },
        Written::Changed { place, uid, version } => match there(place) {
            Some((other, newest, _)) => other != uid || at_least(newest, version),
            None => true,
        },
        Written::Deleted { place, uid } => there(place).is_none_or(|(other, _, going)| other != uid || going),
        Written::Bound { place, uid } => match seen.pods.get(&place.1, &place.2) {
            Some(bound) => bound.metadata.uid.as_deref() != Some(uid) || !pod::node(bound).is_empty(),
            None => true,
        },
    }
}

/// Versions are numbers that grow; what is no number can only be equal.
fn at_least(there: &str, wanted: &str) -> bool {
    match (there.parse::<u128>(), wanted.parse::<u128>()) {
        (Ok(there), Ok(wanted)) => there >= wanted,
        _ => there == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::cache::{Cache, place};
    use super::super::resource::POD;
    use super::super::route::{Controller, Key};
    use super::*;

    fn put(cache: &Cache, uid: &str, version: &str, going: bool, node: &str) {
        let mut metadata = json!({"name": "p", "namespace": "ns", "uid": uid, "resourceVersion": version});
        if going {
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        let pod = json!({"metadata": metadata, "spec": {"containers": [], "nodeName": node}});
        cache.put(&POD, serde_json::from_value(pod).unwrap());
    }

    #[test]
    fn nothing_is_planned_before_the_last_write_was_seen() {
        let pod = || place(&POD, Some("ns"), Some("p"));
        let made = Written::Made { place: pod(), uid: "u".into(), version: "10".into() };
        let changed = Written::Changed { place: pod(), uid: "u".into(), version: "10".into() };
        let deleted = Written::Deleted { place: pod(), uid: "u".into() };
        let bound = Written::Bound { place: pod(), uid: "u".into() };
        let met = |written: &Written, cache: &Cache| {
            let (expectations, key) = (Expectations::default(), Key::new(Controller::Job, "ns", "j"));
            expectations.expect(&key, written.clone());
            let met = expectations.met(&key, &cache.read());
            // What was seen is not asked for again.
            assert!(!met || expectations.met(&key, &Cache::default().read()));
            met
        };
        let cache = Cache::default();
        assert_eq!([&made, &changed, &deleted, &bound].map(|it| met(it, &cache)), [false, true, true, true]);
        put(&cache, "before", "8", false, "");
        assert_eq!([&made, &changed, &deleted, &bound].map(|it| met(it, &cache)), [false, true, true, true]);
        put(&cache, "u", "9", false, "");
        assert_eq!([&made, &changed, &deleted, &bound].map(|it| met(it, &cache)), [false, false, false, false]);
        put(&cache, "u", "11", true, "n");
        assert_eq!([&made, &changed, &deleted, &bound].map(|it| met(it, &cache)), [true, true, true, true]);
        // One that was made and went before it was asked for.
        cache.remove(&pod());
        assert_eq!([&made, &changed, &deleted, &bound].map(|it| met(it, &cache)), [true, true, true, true]);
        put(&cache, "after", "12", false, "");
        assert_eq!([&made, &changed, &deleted, &bound].map(|it| met(it, &cache)), [true, true, true, true]);
    }
}
