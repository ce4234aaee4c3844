//! What the program `embedded-kube` is told: the JSON file that it is started with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aggregator_embedded_kube::api::access::User;
use aggregator_embedded_kube::cluster::{self, NodeOptions};
use aggregator_embedded_kube::node::{self, Programs};
use serde::Deserialize;
use serde_json::Value;

use crate::Failure;

/// What there is to run.
pub(crate) enum Task {
    /// A node of somebody else's cluster, by a kubeconfig of the node's user.
    Node(PathBuf, node::Options),
    /// A whole cluster.
    Cluster(cluster::Options),
}

/// What the file says: `kubeconfig` and `node`, or `cluster`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    kubeconfig: Option<PathBuf>,
    node: Option<node::Options>,
    cluster: Option<Cluster>,
}

/// A cluster; see [`cluster::Options`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Cluster {
    data: Option<PathBuf>,
    port: Option<u16>,
    #[serde(default)]
    users: Vec<Known>,
    namespace: Option<String>,
    #[serde(default)]
    objects: Vec<Value>,
    controllers: Option<bool>,
    node: Option<Own>,
    audit: Option<PathBuf>,
}

/// A user who is known from the beginning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    name: String,
    #[serde(default)]
    groups: Vec<String>,
}

/// The node within a cluster; see [`NodeOptions`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Own {
    name: String,
    programs: Programs,
    #[serde(default)]
    host_paths: Vec<PathBuf>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

impl Task {
    /// What a file says.
    ///
    /// # Errors
    /// When it cannot be read, or says something else.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let place = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| format!("{place}: {error}"))?;
        let settings = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text));
        let settings: Settings = settings.map_err(|error| format!("{place}: {error}"))?;
        match settings {
            Settings { kubeconfig: Some(kubeconfig), node: Some(node), cluster: None } => {
                Ok(Self::Node(kubeconfig, node))
            }
            Settings { kubeconfig: None, node: None, cluster: Some(cluster) } => Ok(Self::Cluster(cluster.options())),
            _ => Err(format!("{place}: it has to have either `kubeconfig` and `node`, or `cluster`").into()),
        }
    }
}

impl Cluster {
    fn options(self) -> cluster::Options {
        let users = self.users.into_iter().map(|Known { name, groups }| User { name, groups, ..User::default() });
        let node = self.node.map(|Own { name, programs, host_paths, environment }| NodeOptions {
            name,
            programs,
            host_paths,
            environment,
        });
        let default = cluster::Options::default();
        cluster::Options {
            data: self.data,
            port: self.port,
            users: users.collect(),
            namespace: self.namespace.unwrap_or(default.namespace),
            objects: self.objects,
            controllers: self.controllers.unwrap_or(default.controllers),
            node,
            audit: self.audit,
            ..default
        }
    }
}
