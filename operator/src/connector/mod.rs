//! Connectors: checked by a worker's Job, on change, by interval and on request.

mod due;
mod plan;
mod probe;
mod status;
#[cfg(test)]
mod tests;
mod view;

pub use due::REQUESTED;
pub use plan::{blocked, plan};
pub use probe::{about, catalogue_name};
pub use view::{View, catalogue, catalogue_version, observe};
