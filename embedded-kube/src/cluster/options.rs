//! How a cluster is set up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::api::access::User;
use crate::api::serve::Admission;
use crate::node::Programs;

/// How a cluster is set up.
#[derive(Clone)]
pub struct Options {
    /// The folder for objects, keys and logs, which belongs to one cluster at a time. Without one, objects are in memory,
    /// and the rest is in a temporary folder that goes with the cluster.
    pub data: Option<PathBuf>,
    /// The port on the loopback address; 0 is any free one. Without it: the one that the folder had last, if it is free.
    pub port: Option<u16>,
    /// Who is known from the beginning: each gets a token, which stays the same, and a kubeconfig.
    pub users: Vec<User>,
    /// The namespace that commands of these kubeconfigs are about when they name none.
    pub namespace: String,
    /// What is applied at every start, in this order, beside the namespaces that each cluster has.
    pub objects: Vec<Value>,
    /// What looks at objects before they are written.
    pub admission: Vec<Arc<dyn Admission>>,
    /// Whether the controllers run. Without them nothing comes about by itself.
    pub controllers: bool,
    /// The node, if there is to be one.
    pub node: Option<NodeOptions>,
    /// The file in which requests are written down, if they are to be.
    pub audit: Option<PathBuf>,
}

impl Default for Options {
    /// A cluster in memory with nobody in it, and no node.
    fn default() -> Self {
        Self {
            data: None,
            port: None,
            users: Vec::new(),
            namespace: "default".into(),
            objects: Vec::new(),
            admission: Vec::new(),
            controllers: true,
            node: None,
            audit: None,
        }
    }
}

/// How its node is set up.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The node's name.
    pub name: String,
    /// Which programs Pods may run.
    pub programs: Programs,
    /// The folders of this machine that Pods may have as `hostPath` volumes, with everything in them.
    pub host_paths: Vec<PathBuf>,
    /// Variables of every container, which it may override.
    pub environment: BTreeMap<String, String>,
}
