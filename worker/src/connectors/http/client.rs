//! The one place where an HTTP client is built: certificates and redirects. How long a request may take is its sender's.

use std::sync::Once;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use url::Url;

use crate::connector::{ConnectorError, ErrorKind, Result};

/// How often one request may be redirected on its host.
const MAX_REDIRECTS: usize = 5;

/// What a client is built from.
pub(super) struct ClientOptions<'a> {
    /// The addresses that will be asked: whether any of them needs certificates.
    pub addresses: Vec<&'a Url>,
    /// PEM text of the authority to trust instead of the public ones.
    pub ca: Option<String>,
}

/// Builds a client. It uses no proxy, follows redirects only on the host that was asked, and decompresses nothing by
/// itself (so that transferred bytes can be counted).
///
/// Without a `ca` the system's certificate store is trusted; it is only read when an address is `https`, because a
/// container without one may still read plain HTTP.
///
/// # Errors
/// [`ErrorKind::Config`] when the `ca` is not PEM text of certificates, or the system has no certificate store.
pub(super) fn build(options: &ClientOptions<'_>) -> Result<Client> {
    install_provider();
    let mut builder = Client::builder()
        .user_agent(concat!("aggregator/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .no_gzip()
        .referer(false)
        .redirect(Policy::custom(|attempt| {
            let asked = attempt.previous().first().map(Url::origin);
            if asked == Some(attempt.url().origin()) && attempt.previous().len() <= MAX_REDIRECTS {
                attempt.follow()
            } else {
                attempt.stop()
            }
        }));
    if let Some(pem) = &options.ca {
        let operation = "read the certificate authority `ca`";
        let remedy = "give PEM text with one or more `BEGIN CERTIFICATE` blocks";
        let certificates = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| {
            ConnectorError::new(ErrorKind::Config, operation, error.to_string()).remedy(remedy).caused_by(error)
        })?;
        if certificates.is_empty() {
            return Err(ConnectorError::new(ErrorKind::Config, operation, "it holds no certificate").remedy(remedy));
        }
        builder = builder.tls_certs_only(certificates);
    } else if options.addresses.iter().all(|address| address.scheme() == "http") {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        ConnectorError::new(ErrorKind::Config, "set up the HTTP client", super::failure::chain(&error))
            .remedy("install the system's certificates (Debian: ca-certificates), or name the authority in `ca`")
            .caused_by(error)
    })
}

/// Chooses rustls' cryptography, once in a process. Another part of the process may have chosen before: that one stays.
fn install_provider() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("another cryptography provider is installed already");
        }
    });
}
