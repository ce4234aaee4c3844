//! What runs in a cluster, and the order in which it ends.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::ClusterError;
use crate::api::serve::Logs;
use crate::api::{Refusal, RefusalReason};

/// What runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Port,
    Controllers,
    Node,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Port => "the port of the API",
            Self::Controllers => "the controllers",
            Self::Node => "the node",
        }
    }
}

type Running = JoinSet<(Part, Result<(), ClusterError>)>;

/// What runs: what ends first, as it needs the others to tell how it ends, and the others.
#[derive(Default)]
pub(super) struct Parts {
    first: Running,
    last: Running,
    stop_first: CancellationToken,
    stop_last: CancellationToken,
}

impl Parts {
    pub(super) fn first<F>(&mut self, part: Part, run: F)
    where
        F: Future<Output = Result<(), ClusterError>> + Send + 'static,
    {
        self.first.spawn(async move { (part, run.await) });
    }

    pub(super) fn last<F>(&mut self, part: Part, run: F)
    where
        F: Future<Output = Result<(), ClusterError>> + Send + 'static,
    {
        self.last.spawn(async move { (part, run.await) });
    }

    pub(super) fn stopped_first(&self) -> CancellationToken {
        self.stop_first.clone()
    }

    pub(super) fn stopped_last(&self) -> CancellationToken {
        self.stop_last.clone()
    }

    /// Waits until one of them ends.
    pub(super) async fn failed(&mut self) -> ClusterError {
        let ended = tokio::select! {
            Some(ended) = self.first.join_next() => ended,
            Some(ended) = self.last.join_next() => ended,
            else => std::future::pending().await,
        };
        match ended {
            Ok((part, Ok(()))) => ClusterError::Ended(part.name()),
            Ok((_, Err(error))) => error,
            Err(error) => ClusterError::Stuck(format!("a part of the cluster ({error})")),
        }
    }

    /// Ends them, one group after the other; `between` is called before the second ends.
    pub(super) async fn stop(&mut self, grace: Duration, between: impl FnOnce()) -> Result<(), ClusterError> {
        let until = Instant::now() + grace;
        self.stop_first.cancel();
        let first = ended(&mut self.first, until).await;
        between();
        self.stop_last.cancel();
        // Half a second is for the others, however long the node took.
        let last = ended(&mut self.last, until + Duration::from_millis(500)).await;
        first.and(last)
    }
}

async fn ended(running: &mut Running, until: Instant) -> Result<(), ClusterError> {
    let mut told = Ok(());
    loop {
        match timeout_at(until, running.join_next()).await {
            Ok(None) => return told,
            Ok(Some(Ok((_, Ok(()))))) => {}
            Ok(Some(Ok((_, Err(error))))) => told = Err(error),
            Ok(Some(Err(error))) => told = Err(ClusterError::Stuck(format!("a part of the cluster ({error})"))),
            Err(_) => {
                running.abort_all();
                return Err(ClusterError::Stuck("a part of the cluster".into()));
            }
        }
    }
}

/// Logs of a node that is opened after the API, as it is the API's client.
pub(super) struct LateLogs(OnceLock<Arc<dyn Logs>>);

/// The logs as the API takes them, and to be set when the node is there.
pub(super) fn late_logs() -> (Arc<dyn Logs>, Arc<LateLogs>) {
    let late = Arc::new(LateLogs(OnceLock::new()));
    (late.clone(), late)
}

impl LateLogs {
    pub(super) fn set(&self, logs: impl Logs + 'static) {
        self.0.get_or_init(|| Arc::new(logs));
    }
}

#[async_trait::async_trait]
impl Logs for LateLogs {
    async fn log(&self, pod: &Value, query: &str) -> Result<Body, Refusal> {
        match self.0.get() {
            Some(logs) => logs.log(pod, query).await,
            None => Err(Refusal::new(RefusalReason::InternalError, "the node is not there yet")),
        }
    }
}
