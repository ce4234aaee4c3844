//! PipelineRuns: one immutable plan, one Job an attempt, one end.

mod ended;
mod job;
mod material;
mod plan;
mod retry;
mod shards;
mod status;
#[cfg(test)]
mod tests;
mod turns;
mod view;

pub use material::{Around, Unresolved, check, check_transformation, connectors_of, transformations_of};
pub use plan::{awaited, blocked, plan};
pub use turns::{Turns, may_begin};
pub use view::{View, is_over, observe, writes};
