//! The connectors, one folder each, and the registry that knows them.

#[cfg(feature = "file")]
mod file;
mod registry;

pub use registry::{ConnectorInfo, all, find, open};
