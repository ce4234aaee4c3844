//! The operator on a real control plane: objects in, runs out.

mod connectors;
mod ends;
mod install;
mod operators;
mod project;
mod runs;
mod samples;
mod schedules;
mod story;
mod transformations;
