//! The part of the Kubernetes API that our programs and the documented lines of kubectl need, in one process.
//!
//! ```text
//! request ─► access (who, may they) ─► kind ─► patch or apply ─► schema (prune, default, validate) ─► store ─► watchers
//!                                                                                                └─► controllers
//! ```
//! A closed list of kinds and verbs: one is added only when something needs it. Where it differs from the real API server,
//! it is wrong.

pub mod access;
pub mod apply;
pub mod builtin;
pub mod controllers;
pub mod discovery;
pub mod follow;
pub mod home;
pub mod kind;
pub mod lifecycle;
pub mod openapi;
pub mod patch;
pub mod protobuf;
pub mod refusal;
pub mod request;
pub mod schema;
pub mod selector;
pub mod serve;
pub mod store;
pub mod table;

pub use kind::{Column, Kind};
pub use refusal::{Cause, Details, Refusal, RefusalReason};
