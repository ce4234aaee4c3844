//! `/livez`, `/readyz` and `/metrics`, for the kubelet and for Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::listener::{Limits, Listener};
use crate::metrics::Metrics;

/// How much clients may take of the listener. Who asks does so at once, and everything is answered at once: a probe may wait a
/// second for its answer, so whoever sends nothing makes room for it before that.
const LIMITS: Limits = Limits {
    connections: 64,
    headers: Duration::from_secs(5),
    crowded: Duration::from_millis(50),
    request: Duration::from_secs(5),
    grace: Duration::from_secs(2),
};

/// What is told of the operator's health.
#[derive(Clone)]
pub struct Health {
    metrics: Metrics,
    ready: Arc<AtomicBool>,
}

impl Health {
    /// Not ready yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, ready: Arc::default() }
    }

    /// The caches are filled: an operator that waits for its turn is ready to take it.
    pub fn is_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Serves until it is asked to stop.
    ///
    /// # Errors
    /// None so far: a socket that gives no connection is asked again.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        self.serve_within(LIMITS, listener, stop).await;
        Ok(())
    }

    async fn serve_within(self, limits: Limits, socket: TcpListener, stop: CancellationToken) {
        let listener = Listener { name: "health", socket, limits };
        // No answer is waited for: nobody has to be told that it is over.
        listener.serve(self.routes(), stop, CancellationToken::new()).await;
    }

    fn routes(self) -> Router {
        Router::new()
            .route("/livez", get(|| async { "ok" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self)
    }
}

async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the caches are being filled")
    }
}

async fn metrics(State(health): State<Health>) -> Result<String, StatusCode> {
    health.metrics.text().map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::body::{Body, to_bytes};
    use http::Request;
    use tower::ServiceExt;

    use super::*;
    use crate::listener::fixture::{Listening, SHORT, SOON, assert_answer};

    /// A probe, as the kubelet sends it.
    const PROBE: &str = "GET /livez HTTP/1.1\r\nHost: it\r\n\r\n";

    async fn listening(limits: Limits) -> Listening {
        let health = Health::new(Metrics::new().expect("names"));
        Listening::of(|socket, stop| health.serve_within(limits, socket, stop)).await
    }

    async fn asked(health: &Health, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let answer = health.clone().routes().oneshot(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        (head.status, String::from_utf8(body.into()).expect("text"))
    }

    #[tokio::test]
    async fn it_lives_from_the_start_and_is_ready_when_the_caches_are_filled() {
        let health = Health::new(Metrics::new().expect("names"));
        let ok = (StatusCode::OK, "ok".to_owned());
        assert_eq!(asked(&health, "/livez").await, ok);
        let filled = (StatusCode::SERVICE_UNAVAILABLE, "the caches are being filled".to_owned());
        assert_eq!(asked(&health, "/readyz").await, filled);
        // Whoever looks why it is not ready finds figures.
        let (status, metrics) = asked(&health, "/metrics").await;
        assert!(status == StatusCode::OK && metrics.contains("aggregator_operator_leader 0\n"), "{status} {metrics}");
        health.is_ready();
        assert_eq!([asked(&health, "/livez").await, asked(&health, "/readyz").await], [ok.clone(), ok]);
    }

    #[tokio::test]
    async fn who_sends_nothing_is_hung_up_on() {
        let listening = listening(Limits { headers: SHORT, ..LIMITS }).await;
        let begun = Instant::now();
        assert_eq!(listening.client().await.told().await, "");
        assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());
        assert_answer(&listening.answer(PROBE).await, 200, "ok");
    }

    #[tokio::test]
    async fn many_who_send_nothing_keep_no_probe_from_being_answered() {
        // They are hung up on for its sake alone.
        let listening = listening(Limits { connections: 4, headers: SOON * 10, ..LIMITS }).await;
        let begun = Instant::now();
        let mut idle = Vec::new();
        for _ in 0..12 {
            idle.push(listening.client().await);
        }
        assert_answer(&listening.answer(PROBE).await, 200, "ok");
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        let metrics = listening.answer(&PROBE.replace("livez", "metrics")).await;
        assert_answer(&metrics, 200, "aggregator_operator_leader 0\n");
    }

    #[tokio::test]
    async fn it_ends_soon_whoever_is_connected() {
        let listening = listening(LIMITS).await;
        let (idle, mut half) = (listening.client().await, listening.client().await);
        half.send("GET /livez").await;
        listening.stop.cancel();
        listening.is_closed().await;
        assert_eq!(tokio::join!(idle.told(), half.told()), (String::new(), String::new()));
        listening.ended().await;
    }
}
