//! The endpoint by which the API server reads the logs of containers, as at a kubelet.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Place, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;

use super::Error;
use super::log::{Logs, NoLog};
use super::options::Endpoint;
use crate::listen::TlsListener;

/// A port to which only holders of the authority's certificates get.
pub(crate) struct Port {
    listener: TlsListener,
    /// Where it was to be.
    address: SocketAddr,
    number: u16,
}

impl Port {
    /// Opens the port.
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self, Error> {
        let config = tls(endpoint)?;
        let address = endpoint.address;
        let failed = |source| Error::Listen { address, source };
        let tcp = TcpListener::bind(address).await.map_err(failed)?;
        let number = tcp.local_addr().map_err(failed)?.port();
        Ok(Self { listener: TlsListener::new(tcp, config), address, number })
    }

    /// Its number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// Serves logs for ever.
    pub(crate) async fn serve(self, logs: Logs) -> Result<(), Error> {
        let router = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/containerLogs/{namespace}/{pod}/{container}", get(read))
            .fallback(|| async { (StatusCode::NOT_IMPLEMENTED, "this node serves the logs of containers only\n") })
            .with_state(logs);
        let address = self.address;
        axum::serve(self.listener, router).await.map_err(|source| Error::Listen { address, source })
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

async fn read(
    State(logs): State<Logs>,
    Place((namespace, pod, container)): Place<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    match logs.read(&namespace, &pod, &container, query.as_deref().unwrap_or_default()) {
        Ok(log) => Body::from_stream(log).into_response(),
        Err(error) => (code(&error), error.to_string()).into_response(),
    }
}

/// As a kubelet answers.
fn code(error: &NoLog) -> StatusCode {
    match error {
        NoLog::Pod(_) | NoLog::Container { .. } => StatusCode::NOT_FOUND,
        NoLog::Waiting { .. } | NoLog::Previous { .. } => StatusCode::BAD_REQUEST,
        NoLog::Query(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
