//! What is served, and in which form: the documents by which clients find kinds, and the choice of a form by what a client
//! accepts (<https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api>).

mod accept;
mod aggregated;
mod form;
mod legacy;
mod order;
mod resource;
#[cfg(test)]
pub(crate) mod sample;
mod tag;
mod version;

pub use aggregated::{AGGREGATED_CONTENT_TYPE, aggregated};
pub use form::{Endpoint, Form, MetaVersion, negotiate};
pub use legacy::{api_group, api_groups, api_resources, api_versions};
pub use order::{GroupVersion, group_versions};
pub use resource::{Subresource, subresources, verbs};
pub use tag::{etag, unchanged};
pub use version::version;
