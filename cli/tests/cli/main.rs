//! The `aggregator` binary, run as users run it: every test looks at what it left behind.

mod aggregator;
mod docs;
mod exit_codes;
mod graph;
mod incremental;
mod kill;
mod postgres;
mod recovery;
mod rejects;
mod rows;
mod samples;
mod signals;
