//! The data plane: sources, transforms and sinks on Arrow and DataFusion, under a ledger.

pub mod cases;
pub mod checkpoint;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod connector;
pub mod connectors;
pub mod cursor;
pub mod engine;
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
