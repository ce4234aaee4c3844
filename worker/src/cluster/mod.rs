//! Runs on a cluster: checkpoints in a Checkpoint object, progress and outcome in the run's status. The only part of the
//! worker that knows Kubernetes.

mod outcome;
mod patience;
mod progress;
mod store;

pub use outcome::{counters, outcome};
pub use progress::{Reporter, RunName};
pub use store::ClusterStore;

/// Who writes: the owner of the fields that the worker applies.
pub const FIELD_MANAGER: &str = "aggregator-worker";
