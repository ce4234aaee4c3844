//! The operator on a real control plane: objects in, runs out.

mod audit;
mod connectors;
mod ends;
mod fields;
mod operators;
mod project;
mod runs;
mod schedules;
mod transformations;
mod under;
