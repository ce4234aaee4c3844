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
        let app = Router::new()
            .route("/livez", get(|| async { "ok" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self);
        axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
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
