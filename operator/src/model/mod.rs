//! The shipped plans, checked in all orders of what can happen: a model of the API server, of caches that lag, of operators that
//! are killed, of Jobs, workers and sinks, walked through by `stateright`.

mod check;
mod connector;
mod fidelity;
mod fields;
mod guard;
mod jobs;
mod look;
mod memo;
mod mutants;
mod object;
mod pipeline;
mod recovery;
mod run;
mod schedule;
mod server;
mod stage;
mod subject;
mod system;
mod task;
mod typed;
mod write;
