//! The operator on a real control plane: objects in, runs out.

mod arrivals;
mod connectors;
mod ends;
mod install;
mod modes;
mod operators;
mod project;
mod runs;
mod samples;
mod schedules;
mod story;
mod transformations;
