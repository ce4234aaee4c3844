//! Patches and server-side apply, compared with a real API server: the same requests to it and to our functions, beginning with
//! the same object each time.

mod builtin;
mod mosaic;
mod random;
mod schema;
mod server;
mod strategic;
