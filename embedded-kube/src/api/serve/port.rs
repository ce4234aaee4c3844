//! The API on a port of this machine.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::serve::IncomingStream;
use http::header::HOST;
use http::{Request, Response};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::super::access::User;
use super::super::home::{Authority, Identity};
use super::super::{Refusal, RefusalReason};
use super::answer::Answer;
use super::{Api, Service};
use crate::listen::TlsListener;

/// What the server may be called. A page in somebody's browser that leads its own name to this machine is turned away.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The port is taken, or may not be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificates are none.
    #[error("the certificates of the API's port cannot be used: {0}")]
    Certificate(Box<dyn std::error::Error + Send + Sync>),
}

impl PortError {
    /// Whether somebody else has the port.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
    }
}

/// A port of the loopback address, on which nobody is answered yet.
pub struct Port {
    listener: TlsListener,
    address: SocketAddr,
}

impl Port {
    /// Opens a port; 0 is any free one. Clients may show certificates of the authority.
    ///
    /// # Errors
    /// See [`PortError`].
    pub async fn open(port: u16, identity: &Identity, authority: &Authority) -> Result<Self, PortError> {
        let config = tls(identity, authority.certificate()).map_err(PortError::Certificate)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let failed = |source| PortError::Listen { address, source };
        let tcp = TcpListener::bind(address).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        Ok(Self { listener: TlsListener::new(tcp, config), address })
    }

    /// The names by which a certificate for the port has to know it.
    #[must_use]
    pub fn names() -> &'static [&'static str] {
        &NAMES
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is asked to stop, and every answer that was begun is out.
    ///
    /// # Errors
    /// When the port fails.
    pub async fn serve(self, api: Api, stop: CancellationToken) -> io::Result<()> {
        axum::serve(self.listener, Connections(api)).with_graceful_shutdown(stop.cancelled_owned()).await
    }
}

fn tls(identity: &Identity, authority: &str) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let mut clients = RootCertStore::empty();
    clients.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // Who shows none has a token.
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)?;
    Ok(config)
}

/// Makes a service for each connection.
struct Connections(Api);

impl<'a> tower::Service<IncomingStream<'a, TlsListener>> for Connections {
    type Response = Local;
    type Error = Infallible;
    type Future = Ready<Result<Local, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'a, TlsListener>) -> Self::Future {
        ready(Ok(Local(Service::for_connection(self.0.clone(), certified(stream.io())))))
    }
}

/// Whom the certificate is for that the client has shown. It was verified.
fn certified(stream: &TlsStream<TcpStream>) -> Option<User> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
    let organizations = parsed.subject().iter_organization();
    let organizations: Vec<String> = organizations.filter_map(|it| it.as_str().ok().map(str::to_owned)).collect();
    User::of_certificate(name, &organizations, certificate)
}

/// Answers those who have called the server by a name of this machine.
#[derive(Clone)]
struct Local(Service);

impl tower::Service<Request<Body>> for Local {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_local(&request) {
            return self.0.call(request);
        }
        let message = format!("this server answers to the names {} only", NAMES.join(" and "));
        let refusal = Refusal::new(RefusalReason::Forbidden, message);
        Box::pin(ready(Ok(Answer::refusal(&refusal).response(request.method()))))
    }
}

fn is_local<B>(request: &Request<B>) -> bool {
    let named = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let host = request.uri().authority().map(http::uri::Authority::as_str).or(named).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_turned_away() {
        let of = |host: Option<&str>| {
            let mut request = Request::get("/version");
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            is_local(&request.body(()).expect("a request"))
        };
        for (host, local) in [
            (Some("127.0.0.1:6443"), true),
            (Some("127.0.0.1"), true),
            (Some("LocalHost:6443"), true),
            (Some("evil.example:6443"), false),
            (Some("127.0.0.1.evil.example:6443"), false),
            (Some("127.0.0.1:6443.evil.example"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(of(host), local, "{host:?}");
        }
    }
}
