//! The `http` connector against real servers on loopback.

#![expect(clippy::unwrap_used, reason = "a test has no caller that could handle its failure")]

mod auth;
mod breaks;
mod content;
mod faults;
mod formats;
mod pages;
mod read;
mod secrets;
