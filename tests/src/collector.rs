//! A collector of traces on loopback: an HTTP server that takes OTLP as protocol buffers, and keeps what it was sent.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use aggregator_telemetry::otlp::{Content, ERROR, ExportTraceServiceRequest, ExportTraceServiceResponse, KeyValue};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use prost::Message;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A span as it was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its trace, in hexadecimal digits.
    pub trace: String,
    /// Its identity, in hexadecimal digits.
    pub id: String,
    /// What it is a part of; empty for the first of a trace.
    pub parent: String,
    /// What was done.
    pub name: String,
    /// When it began, in nanoseconds since 1970.
    pub begun: u64,
    /// When it ended.
    pub ended: u64,
    /// What it was about.
    pub attributes: BTreeMap<String, Value>,
    /// Whether its status is that of an error.
    pub failed: bool,
    /// Who told it: `service.name`.
    pub service: String,
}

#[derive(Debug, Default)]
struct Kept {
    spans: Vec<Received>,
    headers: Vec<BTreeMap<String, String>>,
    /// What is answered instead, so many times.
    refusals: Vec<u16>,
}

/// A collector on a free port of loopback. It ends when it is dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    _runtime: Runtime,
}

impl Collector {
    /// One that takes everything.
    ///
    /// # Errors
    /// When no port can be opened.
    pub fn start() -> io::Result<Self> {
        Self::refusing(&[])
    }

    /// One that first answers with these statuses, one a request.
    ///
    /// # Errors
    /// When no port can be opened.
    pub fn refusing(statuses: &[u16]) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let kept = Arc::new(Mutex::new(Kept { refusals: statuses.iter().rev().copied().collect(), ..Kept::default() }));
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&kept));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, kept, _runtime: runtime })
    }

    /// What OTEL_EXPORTER_OTLP_ENDPOINT is for it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every span that was taken so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Received> {
        self.lock().spans.clone()
    }

    /// The headers of every request so far, also of those that were refused.
    #[must_use]
    pub fn headers(&self) -> Vec<BTreeMap<String, String>> {
        self.lock().headers.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(State(kept): State<Arc<Mutex<Kept>>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    kept.headers.push(headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect());
    if let Some(status) = kept.refusals.pop() {
        return StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT).into_response();
    }
    if headers.get("content-type").is_none_or(|kind| kind != "application/x-protobuf") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST.into_response() };
    for process in request.resource_spans {
        let service = attributes(&process.resource.unwrap_or_default().attributes);
        let service = service.get("service.name").and_then(Value::as_str).unwrap_or_default().to_owned();
        for span in process.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            kept.spans.push(Received {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                begun: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
                attributes: attributes(&span.attributes),
                failed: span.status.is_some_and(|status| status.code == ERROR),
                service: service.clone(),
            });
        }
    }
    ([("content-type", "application/x-protobuf")], ExportTraceServiceResponse {}.encode_to_vec()).into_response()
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, Value> {
    let value = |pair: &KeyValue| match pair.value.clone().and_then(|value| value.value) {
        Some(Content::Text(text)) => Value::from(text),
        Some(Content::Flag(flag)) => Value::from(flag),
        Some(Content::Number(number)) => Value::from(number),
        Some(Content::Real(number)) => Value::from(number),
        None => Value::Null,
    };
    all.iter().map(|pair| (pair.key.clone(), value(pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
