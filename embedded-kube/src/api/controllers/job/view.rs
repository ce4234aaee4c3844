//! What is known of a Job and its Pods, at one moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

/// What is known of a Job and its Pods.
#[derive(Clone, Debug)]
pub struct View {
    /// The Job.
    pub job: Arc<Job>,
    /// The Pods that it controls.
    pub pods: Vec<Arc<Pod>>,
    /// The names of all Pods of its namespace.
    pub taken: BTreeSet<String>,
    /// How long a replacement for a failed Pod waits.
    pub pauses: Pauses,
}

/// How long a replacement for a failed Pod waits: after each failure in a row twice as long.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// After the first failure.
    pub first: Duration,
    /// At the most.
    pub longest: Duration,
}

impl Default for Pauses {
    /// Those of the release.
    fn default() -> Self {
        Self { first: Duration::from_secs(10), longest: Duration::from_secs(600) }
    }
}
