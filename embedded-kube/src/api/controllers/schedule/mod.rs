//! Which Pod runs on which node.

mod fit;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};

pub use plan::plan;

/// What is known of nodes and Pods.
#[derive(Clone, Debug)]
pub struct View {
    /// The nodes.
    pub nodes: Vec<Arc<Node>>,
    /// The Pods that have a node, and are not over.
    pub placed: Vec<Arc<Pod>>,
    /// The Pods that have none yet.
    pub waiting: Vec<Arc<Pod>>,
}
