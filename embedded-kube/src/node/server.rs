//! The endpoint by which the API server reads the logs of containers, as at a kubelet.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Place, Query as Words, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Error;
use super::context::Context;
use super::log::{Asked, NoLog, Query, read};
use super::options::Endpoint;

/// How long a client may take to say who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many clients may be saying so at once.
const HANDSHAKES: usize = 64;

/// A port to which only holders of the authority's certificates get.
pub(crate) struct Port {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Port {
    /// Opens the port.
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self, Error> {
        let acceptor = TlsAcceptor::from(Arc::new(tls(endpoint)?));
        let address = endpoint.address;
        let tcp = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
        Ok(Self { tcp, acceptor, handshakes: JoinSet::new() })
    }

    /// Its number.
    pub(crate) fn number(&self) -> io::Result<u16> {
        Ok(self.tcp.local_addr()?.port())
    }

    /// Serves logs.
    pub(crate) async fn serve(self, context: Arc<Context>) -> io::Result<()> {
        let router = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/containerLogs/{namespace}/{pod}/{container}", get(logs))
            .fallback(|| async { (StatusCode::NOT_IMPLEMENTED, "this node serves the logs of containers only\n") })
            .with_state(context);
        axum::serve(self, router).await
    }
}

fn tls(endpoint: &Endpoint) -> Result<ServerConfig, Error> {
    fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(path: &Path) -> impl FnOnce(E) -> Error {
        let path = path.to_owned();
        |source| Error::Certificate { path, source: source.into() }
    }
    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>, Error> {
        let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        found.map_err(failed(path))
    };
    let mut clients = RootCertStore::empty();
    for certificate in certificates(&endpoint.clients)? {
        clients.add(certificate).map_err(failed(&endpoint.clients))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider)).build();
    let verifier = verifier.map_err(failed(&endpoint.clients))?;
    let key = PrivateKeyDer::from_pem_file(&endpoint.key).map_err(failed(&endpoint.key))?;
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed(&endpoint.certificate))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&endpoint.certificate)?, key)
        .map_err(failed(&endpoint.certificate))
}

impl Listener for Port {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                (stream, address) = Listener::accept(&mut self.tcp), if self.handshakes.len() < HANDSHAKES => {
                    let handshake = self.acceptor.accept(stream);
                    self.handshakes.spawn(async move {
                        match timeout(HANDSHAKE, handshake).await {
                            Ok(Ok(stream)) => Some((stream, address)),
                            Ok(Err(error)) => {
                                tracing::debug!(%error, %address, "a client was turned away");
                                None
                            }
                            Err(_) => None,
                        }
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

async fn logs(
    State(context): State<Arc<Context>>,
    Place((namespace, pod, container)): Place<(String, String, String)>,
    Words(words): Words<HashMap<String, String>>,
) -> Response {
    let query = match query(&words, Timestamp::now()) {
        Ok(query) => query,
        Err(message) => return (StatusCode::BAD_REQUEST, message).into_response(),
    };
    let previous = words.get("previous").is_some_and(|word| word == "true");
    match context.logs.find(Asked { namespace: &namespace, pod: &pod, container: &container, previous }) {
        Ok((folder, live)) => Body::from_stream(read(folder, live, query)).into_response(),
        Err(error @ (NoLog::Pod(_) | NoLog::Container { .. })) => {
            (StatusCode::NOT_FOUND, error.to_string()).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

/// What is asked for, in the words of a kubelet's API.
fn query(words: &HashMap<String, String>, now: Timestamp) -> Result<Query, String> {
    let is = |name: &str| words.get(name).is_some_and(|word| word == "true");
    let number = |name: &str| -> Result<Option<usize>, String> {
        let bad = |word: &String| format!("{name} is no number: {word:?}");
        words.get(name).map(|word| word.parse().map_err(|_| bad(word))).transpose()
    };
    let mut since = None;
    if let Some(word) = words.get("sinceTime") {
        since = Some(word.parse().map_err(|_| format!("sinceTime is no time: {word:?}"))?);
    }
    if let Some(seconds) = number("sinceSeconds")? {
        let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        since = now.checked_sub(seconds).ok();
    }
    Ok(Query {
        follow: is("follow"),
        tail: number("tailLines")?,
        since,
        timestamps: is("timestamps"),
        limit: number("limitBytes")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_in_a_kubelets_words() {
        let now: Timestamp = "2026-01-02T00:01:00Z".parse().unwrap();
        let of = |words: &[(&str, &str)]| {
            query(&words.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned())).collect(), now)
        };
        assert_eq!(of(&[]), Ok(Query::default()));
        let words = [
            ("follow", "true"),
            ("tailLines", "5"),
            ("sinceSeconds", "60"),
            ("timestamps", "true"),
            ("limitBytes", "9"),
        ];
        let since = Some("2026-01-02T00:00:00Z".parse().unwrap());
        assert_eq!(of(&words), Ok(Query { follow: true, tail: Some(5), since, timestamps: true, limit: Some(9) }));
        assert_eq!(of(&[("sinceTime", "2026-01-02T00:00:00Z")]).unwrap().since, since);
        assert!(of(&[("tailLines", "-1")]).is_err());
        assert!(of(&[("sinceTime", "x")]).is_err());
    }
}
