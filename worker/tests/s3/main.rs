//! The `s3` connector from outside, against a server of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail by a panic, also outside its own function"
)]

mod commits;
mod faults;
mod harness;
mod one_object;
mod reading;
mod splits;
mod uploads;
mod writing;
