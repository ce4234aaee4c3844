//! `/livez`, `/readyz` and `/metrics`, for the kubelet and for Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

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
    /// When the socket fails.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        axum::serve(listener, self.routes()).with_graceful_shutdown(stop.cancelled_owned()).await
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
    use axum::body::{Body, to_bytes};
    use http::Request;
    use tower::ServiceExt;

    use super::*;

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
}
