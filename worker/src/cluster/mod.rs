//! Work on a cluster: runs, with checkpoints in a Checkpoint object and progress and outcome in the run's status; and checks
//! of Connectors. The only part of the worker that knows Kubernetes.

mod outcome;
mod patience;
mod probe;
mod progress;
mod store;

pub use outcome::{counters, outcome};
pub use probe::{keep as keep_catalogue, probe};
pub use progress::{Reporter, RunName};
pub use store::ClusterStore;

/// Who writes: the owner of the fields that the worker applies.
pub const FIELD_MANAGER: &str = "aggregator-worker";
