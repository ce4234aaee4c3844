//! Pipelines: compiled whenever they or what they name change, each version of the spec kept, with what its edit means.

mod checks;
mod diagnostics;
mod edit;
mod freshness;
mod plan;
pub mod revision;
#[cfg(test)]
mod tests;
mod view;

pub use checks::{Checked, Checks};
pub use plan::{blocked, plan};
pub use view::{View, observe};
