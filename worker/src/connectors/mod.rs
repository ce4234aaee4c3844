//! The connectors, one folder each, and the registry that knows them.

#[cfg(feature = "file")]
mod file;
#[cfg(feature = "generator")]
mod generator;
mod guard;
#[cfg(feature = "http")]
mod http;
mod known;
#[cfg(feature = "postgres")]
mod postgres;
mod registry;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod shape;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use registry::{ConnectorInfo, all, find, open};
