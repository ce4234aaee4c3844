//! Sends one request until it is answered: paced, signed, retried.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aggregator_compiler::plural::counted;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, Method, StatusCode};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::answer::{Answer, Head, Intake, Reply, Whole};
use super::auth::Auth;
use super::body::{self, Body};
use super::failure::{BROKEN_OFF, Failure};
use super::redact::Redactor;
use super::retry;
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::pace::Pace;

/// A request, before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    /// Its method.
    pub method: Method,
    /// Its address.
    pub url: Url,
    /// Its headers, without credentials.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Option<String>,
}

/// Sends requests for one Connector.
pub(super) struct Sender {
    /// The client.
    pub client: Client,
    /// When requests may be sent.
    pub pace: Pace,
    /// How often a request is tried again.
    pub retries: u32,
    /// How long a request may take.
    pub timeout: Duration,
    /// Keeps secrets out of messages.
    pub redactor: Arc<Redactor>,
}

/// How one try ended.
enum Try<T> {
    Replied(Reply<T>),
    /// The answer says that another try may go better, perhaps after a given time.
    Later(Box<Answer>, Option<Duration>),
}

impl Sender {
    /// An error whose texts hold no secret.
    pub(super) fn error(&self, kind: ErrorKind, operation: &str, detail: &str) -> ConnectorError {
        ConnectorError::new(kind, self.redactor.clean(operation), self.redactor.clean(detail))
    }

    /// The error without secrets.
    pub(super) fn cleaned(&self, mut error: ConnectorError) -> ConnectorError {
        for text in [&mut error.operation, &mut error.detail].into_iter().chain(&mut error.remedy) {
            *text = self.redactor.clean(text);
        }
        error
    }

    /// Sends the request until it is answered with a status that another try would not change, and takes the answer in
    /// whole.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(super) async fn ask(&self, operation: &str, outgoing: &Outgoing, auth: Option<&Auth>) -> Result<Answer> {
        Ok(match self.send(operation, outgoing, auth, self.retries, &Whole).await? {
            Reply::Taken(answer) => answer,
            Reply::Refused(answer) => *answer,
        })
    }

    /// Sends the request until it is answered with a status that another try would not change, and the body of a success
    /// was taken in.
    ///
    /// A token that the server refuses (401) is fetched again, once.
    ///
    /// # Errors
    /// When no try got an answer, or every one an answer like 429 or 503: the last one's error, with the number of tries.
    pub(super) async fn send<I: Intake>(
        &self,
        operation: &str,
        outgoing: &Outgoing,
        auth: Option<&Auth>,
        retries: u32,
        intake: &I,
    ) -> Result<Reply<I::Taken>> {
        let mut tries = 0;
        let mut renewed = false;
        loop {
            self.pace.turn().await;
            let mut signed = outgoing.clone();
            let token = match auth {
                Some(auth) => auth.sign(self, &mut signed).await?,
                None => None,
            };
            let tried = self.attempt(&signed, intake).await;
            tries += 1;
            let last = tries > retries;
            let wait = match tried {
                Ok(Try::Replied(reply)) => {
                    if let (Reply::Refused(answer), false, Some(token), Some(auth)) = (&reply, renewed, token, auth)
                        && answer.head.status == StatusCode::UNAUTHORIZED
                    {
                        auth.forget(&token).await;
                        renewed = true;
                        tries -= 1;
                        continue;
                    }
                    return Ok(reply);
                }
                Ok(Try::Later(answer, asked)) if last => {
                    return Err(self.gave_up(operation, &answer, asked, tries));
                }
                Ok(Try::Later(answer, Some(asked))) if asked > retry::MAX_WAIT => {
                    return Err(self.gave_up(operation, &answer, Some(asked), tries));
                }
                Ok(Try::Later(answer, asked)) => {
                    if let Some(asked) = asked {
                        self.pace.hold(asked);
                    }
                    let status = answer.head.status.as_u16();
                    tracing::debug!(status, ?asked, tries, "{operation}: trying again");
                    asked.unwrap_or_else(|| retry::backoff(tries, retry::jitter()))
                }
                Err(failure) if last || !failure.again => return Err(self.failed(operation, failure, tries)),
                Err(failure) => {
                    tracing::debug!(detail = failure.detail, tries, "{operation}: trying again");
                    retry::backoff(tries, retry::jitter())
                }
            };
            sleep(wait).await;
        }
    }

    async fn attempt<I: Intake>(&self, outgoing: &Outgoing, intake: &I) -> Result<Try<I::Taken>, Failure> {
        let begin = Instant::now();
        self.redactor.learn_address(&outgoing.url);
        let mut request = self
            .client
            .request(outgoing.method.clone(), outgoing.url.clone())
            .headers(outgoing.headers.clone())
            .header(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if I::WHOLE {
            request = request.timeout(self.timeout);
        }
        if let Some(body) = &outgoing.body {
            request = request.body(body.clone());
        }
        let response = self.in_time(async { request.send().await.map_err(Failure::from_client) }).await?;
        self.redactor.learn_address(response.url());
        let head = Head {
            status: response.status(),
            headers: response.headers().clone(),
            url: response.url().clone(),
            elapsed: begin.elapsed(),
        };
        if head.status.is_success() {
            return intake.take(head, response, self.timeout).await.map(Reply::Taken).map(Try::Replied);
        }
        let again = retry::retryable(head.status);
        let body = match self.in_time(body::read(response)).await {
            Ok(body) => body,
            // What an answer like 503 says matters less than that it is one.
            Err(_) if again => Body::default(),
            Err(failure) => return Err(failure),
        };
        let asked = retry::retry_after(&head.headers, SystemTime::now());
        let answer = Box::new(Answer::new(head, body));
        Ok(if again { Try::Later(answer, asked) } else { Try::Replied(Reply::Refused(answer)) })
    }

    /// What is done within the time that a request may take, or a part of it.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        timeout(self.timeout, work).await.unwrap_or_else(|_| Err(Failure::late()))
    }

    /// The error of an answer that broke off behind records that had been handed on. They cannot be taken back, so that
    /// it cannot be asked for again either.
    pub(super) fn broken(&self, operation: &str, failure: Failure, records: u64) -> ConnectorError {
        let kind = if failure.again && !failure.kind.retryable() { ErrorKind::Transient } else { failure.kind };
        let detail =
            format!("{}; the {} before had been handed on already", failure.detail, counted(records, "record"));
        let remedy = failure.remedy.unwrap_or(BROKEN_OFF);
        let error = self.error(kind, operation, &detail).remedy(remedy);
        match failure.source {
            Some(source) => error.caused_by(source),
            None => error,
        }
    }

    /// The error of a failure, after so many tries.
    pub(super) fn failed(&self, operation: &str, failure: Failure, tries: u32) -> ConnectorError {
        let mut error = self.error(failure.kind, operation, &format!("{}{}", failure.detail, after(tries)));
        error.remedy = failure.remedy.map(str::to_owned);
        match failure.source {
            Some(source) => error.caused_by(source),
            None => error,
        }
    }

    fn gave_up(&self, operation: &str, answer: &Answer, asked: Option<Duration>, tries: u32) -> ConnectorError {
        let asked = match asked {
            Some(asked) => format!(", and asks to come back in {} s", asked.as_secs()),
            None => String::new(),
        };
        let detail =
            format!("the server answered {}{asked}{}{}", answer.head.status, after(tries), answer.said(&self.redactor));
        let remedy = if answer.head.status == StatusCode::TOO_MANY_REQUESTS {
            "set `rateLimit` to what the API allows, or raise `retries`"
        } else {
            "run again when the server is well, or raise `retries`"
        };
        self.error(ErrorKind::Transient, operation, &detail).remedy(remedy)
    }
}

fn after(tries: u32) -> String {
    if tries > 1 { format!(" (tried {tries} times)") } else { String::new() }
}
