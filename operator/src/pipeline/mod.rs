//! Pipelines: compiled whenever they or what they name change, each version of the spec kept.

mod checks;
mod plan;
pub mod revision;
#[cfg(test)]
mod tests;
mod view;

pub use checks::{Checked, Checks};
pub use plan::{blocked, plan};
pub use view::{View, observe};
