//! The engine: a compiled graph becomes running streams, each row counted where it passes.
//!
//! ```text
//! Source events ─ source_stream ─► NodeOutput ─► Reader ─► EdgeExec ─ DataFusion plan ─► NodeOutput ─► Reader ─► sink
//!                     │                 └─ several readers: fan-out, in memory or spilled      │
//!                     └────────────────────────── rejects lane ◄── SieveExec ─────────────────┘
//! ```

mod build_side;
mod collected;
mod counters;
mod edge;
mod fan_out;
mod gather;
mod gathered;
mod join;
mod output;
mod planner;
mod probe_side;
mod sieve;
mod source;
mod start;
mod width;

pub use counters::{Count, EdgeCounter, NodeCounters};
pub use output::{NodeOutput, Reader};
pub use planner::NodePlanner;
pub use source::{SourceOutcome, source_stream};
pub use start::start;

#[cfg(test)]
mod tests;
