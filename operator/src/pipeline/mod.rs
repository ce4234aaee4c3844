//! Pipelines: compiled whenever they or what they name change, each version of the spec kept.

mod plan;
pub mod revision;
mod view;

pub use plan::{blocked, plan};
pub use view::{View, observe};
