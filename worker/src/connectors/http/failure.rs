//! What went wrong below HTTP: whether it may pass, and what to tell.

use std::error::Error;

use crate::connector::ErrorKind;

/// What helps against an answer that breaks off.
pub(super) const BROKEN_OFF: &str = "run again; if it breaks off again, ask for smaller pages, or look at what stands \
                                     between: a proxy may end answers that are long or slow";

/// A request that got no whole answer.
#[derive(Debug)]
pub(super) struct Failure {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// Whether another try may go better.
    pub again: bool,
    /// What happened.
    pub detail: String,
    /// What to do.
    pub remedy: Option<&'static str>,
    /// The error underneath; never with an address, which may hold a key.
    pub source: Option<reqwest::Error>,
}

impl Failure {
    /// A failure of our own finding.
    pub(super) fn new(kind: ErrorKind, again: bool, detail: impl Into<String>) -> Self {
        Self { kind, again, detail: detail.into(), remedy: None, source: None }
    }

    /// The failure of a body whose compression for the transfer does not come undone.
    pub(super) fn gzip(error: &std::io::Error) -> Self {
        Self {
            remedy: Some(BROKEN_OFF),
            ..Self::new(ErrorKind::Data, true, format!("the answer's gzip is broken or was cut off: {error}"))
        }
    }

    /// The failure of a server that takes too long.
    pub(super) fn late() -> Self {
        Self {
            remedy: Some("give the request more time with `timeout`, or ask for smaller pages"),
            ..Self::new(ErrorKind::Unreachable, true, "no whole answer came in time")
        }
    }

    /// The failure behind an error of the HTTP client.
    pub(super) fn from_client(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let said = chain(&error);
        let (kind, again, detail, remedy) = if is_certificate(&error) {
            let remedy = "if the server is the right one, name the authority that signed its certificate in `ca`";
            (ErrorKind::Unreachable, false, format!("the server's certificate is not trusted: {said}"), Some(remedy))
        } else if error.is_timeout() {
            return Self { source: Some(error), ..Self::late() };
        } else if error.is_connect() {
            let remedy = "check the host and the port in `url`, and that this machine may reach them";
            (ErrorKind::Unreachable, true, format!("no connection: {said}"), Some(remedy))
        } else if error.is_builder() {
            (ErrorKind::Config, false, format!("the request cannot be made: {said}"), None)
        } else if error.is_body() || error.is_decode() {
            (ErrorKind::Transient, true, format!("the answer was cut off: {said}"), Some(BROKEN_OFF))
        } else {
            (ErrorKind::Transient, true, format!("the connection broke: {said}"), Some(BROKEN_OFF))
        };
        Self { kind, again, detail, remedy, source: Some(error) }
    }
}

/// An error and all that is underneath, in one line, without repetitions.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        below = error.source();
    }
    text
}

/// Whether rustls refused the server's certificate: waiting does not help against that.
fn is_certificate(error: &(dyn Error + 'static)) -> bool {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_));
    }
    // std::io::Error gives its content's source as its own, so that the content itself must be asked for.
    let content = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    content.is_some_and(|content| is_certificate(content)) || error.source().is_some_and(is_certificate)
}
