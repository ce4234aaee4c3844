//! Schedules: each fire becomes exactly one run, or a recorded reason why not.

mod backfill;
mod clock;
mod fires;
mod look;
mod plan;
mod ranges;
mod requests;
#[cfg(test)]
mod tests;
mod view;

pub use clock::overdue;
pub use plan::{blocked, plan};
pub(crate) use requests::{Asked, Refused, ask, is_asked, run_of};
pub use view::{View, observe};
