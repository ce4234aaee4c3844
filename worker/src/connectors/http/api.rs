//! One API: the connector's side that the engine sees.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aggregator_compiler::catalogue::{Catalogue, Stream};
use aggregator_crds::connector::{ApiKeyLocation, ConnectorType, HttpAuth, HttpConnector};
use aggregator_crds::secret::CertificateAuthority;
use async_trait::async_trait;
use reqwest::StatusCode;
use tokio::sync::Mutex;
use url::Url;

use super::answer::{Answer, Glance, Head, Intake, Reply};
use super::auth::Auth;
use super::client::{self, ClientOptions};
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::read::HttpSource;
use super::redact::Redactor;
use super::sender::{Outgoing, Sender};
use super::shape::Shape;
use crate::connector::{
    Buffers, CheckReport, Connector, ConnectorError, Environment, ErrorKind, Result, Sink, SinkRequest, Source,
    SourceRequest,
};
use crate::pace::Pace;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// One API, shared by the streams that are read from it.
pub(super) struct Api {
    name: String,
    sender: Sender,
    auth: Auth,
    endpoints: Vec<Arc<Endpoint>>,
    buffers: Buffers,
    /// The columns that were inferred, so that a run sees one schema and asks for it once.
    inferred: Mutex<HashMap<String, Shape>>,
}

/// The connector.
struct HttpApi(Arc<Api>);

/// Opens an `http` Connector. Reaches nothing.
///
/// # Errors
/// [`ErrorKind::Config`] or [`ErrorKind::Credentials`] when the spec or its Secret cannot work.
pub(in crate::connectors) fn open(environment: Environment) -> Result<Box<dyn Connector>> {
    let ConnectorType::Http(spec) = &environment.spec.connector_type else {
        let operation = format!("open Connector `{}`", environment.name);
        return Err(ConnectorError::new(ErrorKind::Bug, operation, "its type is not `http`"));
    };
    Ok(Box::new(HttpApi(Arc::new(Api::new(&environment, spec)?))))
}

impl Api {
    fn new(environment: &Environment, spec: &HttpConnector) -> Result<Self> {
        let wrong = |field: &str, detail: String| {
            let operation = format!("read `{field}` of Connector `{}`", environment.name);
            ConnectorError::new(ErrorKind::Config, operation, detail)
        };
        let base = address(&spec.url).map_err(|detail| wrong("url", detail))?;
        let token_url = match &spec.auth {
            Some(HttpAuth::OAuth2ClientCredentials(credentials)) => {
                Some(address(&credentials.token_url).map_err(|detail| wrong("tokenUrl", detail))?)
            }
            _ => None,
        };
        let timeout = match &spec.timeout {
            Some(text) => duration(text).map_err(|detail| wrong("timeout", detail))?,
            None => DEFAULT_TIMEOUT,
        };
        let ca = match &spec.ca {
            Some(CertificateAuthority::Pem(pem)) => Some(pem.clone()),
            Some(CertificateAuthority::SecretKey(key)) => Some(environment.secrets.text(key)?),
            None => None,
        };
        let client = client::build(&ClientOptions { addresses: [&base].into_iter().chain(&token_url).collect(), ca })?;
        let parameter = match &spec.auth {
            Some(HttpAuth::ApiKey(key)) if key.location == ApiKeyLocation::Query => Some(key.name.clone()),
            _ => None,
        };
        let redactor = Redactor::new(parameter);
        redactor.learn_manifest(spec);
        let auth = Auth::resolve(spec.auth.as_ref(), &environment.secrets, &client, &redactor)?;
        let endpoints = spec
            .endpoints
            .iter()
            .map(|endpoint| Endpoint::parse(endpoint, &base, &spec.headers).map(Arc::new))
            .collect::<Result<Vec<_>>>()?;
        let pace = match &spec.rate_limit {
            Some(limit) => Pace::new(limit.requests_per_second.into()),
            None => Pace::unlimited(),
        };
        let sender = Sender { client, pace, retries: spec.retries, timeout, redactor: Arc::new(redactor) };
        let (name, buffers) = (environment.name.clone(), environment.buffers);
        Ok(Self { name, sender, auth, endpoints, buffers, inferred: Mutex::default() })
    }

    /// How much of its answers is held at once.
    pub(super) fn buffers(&self) -> Buffers {
        self.buffers
    }

    /// An address that may be shown.
    pub(super) fn address(&self, url: &Url) -> String {
        self.sender.redactor.address(url)
    }

    /// What keeps secrets out of messages.
    pub(super) fn redactor(&self) -> &Arc<Redactor> {
        &self.sender.redactor
    }

    /// An error whose texts hold no secret.
    pub(super) fn error(&self, kind: ErrorKind, operation: &str, detail: &str) -> ConnectorError {
        self.sender.error(kind, operation, detail)
    }

    /// The error without secrets.
    pub(super) fn cleaned(&self, error: ConnectorError) -> ConnectorError {
        self.sender.cleaned(error)
    }

    /// The error of an answer that was had, but cannot be taken.
    pub(super) fn failed(&self, operation: &str, failure: Failure) -> ConnectorError {
        self.sender.failed(operation, failure, 1)
    }

    /// The error of an answer that broke off behind records that had been handed on.
    pub(super) fn broken(&self, operation: &str, failure: Failure, records: u64) -> ConnectorError {
        self.sender.broken(operation, failure, records)
    }

    /// Sends a signed request, with retries.
    pub(super) async fn send<I: Intake>(
        &self,
        operation: &str,
        outgoing: &Outgoing,
        intake: &I,
    ) -> Result<Reply<I::Taken>> {
        self.sender.send(operation, outgoing, Some(&self.auth), self.sender.retries, intake).await
    }

    /// The error of an answer that is no success: what the status means, with the first words of the answer.
    pub(super) fn refusal(&self, operation: &str, answer: &Answer) -> ConnectorError {
        let status = answer.head.status;
        let (kind, remedy) = match status {
            StatusCode::UNAUTHORIZED => (ErrorKind::Credentials, "check `auth` and the Connector's Secret"),
            StatusCode::FORBIDDEN => (ErrorKind::Refused, "ask for the right to read this, or use other credentials"),
            StatusCode::NOT_FOUND | StatusCode::GONE => (ErrorKind::NotFound, "check `url` and the endpoint's `path`"),
            status if status.is_redirection() => {
                (ErrorKind::Refused, "if the API really is there, make that address the Connector's `url`")
            }
            status if status.is_server_error() => (ErrorKind::Transient, "run again when the server is well"),
            _ => (ErrorKind::Config, "check the endpoint's `method`, `query`, `headers` and `body`"),
        };
        let detail = if status.is_redirection() {
            format!("the server answered {status}: {}", self.redirection(answer))
        } else {
            format!("the server answered {status}{}", answer.said(&self.sender.redactor))
        };
        self.error(kind, operation, &detail).remedy(remedy)
    }

    fn redirection(&self, answer: &Answer) -> String {
        let Head { headers, url, .. } = &answer.head;
        let location = headers.get(reqwest::header::LOCATION).and_then(|value| value.to_str().ok());
        match location.map(|location| url.join(location)) {
            Some(Ok(target)) if target.origin() == url.origin() => {
                "it redirects again and again on the same host".to_owned()
            }
            Some(Ok(target)) => format!(
                "it redirects to {}, which is not the host {}",
                target.origin().ascii_serialization(),
                url.origin().ascii_serialization()
            ),
            Some(Err(_)) | None => "it redirects to no address".to_owned(),
        }
    }

    /// The endpoint of that name.
    fn endpoint(&self, stream: &str) -> Result<&Arc<Endpoint>> {
        self.endpoints.iter().find(|endpoint| endpoint.name == stream).ok_or_else(|| {
            let names: Vec<&str> = self.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
            ConnectorError::new(
                ErrorKind::NotFound,
                format!("find stream `{stream}` at Connector `{}`", self.name),
                "no endpoint has that name",
            )
            .remedy(format!("use one of {}, or add an endpoint", names.join(", ")))
        })
    }

    /// The columns of an endpoint: declared, or inferred from its first pages, once.
    async fn shape(self: &Arc<Self>, endpoint: &Arc<Endpoint>) -> Result<Shape> {
        if let Some(declared) = &endpoint.schema {
            return Ok(Shape { schema: Arc::clone(declared), notes: Vec::new() });
        }
        // Held while asking, so that two streams of one endpoint get one schema.
        let mut inferred = self.inferred.lock().await;
        if let Some(shape) = inferred.get(&endpoint.name) {
            return Ok(shape.clone());
        }
        let shape = Shape::infer(self, endpoint).await?;
        inferred.insert(endpoint.name.clone(), shape.clone());
        Ok(shape)
    }

    async fn describe(self: &Arc<Self>, endpoint: &Arc<Endpoint>) -> Result<Stream> {
        let Shape { schema, notes } = self.shape(endpoint).await?;
        if let Some(missing) = endpoint.primary_key.iter().find(|column| schema.field_with_name(column).is_err()) {
            let operation = format!("read `primaryKey` of endpoint `{}`", endpoint.name);
            let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(ConnectorError::new(ErrorKind::Config, operation, format!("there is no column `{missing}`"))
                .remedy(format!("use columns of {}", columns.join(", "))));
        }
        let comment = (!notes.is_empty()).then(|| self.sender.redactor.clean(&notes.join("; ")));
        let primary_key = endpoint.primary_key.clone();
        Ok(Stream { primary_key, comment, ..Stream::from_schema(&endpoint.name, &schema) })
    }
}

#[async_trait]
impl Connector for HttpApi {
    async fn check(&self) -> Result<CheckReport> {
        let Some(endpoint) = self.0.endpoints.first() else {
            let operation = format!("check Connector `{}`", self.0.name);
            return Err(ConnectorError::new(ErrorKind::Config, operation, "it has no endpoint")
                .remedy("add one under `endpoints`"));
        };
        let request = super::pagination::Pager::new(Arc::clone(&endpoint.pages), endpoint.first(None)?).begin();
        let address = self.0.address(&request.url);
        let operation = format!("ask {address}");
        let outgoing = Outgoing {
            method: endpoint.method.clone(),
            url: request.url,
            headers: endpoint.headers.clone(),
            body: request.body,
        };
        // A check tells how things are now: it does not wait for better times, nor for all of a long answer.
        match self.0.sender.send(&operation, &outgoing, Some(&self.0.auth), 0, &Glance).await? {
            Reply::Taken(head) => {
                Ok(CheckReport { message: format!("{} from {address}", head.status), latency: head.elapsed })
            }
            Reply::Refused(answer) => Err(self.0.refusal(&operation, &answer)),
        }
    }

    async fn discover(&self) -> Result<Catalogue> {
        let mut streams = Vec::with_capacity(self.0.endpoints.len());
        for endpoint in &self.0.endpoints {
            streams.push(self.0.describe(endpoint).await?);
        }
        Ok(Catalogue { streams, truncated: false })
    }

    async fn describe(&self, stream: &str) -> Result<Stream> {
        self.0.describe(self.0.endpoint(stream)?).await
    }

    async fn source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        let endpoint = self.0.endpoint(&request.stream)?;
        let shape = self.0.shape(endpoint).await?;
        Ok(Box::new(HttpSource::new(&self.0, endpoint, &shape.schema, request)?))
    }

    async fn sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        let operation = format!("write `{}` to Connector `{}`", request.stream, self.0.name);
        Err(ConnectorError::new(ErrorKind::Config, operation, "an `http` Connector can only be read")
            .remedy("write to a `postgres`, `file` or `sqlite` Connector"))
    }

    fn cleaned(&self, text: &str) -> String {
        self.0.redactor().clean(text)
    }
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("it is not an address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}` is neither http nor https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user's name or password: they belong in `auth` and the Secret".into());
    }
    Ok(url)
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|error| format!("`{text}` is not a time such as `30s`: {error}"))?;
    match Duration::try_from(span) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(format!("`{text}` is not longer than nothing")),
    }
}
