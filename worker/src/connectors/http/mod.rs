//! The `http` connector: documents and files over HTTP, page by page.
//!
//! ```text
//! api ── endpoint (what is asked, how answers read) ── pagination (which page comes next)
//!  │                                                        ▲
//!  ├── shape (the columns) ──┐                              │
//!  └── read (batches) ───── pages ── document (one JSON document, in memory: records)
//!                            │  └─── content (a file, as it comes: arrival ── pipe, or spool, to a thread that blocks)
//!                            └────── sender (paced, signed by auth, retried) ── client (TLS, redirects)
//! ```

mod answer;
mod api;
mod arrival;
mod auth;
mod body;
mod client;
mod content;
mod document;
mod endpoint;
mod failure;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod link;
mod mistaken;
mod oauth;
mod pages;
mod pagination;
mod placeholder;
mod read;
mod receive;
mod records;
mod redact;
mod retry;
mod sender;
mod shape;
mod spool;

pub(super) use api::open;
