//! Jobs: their Pods, and what is said of them.

mod backoff;
mod count;
mod end;
mod finished;
mod indexes;
mod plan;
mod pods;
mod policy;
mod status;
mod template;
#[cfg(test)]
mod tests;
mod view;

pub use finished::{finished_at, is_finished};
pub use plan::plan;
pub use view::{Pauses, View};

/// The finalizer of a Pod that is not counted yet.
pub const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// The annotation and the label with a Pod's index.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// How often the index of a Pod has failed before it.
const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// How often it has failed without counting.
const IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";
/// Who says all this, in Events.
const BY: &str = "job-controller";
