//! Schedules: each fire becomes exactly one run, or a recorded reason why not.

mod backfill;
mod fires;
mod look;
mod plan;
mod ranges;
#[cfg(test)]
mod tests;
mod view;

pub use plan::{blocked, plan};
pub use view::{View, observe};
