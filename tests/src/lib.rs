//! Fixtures for tests: real servers on free loopback ports, and ways to break the road to them.
//!
//! A fixture that cannot be set up ends the test with a panic that says why.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a fixture has no caller that could handle its failure")]

pub mod alone;
pub mod collector;
pub mod control_plane;
pub mod figures;
pub mod folder;
pub mod gateway;
pub mod golden;
pub mod http;
pub mod operator;
pub mod page;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod python;
pub mod random;
pub mod reliability;
pub mod s3;
pub mod wait;
