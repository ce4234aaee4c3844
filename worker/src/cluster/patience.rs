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

/// Whether an object is larger than the API server, or what it keeps objects in, takes. Of the latter there is no code, only
/// words: etcd's own, or those of the connection to it.
pub(super) fn too_large(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let words = ["request is too large", "trying to send message larger than max"];
    status.code == 413 || status.code >= 500 && words.iter().any(|words| status.message.contains(words))
}

/// Whether the same question may be answered later.
fn passing(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(_) if too_large(error) => false,
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

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn an_object_that_is_too_large_is_not_offered_again() {
        let said = |code, message: &str| kube::Error::Api(Box::new(Status::failure(message, "Reason").with_code(code)));
        for (error, is_too_large, is_passing) in [
            (said(413, "limit is 3145728"), true, false),
            (said(500, "etcdserver: request is too large"), true, false),
            (
                said(
                    500,
                    "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2 vs. 1)",
                ),
                true,
                false,
            ),
            (said(500, "etcdserver: leader changed"), false, true),
            (said(422, "the name is too large"), false, false),
        ] {
            assert_eq!((too_large(&error), passing(&error)), (is_too_large, is_passing), "{error}");
        }
    }
}
