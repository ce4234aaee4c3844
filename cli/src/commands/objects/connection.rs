//! The server: where it is, as whom it is asked, and how long it may take to answer.

use std::error::Error;
use std::time::Duration;

use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher;
use kube::{Client, Config};
use serde::de::DeserializeOwned;

use super::trouble::Trouble;
use crate::args::Server;
use crate::failure::Failure;

/// How long the server may take to be reached.
const REACHED: Duration = Duration::from_secs(10);
/// How long it may take to answer.
const ANSWERED: Duration = Duration::from_secs(30);

/// A server, and the namespace that is meant where none is named.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) namespace: String,
    url: String,
}

impl Connection {
    /// The server that is meant. Nothing is sent to it yet.
    pub(super) async fn open(server: &Server, namespace: Option<&str>) -> Result<Self, Failure> {
        let mut config = config(server).await?;
        config.connect_timeout = Some(REACHED);
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
        let client = Client::try_from(config).map_err(|error| {
            let message = format!("the kubeconfig of {url} cannot be used: {}", Trouble::root(&error));
            Failure::usage(message, "mend the user or the cluster of the context that is meant")
        })?;
        Ok(Self { client, namespace, url })
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask<T: DeserializeOwned>(&self, request: Request<Vec<u8>>) -> Result<T, Trouble> {
        self.within(self.client.request::<T>(request)).await
    }

    /// What is answered, if it is in time.
    pub(super) async fn within<T>(&self, answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Trouble> {
        match tokio::time::timeout(ANSWERED, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Trouble::of(&self.url, error)),
            Err(_) => {
                let why = format!("there was no answer in {} s", ANSWERED.as_secs());
                Err(Trouble::Away { url: self.url.clone(), why })
            }
        }
    }

    /// A request, if it can be made.
    pub(super) fn made(
        &self,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Request<Vec<u8>>, Trouble> {
        request.map_err(|error| Trouble::of(&self.url, kube::Error::BuildRequest(error)))
    }

    /// Why an answer was cut off.
    pub(super) fn cut(&self, error: &std::io::Error) -> Trouble {
        Trouble::Away { url: self.url.clone(), why: Trouble::root(error) }
    }

    /// Why a watch was lost.
    pub(super) fn lost(&self, error: watcher::Error) -> Trouble {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => Trouble::of(&self.url, error),
            watcher::Error::WatchError(status) => Trouble::Refused(status),
            watcher::Error::NoResourceVersion => {
                Trouble::Odd { url: self.url.clone(), why: "what it tells has no version".into() }
            }
        }
    }
}

/// Where the server is: what a file says that was named, or else what every client of Kubernetes looks at.
async fn config(server: &Server) -> Result<Config, Failure> {
    let options = KubeConfigOptions { context: server.context.clone(), ..KubeConfigOptions::default() };
    let read = match &server.kubeconfig {
        Some(path) => match Kubeconfig::read_from(path) {
            Ok(file) => Config::from_custom_kubeconfig(file, &options).await,
            Err(error) => Err(error),
        },
        None if server.context.is_some() => Config::from_kubeconfig(&options).await,
        None => {
            return Config::infer().await.map_err(|error| {
                // That this is no Pod goes without saying.
                unknown(&error.source().map_or_else(|| error.to_string(), ToString::to_string))
            });
        }
    };
    read.map_err(|error| unknown(&error.to_string()))
}

fn unknown(why: &str) -> Failure {
    Failure::usage(
        format!("no server is known: {why}"),
        "start one with `aggregator up`, which says where it is; or name a kubeconfig with KUBECONFIG or --kubeconfig, \
         and one of its contexts with --context",
    )
}
