//! The operator: objects in, runs out.
//!
//! Each kind has a folder with what is known of an object (`view`) and what is to be done for it now (`plan`), a pure
//! function of that and of the time. `controller` is the shell around them, `execute` does the writes.

pub mod action;
mod backoff;
pub mod calls;
pub mod clock;
pub mod conditions;
pub mod connector;
pub mod controller;
pub mod errand;
pub mod execute;
pub mod expectations;
#[cfg(test)]
mod fixture;
pub mod health;
pub mod identity;
pub mod index;
pub mod labels;
pub mod leader;
pub mod lean;
mod listener;
pub mod metrics;
#[cfg(test)]
mod model;
pub mod names;
pub mod news;
pub mod pipeline;
mod queue;
pub mod rbac;
pub mod routes;
pub mod run;
pub mod schedule;
pub mod settings;
mod traces;
pub mod transformation;
pub mod unreadable;
mod waiting;
mod webhook;
pub mod worker;
pub mod world;

pub use controller::{Operation, OperatorError, run as operate};
pub use settings::Settings;
