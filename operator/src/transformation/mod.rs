//! Transformations: compiled, tested by a worker's Job, and told by whom they are used.

mod plan;
#[cfg(test)]
mod tests;
mod tests_of;
mod view;

pub use plan::{blocked, plan};
pub use view::{View, observe};
