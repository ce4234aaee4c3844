//! What is done to objects here and what a real API server does to the same ones: admitted or refused alike, with the same
//! words, details and results.

// Schemas are long.
#![recursion_limit = "512"]
#![expect(clippy::print_stdout, reason = "it is said how much was compared")]

mod alike;
mod builtin;
mod custom;
mod definitions;
mod features;
mod server;
mod values;
