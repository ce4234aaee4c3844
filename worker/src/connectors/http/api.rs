//! One API: the connector's side that the engine sees.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aggregator_compiler::catalogue::{Catalogue, Stream};
use aggregator_crds::connector::{ApiKeyLocation, ConnectorType, HttpAuth, HttpConnector};
use aggregator_crds::secret::CertificateAuthority;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use reqwest::StatusCode;
use tokio::sync::Mutex;
use url::Url;

use super::auth::Auth;
use super::client::{self, ClientOptions};
use super::endpoint::Endpoint;
use super::pace::Pace;
use super::page::Pages;
use super::read::HttpSource;
use super::redact::Redactor;
use super::sender::{Answer, Outgoing, Sender};
use crate::connector::{
    CheckReport, Connector, ConnectorError, Environment, ErrorKind, Result, Sink, SinkRequest, Source, SourceRequest,
};
use crate::format::infer_schema;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// One API, shared by the streams that are read from it.
pub(super) struct Api {
    name: String,
    sender: Sender,
    auth: Auth,
    endpoints: Vec<Arc<Endpoint>>,
    /// The schemas that were inferred, so that a run sees one schema and asks for it once.
    inferred: Mutex<HashMap<String, SchemaRef>>,
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
        let client =
            client::build(&ClientOptions { addresses: [&base].into_iter().chain(&token_url).collect(), ca, timeout })?;
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
        let rate = spec.rate_limit.as_ref().map(|limit| limit.requests_per_second);
        let sender = Sender { client, pace: Pace::new(rate), retries: spec.retries, redactor: Arc::new(redactor) };
        Ok(Self { name: environment.name.clone(), sender, auth, endpoints, inferred: Mutex::default() })
    }

    /// An address that may be shown.
    pub(super) fn address(&self, url: &Url) -> String {
        self.sender.redactor.address(url)
    }

    /// What keeps secrets out of messages.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.sender.redactor
    }

    /// An error whose texts hold no secret.
    pub(super) fn error(&self, kind: ErrorKind, operation: &str, detail: &str) -> ConnectorError {
        self.sender.error(kind, operation, detail)
    }

    /// Sends a signed request, with retries.
    pub(super) async fn send(&self, operation: &str, outgoing: &Outgoing) -> Result<Answer> {
        self.sender.send(operation, outgoing, Some(&self.auth)).await
    }

    /// Refuses an answer that is no success.
    ///
    /// # Errors
    /// What the status means, with the first words of the answer.
    pub(super) fn accept(&self, operation: &str, answer: &Answer) -> Result<()> {
        let status = answer.status;
        if status.is_success() {
            return Ok(());
        }
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
        Err(self.error(kind, operation, &detail).remedy(remedy))
    }

    fn redirection(&self, answer: &Answer) -> String {
        let location = answer.headers.get(reqwest::header::LOCATION).and_then(|value| value.to_str().ok());
        match location.map(|location| answer.url.join(location)) {
            Some(Ok(target)) if target.origin() == answer.url.origin() => {
                "it redirects again and again on the same host".to_owned()
            }
            Some(Ok(target)) => format!(
                "it redirects to {}, which is not the host {}",
                target.origin().ascii_serialization(),
                answer.url.origin().ascii_serialization()
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

    /// The schema of an endpoint: declared, or inferred from its first pages, once.
    async fn schema(self: &Arc<Self>, endpoint: &Arc<Endpoint>) -> Result<SchemaRef> {
        if let Some(declared) = &endpoint.schema {
            return Ok(Arc::clone(declared));
        }
        // Held while asking, so that two streams of one endpoint get one schema.
        let mut inferred = self.inferred.lock().await;
        if let Some(schema) = inferred.get(&endpoint.name) {
            return Ok(Arc::clone(schema));
        }
        let wanted = usize::try_from(endpoint.infer).unwrap_or(usize::MAX);
        let mut pages = Pages::new(Arc::clone(self), Arc::clone(endpoint), None)?;
        let mut sample = Vec::new();
        while sample.len() < wanted {
            let Some(page) = pages.next().await? else { break };
            sample.extend(page.records);
        }
        sample.truncate(wanted);
        let schema = infer_schema(&sample);
        if schema.fields().is_empty() {
            let operation = format!("infer the schema of endpoint `{}`", endpoint.name);
            let detail = format!("none of the first {} records has a column", sample.len());
            return Err(ConnectorError::new(ErrorKind::Data, operation, detail)
                .remedy("declare the columns with `schema: {columns: […]}`"));
        }
        inferred.insert(endpoint.name.clone(), Arc::clone(&schema));
        Ok(schema)
    }

    async fn describe(self: &Arc<Self>, endpoint: &Arc<Endpoint>) -> Result<Stream> {
        let schema = self.schema(endpoint).await?;
        if let Some(missing) = endpoint.primary_key.iter().find(|column| schema.field_with_name(column).is_err()) {
            let operation = format!("read `primaryKey` of endpoint `{}`", endpoint.name);
            let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(ConnectorError::new(ErrorKind::Config, operation, format!("there is no column `{missing}`"))
                .remedy(format!("use columns of {}", columns.join(", "))));
        }
        Ok(Stream { primary_key: endpoint.primary_key.clone(), ..Stream::from_schema(&endpoint.name, &schema) })
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
        // A check tells how things are now: it does not wait for better times.
        let answer = self.0.sender.send_with_retries(&operation, &outgoing, Some(&self.0.auth), 0).await?;
        self.0.accept(&operation, &answer)?;
        Ok(CheckReport { message: format!("{} from {address}", answer.status), latency: answer.elapsed })
    }

    async fn discover(&self) -> Result<Catalogue> {
        let mut streams = Vec::with_capacity(self.0.endpoints.len());
        for endpoint in &self.0.endpoints {
            streams.push(self.0.describe(endpoint).await?);
        }
        Ok(Catalogue { streams })
    }

    async fn describe(&self, stream: &str) -> Result<Stream> {
        self.0.describe(self.0.endpoint(stream)?).await
    }

    async fn source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        let endpoint = self.0.endpoint(&request.stream)?;
        let schema = self.0.schema(endpoint).await?;
        Ok(Box::new(HttpSource::new(&self.0, endpoint, &schema, request)?))
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
