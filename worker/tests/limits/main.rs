//! The limits of `docs/limits.md`: what is refused says what, where and what to do, and is refused before it takes much.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail by a panic, also outside its own function"
)]

mod codecs;
#[path = "../files/harness.rs"]
#[allow(dead_code, reason = "the tests of files use the rest")]
mod harness;
mod lists;
mod pages;
mod paths;
mod sizes;
mod source;
mod wide;
