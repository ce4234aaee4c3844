//! Questions to the API server about who somebody is and what they may: an object with `spec` goes in, and comes back with
//! `status`. Nothing is stored.

mod access;
mod identity;
mod mistake;
mod rules;
mod token_request;

pub use access::{local_subject_access, self_subject_access, subject_access};
pub use identity::{self_subject, token};
pub use rules::self_subject_rules;
pub use token_request::{TokenAsked, token_request};
