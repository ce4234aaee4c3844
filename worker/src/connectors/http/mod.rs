//! The `http` connector: JSON over HTTP, page by page.
//!
//! ```text
//! api ── endpoint (what is asked, how answers read) ── pagination (which page comes next)
//!  │                                                        ▲
//!  └── read (pages → records → batches) ── sender (paced, signed by auth, retried) ── client (TLS, redirects)
//! ```

mod api;
mod auth;
mod body;
mod client;
mod endpoint;
mod failure;
mod link;
mod oauth;
mod page;
mod pagination;
mod placeholder;
mod read;
mod records;
mod redact;
mod retry;
mod sender;

pub(super) use api::open;
