//! The connectors, one folder each, and the registry that knows them.

#[cfg(feature = "file")]
mod file;
#[cfg(feature = "generator")]
mod generator;
#[cfg(feature = "http")]
mod http;
mod registry;

pub use registry::{ConnectorInfo, all, find, open};
