//! Manifests and catalogues in, a typed graph and every diagnostic out. No I/O.

pub mod catalogue;
pub mod codegen;
pub mod compile;
pub mod declared;
pub mod diagnostic;
pub mod functions;
pub mod graph;
pub mod lineage;
pub mod manifest;
mod operation;
mod pieces;
pub mod plural;
pub mod reject;
pub mod sieve;
mod sql;
pub mod streams;
mod suggest;
pub mod types;

pub use compile::{Compilation, CompileInput, CompiledStep, compile, compile_transformation, lint};
