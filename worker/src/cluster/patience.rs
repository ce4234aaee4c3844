//! Asking the API server again while it cannot be reached.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long to ask.
#[derive(Clone, Copy)]
struct Patience {
    /// How long the API server may be away.
    whole: Duration,
    /// The pauses between two questions.
    first: Duration,
    longest: Duration,
    /// How long it may take for one answer.
    answer: Duration,
}

const PATIENCE: Patience = Patience {
    whole: Duration::from_secs(10 * 60),
    first: Duration::from_millis(250),
    longest: Duration::from_secs(10),
    answer: Duration::from_secs(30),
};

/// The answer, if it comes in time.
///
/// # Errors
/// The answer's, or that there was none.
pub(super) async fn in_time<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    PATIENCE.in_time(answer).await
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
pub(super) async fn patiently<T, F>(what: &str, ask: impl FnMut() -> F) -> Result<T, kube::Error>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    PATIENCE.ask(what, ask).await
}

impl Patience {
    async fn in_time<T>(self, answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
        let late = |_| kube::Error::Service(Box::new(std::io::Error::from(std::io::ErrorKind::TimedOut)));
        tokio::time::timeout(self.answer, answer).await.map_err(late)?
    }

    async fn ask<T, F>(self, what: &str, mut ask: impl FnMut() -> F) -> Result<T, kube::Error>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        let started = Instant::now();
        let mut pause = self.first;
        loop {
            let error = match self.in_time(ask()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !passing(&error) || started.elapsed() + pause > self.whole {
                return Err(error);
            }
            tracing::warn!(%error, ?pause, "the API server did not {what}; asked again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.longest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

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

    /// A second for each quarter of an hour.
    const SHORT: Patience = Patience {
        whole: Duration::from_millis(667),
        first: Duration::from_micros(278),
        longest: Duration::from_millis(11),
        answer: Duration::from_millis(33),
    };

    /// What is heard of an API server that is away for so long, answering with an error or not at all, and how often it was
    /// asked.
    async fn away(long: Duration, silent: bool) -> (Result<(), kube::Error>, u32) {
        let (begun, asked) = (Instant::now(), Cell::new(0));
        let answer = SHORT.ask("answer", || async {
            asked.set(asked.get() + 1);
            if begun.elapsed() >= long {
                return Ok(());
            }
            if silent {
                std::future::pending::<()>().await;
            }
            Err(kube::Error::Service(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))))
        });
        (answer.await, asked.get())
    }

    #[tokio::test]
    async fn an_api_server_that_is_away_for_minutes_is_asked_again() {
        for silent in [false, true] {
            let (answer, asked) = away(SHORT.whole / 3, silent).await;
            assert!(answer.is_ok(), "{answer:?}");
            // The pauses grow: it is not asked all the time.
            assert!((2..=26).contains(&asked), "it was asked {asked} times");
            let (answer, asked) = away(SHORT.whole * 10, silent).await;
            assert!(answer.is_err() && asked <= 67, "{answer:?} after {asked} questions");
        }
    }
}
