//! A node runner: registers as a Node, and runs the containers of the Pods that are bound to it as processes of this
//! machine, with the rights of its own user.
//!
//! `README.md` has what it runs and every known difference from a kubelet.

mod context;
mod describe;
mod error;
mod fetch;
mod home;
mod life;
mod log;
mod machine;
mod options;
mod pod;
mod process;
mod registration;
pub(crate) mod served;
mod server;
pub(crate) mod spec;
mod sweep;
mod volumes;
mod watch;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use kube::Client;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::supervisor::PROBE;
use context::Context;
use home::Home;
use registration::Registration;
use server::Port;

pub use error::Error;
pub use log::{Logs, NoLog};
pub use options::{Capacity, Endpoint, Options, View};
pub use spec::program::Programs;
pub(crate) use spec::quantity;

/// A node that is about to run.
pub struct Node {
    context: Arc<Context>,
    port: Option<Port>,
}

impl Node {
    /// Takes the node's folder, ends what an earlier runner of it has left, and opens the port for logs, if it is to have
    /// one. The client is to be that of a user `system:node:NAME` in the group `system:nodes`.
    ///
    /// # Errors
    /// When something of the options cannot be used; see [`Error`].
    pub async fn open(client: Client, options: Options) -> Result<Self, Error> {
        for (image, program) in &options.programs.images {
            if !program.is_absolute() || !program.is_file() {
                return Err(Error::Program { image: image.clone(), program: program.clone() });
            }
        }
        let home = Home::open(&options.data)?;
        let swept = sweep::sweep(&home.owner);
        if swept > 0 {
            tracing::warn!(processes = swept, "ended what an earlier runner had left");
        }
        let supervisor = match &options.supervisor {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(Error::Supervisor)?,
        };
        let mounts = match (options.view, probe(&supervisor, &home).await?) {
            (View::Rewrite, _) => false,
            (View::Mounts, Some(problem)) => return Err(Error::Mounts(problem)),
            (View::Detect, Some(problem)) => {
                tracing::warn!(problem, "containers have no mounts of their own: mount paths are rewritten");
                false
            }
            (_, None) => true,
        };
        let port = match &options.endpoint {
            Some(endpoint) => Some(Port::open(endpoint).await?),
            None => None,
        };
        let capacity = options.capacity.clone().unwrap_or_else(|| machine::capacity(home.path()));
        let logs = Arc::new(log::Index::default());
        let context = Context { client, options, capacity, home, logs, supervisor, mounts };
        Ok(Self { context: Arc::new(context), port })
    }

    /// The logs of its containers, for whoever is in the same process; also while it runs, and after.
    #[must_use]
    pub fn logs(&self) -> Logs {
        Logs::of(&self.context.logs)
    }

    /// Runs Pods until the token is cancelled, and then ends every container. An API server that cannot be reached is
    /// waited for.
    ///
    /// # Errors
    /// When the log endpoint fails.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let logs = self.logs();
        let Self { context, port } = self;
        let registration = Registration { context: &context, port: port.as_ref().map(Port::number) };
        let served = async {
            match port {
                Some(port) => port.serve(logs).await,
                None => std::future::pending().await,
            }
        };
        let work = async { tokio::join!(registration.keep(&stop), watch::watch(Arc::clone(&context), &stop)) };
        tokio::select! {
            ended = served => ended,
            ((), ()) = work => Ok(()),
        }
    }
}

/// Why containers cannot have mounts of their own; nothing when they can.
async fn probe(supervisor: &Path, home: &Home) -> Result<Option<String>, Error> {
    let mut command = Command::new(supervisor);
    command.arg(PROBE).arg(home.path().join("probe")).stdin(Stdio::null());
    let output = command.output().await.map_err(Error::Supervisor)?;
    let problem = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok((!output.status.success()).then_some(problem))
}
