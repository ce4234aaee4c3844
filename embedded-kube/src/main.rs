//! A node in a program of its own: `embedded-kube CONFIG`, where CONFIG is a JSON file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aggregator_embedded_kube::node::{Node, Options};
use aggregator_embedded_kube::{chain, supervisor};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What the file says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    /// A kubeconfig of the node's user.
    kubeconfig: PathBuf,
    node: Options,
}

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
    tokio::runtime::Runtime::new()?.block_on(run(Path::new(&file)))
}

async fn run(file: &Path) -> Result<(), Failure> {
    let place = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{place}: {error}"))?;
    let settings = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text));
    let settings: Settings = settings.map_err(|error| format!("{place}: {error}"))?;
    let kubeconfig = Kubeconfig::read_from(&settings.kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let node = Node::open(Client::try_from(config)?, settings.node).await?;
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stopped.cancel();
    });
    Ok(node.run(stop).await?)
}
