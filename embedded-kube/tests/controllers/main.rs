//! The controllers do what those of a real control plane do: the same is done on two, one with its own and one with ours,
//! and what has come of it is compared.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]

mod garbage;
mod jobs;
mod namespaces;
mod nodes;
mod planes;
mod restarts;
mod stage;
