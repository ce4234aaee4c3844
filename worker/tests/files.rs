//! The `file` connector from outside: what is read, rejected, refused and written, on real files.

#[path = "files/harness.rs"]
mod harness;
#[path = "files/reading.rs"]
mod reading;
#[path = "files/writing.rs"]
mod writing;
