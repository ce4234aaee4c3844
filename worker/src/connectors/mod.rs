//! The connectors, one folder each, and the registry that knows them.

#[cfg(feature = "file")]
mod file;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "generator")]
mod generator;
mod guard;
#[cfg(feature = "http")]
pub(crate) mod http;
mod known;
#[cfg(any(feature = "files", feature = "http"))]
mod pipe;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod registry;
#[cfg(feature = "s3")]
mod s3;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod shape;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod together;

pub use registry::{ConnectorInfo, all, find, open};
