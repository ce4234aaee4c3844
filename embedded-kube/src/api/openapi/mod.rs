//! The schemas of what is served, as clients read them: `kubectl explain`, and what checks objects before they are sent
//! (<https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3>).
//!
//! `/openapi/v2` is none of it: kubectl does without when it is refused with 406, as an unknown form is.

mod builtin;
mod document;
mod model;
mod operation;
mod path;
mod service;

pub(super) use builtin::description;
pub use service::{Answer, OpenApi, acceptable};
