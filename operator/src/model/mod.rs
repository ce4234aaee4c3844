//! The shipped plans, checked in all orders of what can happen: a model of the API server, of caches that lag, of operators that
//! are killed, of Jobs, workers and sinks, walked through by `stateright`.
//!
//! What is assumed of all kinds, besides what each one says of itself:
//! - So much goes wrong as a scene allows ([`subject::Bounds`]), and no more; of a scene with many states, so many are walked
//!   through, by breadth.
//! - A watch tells all that happens to objects of its kind, in order, or begins anew with what is there.
//! - A cache is behind by a few events, and so is what an operator begins with that is shown the past.
//! - A look takes no time: what is planned is planned from one moment of the caches.

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
