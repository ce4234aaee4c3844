//! Asking the API server again while it cannot be reached.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long the API server may be away.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The pauses between two questions.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);
/// How long it may take for one answer.
const ANSWER: Duration = Duration::from_secs(30);

/// The answer, if it comes in time.
///
/// # Errors
/// The answer's, or that there was none.
pub(super) async fn in_time<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let late = |_| kube::Error::Service(Box::new(std::io::Error::from(std::io::ErrorKind::TimedOut)));
    tokio::time::timeout(ANSWER, answer).await.map_err(late)?
}

/// Whether the same question may be answered later.
fn passing(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        kube::Error::Auth(_) | kube::Error::InferConfig(_) | kube::Error::SerdeError(_) => false,
        _ => true,
    }
}

/// Asks until there is an answer, or the API server has been away for ten minutes.
///
/// # Errors
/// The last one.
pub(super) async fn patiently<T, F>(what: &str, mut ask: impl FnMut() -> F) -> Result<T, kube::Error>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let started = Instant::now();
    let mut pause = FIRST;
    loop {
        let error = match in_time(ask()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !passing(&error) || started.elapsed() + pause > PATIENCE {
            return Err(error);
        }
        tracing::warn!(%error, ?pause, "the API server did not {what}; asked again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}
