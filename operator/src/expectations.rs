//! What the caches must have seen before an object is planned again: our own last writes to it.
//!
//! A plan that is made from what was there before the last write makes that write again, or worse: a fire that was decided on
//! would be decided on anew. So the object itself is waited for until its cache has it as it was written. A child is waited
//! for until it is there as it was written, or was and is gone again, or for some time, should its watch have missed both.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::action::Kind;
use crate::execute::Written;
use crate::routes::Key;
use crate::world::{Cache, Cached, World};

/// A child that no watch has told of for so long was undone while nobody watched: a watch that has died in silence is noticed,
/// and begun anew, after 235 s. Whoever forgot earlier would take what is not seen for what is not there.
const FORGOTTEN: Duration = Duration::from_secs(5 * 60);
/// The same of one that was deleted: to delete it again does no harm.
const DELETED: Duration = Duration::from_secs(10);

/// What the caches must have seen, by the object that was planned.
#[derive(Debug, Default)]
pub struct Expectations(Mutex<HashMap<Key, Vec<(Instant, Written)>>>);

impl Expectations {
    /// Notes a write that was made for an object.
    pub fn expect(&self, key: &Key, written: Written) {
        self.expect_at(key, written, Instant::now());
    }

    /// The same, of a write that was made then.
    pub(crate) fn expect_at(&self, key: &Key, written: Written, when: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(key.clone()).or_default().push((when, written));
    }

    /// Whether the caches have seen everything that was written for an object.
    #[must_use]
    pub fn met(&self, key: &Key, world: &World) -> bool {
        self.met_at(key, world, Instant::now())
    }

    /// The same, at that time.
    #[must_use]
    pub(crate) fn met_at(&self, key: &Key, world: &World, now: Instant) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(expected) = all.get_mut(key) else { return true };
        expected.retain(|(when, written)| is_awaited(written, key, world, now.saturating_duration_since(*when)));
        if !expected.is_empty() {
            return false;
        }
        all.remove(key);
        true
    }
}

/// Whether a write that was made so long ago for an object has still to be seen.
fn is_awaited(written: &Written, key: &Key, world: &World, age: Duration) -> bool {
    let namespace = &key.namespace;
    match written {
        Written::Version { kind, name, resource_version, .. } => {
            let Seen { there, newest } = world.seen(*kind, namespace, name);
            match there {
                Some(there) if at_least(&there.version, resource_version) => false,
                // What is known of the object itself is older than what was done for it.
                Some(_) => (*kind, name) == (key.kind, &key.name) || age < FORGOTTEN,
                // It was there as it was written, and is gone again.
                None if resource_version.parse::<u128>().is_ok_and(|version| version <= newest) => false,
                None => age < FORGOTTEN,
            }
        }
        Written::Gone { kind, name, uid } => {
            let there = world.seen(*kind, namespace, name).there;
            there.is_some_and(|there| there.uid == *uid && !there.going) && age < DELETED
        }
    }
}

/// Versions are numbers that grow (Kubernetes promises it since 1.35, and etcd has always done it); what is no number can
/// only be equal.
fn at_least(there: &str, wanted: &str) -> bool {
    match (there.parse::<u128>(), wanted.parse::<u128>()) {
        (Ok(there), Ok(wanted)) => there >= wanted,
        _ => there == wanted,
    }
}

/// What a cache has seen of an object.
struct Seen {
    /// The object, if it is there.
    there: Option<There>,
    /// The newest version that its watch has told of.
    newest: u128,
}

/// A cached object.
struct There {
    uid: String,
    version: String,
    /// Whether it is being deleted.
    going: bool,
}

impl World {
    fn seen(&self, kind: Kind, namespace: &str, name: &str) -> Seen {
        fn of<K: Cached>(cache: &Cache<K>, namespace: &str, name: &str) -> Seen {
            // In this order: what the watch tells in between is not missed.
            let newest = cache.newest(namespace);
            let there = cache.version(namespace, name);
            Seen { there: there.map(|(uid, version, going)| There { uid, version, going }), newest }
        }
        match kind {
            Kind::Connector => of(&self.connectors, namespace, name),
            Kind::Pipeline => of(&self.pipelines, namespace, name),
            Kind::Transformation => of(&self.transformations, namespace, name),
            Kind::Schedule => of(&self.schedules, namespace, name),
            Kind::PipelineRun => of(&self.runs, namespace, name),
            Kind::Checkpoint => of(&self.checkpoints, namespace, name),
            Kind::ConfigMap => of(&self.config_maps, namespace, name),
            Kind::Job => of(&self.jobs, namespace, name),
            Kind::ControllerRevision => of(&self.revisions, namespace, name),
            Kind::ServiceAccount => of(&self.service_accounts, namespace, name),
            Kind::Role => of(&self.roles, namespace, name),
            Kind::RoleBinding => of(&self.role_bindings, namespace, name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aggregator_crds::PipelineRun;
    use serde_json::json;

    use super::*;
    use crate::fixture::object;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(at_least("10", "9"));
        assert!(at_least("9", "9"));
        assert!(!at_least("9", "10"));
        assert!(at_least("a", "a"));
        assert!(!at_least("b", "a"));
    }

    fn run(name: &str, version: &str) -> Arc<PipelineRun> {
        Arc::new(object(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun",
            "metadata": {"name": name, "namespace": "demo", "uid": format!("uid-{name}"), "resourceVersion": version},
            "spec": {"pipelineRef": {"name": "move"}},
        })))
    }

    /// Caches that hold these runs, and nothing else.
    fn world<const N: usize>(runs: [(&str, &str); N]) -> World {
        World { runs: Cache::of(runs.map(|(name, version)| run(name, version))), ..World::empty() }
    }

    fn key(kind: Kind, name: &str) -> Key {
        Key { kind, namespace: "demo".into(), name: name.into() }
    }

    /// Whether a look is let be that comes so many seconds after the run `a` was written for somebody, in version 7.
    fn let_be(key: &Key, seconds: u64, world: &World) -> bool {
        let (expectations, when) = (Expectations::default(), Instant::now());
        let (kind, name, resource_version) = (Kind::PipelineRun, "a".to_owned(), "7".to_owned());
        expectations.expect_at(key, Written::Version { kind, name, resource_version, found: false }, when);
        let met = expectations.met_at(key, world, when + Duration::from_secs(seconds));
        assert_eq!(expectations.0.lock().expect("a lock").is_empty(), met, "what is met is forgotten");
        met
    }

    #[test]
    fn an_object_is_never_planned_from_what_was_known_before_its_last_write() {
        let own = key(Kind::PipelineRun, "a");
        for seconds in [0, 9, 10, 100_000] {
            assert!(!let_be(&own, seconds, &world([("a", "6")])), "after {seconds} s");
            assert!(!let_be(&own, seconds, &world([("a", "6"), ("b", "8")])), "after {seconds} s");
        }
        for version in ["7", "8", "10"] {
            assert!(let_be(&own, 0, &world([("a", version)])), "{version}");
        }
    }

    #[test]
    fn a_child_is_waited_for_until_it_was_seen_or_for_some_time() {
        let schedule = key(Kind::Schedule, "nightly");
        for before in [world([]), world([("a", "6")]), world([("b", "6")])] {
            assert!(!let_be(&schedule, 299, &before));
            assert!(let_be(&schedule, 300, &before), "it was undone while nobody watched");
        }
        assert!(let_be(&schedule, 0, &world([("a", "7")])));
        assert!(let_be(&schedule, 0, &world([("b", "8")])), "it was there before that, and is gone");
        assert!(!let_be(&schedule, 0, &world([("a", "6"), ("b", "8")])), "the watch has told the past once more");
        assert!(!let_be(&key(Kind::Schedule, "a"), 299, &world([("a", "6")])), "a name alone is not the object");
        assert!(let_be(&key(Kind::Schedule, "a"), 300, &world([("a", "6")])));
    }

    #[test]
    fn what_goes_is_waited_for_until_it_is_seen_to_go() {
        let (schedule, when) = (key(Kind::Schedule, "nightly"), Instant::now());
        let met = |world: &World, seconds: u64| {
            let expectations = Expectations::default();
            let gone = Written::Gone { kind: Kind::PipelineRun, name: "a".into(), uid: "uid-a".into() };
            expectations.expect_at(&schedule, gone, when);
            expectations.met_at(&schedule, world, when + Duration::from_secs(seconds))
        };
        assert!(!met(&world([("a", "6")]), 0));
        assert!(met(&world([("a", "6")]), 10));
        assert!(met(&world([]), 0));
    }
}
