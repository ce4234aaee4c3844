//! The data plane: sources, transforms and sinks on Arrow and DataFusion, under a ledger.
// A build with fewer connectors uses less of what they share.
#![cfg_attr(
    not(all(feature = "file", feature = "s3", feature = "postgres", feature = "sqlite", feature = "http")),
    allow(dead_code, unused_imports)
)]

pub mod cases;
pub mod checkpoint;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod connector;
pub mod connectors;
pub mod cursor;
pub mod engine;
#[cfg(feature = "formats")]
pub mod format;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod ledger;
pub mod pace;
#[doc(hidden)]
pub mod points;
pub mod rejects;
pub mod run;
