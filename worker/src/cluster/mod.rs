//! Work on a cluster: runs, with checkpoints in a Checkpoint object and progress and outcome in the run's status; and checks
//! of Connectors. The only part of the worker that knows Kubernetes.

mod kept;
mod look;
mod object;
mod outcome;
mod patience;
mod probe;
mod progress;
mod store;

pub use kept::keep;
pub use look::look;
pub use outcome::{counters, outcome};
pub use probe::probe;
pub use progress::{Asked, Reporter, RunName};
pub use store::ClusterStore;

/// Who writes: the owner of the fields that the worker applies.
pub const FIELD_MANAGER: &str = "aggregator-worker";
