//! The `file` connector from outside: what is read, rejected, refused and written, on real files.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic, also outside its own function")]

#[path = "files/duckdb.rs"]
mod duckdb;
#[path = "files/harness.rs"]
mod harness;
#[path = "files/joining.rs"]
mod joining;
#[path = "files/reading.rs"]
mod reading;
#[path = "files/writing.rs"]
mod writing;
