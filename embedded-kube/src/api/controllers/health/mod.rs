//! Whether nodes are alive, and what becomes of their Pods when they are not.

mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};

pub use plan::plan;

/// What is known of a node.
#[derive(Clone, Debug)]
pub struct View {
    /// The node.
    pub node: Arc<Node>,
    /// For how long it has not said that it lives.
    pub silent: Duration,
    /// Its Pods.
    pub pods: Vec<Arc<Pod>>,
    /// How patient we are.
    pub patience: Patience,
}

/// How patient we are with a node.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For how long a node may say nothing until it is taken for lost.
    pub silence: Duration,
    /// How long the Pods of a node that is lost or not ready stay at the most, whatever they tolerate; those of a lost one
    /// are then removed without waiting for its word. Without it, they stay as long as they tolerate it, and are waited for.
    pub eviction: Option<Duration>,
}

impl Default for Patience {
    /// Those of the release.
    fn default() -> Self {
        Self { silence: Duration::from_secs(50), eviction: None }
    }
}
