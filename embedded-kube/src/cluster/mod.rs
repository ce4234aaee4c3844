//! A whole cluster inside this program: the API, the controllers, and one node that runs Pods as processes.
//!
//! ```text
//! kubectl, Pods ──TLS──► port ─┐
//! this program ────────────────┴─► API ─► store
//!                                   ▲ ▲
//!                      controllers ─┘ └─ node ─► processes
//! ```
//! The program's `main` begins with [`crate::supervisor::take_over`].

mod error;
mod keys;
mod objects;
mod options;
mod parts;
mod remote;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tempfile::TempDir;

use crate::api::access::User;
use crate::api::controllers;
use crate::api::home::{Authority, Home, Lock, kubeconfig};
use crate::api::serve::{Api, Audit, Logs, Parts as ApiParts, Port, Service, in_process};
use crate::api::store::Store;
use crate::node::{self, Node};

pub use error::ClusterError;
pub use options::{NodeOptions, Options};

use keys::Keys;
use parts::{Part, Parts};
use remote::RemoteLogs;

/// The folder of the kubeconfigs.
const KUBECONFIGS: &str = "kubeconfig";
/// The folder of the node.
const NODE: &str = "node";
/// How long what is stopped may take to end.
const GRACE: Duration = Duration::from_secs(4);
/// How long of this containers have.
const CONTAINER_GRACE: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);

/// A running cluster. One that is dropped without [`Cluster::stop`] ends its parts at once.
pub struct Cluster {
    api: Api,
    url: String,
    home: Home,
    parts: Parts,
    // Fields are dropped in their order: the folder is free when nothing runs in it any more.
    _lock: Lock,
    _temporary: Option<TempDir>,
}

impl Cluster {
    /// Starts a cluster. Requests are answered when this returns; the node may take a moment more.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn start(options: Options) -> Result<Self, ClusterError> {
        let (home, temporary) = match &options.data {
            Some(path) => (Home::open(path)?, None),
            None => {
                let made = tempfile::Builder::new().prefix("embedded-kube-").tempdir();
                let folder = made.map_err(ClusterError::Temporary)?;
                (Home::open(folder.path())?, Some(folder))
            }
        };
        let lock = Lock::take(&home)?;
        let authority = Authority::open(&home)?;
        let keys = Keys::open(&home, &options.users)?;
        let port = open_port(&home, options.port, &authority).await?;
        let url = format!("https://{}", port.address());

        let file = home.objects();
        let store = Store::open(options.data.is_some().then_some(file.as_path()))?;
        let (logs, late) = parts::late_logs();
        let logs: Arc<dyn Logs> = match &options.node {
            Some(_) => logs,
            // Nodes are programs of their own.
            None => Arc::new(RemoteLogs::open(&home, &authority, store.clone())?),
        };
        let audit = options
            .audit
            .as_deref()
            .map(|path| Audit::open(path).map_err(|source| ClusterError::Audit { path: path.to_owned(), source }));
        let api = Api::open(ApiParts {
            store,
            tokens: keys.tokens,
            issuer: keys.issuer,
            admission: options.admission,
            logs: Some(logs),
            audit: audit.transpose()?,
        });
        let api = api.await?;
        for object in objects::first().iter().chain(&options.objects) {
            objects::apply(&api, object).await?;
        }
        let kubeconfigs = home.folder(KUBECONFIGS)?;
        for (user, token) in &keys.users {
            let text = kubeconfig(&url, authority.certificate(), user, token, &options.namespace);
            kubeconfigs.write(user, &text)?;
        }

        let mut parts = Parts::default();
        let address = port.address();
        parts.last(Part::Port, {
            let (api, stop) = (api.clone(), parts.stopped_last());
            async move { port.serve(api, stop).await.map_err(ClusterError::Port) }
        });
        if options.controllers {
            let client = Client::new(in_process(api.clone()), "default");
            let options = controllers::Options::in_process(Arc::from(authority.certificate()));
            let stop = parts.stopped_last();
            parts.last(Part::Controllers, async move { Ok(controllers::run(client, options, stop).await?) });
        }
        if let Some(options) = options.node {
            let node = open_node(&api, &home, options, address).await?;
            late.set(node.logs());
            let stop = parts.stopped_first();
            parts.first(Part::Node, async move { Ok(node.run(stop).await?) });
        }
        lock.say(&url)?;
        Ok(Self { api, url, home, parts, _lock: lock, _temporary: temporary })
    }

    /// Where the API is: `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder with everything of the cluster.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The kubeconfig file of one of the users that the cluster was started with.
    #[must_use]
    pub fn kubeconfig(&self, user: &str) -> Option<PathBuf> {
        Some(self.home.file(KUBECONFIGS).join(user)).filter(|file| file.is_file())
    }

    /// The API for a client within this process, which is that user without showing anything.
    #[must_use]
    pub fn service(&self, user: User) -> Service {
        Service::for_connection(self.api.clone(), Some(user))
    }

    /// Waits until a part has ended by itself, which none should; why it has.
    pub async fn failed(&mut self) -> ClusterError {
        self.parts.failed().await
    }

    /// Ends the processes of Pods, and then everything else, within five seconds.
    ///
    /// # Errors
    /// When a part could not end as it should.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        let api = self.api.clone();
        self.parts.stop(GRACE, || api.close()).await
    }
}

/// Opens the port that is asked for; else that of last time, so that kubeconfigs stay right; else any free one.
async fn open_port(home: &Home, asked: Option<u16>, authority: &Authority) -> Result<Port, ClusterError> {
    let identity = authority.server(Port::names())?;
    let last = home.file("port");
    let before = std::fs::read_to_string(&last).ok().and_then(|text| text.trim().parse::<u16>().ok());
    let port = match (asked, before) {
        (Some(port), _) => Port::open(port, &identity, authority).await?,
        (None, Some(port)) => match Port::open(port, &identity, authority).await {
            Err(error) if error.is_taken() => Port::open(0, &identity, authority).await?,
            opened => opened?,
        },
        (None, None) => Port::open(0, &identity, authority).await?,
    };
    home.write("port", &port.address().port().to_string())?;
    Ok(port)
}

async fn open_node(api: &Api, home: &Home, options: NodeOptions, api_server: SocketAddr) -> Result<Node, ClusterError> {
    let user =
        User { name: format!("system:node:{}", options.name), groups: vec!["system:nodes".into()], ..User::default() };
    let client = Client::new(Service::for_connection(api.clone(), Some(user)), "default");
    let mut node = node::Options::new(options.name, home.file(NODE), options.programs, None);
    node.host_paths = options.host_paths;
    node.environment = options.environment;
    node.api_server = Some(api_server);
    node.shutdown_grace = CONTAINER_GRACE;
    Ok(Node::open(client, node).await?)
}
