//! The connectors, one folder each, and the registry that knows them.

mod registry;

pub use registry::{ConnectorInfo, all, find, open};
