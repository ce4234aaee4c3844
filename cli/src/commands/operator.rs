//! `aggregator operator`.

use std::net::SocketAddr;

use aggregator_operator::health::Health;
use aggregator_operator::leader::{Elector, LeaseOptions};
use aggregator_operator::metrics::Metrics;
use aggregator_operator::settings::Variable;
use aggregator_operator::{Operation, Settings, calls, operate};
use aggregator_telemetry::Destination;
use kube::Config;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::{Global, LOG_FORMAT, LogFormat, OperatorArgs};
use crate::failure::Failure;
use crate::output;
use crate::telemetry::Telemetry;

fn unreachable(error: &dyn std::error::Error) -> Failure {
    Failure::usage(
        format!("the Kubernetes API cannot be reached: {error}"),
        "set KUBECONFIG, or run this in a Pod with a ServiceAccount",
    )
}

pub(crate) async fn operator(args: OperatorArgs, global: &Global, telemetry: &Telemetry) -> Result<u8, Failure> {
    let config = Config::infer().await.map_err(|error| unreachable(&error))?;
    let metrics = Metrics::new().map_err(std::io::Error::other)?;
    let client = || calls::client(config.clone(), &metrics).map_err(|error| unreachable(&error));
    let elector = args.lease.as_deref().map(lease).transpose()?;
    let elector = elector.map(|options| Ok::<_, Failure>(Elector::new(client()?, options))).transpose()?;
    let settings = Settings {
        image: args.worker_image,
        command: args.worker_command,
        service_account: args.worker_service_account,
        namespaces: args.namespaces,
        host_paths: args.allow_host_paths,
        host_path_base: args.host_path_base,
        run_ttl: args.run_ttl,
        variables: variables(global.log_format, args.otlp_headers_secret),
        webhooks: args.webhook_address.is_some(),
    };
    let health = Health::new(metrics.clone());
    let listener = listen(args.health_address, "--health-address").await?;
    output::log_line(&format!("serving http://{}/metrics, /livez and /readyz", listener.local_addr()?));
    let webhooks = match args.webhook_address {
        Some(address) => {
            let webhooks = listen(address, "--webhook-address").await?;
            let own = webhooks.local_addr()?;
            output::log_line(&format!("listening for requests at http://{own}/webhooks/NAMESPACE/SCHEDULE"));
            Some(webhooks)
        }
        None => None,
    };
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        told.cancel();
    });
    let serving = tokio::spawn(health.clone().serve(listener, stop.clone()));
    let client = client()?;
    let operation = Operation { settings, metrics, health, elector, traces: telemetry.traces(), webhooks };
    let ended = operate(client, operation, stop.clone()).await.map_err(std::io::Error::other);
    stop.cancel();
    serving.await.map_err(std::io::Error::other)??;
    ended?;
    Ok(0)
}

/// Listens at the address that an argument has.
async fn listen(address: SocketAddr, argument: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let help = format!("give another address with {argument}; port 0 is any free one");
        Failure::usage(format!("cannot serve {address}: {error}"), help)
    })
}

/// What workers are told of logs and traces, by the variables of their containers: what the operator was told itself.
pub(super) fn variables(format: LogFormat, headers: Option<String>) -> Vec<Variable> {
    let text = |name: &str, value: String| Variable::Text { name: name.to_owned(), value };
    let mut variables = Vec::new();
    if format == LogFormat::Json {
        variables.push(text(LOG_FORMAT, "json".into()));
    }
    let handed = Destination::HANDED_ON.into_iter();
    variables.extend(handed.filter_map(|name| Some(text(name, std::env::var(name).ok()?))));
    variables.extend(headers.map(|secret| Variable::OfSecret {
        name: Destination::HEADERS.into(),
        secret,
        key: HEADERS_KEY.into(),
    }));
    variables
}

/// The key of the Secret with the headers.
const HEADERS_KEY: &str = "headers";

/// The Lease that `NAMESPACE/NAME` names, for a holder that no other process is.
fn lease(text: &str) -> Result<LeaseOptions, Failure> {
    let parts = text.split_once('/').filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
    let (namespace, name) =
        parts.ok_or_else(|| Failure::usage(format!("`{text}` names no Lease"), "write it as NAMESPACE/NAME"))?;
    let host = nix::unistd::gethostname().map_err(std::io::Error::from)?;
    let holder = format!("{}-{}", host.to_string_lossy(), uuid::Uuid::now_v7());
    Ok(LeaseOptions { namespace: namespace.to_owned(), name: name.to_owned(), holder })
}
