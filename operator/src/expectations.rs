//! What the caches must have seen before an object is planned again: our own last writes to it.
//!
//! A plan that is made from what was there before the last write makes that write again, or worse.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::action::Kind;
use crate::execute::Written;
use crate::routes::Key;
use crate::world::World;

/// A write that no watch has told of for so long was undone in between.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// What the caches must have seen, by the object that was planned.
#[derive(Debug, Default)]
pub struct Expectations(Mutex<HashMap<Key, Vec<(Instant, Written)>>>);

impl Expectations {
    /// Notes a write that was made for an object.
    pub fn expect(&self, key: &Key, written: Written) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(key.clone()).or_default().push((Instant::now(), written));
    }

    /// Whether the caches have seen everything that was written for an object.
    #[must_use]
    pub fn met(&self, key: &Key, world: &World) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(expected) = all.get_mut(key) else { return true };
        expected.retain(|(when, written)| when.elapsed() < FORGOTTEN && !seen(written, &key.namespace, world));
        if !expected.is_empty() {
            return false;
        }
        all.remove(key);
        true
    }
}

fn seen(written: &Written, namespace: &str, world: &World) -> bool {
    match written {
        Written::Version { kind, name, resource_version, .. } => match world.version(*kind, namespace, name) {
            Some((_, there, _)) => at_least(&there, resource_version),
            None => false,
        },
        Written::Gone { kind, name, uid } => match world.version(*kind, namespace, name) {
            Some((there, _, going)) => there != *uid || going,
            None => true,
        },
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

impl World {
    /// The UID and version of a cached object, and whether it is being deleted.
    fn version(&self, kind: Kind, namespace: &str, name: &str) -> Option<(String, String, bool)> {
        match kind {
            Kind::Connector => self.connectors.version(namespace, name),
            Kind::Pipeline => self.pipelines.version(namespace, name),
            Kind::Transformation => self.transformations.version(namespace, name),
            Kind::Schedule => self.schedules.version(namespace, name),
            Kind::PipelineRun => self.runs.version(namespace, name),
            Kind::Checkpoint => self.checkpoints.version(namespace, name),
            Kind::ConfigMap => self.config_maps.version(namespace, name),
            Kind::Job => self.jobs.version(namespace, name),
            Kind::ControllerRevision => self.revisions.version(namespace, name),
            Kind::ServiceAccount => self.service_accounts.version(namespace, name),
            Kind::Role => self.roles.version(namespace, name),
            Kind::RoleBinding => self.role_bindings.version(namespace, name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(at_least("10", "9"));
        assert!(at_least("9", "9"));
        assert!(!at_least("9", "10"));
        assert!(at_least("a", "a"));
        assert!(!at_least("b", "a"));
    }
}
