//! Whether a Job is over.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobCondition};

/// The condition that says that a Job is over.
fn end(job: &Job) -> Option<&JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().find(|it| matches!(it.type_.as_str(), "Complete" | "Failed") && it.status == "True")
}

/// Whether a Job is over, well or not.
#[must_use]
pub fn is_finished(job: &Job) -> bool {
    end(job).is_some()
}

/// Since when.
#[must_use]
pub fn finished_at(job: &Job) -> Option<Timestamp> {
    Some(end(job)?.last_transition_time.as_ref()?.0)
}
