//! `aggregator operator`.

use aggregator_operator::{Settings, operate};
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::OperatorArgs;
use crate::failure::Failure;

pub(crate) async fn operator(args: OperatorArgs) -> Result<u8, Failure> {
    let client = Client::try_default().await.map_err(|error| {
        Failure::usage(
            format!("the Kubernetes API cannot be reached: {error}"),
            "set KUBECONFIG, or run this in a Pod with a ServiceAccount",
        )
    })?;
    let settings = Settings {
        image: args.worker_image,
        command: args.worker_command,
        service_account: args.worker_service_account,
        namespaces: args.namespaces,
        host_paths: args.allow_host_paths,
        host_path_base: args.host_path_base,
        run_ttl: args.run_ttl,
    };
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        told.cancel();
    });
    operate(client, settings, stop).await.map_err(std::io::Error::other)?;
    Ok(0)
}
