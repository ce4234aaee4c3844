//! The operator on a real control plane: objects in, runs out.

mod ends;
mod project;
mod runs;
mod schedules;
