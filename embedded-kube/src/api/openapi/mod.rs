//! The schemas of what is served, as clients read them: `kubectl explain`, and what checks objects before they are sent
//! (<https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3>).
//!
//! `/openapi/v2` has no schemas: kubectl does without.

mod builtin;
mod document;
mod model;
mod operation;
mod path;
mod second;
mod service;

pub(super) use builtin::description;
pub use second::{PROTOBUF, second, second_encoded};
pub use service::{Answer, OpenApi, acceptable};
