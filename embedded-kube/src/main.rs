//! A node, or a whole cluster, in a program of its own: `embedded-kube CONFIG`, where CONFIG is a JSON file.

mod settings;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aggregator_embedded_kube::cluster::{self, Cluster};
use aggregator_embedded_kube::node::{self, Node};
use aggregator_embedded_kube::{chain, supervisor};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::settings::Task;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    if let Some(code) = supervisor::take_over() {
        return code;
    }
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), Failure> {
    let file = std::env::args_os().nth(1).ok_or("usage: embedded-kube CONFIG, which is a JSON file")?;
    let task = Task::read(Path::new(&file))?;
    tokio::runtime::Runtime::new()?.block_on(async {
        match task {
            Task::Node(kubeconfig, options) => run_node(&kubeconfig, options).await,
            Task::Cluster(options) => run_cluster(options).await,
        }
    })
}

async fn run_node(kubeconfig: &Path, options: node::Options) -> Result<(), Failure> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let node = Node::open(Client::try_from(config)?, options).await?;
    Ok(node.run(end()?).await?)
}

/// Runs a cluster. When it answers, it says where: `url`, its folder `home`, and the `kubeconfigs` of its users, as one
/// line of JSON.
async fn run_cluster(options: cluster::Options) -> Result<(), Failure> {
    let end = end()?;
    let users: Vec<String> = options.users.iter().map(|user| user.name.clone()).collect();
    let mut cluster = Cluster::start(options).await?;
    let files = users.into_iter().filter_map(|user| {
        let file = cluster.kubeconfig(&user)?;
        Some((user, file))
    });
    let kubeconfigs: BTreeMap<String, PathBuf> = files.collect();
    let ready = json!({"url": cluster.url(), "home": cluster.home(), "kubeconfigs": kubeconfigs});
    writeln!(io::stdout(), "{ready}")?;
    tokio::select! {
        error = cluster.failed() => return Err(error.into()),
        () = end.cancelled() => {}
    }
    Ok(cluster.stop().await?)
}

/// Is cancelled when somebody asks the program to end.
fn end() -> io::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let end = CancellationToken::new();
    let asked = end.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        asked.cancel();
    });
    Ok(end)
}
