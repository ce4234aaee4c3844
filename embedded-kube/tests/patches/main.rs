//! Patches and server-side apply, compared with a real API server: the same requests to it and to our functions, beginning with
//! the same object each time.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what is shared by tests has no caller but them")]

mod builtin;
mod mosaic;
mod schema;
mod server;
mod strategic;
