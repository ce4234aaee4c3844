//! Who may what, and bodies in protocol buffers, against what the real API server says and kubectl sends.

#![expect(clippy::unwrap_used, reason = "a test has no caller that could handle its failure")]

mod bodies;
mod decisions;
mod defaults;
mod escalation;
mod impersonation;
mod real;
mod reviews;
mod tokens;
