//! What the controllers and the scheduler of a cluster do for our programs, over any client of the API.
//!
//! ```text
//! watches ─► cache ─► who has to be looked at ─► view ─► plan (pure) ─► writes ─► expectations
//!               └───────────────────────────────────────────────────────────────────────┘
//! ```
//! Each has a view of what it decides upon and a pure `plan`. Nothing is planned for an object before the cache has seen
//! what was last written for it. Nothing is kept that a restart would lose but since when a node is silent or missing.

pub mod action;
pub mod aggregation;
mod cache;
mod events;
mod execute;
mod expectations;
pub mod expiry;
pub mod garbage;
pub mod health;
pub mod job;
mod memory;
pub mod namespace;
pub mod owner;
pub mod pod;
mod queue;
mod reconcile;
pub mod resource;
mod route;
mod run;
pub mod schedule;
pub mod stray;
pub mod taint;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub use run::{ControllerError, run};

/// How the controllers are set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The certificate of the API server's authority in PEM, which each namespace gets; without it, none gets any.
    pub certificate: Option<Arc<str>>,
    /// How long a replacement for a failed Pod of a Job waits.
    pub pauses: job::Pauses,
    /// How patient we are with a node.
    pub patience: health::Patience,
    /// How long a node may not be there until its Pods go.
    pub quarantine: Duration,
}

impl Default for Options {
    /// As the release has it.
    fn default() -> Self {
        Self {
            certificate: None,
            pauses: job::Pauses::default(),
            patience: health::Patience::default(),
            quarantine: Duration::from_secs(40),
        }
    }
}

impl Options {
    /// For one machine on which everything runs, where a node that says nothing is as good as gone: its Pods are sent away
    /// within half a minute, and removed when their time is over, so that what waits for them goes on.
    #[must_use]
    pub fn in_process(certificate: Arc<str>) -> Self {
        let patience = health::Patience { silence: Duration::from_secs(25), eviction: Some(Duration::from_secs(5)) };
        let quarantine = Duration::from_secs(5);
        Self { certificate: Some(certificate), patience, quarantine, ..Self::default() }
    }
}

/// A time as objects have it: in whole seconds.
fn time(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}
