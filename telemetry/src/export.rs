//! Sends spans as they end, a batch at a time. A collector that is away, refuses or hangs costs spans, and nothing else.

use std::collections::VecDeque;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::destination::{Destination, pairs};
use super::otlp::request;
use super::span::{Attributes, Span};
use super::{SpanId, TraceId};

/// The most spans of a batch.
const BATCH: usize = 512;
/// The most spans that wait, and that are kept for a collector that is away.
const KEPT: usize = 2048;

/// Who tells spans.
#[derive(Clone, Debug)]
pub struct Service {
    /// What it is, as `aggregator-worker`.
    pub name: String,
    /// Its version.
    pub version: &'static str,
    /// What else is known of it.
    pub more: Attributes,
}

impl Service {
    /// A program, as the variables that OpenTelemetry has for it call it.
    #[must_use]
    pub fn of(name: &str, version: &'static str, variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut more = Attributes::new();
        let mut called = None;
        for (key, value) in variable("OTEL_RESOURCE_ATTRIBUTES").and_then(|text| pairs(&text)).unwrap_or_default() {
            match key.as_str() {
                "service.name" => called = Some(value),
                "service.version" => {}
                _ => more.push((key.into(), value.into())),
            }
        }
        let called = variable("OTEL_SERVICE_NAME").filter(|text| !text.is_empty()).or(called);
        Self { name: called.unwrap_or_else(|| name.to_owned()), version, more }
    }

    pub(crate) fn attributes(&self) -> Attributes {
        let own = [("service.name".into(), self.name.clone().into()), ("service.version".into(), self.version.into())];
        own.into_iter().chain(self.more.iter().cloned()).collect()
    }
}

/// Takes the spans of a process.
#[derive(Clone, Debug)]
pub struct Traces {
    sender: Sender<Span>,
    known: Arc<Known>,
}

/// What is known of the process.
#[derive(Debug, Default)]
struct Known {
    /// The trace of its own spans, and what they are a part of.
    own: OnceLock<(TraceId, Option<SpanId>)>,
    /// How many spans had no room.
    lost: AtomicU64,
}

/// What was told, and is to be sent.
#[derive(Debug)]
pub struct Told {
    spans: Receiver<Span>,
    known: Arc<Known>,
}

/// Where spans can be told. Nothing is done with them before they are [exported](Export::start).
#[must_use]
pub fn traces() -> (Traces, Told) {
    let (sender, spans) = channel(KEPT);
    let known = Arc::new(Known::default());
    (Traces { sender, known: Arc::clone(&known) }, Told { spans, known })
}

impl Traces {
    /// Tells a span that has ended. One that has no room is lost.
    pub fn tell(&self, span: Span) {
        if self.sender.try_send(span).is_err() {
            self.known.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The trace that the process's own spans belong to, and what they are a part of there. Until it is known they wait;
    /// once it is, it stays.
    pub fn belongs(&self, trace: TraceId, parent: Option<SpanId>) {
        self.known.own.get_or_init(|| (trace, parent));
    }

    pub(crate) fn parent(&self) -> Option<SpanId> {
        self.known.own.get().and_then(|(_, parent)| *parent)
    }
}

/// An export that goes on.
#[derive(Debug)]
pub struct Export {
    task: JoinHandle<()>,
    end: CancellationToken,
    destination: Destination,
}

impl Export {
    /// Sends what is told, until it is asked to end.
    ///
    /// # Errors
    /// When no client can be made: the system has no certificates.
    pub fn start(told: Told, destination: Destination, service: Service) -> Result<Self, reqwest::Error> {
        let client = client(&destination)?;
        let end = CancellationToken::new();
        let sending = Sending {
            client,
            destination: destination.clone(),
            service,
            known: Arc::clone(&told.known),
            waiting: VecDeque::new(),
            away: false,
        };
        let task = tokio::spawn(sending.until(told.spans, end.clone()));
        Ok(Self { task, end, destination })
    }

    /// Sends what is left, in that time; what takes longer is lost.
    pub async fn finish(mut self, within: Duration) {
        self.end.cancel();
        if tokio::time::timeout(within, &mut self.task).await.is_err() {
            self.task.abort();
            let seconds = within.as_secs();
            tracing::warn!("traces are lost: {} did not take them in {seconds} s", self.destination);
        }
    }
}

struct Sending {
    client: Client,
    destination: Destination,
    service: Service,
    known: Arc<Known>,
    waiting: VecDeque<Span>,
    /// Whether the last batch could not be sent, which is told once.
    away: bool,
}

impl Sending {
    async fn until(mut self, mut told: Receiver<Span>, end: CancellationToken) {
        let every = self.destination.every;
        let mut next = Instant::now() + every;
        let mut arrived = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                () = end.cancelled() => break,
                () = sleep_until(next) => {
                    self.send(false).await;
                    next = Instant::now() + every;
                }
                count = told.recv_many(&mut arrived, BATCH) => {
                    if count == 0 {
                        break;
                    }
                    self.keep(arrived.drain(..));
                    if self.waiting.len() >= BATCH && !self.away {
                        self.send(false).await;
                    }
                }
            }
        }
        while let Ok(span) = told.try_recv() {
            self.keep([span]);
        }
        self.send(true).await;
        let lost = self.known.lost.load(Ordering::Relaxed);
        if lost > 0 && !self.away {
            tracing::warn!(lost, "spans had no room: the traces have gaps");
        }
    }

    /// Keeps spans, the newest when there is no room for all.
    fn keep(&mut self, spans: impl IntoIterator<Item = Span>) {
        self.waiting.extend(spans);
        while self.waiting.len() > KEPT {
            self.waiting.pop_front();
            self.known.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what waits. Spans whose trace is not known yet go on waiting, but at the end.
    async fn send(&mut self, last: bool) {
        let own = match self.known.own.get() {
            Some((own, _)) => *own,
            None if last || self.waiting.iter().all(|span| span.trace.is_some()) => TraceId::fresh(),
            None => return,
        };
        while !self.waiting.is_empty() {
            let batch: Vec<Span> = self.waiting.iter().take(BATCH).cloned().collect();
            match self.post(own, &batch).await {
                Ok(()) => self.away = false,
                Err(Refusal { why, later }) => {
                    if !self.away {
                        tracing::warn!("traces cannot be sent to {}: {why}; everything else goes on", self.destination);
                    }
                    self.away = true;
                    if later {
                        return;
                    }
                }
            }
            self.waiting.drain(..batch.len());
        }
    }

    async fn post(&self, own: TraceId, batch: &[Span]) -> Result<(), Refusal> {
        let body = request(&self.service, own, batch).encode_to_vec();
        let Destination { url, headers, patience, .. } = &self.destination;
        let mut headers = headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let asked = self.client.post(url.clone()).timeout(*patience).headers(headers).body(body);
        match asked.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(Refusal::of(answer.status())),
            Err(error) => Err(Refusal { why: words(&error), later: true }),
        }
    }
}

/// Why a batch was not taken, and whether it may be when it is sent again.
struct Refusal {
    why: String,
    later: bool,
}

impl Refusal {
    /// As OTLP says which answers are worth another try.
    fn of(status: StatusCode) -> Self {
        let later = matches!(status.as_u16(), 429 | 502 | 503 | 504);
        Self { why: format!("it answers {status}"), later }
    }
}

/// An error with its causes, and without the address: that may hold a password.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn client(destination: &Destination) -> Result<Client, reqwest::Error> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("another cryptography provider is installed already");
        }
    });
    let builder = Client::builder()
        .user_agent(concat!("aggregator/", env!("CARGO_PKG_VERSION")))
        // Headers with credentials go where they were meant to go, and nowhere else.
        .redirect(Policy::none())
        .no_proxy()
        .referer(false);
    // The system's certificates are read only where they are needed: a container may have none.
    let builder = if destination.url.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
    builder.build()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::SystemTime;

    use super::*;

    /// What was told so far.
    pub(crate) fn told(mut told: Told) -> Vec<Span> {
        let mut spans = Vec::new();
        while let Ok(span) = told.spans.try_recv() {
            spans.push(span);
        }
        spans
    }

    fn span(name: &'static str) -> Span {
        let (begun, ended) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
        let (id, name) = (SpanId::fresh(), name.into());
        Span { trace: None, id, parent: None, name, begun, ended, attributes: Vec::new() }
    }

    #[test]
    fn spans_without_room_are_counted() {
        let (traces, kept) = traces();
        for _ in 0..KEPT + 3 {
            traces.tell(span("a"));
        }
        assert_eq!(traces.known.lost.load(Ordering::Relaxed), 3);
        assert_eq!(told(kept).len(), KEPT);
    }

    #[test]
    fn a_process_belongs_to_the_first_trace_that_is_known() {
        let (traces, _told) = traces();
        assert_eq!(traces.known.own.get(), None);
        let (first, parent) = (TraceId::of_run("u"), SpanId::of_attempt("u", 1));
        traces.belongs(first, Some(parent));
        traces.belongs(TraceId::of_run("v"), None);
        assert_eq!((traces.known.own.get(), traces.parent()), (Some(&(first, Some(parent))), Some(parent)));
    }

    #[test]
    fn a_service_is_called_as_its_variables_say() {
        let given = |name: &str| match name {
            "OTEL_SERVICE_NAME" => Some("loader".to_owned()),
            "OTEL_RESOURCE_ATTRIBUTES" => Some("service.name=other,deployment.environment.name=a%20b".to_owned()),
            _ => None,
        };
        let service = Service::of("aggregator", "1", given);
        assert_eq!(service.name, "loader");
        let more: Attributes = vec![("deployment.environment.name".into(), "a b".into())];
        assert_eq!(service.more, more);
        assert_eq!(Service::of("aggregator", "1", |_| None).name, "aggregator");
    }
}
