//! Namespaces: what each has from the beginning, and how one ends.

mod plan;
mod remains;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};

use super::garbage::Item;

pub use plan::{AUTHORITY, plan};

/// What is known of a namespace.
#[derive(Clone, Debug)]
pub struct View {
    /// The namespace.
    pub namespace: Arc<Namespace>,
    /// Whether it has its ServiceAccount `default`.
    pub account: bool,
    /// Its ConfigMap with the certificate of the API server's authority.
    pub authority: Option<Arc<ConfigMap>>,
    /// The certificate that should be in it, if there is one.
    pub certificate: Option<Arc<str>>,
    /// What is in it, by the names of resources (`pods.`, `jobs.batch`): asked for only when it is to go.
    pub content: BTreeMap<String, Vec<Item>>,
}
