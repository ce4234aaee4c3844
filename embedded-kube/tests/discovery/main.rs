//! What is said of kinds and objects, compared with what a real API server says of the same.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what the tests share is as much a test as they are")]

mod documents;
mod explain;
mod forms;
mod kinds;
mod real;
mod selectors;
mod tables;
mod watches;
