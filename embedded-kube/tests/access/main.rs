//! Who may what, and bodies in protocol buffers, against what the real API server says and kubectl sends.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test has no caller that could handle its failure, and says what it has tried"
)]

mod bodies;
mod decisions;
mod defaults;
mod escalation;
mod impersonation;
mod random;
mod real;
mod reviews;
mod tokens;
