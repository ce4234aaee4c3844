//! Manifests and catalogues in, a typed graph and every diagnostic out. No I/O.

pub mod catalogue;
pub mod diagnostic;
pub mod functions;
pub mod graph;
pub mod reject;
pub mod sieve;
pub mod types;
