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
use server::Port;

pub use error::Error;
pub use options::{Capacity, Endpoint, Options, View};
pub use spec::program::Programs;
#[cfg(feature = "api")]
pub(crate) use spec::quantity;

/// A node that is about to run.
pub struct Node {
    context: Arc<Context>,
    port: Port,
}

impl Node {
    /// Takes the node's folder, ends what an earlier runner of it has left, and opens the port for logs. The client is
    /// to be that of a user `system:node:NAME` in the group `system:nodes`.
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
        let port = Port::open(&options.endpoint).await?;
        let capacity = options.capacity.clone().unwrap_or_else(|| machine::capacity(home.path()));
        let logs = log::Index::default();
        let context = Context { client, options, capacity, home, logs, supervisor, mounts };
        Ok(Self { context: Arc::new(context), port })
    }

    /// Runs Pods until the token is cancelled, and then ends every container. An API server that cannot be reached is
    /// waited for.
    ///
    /// # Errors
    /// When the log endpoint fails.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let address = self.context.options.endpoint.address;
        let failed = |source| Error::Listen { address, source };
        let port = self.port.number().map_err(failed)?;
        let (registered, watched) = (Arc::clone(&self.context), Arc::clone(&self.context));
        let served = tokio::spawn(self.port.serve(Arc::clone(&self.context)));
        let registration = registration::Registration { context: &registered, port };
        tokio::join!(registration.keep(&stop), watch::watch(watched, &stop));
        served.abort();
        Ok(())
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
