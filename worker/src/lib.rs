//! The data plane: sources, transforms and sinks on Arrow and DataFusion, under a ledger.

pub mod connector;
pub mod connectors;
pub mod format;
