//! The operator on a real control plane: objects in, runs out.

mod arrivals;
mod connectors;
mod ends;
mod modes;
mod operators;
mod project;
mod runs;
mod schedules;
mod transformations;
