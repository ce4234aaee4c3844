//! The `aggregator` binary, run as users run it: every test looks at what it left behind.

mod aggregator;
mod graph;
mod incremental;
mod kill;
mod postgres;
mod recovery;
mod rejects;
mod rows;
mod signals;
