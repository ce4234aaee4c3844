//! The `http` connector against real servers on loopback.

mod auth;
mod faults;
mod pages;
mod read;
mod secrets;
