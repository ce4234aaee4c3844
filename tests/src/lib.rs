//! Real servers and data for the tests of the other crates.

pub mod http;
