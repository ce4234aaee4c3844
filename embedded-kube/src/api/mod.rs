//! The part of the Kubernetes API that our programs and the documented lines of kubectl need, in one process.
//!
//! ```text
//! request ─► access (who, may they) ─► kind ─► patch or apply ─► schema (prune, default, validate) ─► store ─► watchers
//!                                                                                                └─► controllers
//! ```
//! A closed list of kinds and verbs: one is added only when something needs it. Where it differs from the real API server,
//! it is wrong.

pub mod controllers;
pub mod kind;
pub mod refusal;

pub use kind::{Column, Kind};
pub use refusal::{Cause, Details, Refusal, RefusalReason};
